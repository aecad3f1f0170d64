import { setImmediate as turn } from 'node:timers/promises'

const HELD: readonly NodeJS.Signals[] =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGTERM', 'SIGHUP']
    : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGXCPU', 'SIGALRM', 'SIGVTALRM', 'SIGUSR2']

/** Listeners of this file, for each of the signals: where there are more, a signal is not the end of this process. */
let ours = 0

/**
 * Cleans up when a signal is about to end this process; which it does then, unless somebody else listens.
 *
 * @returns No longer.
 */
export function beforeSignalsEnd(cleanUp: () => void): () => void {
  ours += 1
  let isOver = false
  const act = (signal: NodeJS.Signals): void => {
    release()
    cleanUp()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const release = (): void => {
    if (!isOver) ours -= 1
    isOver = true
    for (const signal of HELD) process.off(signal, act)
  }
  for (const signal of HELD) process.on(signal, act)
  return release
}

/**
 * Runs a section that must come to its end: a signal that arrives meanwhile acts when it has.
 *
 * Between the request that spends a refresh token and the save of the new one, only SIGKILL may end
 * the process.
 *
 * @param section Its `stop` is aborted, the signal's name being the reason, when a signal has come that will end the
 *   process: what has not begun yet had better not.
 */
export async function uninterrupted<T>(section: (stop: AbortSignal) => Promise<T>): Promise<T> {
  let caught: NodeJS.Signals | undefined
  const stop = new AbortController()
  ours += 1
  const hold = (signal: NodeJS.Signals): void => {
    caught ??= signal
    if (process.listenerCount(signal) <= ours) stop.abort(signal)
  }
  for (const signal of HELD) process.on(signal, hold)
  try {
    return await section(stop.signal)
  } finally {
    // A signal that came while this process stood still is behind what it waited for: at the second turn it is heard.
    await turn()
    await turn()
    ours -= 1
    for (const signal of HELD) process.off(signal, hold)
    // With nobody listening any more, this ends the process as the signal would have. Who else listens, has heard it.
    if (caught !== undefined && process.listenerCount(caught) === 0) process.kill(process.pid, caught)
  }
}
