// The options, demands and results of a guard and a login. Does no I/O.
import type { Client } from './client.js'
import type { Clock } from './clock.js'
import type { Host } from './host.js'
import type { ExpiryPolicy } from './policy.js'
import type { AuthorizationServer, Notice, SeedMarks, SeedSource } from './ports.js'
import type { Seen, TokenStore } from './store-ports.js'
import type { ExchangeParts } from './refresh-exchange.js'
import type { Secret } from './secret.js'
import type { TokenSet } from './token-set.js'

/** The parts of a guard; `openGuard` makes them from a configuration. */
export interface TokenGuardOptions {
  /** The store of the token set: a `SqliteStore`. */
  readonly store: TokenStore
  /** The server that issues tokens: a `TokenEndpoint`. */
  readonly server: AuthorizationServer
  /** Tells the time: `machineClock`. */
  readonly clock: Clock
  /** The policy by which tokens are renewed: from `expiryPolicy()`. */
  readonly policy: ExpiryPolicy
  /** This machine, so that a copied store can say where it was before. Default: unknown. */
  readonly host?: Host
  /** Seconds; used for answers without `expires_in`. Default 18000 (5 hours, as HighQ). */
  readonly defaultLifetime?: number
  /** Seconds for one request to the server, from connecting to the last byte; a repetition has 5 more. Default 30. */
  readonly timeout?: number
  /** Seconds to wait for another process's refresh. Default 90. */
  readonly lockWait?: number
  /** The API that the tokens are for; requests to other places go without a token. Default: unknown. */
  readonly apiUrl?: URL | null
  /** Asked for a first token set if the store has none, or the server has refused it. */
  readonly seed?: SeedSource
  /** The marks beside spent seed files. Default: no marks are made or read. */
  readonly seedMarks?: SeedMarks
  /** Receives warnings. Default: nobody does. */
  readonly notify?: (notice: Notice) => void
  /**
   * Runs a section that no signal may cut short; its `stop` is aborted when one has come. Default: runs it
   * directly.
   */
  readonly uninterrupted?: <T>(section: (stop?: AbortSignal) => Promise<T>) => Promise<T>
  /** Waits between repetitions, in milliseconds. Default: `setTimeout`. */
  readonly sleep?: (ms: number) => Promise<void>
  /** @hidden The set's counters as this process saw them before it waited for the lock. */
  readonly seen?: Seen
}

/** @category Start here */
export interface RefreshOptions {
  /** Seconds: refresh only if the last refresh (or the seed) is older. Default: always refresh. */
  readonly ifOlder?: number
  /** A person says that the grant's server has a new address: ask it there. Default: false. */
  readonly rebind?: boolean
}

/** @category Start here */
export interface Refreshed {
  /** The set in the store. */
  readonly set: TokenSet
  /** Whether the set was renewed, by this call or another. */
  readonly renewed: boolean
  /** The addresses before and after, if the grant's server has a new one. */
  readonly rebound: { readonly from: Client; readonly to: Client } | null
}

/** @category Start here */
export interface AdoptOptions {
  /** Replace the stored set in any case; its pair is kept as `previous`. Default: false. */
  readonly force?: boolean
}

/**
 * An access token that works, and when it ends.
 *
 * @category Start here
 */
export interface AccessToken {
  /** The token; `reveal()` gives it as a string. */
  readonly secret: Secret
  readonly tokenType: 'Bearer'
  /** Epoch seconds. */
  readonly expiresAt: number
}

export type Urgency = 'may' | 'must'

/** A person's decisions about a renewal. */
export interface Order {
  /** A person asks, so the pause after a refusal does not count. The server's `Retry-After` does. */
  readonly insist?: boolean
  /** A person says that the server has a new address. */
  readonly rebind?: boolean
}

export interface Renewal extends Order {
  readonly urgency: Urgency
  readonly waitMs: number
}

/** The hosts that saved the last pairs, newest first, each once. Never rejects. */
async function saversOf(store: TokenStore): Promise<readonly string[]> {
  const entries = await store.history().catch(() => [])
  const hosts = entries.flatMap(({ outcome, host }) =>
    outcome === 'done' && host !== undefined ? [host] : [],
  )
  return [...new Set(hosts)].slice(0, 3)
}

/** The event that brought a refresh token. Never rejects. */
async function broughtBy(store: TokenStore, fingerprint: string): Promise<number | undefined> {
  const entries = await store.history().catch(() => [])
  return entries.find(({ outcome, refresh }) => outcome === 'done' && refresh === fingerprint)?.sequence
}

/** The parts of an exchange, taken from the options of a guard or a login. */
export function exchangeParts(options: TokenGuardOptions): ExchangeParts {
  return {
    server: options.server,
    storeName: options.store.name,
    clock: options.clock,
    // On a shared store each turn of another host would look like a move.
    host: options.store.isShared ? null : (options.host ?? null),
    ...(options.store.isShared && { savers: () => saversOf(options.store) }),
    broughtBy: (fingerprint) => broughtBy(options.store, fingerprint),
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
    timeoutMs: (options.timeout ?? 30) * 1000,
    defaultLifetime: options.defaultLifetime ?? 18_000,
    uninterrupted: options.uninterrupted ?? ((section) => section()),
    notify: (notice) => options.notify?.(notice),
    ...(options.seedMarks && { seedMarks: options.seedMarks }),
  }
}
