// What a guard and a login are put together from, what they are asked and what they answer. No I/O.
import type { Client } from './client.js'
import type { Clock } from './clock.js'
import type { Host } from './host.js'
import type { ExpiryPolicy } from './policy.js'
import type { AuthorizationServer, Notice, SeedMarks, SeedSource } from './ports.js'
import type { Seen, TokenStore } from './store-ports.js'
import type { ExchangeParts } from './refresh-exchange.js'
import type { Secret } from './secret.js'
import type { TokenSet } from './token-set.js'

/** What a guard is put together from; `openGuard` does it from a configuration. */
export interface TokenGuardOptions {
  /** Where the token set is: a `SqliteStore`. */
  readonly store: TokenStore
  /** Who issues tokens: a `TokenEndpoint`. */
  readonly server: AuthorizationServer
  /** Tells the time: `machineClock`. */
  readonly clock: Clock
  /** When a token is renewed: from `expiryPolicy()`. */
  readonly policy: ExpiryPolicy
  /** This machine, so that a copied store can say where it was. Default: not known. */
  readonly host?: Host
  /** Seconds; for answers without `expires_in`. Default 18000 (5 hours, as HighQ). */
  readonly defaultLifetime?: number
  /** Seconds for one request to the server, connect to last byte; a repetition has 5 more. Default 30. */
  readonly timeout?: number
  /** Seconds to wait for another process's refresh. Default 90. */
  readonly lockWait?: number
  /** What the tokens are for; requests elsewhere go without. Default: not known. */
  readonly apiUrl?: URL | null
  /** Asked for a first token set when the store has none, or the server refused the one it has. */
  readonly seed?: SeedSource
  /** The marks at spent seed files. Default: none is set, and none is heeded. */
  readonly seedMarks?: SeedMarks
  /** Hears warnings. Default: nobody. */
  readonly notify?: (notice: Notice) => void
  /** Runs a section that no signal may cut short; its `stop` says that one has come. Default: plainly. */
  readonly uninterrupted?: <T>(section: (stop?: AbortSignal) => Promise<T>) => Promise<T>
  /** Waits between repetitions, in milliseconds. Default: by `setTimeout`. */
  readonly sleep?: (ms: number) => Promise<void>
  /** @hidden What this process saw of the set before it waited for the lock. */
  readonly seen?: Seen
}

/** @category Start here */
export interface RefreshOptions {
  /** Seconds: only if the last refresh (or the seed) is older. Default: in any case. */
  readonly ifOlder?: number
  /** The server of the grant has a new address, by what a person says: ask it there. Default: false. */
  readonly rebind?: boolean
}

/** @category Start here */
export interface Refreshed {
  /** The set in the store. */
  readonly set: TokenSet
  /** Whether this call or another renewed it. */
  readonly renewed: boolean
  /** The addresses before and after, where the grant's server has another one now. */
  readonly rebound: { readonly from: Client; readonly to: Client } | null
}

/** @category Start here */
export interface AdoptOptions {
  /** Replace in any case; the replaced pair is kept as `previous`. Default: false. */
  readonly force?: boolean
}

/**
 * An access token that works, and until when.
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

/** What a person says about a renewal. */
export interface Order {
  /** A person asks: then the pause after a refusal does not count. The server's word does. */
  readonly insist?: boolean
  /** The server has a new address, by what a person says. */
  readonly rebind?: boolean
}

export interface Renewal extends Order {
  readonly urgency: Urgency
  readonly waitMs: number
}

/** What an exchange needs, of what a guard or a login was given. */
export function exchangeParts(options: TokenGuardOptions): ExchangeParts {
  return {
    server: options.server,
    storeName: options.store.name,
    clock: options.clock,
    host: options.host ?? null,
    sleep: options.sleep ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms))),
    timeoutMs: (options.timeout ?? 30) * 1000,
    defaultLifetime: options.defaultLifetime ?? 18_000,
    uninterrupted: options.uninterrupted ?? ((section) => section()),
    notify: (notice) => options.notify?.(notice),
    ...(options.seedMarks && { seedMarks: options.seedMarks }),
  }
}
