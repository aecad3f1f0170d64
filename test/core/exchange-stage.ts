// What the tests of the refresh exchange share: a stage for each test, where time passes only when a test lets it.
import { afterEach, beforeEach, vi } from 'vitest'
import { RefreshExchange, type ExchangeParts } from '../../src/core/refresh-exchange.js'
import { Secret } from '../../src/core/secret.js'
import type { Intent, TokenSet } from '../../src/core/token-set.js'
import { HOST, ISSUED } from '../support/token-sets.js'
import { Stage } from './stage.js'

// The exchange counts its time by `performance.now()`; here time passes only where a test lets it.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

export const TIMEOUT = 30_000

class ExchangeStage extends Stage {
  /** Another process runs one exchange, as the guard does: under the lock, with the set as stored. */
  run(parts: Partial<ExchangeParts> = {}): Promise<TokenSet> {
    const { server, clock, notify } = this
    return this.store.exclusive(
      async (held) => {
        const found = await held.read()
        if (found === undefined) throw new Error('the store is empty')
        const exchange = new RefreshExchange(held, found, {
          ...{
            server,
            clock,
            notify,
            storeName: 'memory',
            timeoutMs: TIMEOUT,
            defaultLifetime: 18_000,
            host: HOST,
          },
          uninterrupted: async (section) => {
            this.log.push('signals held')
            try {
              return await section()
            } finally {
              this.log.push('signals let through')
            }
          },
          sleep: (ms) => {
            this.elapse(ms)
            return this.sleep(ms)
          },
          ...parts,
        })
        const carriedOn = await exchange.takeUp()
        return carriedOn.generation > found.generation ? carriedOn : exchange.run()
      },
      { waitMs: 0 },
    )
  }

  elapse(ms: number): void {
    vi.advanceTimersByTime(ms)
    this.pass(Math.round(ms / 1000))
  }

  get saves(): string[] {
    return this.log.filter((name) => name.startsWith('save'))
  }
}

export let stage: ExchangeStage

beforeEach(() => {
  stage = new ExchangeStage()
})

export const failure = async (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => undefined,
    (error: unknown) => error,
  )
export const refreshTokens = (set: TokenSet): (string | undefined)[] => [
  set.pair.refreshToken.reveal(),
  set.previous?.refreshToken.reveal(),
]
export const intent = (salvaged: string | null = null): Intent => ({
  ...{ attempt: 2, at: ISSUED, boot: 'boot-1' },
  salvaged: salvaged === null ? null : new Secret(salvaged),
  client: null,
})
