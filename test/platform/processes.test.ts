import { describe, expect, it } from 'vitest'
import { fateOf, processMark, startOf } from '../../src/platform/processes.js'

describe('the mark of a process', () => {
  it('tells boot, namespace and beginning where /proc does; nothing is read on Windows, where anybody may make such a folder', () => {
    expect(processMark('win32')).toBe(`0-00000000-${process.pid}-0`)
    expect(startOf(process.pid, 'win32')).toBeUndefined()
    expect(processMark('linux')).not.toBe(processMark('win32'))
  })

  it('is alive on Windows as long as its number is given', () => {
    expect(fateOf(processMark('win32'), 'win32')).toBe('alive')
    expect(fateOf('0-00000000-4194303-0', 'win32')).toBe('dead')
  })
})
