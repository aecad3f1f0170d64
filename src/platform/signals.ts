/** Holds the signals that would end or stop this process, for sections that must come to their end. Writes nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setImmediate as iteration } from 'node:timers/promises'

/**
 * Signals that are not held: nobody can catch the first two; a listener for a fault of the process itself may hang
 * it; Node ignores SIGPIPE and SIGXFSZ and keeps SIGUSR1, until a listener for them is taken away; the others
 * neither end nor stop a process by themselves.
 */
const NOT_HELD: ReadonlySet<string> = new Set([
  ...['SIGKILL', 'SIGSTOP'],
  ...['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL'],
  ...['SIGPIPE', 'SIGXFSZ', 'SIGUSR1'],
  ...['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH', 'SIGINFO'],
])
/** They stop a process, and SIGCONT takes that back. */
const STOPPING: ReadonlySet<string> = new Set(['SIGTSTP', 'SIGTTIN', 'SIGTTOU'])

/**
 * The signals that a section holds on a system: all that end or stop a process and that JavaScript can catch.
 *
 * @param numbers The signals that the system has.
 */
export function heldSignals(
  platform: NodeJS.Platform,
  arch: string,
  numbers: Readonly<Record<string, number>>,
): readonly NodeJS.Signals[] {
  // Windows raises these four, and knows the rest by name only.
  if (platform === 'win32') return ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK']
  const names = Object.keys(numbers).filter(
    (name, index, all) =>
      // SIGIOT is another name of SIGABRT, SIGPOLL of SIGIO.
      all.findIndex((other) => numbers[other] === numbers[name]) === index &&
      !NOT_HELD.has(name) &&
      // A trap of these processors comes again when its handler is done: that would hang a process that aborts.
      !(name === 'SIGTRAP' && /^(?:arm|riscv)/.test(arch)),
  )
  return names as NodeJS.Signals[]
}

const ALL = heldSignals(process.platform, process.arch, constants.signals)
const ENDING = ALL.filter((signal) => !STOPPING.has(signal))

/** Without SIGPROF while a profiler of V8 uses it: that ends no process then, and comes a thousand times a second. */
function held(): readonly NodeJS.Signals[] {
  return ALL.includes('SIGPROF') && isProfiled() ? ALL.filter((signal) => signal !== 'SIGPROF') : ALL
}

function isProfiled(): boolean {
  try {
    const [, caught = '0'] = /^SigCgt:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    const isCaught = (BigInt(`0x${caught}`) >> BigInt(constants.signals.SIGPROF - 1)) & 1n
    return isCaught === 1n && process.listenerCount('SIGPROF') === 0
  } catch {
    // Only Linux shows it.
    return process.execArgv.some((argument) => /^--(?:cpu-)?prof$/.test(argument))
  }
}

/** Listeners of this file, for each signal: where there are more, a signal is not the end of this process. */
const ours = new Map<NodeJS.Signals, number>()

function listen(signals: readonly NodeJS.Signals[], listener: (signal: NodeJS.Signals) => void): () => void {
  const count = (signal: NodeJS.Signals, more: number): void => {
    ours.set(signal, (ours.get(signal) ?? 0) + more)
  }
  for (const signal of signals) {
    process.on(signal, listener)
    count(signal, 1)
  }
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    for (const signal of signals) {
      process.off(signal, listener)
      count(signal, -1)
    }
  }
}

/**
 * Cleans up when a signal is about to end this process; which it does then, unless somebody else listens.
 *
 * @returns No longer.
 */
export function beforeSignalsEnd(cleanUp: () => void): () => void {
  const signals = held().filter((signal) => ENDING.includes(signal))
  const act = (signal: NodeJS.Signals): void => {
    release()
    cleanUp()
    if (process.listenerCount(signal) === 0) raise(signal)
  }
  const release = listen(signals, act)
  return release
}

/**
 * Runs a section that must come to its end: a signal that arrives meanwhile acts when it has.
 *
 * Between the request that spends a refresh token and the save of the new one, only SIGKILL, SIGSTOP and what
 * JavaScript cannot catch may end or stop the process.
 *
 * @param section Its `stop` is aborted, the signal's name being the reason, when a signal has come that will end the
 *   process: what has not begun yet had better not.
 */
export function uninterrupted<T>(section: (stop: AbortSignal) => Promise<T>): Promise<T> {
  return withHeld(held(), section)
}

async function withHeld<T>(
  signals: readonly NodeJS.Signals[],
  section: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  let ending: NodeJS.Signals | undefined
  let stopping: NodeJS.Signals | undefined
  const stop = new AbortController()
  const hold = (signal: NodeJS.Signals): void => {
    if (STOPPING.has(signal)) {
      stopping = signal
      return
    }
    ending ??= signal
    if (process.listenerCount(signal) <= (ours.get(signal) ?? 0)) stop.abort(signal)
  }
  const goOn = (): void => {
    stopping = undefined
  }
  const release = listen(signals, hold)
  process.on('SIGCONT', goOn)
  try {
    return await section(stop.signal)
  } finally {
    // A signal that came while this process stood still is behind what it waited for: at the second iteration it is heard.
    await iteration()
    await iteration()
    release()
    process.off('SIGCONT', goOn)
    // With nobody listening any more, this ends or stops the process as the signal would have. Who else listens, has
    // heard it.
    const due = ending ?? stopping
    if (due !== undefined && process.listenerCount(due) === 0) raise(due)
  }
}

/** Runs a section in which this process is not stopped: Ctrl-Z acts when it is over. */
export function unstopped<T>(section: () => Promise<T>): Promise<T> {
  const stopping = ALL.filter((signal) => STOPPING.has(signal))
  return stopping.length === 0 ? section() : withHeld(stopping, section)
}

/**
 * Ends or stops this process as the signal does by itself.
 *
 * @param platform On Windows a process cannot be ended by a signal, only with the status that shells give for it.
 */
export function raise(
  signal: NodeJS.Signals,
  platform: NodeJS.Platform = process.platform,
  end: (status: number) => void = (status) => process.exit(status),
): void {
  if (platform === 'win32') end(128 + constants.signals[signal])
  else process.kill(process.pid, signal)
}

/**
 * Ends this program by the signal that has ended the child: a shell looks at how, when it decides whether to
 * go on with a script.
 *
 * @returns The status that means the same, where the signal does not end this program: the first process of
 *   a container, and all of Windows, where a signal would end it with the status of a bug.
 */
export function dieBy(signal: NodeJS.Signals, platform = process.platform): number {
  if (platform === 'win32') return 128 + constants.signals[signal]
  try {
    // A core of ours would hold the tokens.
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // Only Linux has it.
  }
  if (signal !== 'SIGKILL') {
    // Once listened to, a signal that Node ignores (SIGPIPE) or keeps for itself (SIGUSR1) does what it does elsewhere.
    process.on(signal, () => undefined)
    process.removeAllListeners(signal)
  }
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}
