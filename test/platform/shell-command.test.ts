// A command that cannot be started: an answer, and nothing left behind.
import { describe, expect, it } from 'vitest'
import { runShellCommand } from '../../src/platform/shell-command.js'

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
