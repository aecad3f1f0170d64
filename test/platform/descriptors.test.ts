import { closeSync, openSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inheritedDescriptors } from '../../src/platform/descriptors.js'
import { folder } from '../support/folder.js'

describe('the descriptors that a process was started with', () => {
  it.skipIf(process.platform !== 'linux')(
    'the descriptors that a process was started with are files and devices on macOS, and nothing of Node',
    () => {
      const path = join(folder(), 'file')
      writeFileSync(path, '')
      const open = [openSync(path, 'r'), openSync('/dev/null', 'r'), openSync(folder(), 'r')]
      try {
        const found = inheritedDescriptors(['exec'], 'darwin')
        expect(found).toEqual(expect.arrayContaining(open))
        const kinds = found.map((fd) => readlinkSync(`/proc/self/fd/${fd}`))
        expect(kinds.filter((of) => /^(?:pipe|socket|anon_inode):/.test(of))).toEqual([])
        expect(Math.min(...found)).toBeGreaterThan(2)
      } finally {
        for (const fd of open) closeSync(fd)
      }
    },
  )

  it('the descriptors that a process was started with are not listed on Windows, nor for another command', () => {
    expect(inheritedDescriptors(['exec'], 'win32')).toEqual([])
    expect(inheritedDescriptors(['get'], 'darwin')).toEqual([])
  })
})
