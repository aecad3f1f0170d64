/** Holds the signals that would end or stop this process, for sections that must come to their end. Writes nothing. */
import { readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setImmediate as iteration } from 'node:timers/promises'

/**
 * Signals that are not held. Nobody can catch the first two. A listener for a fault of the process itself may hang
 * it. Node ignores SIGPIPE and SIGXFSZ and keeps SIGUSR1, until a listener for them is taken away. The others
 * neither end nor stop a process by themselves.
 */
const NOT_HELD: ReadonlySet<string> = new Set([
  ...['SIGKILL', 'SIGSTOP'],
  ...['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL'],
  ...['SIGPIPE', 'SIGXFSZ', 'SIGUSR1'],
  ...['SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH', 'SIGINFO'],
])
/** Signals that stop a process until SIGCONT. */
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
  // Windows raises these four, and knows the others by name only.
  if (platform === 'win32') return ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK']
  const names = Object.keys(numbers).filter(
    (name, index, all) =>
      // SIGIOT is another name of SIGABRT, SIGPOLL of SIGIO.
      all.findIndex((other) => numbers[other] === numbers[name]) === index &&
      !NOT_HELD.has(name) &&
      // On these processors a trap comes again when its handler is done, which would hang a process that aborts.
      !(name === 'SIGTRAP' && /^(?:arm|riscv)/.test(arch)),
  )
  return names as NodeJS.Signals[]
}

let known: readonly NodeJS.Signals[] | undefined

/** The signals that this system holds. They are asked for late, because loading `node:os` takes longer than reading a token. */
function all(): readonly NodeJS.Signals[] {
  return (known ??= heldSignals(process.platform, process.arch, constants.signals))
}

/**
 * Leaves SIGPROF out while a profiler of V8 uses it, because it then ends no process and comes a thousand times a
 * second.
 */
function held(): readonly NodeJS.Signals[] {
  const isLeftOut = all().includes('SIGPROF') && isProfiled()
  return isLeftOut ? all().filter((signal) => signal !== 'SIGPROF') : all()
}

function isProfiled(): boolean {
  try {
    const [, caught = '0'] = /^SigCgt:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    const isCaught = (BigInt(`0x${caught}`) >> BigInt(constants.signals.SIGPROF - 1)) & 1n
    return isCaught === 1n && process.listenerCount('SIGPROF') === 0
  } catch {
    // Only Linux shows the caught signals.
    return process.execArgv.some((argument) => /^--(?:cpu-)?prof$/.test(argument))
  }
}

type Hearer = (signal: NodeJS.Signals) => void

/**
 * The hearers of each signal. The process has one listener for all of them, because Node warns of a leak where it has more
 * than ten, and a library may have many guards.
 */
const hearers = new Map<NodeJS.Signals, Set<Hearer>>()

function tell(signal: NodeJS.Signals): void {
  for (const hear of [...(hearers.get(signal) ?? [])]) hear(signal)
}

/** Whether somebody else listens to a signal: then it does not end or stop this process. */
function othersListen(signal: NodeJS.Signals): boolean {
  return process.listenerCount(signal) > (hearers.has(signal) ? 1 : 0)
}

/** @returns Ends the listening. */
function listen(signals: readonly NodeJS.Signals[], hear: Hearer): () => void {
  for (const signal of signals) {
    const heard = hearers.get(signal)
    if (heard !== undefined) {
      heard.add(hear)
      continue
    }
    hearers.set(signal, new Set([hear]))
    process.on(signal, tell)
  }
  return () => {
    for (const signal of signals) {
      const heard = hearers.get(signal)
      if (heard?.delete(hear) !== true || heard.size > 0) continue
      hearers.delete(signal)
      process.off(signal, tell)
    }
  }
}

/**
 * Cleans up when a signal is about to end this process. Then the signal ends it, unless somebody else listens.
 *
 * @returns Ends the listening.
 */
export function beforeSignalsEnd(cleanUp: () => void): () => void {
  const signals = held().filter((signal) => !STOPPING.has(signal))
  const act = (signal: NodeJS.Signals): void => {
    release()
    cleanUp()
    if (process.listenerCount(signal) === 0) raise(signal)
  }
  const release = listen(signals, act)
  return release
}

/**
 * Runs a section that must come to its end. A signal that arrives meanwhile acts after it.
 *
 * Between the request that spends a refresh token and the save of the new one, only SIGKILL, SIGSTOP and what
 * JavaScript cannot catch may end or stop the process.
 *
 * @param section Its `stop` is aborted, with the signal's name as the reason, when a signal has come that will end
 *   the process: the section should begin nothing new then.
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
    if (!othersListen(signal)) stop.abort(signal)
  }
  const goOn = (): void => {
    stopping = undefined
  }
  const release = listen(signals, hold)
  const releaseCont = listen(['SIGCONT'], goOn)
  try {
    return await section(stop.signal)
  } finally {
    // A signal queued during a blocking call is delivered on the second iteration of the event loop.
    await iteration()
    await iteration()
    release()
    releaseCont()
    // Nobody listens any more, so `raise` ends or stops the process as the signal would have. If others listen,
    // they have heard it.
    const due = ending ?? stopping
    if (due !== undefined && process.listenerCount(due) === 0) raise(due)
  }
}

/** Runs a section in which this process is not stopped: Ctrl-Z acts after it. */
export function unstopped<T>(section: () => Promise<T>): Promise<T> {
  const stopping = all().filter((signal) => STOPPING.has(signal))
  return stopping.length === 0 ? section() : withHeld(stopping, section)
}

/**
 * Ends or stops this process as the signal does by itself.
 *
 * @param platform On Windows a signal cannot end a process; the status that shells give for it does.
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
 * Ends this program by the signal that has ended the child, because a shell looks at that when it decides whether
 * to go on with a script.
 *
 * @returns The status that means the same, if the signal does not end this program: in the first process of a
 *   container, and on Windows, where a signal would end it with the status of a bug.
 */
export function dieBy(signal: NodeJS.Signals, platform = process.platform): number {
  if (platform === 'win32') return 128 + constants.signals[signal]
  try {
    // A core file of this process would hold the tokens.
    writeFileSync('/proc/self/coredump_filter', '0')
  } catch {
    // Only Linux has this file.
  }
  if (signal !== 'SIGKILL') {
    // After a listener comes and goes, a signal that Node ignores (SIGPIPE) or keeps for itself (SIGUSR1) has its
    // usual effect.
    process.on(signal, () => undefined)
    process.removeAllListeners(signal)
  }
  process.kill(process.pid, signal)
  return 128 + constants.signals[signal]
}
