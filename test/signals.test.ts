import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { beforeSignalsEnd, uninterrupted } from '../src/signals.js'

/** Sends a signal to this process, and waits until everybody has heard it. */
async function sent(signal: NodeJS.Signals): Promise<void> {
  const heard = once(process, signal)
  process.kill(process.pid, signal)
  await heard
}

describe('an uninterrupted section', () => {
  it('is not told to stop where somebody else listens: the signal does not end the process', async () => {
    const reload = (): void => undefined
    process.on('SIGHUP', reload)
    const isStopped = await uninterrupted(async (stop) => {
      await sent('SIGHUP')
      return stop.aborted
    })
    process.off('SIGHUP', reload)
    expect(isStopped).toBe(false)
  })

  it('is told, beside sections and clean-ups of our own', async () => {
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
