// The two readers of a command line, beside each other: `plain.ts`, which is quick, and commander, which knows it all.
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { plainCommand } from '../../src/cli/plain.js'
import { run } from '../../src/cli/program.js'
import { worldFor } from '../support/world.js'

const ran = vi.hoisted(() => [] as unknown[])
vi.mock('../../src/cli/session.js', () => ({
  inSession: (_: unknown, options: object, work: (session: object) => unknown) => work({ options }),
}))
vi.mock('../../src/cli/commands/get/get.js', () => ({
  get: ({ options }: { options: object }, flags: object) =>
    ran.push({ name: 'get', options: { ...options }, flags: { ...flags } }),
}))
vi.mock('../../src/cli/commands/refresh/refresh.js', () => ({
  refresh: ({ options }: { options: object }, flags: object) =>
    ran.push({ name: 'refresh', options: { ...options }, flags: { ...flags } }),
}))
vi.mock('../../src/cli/commands/check/check.js', () => ({
  check: (_: unknown, options: object, flags: object) => {
    ran.push({ name: 'check', options: { ...options }, flags: { ...flags } })
    return 0
  },
  reportUnknown: () => 3,
}))
vi.mock('../../src/cli/commands/exec/exec.js', () => ({
  exec: (_: unknown, options: object, command: string[], flags: object) => {
    ran.push({ name: 'exec', options: { ...options }, flags: { ...flags }, command: [...command] })
    return 0
  },
}))

/** Lets commander read a command line. @returns The command that it runs; `undefined` if it is none of the four. */
async function byCommander(argv: readonly string[]): Promise<unknown> {
  ran.length = 0
  await run(argv, worldFor({}).world)
  return ran[0]
}

const word = fc.constantFrom(
  ...['get', 'refresh', 'exec', 'status', 'ls', '-l', '--', '-', '', '5m', '90', 'nonsense', 'json', 'text'],
  ...[
    '--config',
    '--profile',
    '-v',
    '--verbose',
    '--log-format',
    '--log-format=json',
    '--config=a.ini',
    'a.ini',
  ],
  ...['-t', '--min-valid', '--min-valid=5m', '--time', '--format', '--outfile', '--rejected', '--token-file'],
  ...[
    'check',
    '-w',
    '--warning=14d:',
    '-c',
    '5:1',
    '14d:',
    '--max-age',
    '--timeout',
    '0',
    '--prometheus',
    '--all',
  ],
  ...['--if-older', '--if-older=7d', '--rebind', '-vt', '-t5m', '-h', '--help', '--version', '--no-verbose'],
)
const typed = fc
  .tuple(
    fc.array(word, { maxLength: 2 }),
    fc.constantFrom('get', 'refresh', 'check', 'exec'),
    fc.array(word, { maxLength: 5 }),
  )
  .map(([before, command, after]) => [...before, command, ...after])

describe('a command line that is read without commander', { timeout: 120_000 }, () => {
  it('a command line that is read without commander means what it means to commander', async () => {
    const seen = { get: 0, refresh: 0, check: 0, exec: 0 }
    await fc.assert(
      fc.asyncProperty(typed, async (argv) => {
        const plain = plainCommand(argv)
        if (plain === undefined) return
        seen[plain.name]++
        expect(plain).toEqual(await byCommander(argv))
      }),
      { numRuns: 20_000 },
    )
    // None of the four is for show.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(200)
  })

  it.each([
    [['refresh'], 'refresh'],
    [['refresh', '--if-older', '7d', '-v'], 'refresh'],
    [['--profile', 'acme', 'refresh', '--rebind'], 'refresh'],
    [['exec', '--', 'ls', '-l'], 'exec'],
    [['exec', '--', 'kubectl', 'get', 'pods'], 'exec'],
    [['exec', 'curl', '--config', 'a.curl'], 'exec'],
    [['exec', '--token-file', '-t', '5m', '--', './daemon', '--', '-v'], 'exec'],
  ])('a command line that is read without commander is %j', (argv, name) => {
    expect(plainCommand(argv)?.name).toBe(name)
  })

  it.each([
    [['refresh', '--rebind', '--if-older', '7d']],
    [['refresh', 'get']],
    [['exec']],
    [['exec', '--']],
    [['exec', '--help']],
    [['exec', '-t', 'soon', '--', 'ls']],
    [['status']],
    [['api', 'get']],
    [[]],
  ])('a command line that is left to commander is %j', (argv) => {
    expect(plainCommand(argv)).toBeUndefined()
  })
})
