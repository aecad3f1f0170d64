// Computes the next token set from the last one and an event: a seed, a login, an intent, a refresh, a failure. Reads
// and writes nothing.
import { randomBytes } from 'node:crypto'
import { clientName, type Client } from './client.js'
import type { TokenError } from './errors.js'
import { isSameHost, type Host } from './host.js'
import type { ClockReading } from './clock.js'
import { backoff } from './policy.js'
import type { Reading } from './ports.js'
import type { Counters, HistoryEntry } from './store-ports.js'
import type { Secret } from './secret.js'
import type { Holder, Intent, Seed, SeedFile, TokenPair, TokenSet } from './token-set.js'

export type Tokens = Extract<Reading, { kind: 'tokens' }>

/** The state of a grant of which nothing bad is known. */
const SETTLED = {
  lastFailure: null,
  failures: 0,
  backoffUntil: null,
  notBefore: null,
  failureClient: null,
  refusedAt: null,
  bareSince: null,
  intent: null,
} as const

/** The grant that a set belongs to, and its client. */
export type Ownership = Pick<TokenSet, 'grant' | 'client'>

/** A random id for a grant. It tells an answer to this grant from one to an earlier life of the same store. */
export function newGrantId(): string {
  return randomBytes(8).toString('hex')
}

/** Whether a person has begun the grant of a set since the other one was saved, whatever their generations. */
export function isLaterLife(set: TokenSet, other: TokenSet): boolean {
  return set.grant !== other.grant && set.pair.obtained.now > other.pair.obtained.now
}

/**
 * The set that a seed begins. The set that it replaces becomes `previous`. The counters go on, so that an answer to
 * the old set cannot be taken for one to the new.
 */
export function seeded(
  seed: Seed,
  replaced: TokenSet | undefined,
  counters: Counters,
  host: Host | null,
  ownership: Ownership = { grant: newGrantId(), client: null },
): TokenSet {
  return {
    ...begun(seed.pair, replaced, counters, host, ownership),
    user: seed.user,
    seed: seedFingerprint(seed),
    seedFile: seed.file ? { path: seed.file, spentAt: null, isMarked: false } : null,
  }
}

function begun(
  pair: TokenPair,
  replaced: TokenSet | undefined,
  { generation, sequence }: Counters,
  host: Host | null,
  { grant, client }: Ownership,
): Omit<TokenSet, 'user' | 'seed' | 'seedFile'> {
  return {
    generation: generation + 1,
    sequence: sequence + 1,
    pair,
    grant,
    client,
    previous: replaced?.pair ?? null,
    previousClient: replaced?.client ?? null,
    lastRefreshAt: null,
    ...SETTLED,
    rejectedAt: null,
    host,
    cameFrom: null,
  }
}

/**
 * The set that a login begins. The set that it replaces becomes `previous`. The fingerprint of that set's seed
 * stays, because the seed's file holds an old grant.
 */
export function signedIn(
  tokens: Tokens & { readonly refreshToken: Secret },
  replaced: TokenSet | undefined,
  counters: Counters,
  sentAt: ClockReading,
  defaultLifetime: number,
  host: Host | null,
  ownership: Ownership,
): TokenSet {
  const { accessToken, refreshToken, expiresIn, refreshExpiresIn, user } = tokens
  const pair: TokenPair = {
    accessToken,
    refreshToken,
    tokenType: tokens.tokenType ?? 'Bearer',
    scope: tokens.scope,
    obtained: sentAt,
    lifetime: expiresIn ?? defaultLifetime,
    isLifetimeGuessed: expiresIn === null,
    refreshExpiresAt: refreshExpiresIn === null ? null : sentAt.now + refreshExpiresIn,
  }
  return {
    ...begun(pair, replaced, counters, host, ownership),
    user,
    seed: replaced?.seed ?? null,
    seedFile: replaced?.seedFile ?? null,
  }
}

/** Identifies a seed by its refresh token, because one grant may be spelled in two ways. */
export function seedFingerprint(seed: Seed): string {
  return seed.pair.refreshToken.fingerprint
}

/**
 * The set with an intent, to be saved before anything is sent: if the process dies, the intent tells that an
 * exchange was begun.
 */
export function intended(
  set: TokenSet,
  at: ClockReading,
  host: Host | null,
  client: Client | null = null,
  holder?: Holder,
): TokenSet {
  const attempt = set.sequence + 1
  const salvaged = set.intent?.salvaged ?? null
  return {
    ...set,
    ...usedOn(host, set, at),
    sequence: attempt,
    intent: { attempt, at: at.now, boot: at.boot, salvaged, client, ...(holder && { holder }) },
  }
}

/**
 * Notes the machine that spends the grant, because a copied store spends the grant of the first: after a refusal
 * the message can say where it was.
 */
function usedOn(
  host: Host | null,
  set: TokenSet,
  { now }: ClockReading,
): Pick<TokenSet, 'host' | 'cameFrom'> {
  const { host: before, cameFrom } = set
  if (host === null) return { host: before, cameFrom }
  const isHere = before === null || isSameHost(before, host)
  return { host, cameFrom: isHere ? cameFrom : { name: before.name, at: now } }
}

/** The refresh token for the next request. */
export function spendable(set: TokenSet): Secret {
  return set.intent?.salvaged ?? set.pair.refreshToken
}

/**
 * The set after a successful refresh. The new lifetime begins at `sentAt`, not when the answer came.
 *
 * @param spent The refresh token that was sent; it stays if the answer brought none.
 * @param client The client that sent it; the grant is bound to that one from then on.
 * @see RFC 6749 section 6
 */
export function renewed(
  set: TokenSet,
  tokens: Tokens,
  spent: Secret,
  sentAt: ClockReading,
  defaultLifetime: number,
  client: Client | null = set.client,
): TokenSet {
  const pair: TokenPair = {
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken ?? spent,
    tokenType: tokens.tokenType ?? 'Bearer',
    scope: tokens.scope ?? set.pair.scope,
    obtained: sentAt,
    lifetime: tokens.expiresIn ?? defaultLifetime,
    isLifetimeGuessed: tokens.expiresIn === null,
    refreshExpiresAt:
      tokens.refreshExpiresIn !== null
        ? sentAt.now + tokens.refreshExpiresIn
        : tokens.refreshToken === null
          ? set.pair.refreshExpiresAt
          : null,
  }
  return {
    ...set,
    generation: set.generation + 1,
    grant: set.grant ?? newGrantId(),
    client: client ?? set.client,
    pair,
    previous: set.pair,
    previousClient: set.client,
    user: tokens.user ?? set.user,
    lastRefreshAt: sentAt.now,
    seedFile: seedFileAfter(set, pair.refreshToken, sentAt.now),
    ...SETTLED,
  }
}

/** A seed is spent when an answer replaces its own refresh token; a server that does not rotate leaves it alive. */
function seedFileAfter({ seed, seedFile, pair }: TokenSet, next: Secret, at: number): SeedFile | null {
  const isSpent = pair.refreshToken.fingerprint === seed && next.fingerprint !== seed
  return seedFile !== null && isSpent ? { ...seedFile, spentAt: at, isMarked: false } : seedFile
}

/** Changes that a failure makes besides being recorded. */
export interface Aftermath {
  /** Keep the intent, because the server may have rotated. */
  readonly unfinished?: boolean
  readonly notBefore?: number | null
  readonly refused?: boolean
  /** Epoch seconds: since when only a bare 400 or 401 comes. Default: unchanged. */
  readonly bareSince?: number | null
}

/** @param client The client that met the failure. */
export function failed(
  set: TokenSet,
  error: TokenError,
  at: ClockReading,
  aftermath: Aftermath = {},
  client: Client | null = null,
): TokenSet {
  const failures = set.failures + 1
  return {
    ...set,
    failures,
    lastFailure: { at: at.now, code: error.code, message: error.message },
    failureClient: client,
    // Retry soon after an unknown outcome, because servers forgive a repetition for a minute at most.
    backoffUntil: at.now + backoff(aftermath.unfinished === true ? 1 : failures),
    notBefore: aftermath.notBefore ?? null,
    // A failure that is no verdict on the grant does not take back an earlier verdict.
    refusedAt: aftermath.refused === true ? at.now : set.refusedAt,
    bareSince: aftermath.bareSince === undefined ? set.bareSince : aftermath.bareSince,
    intent: aftermath.unfinished === true && set.intent !== null ? left(set.intent) : null,
  }
}

/** The intent of an unfinished exchange that no process is working on. */
export function left({ attempt, at, boot, salvaged, client }: Intent): Intent {
  return { attempt, at, boot, salvaged, client }
}

export function entry(
  set: TokenSet,
  event: HistoryEntry['event'],
  outcome: string,
  at: ClockReading,
  note: string | null = null,
): HistoryEntry {
  return {
    sequence: set.sequence,
    at: at.now,
    event,
    outcome,
    generation: set.generation,
    access: set.pair.accessToken.fingerprint,
    refresh: set.pair.refreshToken.fingerprint,
    note,
    grant: set.grant,
    client: set.client === null ? null : clientName(set.client),
  }
}

/** Every token of a set, so that none of them reaches a message. */
export function secretsOf({ pair, previous, intent }: TokenSet): readonly Secret[] {
  return [
    ...[pair, previous].flatMap((one) => (one === null ? [] : [one.accessToken, one.refreshToken])),
    ...(intent?.salvaged ? [intent.salvaged] : []),
  ]
}
