import { once } from 'node:events'
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import {
  beforeSignalsEnd,
  heldSignals,
  raise,
  uninterrupted,
  unstopped,
  dieBy,
} from '../../src/platform/signals.js'

const LINUX = { ...constants.signals }
const MAC = {
  ...{
    SIGHUP: 1,
    SIGINT: 2,
    SIGQUIT: 3,
    SIGILL: 4,
    SIGTRAP: 5,
    SIGABRT: 6,
    SIGIOT: 6,
    SIGBUS: 10,
    SIGFPE: 8,
  },
  ...{
    SIGKILL: 9,
    SIGSEGV: 11,
    SIGPIPE: 13,
    SIGTERM: 15,
    SIGSTOP: 17,
    SIGTSTP: 18,
    SIGCONT: 19,
    SIGINFO: 29,
  },
}

describe('the signals that a section holds', () => {
  it.runIf(process.platform === 'linux')(
    'the signals that a section holds are all of Linux that end or stop a process and can be caught',
    () => {
      const held = heldSignals('linux', 'x64', LINUX)
      expect([...held].sort()).toEqual([
        ...['SIGABRT', 'SIGALRM', 'SIGHUP', 'SIGINT', 'SIGIO', 'SIGPROF', 'SIGPWR', 'SIGQUIT', 'SIGSTKFLT'],
        ...[
          'SIGSYS',
          'SIGTERM',
          'SIGTRAP',
          'SIGTSTP',
          'SIGTTIN',
          'SIGTTOU',
          'SIGUSR2',
          'SIGVTALRM',
          'SIGXCPU',
        ],
      ])
    },
  )

  it('the signals that a section holds are those of macOS', () => {
    expect(heldSignals('darwin', 'x64', MAC)).toEqual([
      ...['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTRAP', 'SIGABRT', 'SIGTERM', 'SIGTSTP'],
    ])
  })

  it('the signals that a section holds are the four of Windows', () => {
    expect(heldSignals('win32', 'x64', { SIGINT: 2, SIGILL: 4, SIGTERM: 15, SIGBREAK: 21 })).toEqual([
      ...['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'],
    ])
  })

  it.each(['arm64', 'arm', 'riscv64'])('do not have the trap of %s, which comes again for ever', (arch) => {
    expect(heldSignals('darwin', arch, MAC)).not.toContain('SIGTRAP')
  })
})

describe('on Windows, where a signal would end a process with the status of a bug', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s ends it with %i', (signal, status) => {
    const ended: number[] = []
    raise(signal, 'win32', (code) => ended.push(code))
    expect(ended).toEqual([status])
    expect(dieBy(signal, 'win32')).toBe(status)
  })
})

describe('a section', () => {
  const meanwhile = async (signal: NodeJS.Signals, isOthers: boolean): Promise<boolean> => {
    const other = (): void => undefined
    // Something has to listen in any case, or the signal ends the test.
    const late = (): void => undefined
    if (isOthers) process.on(signal, other)
    try {
      return await unstopped(() =>
        uninterrupted(async (stop) => {
          process.kill(process.pid, signal)
          await new Promise((resolve) => setTimeout(resolve, 50))
          process.on(signal, late)
          return stop.aborted
        }),
      )
    } finally {
      await new Promise((resolve) => setTimeout(resolve, 10))
      process.off(signal, late)
      process.off(signal, other)
    }
  }

  it.runIf(process.platform !== 'win32').each(['SIGTERM', 'SIGALRM'] as const)(
    'a section is told of a %s that is about to end the process, and not of one that somebody else listens to',
    async (signal) => {
      expect(await meanwhile(signal, false)).toBe(true)
      expect(await meanwhile(signal, true)).toBe(false)
    },
  )

  it.runIf(process.platform !== 'win32')('a section leaves no listener behind', async () => {
    const before = heldSignals(process.platform, process.arch, constants.signals).map((signal) =>
      process.listenerCount(signal),
    )
    await unstopped(() => uninterrupted(() => Promise.resolve()))
    const after = heldSignals(process.platform, process.arch, constants.signals).map((signal) =>
      process.listenerCount(signal),
    )
    expect(after).toEqual(before)
  })
})

it('many sections at once are no reason for Node to warn of a leak', async () => {
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10))
  await Promise.all(Array.from({ length: 20 }, () => unstopped(() => uninterrupted(turn))))
  await turn()
  process.off('warning', note)
  expect(warnings).toEqual([])
})

/** Sends a signal to this process, and waits until everybody has heard it. */
async function sent(signal: NodeJS.Signals): Promise<void> {
  const heard = once(process, signal)
  process.kill(process.pid, signal)
  await heard
}

describe('an uninterrupted section', () => {
  it('an uninterrupted section is not told to stop where somebody else listens: the signal does not end the process', async () => {
    const reload = (): void => undefined
    process.on('SIGHUP', reload)
    const isStopped = await uninterrupted(async (stop) => {
      await sent('SIGHUP')
      return stop.aborted
    })
    process.off('SIGHUP', reload)
    expect(isStopped).toBe(false)
  })

  it('an uninterrupted section is told, beside sections and clean-ups of our own', async () => {
    const others = process.listenerCount('SIGUSR2')
    const release = beforeSignalsEnd(() => undefined)
    let reasons: unknown[] = []
    await uninterrupted((one) =>
      uninterrupted((other) => {
        process.emit('SIGUSR2', 'SIGUSR2')
        reasons = [one.reason, other.reason]
        // What would end this process is taken back: somebody listens after all.
        process.on('SIGUSR2', keep)
        return Promise.resolve()
      }),
    )
    release()
    process.off('SIGUSR2', keep)
    expect(others).toBe(0)
    expect(reasons).toEqual(['SIGUSR2', 'SIGUSR2'])
    expect(process.listenerCount('SIGUSR2')).toBe(0)
  })
})

const keep = (): void => undefined
