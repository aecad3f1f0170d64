// A command that cannot be started: an answer, and nothing left behind.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { runShellCommand } from '../../src/platform/shell-command.js'
import { folder } from '../support/folder.js'

describe('a command that cannot be started', () => {
  it.each<[string, Partial<Parameters<typeof runShellCommand>[0]>]>([
    // Linux takes no string of 128 KiB.
    ['in an environment that is too large', { env: { FILL: 'x'.repeat(200_000) } }],
    ['with a null character', { command: 'true\0' }],
    ['in a folder that is gone', { cwd: '/nonexistent' }],
  ])(
    'a command that cannot be started %s is answered, and nobody listens to signals for it',
    async (_, how) => {
      const before = process.listenerCount('SIGTERM')
      const end = runShellCommand({
        ...{ command: 'true', cwd: '/', env: {}, timeoutMs: 1000, mostOutput: 10, input: 'x' },
        ...how,
      })
      await expect(end).resolves.toEqual({ kind: 'not-started' })
      expect(process.listenerCount('SIGTERM')).toBe(before)
    },
  )
})

describe('a command on Windows', () => {
  it('a command on Windows is run by Windows’ own cmd.exe, which looks for no program where it runs, and its errors are copied', async () => {
    const path = folder()
    writeFileSync(join(path, 'C:\\Win\\System32\\cmd.exe'), '#!/bin/sh\nexec /bin/sh "$@"\n', { mode: 0o755 })
    const written: string[] = []
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      written.push(String(chunk))
      return true
    })
    try {
      const end = await runShellCommand({
        command: 'echo $NoDefaultCurrentDirectoryInExePath; echo why >&2',
        env: { SYSTEMROOT: 'C:\\Win', ComSpec: '/nonexistent', PATH: path },
        ...{ cwd: '/', timeoutMs: 5000, mostOutput: 10, platform: 'win32' },
      })
      expect(end).toMatchObject({ kind: 'ended', output: Buffer.from('1\n'), code: 0 })
      expect(written).toEqual(['why\n'])
    } finally {
      stderr.mockRestore()
    }
  })
})
