import { setImmediate as turn } from 'node:timers/promises'

const HELD: readonly NodeJS.Signals[] =
  process.platform === 'win32'
    ? ['SIGINT', 'SIGTERM', 'SIGHUP']
    : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGXCPU', 'SIGALRM', 'SIGVTALRM', 'SIGUSR2']

/**
 * Cleans up when a signal is about to end this process; which it does then, unless somebody else listens.
 *
 * @returns No longer.
 */
export function beforeSignalsEnd(cleanUp: () => void): () => void {
  const act = (signal: NodeJS.Signals): void => {
    release()
    cleanUp()
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
  }
  const release = (): void => {
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
 */
export async function uninterrupted<T>(section: () => Promise<T>): Promise<T> {
  let caught: NodeJS.Signals | undefined
  const hold = (signal: NodeJS.Signals): void => {
    caught ??= signal
  }
  for (const signal of HELD) process.on(signal, hold)
  try {
    return await section()
  } finally {
    // A signal that came while this process stood still is behind what it waited for: at the second turn it is heard.
    await turn()
    await turn()
    for (const signal of HELD) process.off(signal, hold)
    // With nobody listening any more, this ends the process as the signal would have. Who else listens, has heard it.
    if (caught !== undefined && process.listenerCount(caught) === 0) process.kill(process.pid, caught)
  }
}
