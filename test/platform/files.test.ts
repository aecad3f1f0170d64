import { closeSync, fstatSync, lstatSync, openSync, renameSync, writeFileSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { isOfOpen } from '../../src/platform/files.js'
import { folder } from '../support/folder.js'

it('a name is that of an open file until another file has it', () => {
  const path = join(folder(), 'a')
  writeFileSync(path, 'one')
  const fd = openSync(path, 'r')
  try {
    expect(isOfOpen(lstatSync(path), fstatSync(fd))).toBe(true)
    renameSync(path, `${path}.old`)
    expect(isOfOpen(undefined, fstatSync(fd))).toBe(false)
    writeFileSync(path, 'two')
    expect(isOfOpen(lstatSync(path), fstatSync(fd))).toBe(false)
  } finally {
    closeSync(fd)
  }
})

it('the number of a volume, which Node tells in two ways on Windows, makes no other file there', () => {
  const told = (stats: Partial<Stats>): Stats => stats as Stats
  const open = told({ dev: 0x1234, ino: 7, birthtimeMs: 5 })
  const named = { dev: 0x5678_0000_1234, ino: 7, birthtimeMs: 5 }
  expect(isOfOpen(told(named), open, 'win32')).toBe(true)
  expect(isOfOpen(told(named), open, 'linux')).toBe(false)
  expect(isOfOpen(told({ ...named, birthtimeMs: 6 }), open, 'win32')).toBe(false)
  expect(isOfOpen(told({ ...named, ino: 8 }), open, 'win32')).toBe(false)
})
