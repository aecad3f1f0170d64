// Notes that the API takes a token, after it had refused the one before. Spends nothing, and waits for nobody.
import type { Clock } from './clock.js'
import { TokenError } from './errors.js'
import type { Secret } from './secret.js'
import type { HeldStore, TokenStore } from './store-ports.js'
import type { TokenSet } from './token-set.js'
import { entry } from './transitions.js'

/** See `TokenGuard.accepted`. Never fails because of the store: at worst an hour goes by. */
export async function noteAccepted(token: Secret, store: TokenStore, clock: Clock): Promise<void> {
  const isNews = (set: TokenSet | undefined): set is TokenSet =>
    set !== undefined && set.rejectedAt !== null && set.pair.accessToken.equals(token)
  // Skips recovery, because this section neither spends nor replaces a token and must not wait.
  const settle = async (held: HeldStore): Promise<void> => {
    const set = await held.read()
    if (!isNews(set)) return
    const next = { ...set, rejectedAt: null }
    await held.note(next, set.generation, entry(next, 'refresh', 'done', clock()))
  }
  try {
    if (isNews(await store.read())) await store.exclusive(settle, { waitMs: 0 })
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
  }
}
