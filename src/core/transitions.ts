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

/** A grant of which nothing bad is known. */
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

/** Whose grant a set is, and which. */
export type Ownership = Pick<TokenSet, 'grant' | 'client'>

/** An id that no other grant has: by it an answer is told from one to an older life of the same store. */
export function newGrantId(): string {
  return randomBytes(8).toString('hex')
}

/**
 * The set that a seed begins. A set that it replaces becomes `previous`; counters go on, so that no
 * answer to the old one can be taken for the new one's.
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
 * The set that a login begins. A set that it replaces becomes `previous`, and the seed that one began with
 * stays known: its file holds an old grant.
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

/** What makes two seed files the same one: the grant in them, not their spelling. */
export function seedFingerprint(seed: Seed): string {
  return seed.pair.refreshToken.fingerprint
}

/** Before anything is sent: from here on a process that dies leaves word of it. */
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

/** A copy of a store spends the grant of the first: for the day when the server refuses, it knows where it was. */
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

/** The refresh token that the next request sends. */
export function spendable(set: TokenSet): Secret {
  return set.intent?.salvaged ?? set.pair.refreshToken
}

/**
 * The set after a successful refresh. `sentAt`, not the time of the answer, begins the new lifetime.
 *
 * @param spent The refresh token that was sent; it stays where the answer brought none.
 * @param client Who sent it: from then on the grant is bound to that one.
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

/** An answer that replaces the seed's own refresh token spends the seed; a server that does not rotate leaves it alive. */
function seedFileAfter({ seed, seedFile, pair }: TokenSet, next: Secret, at: number): SeedFile | null {
  const isSpent = pair.refreshToken.fingerprint === seed && next.fingerprint !== seed
  return seedFile !== null && isSpent ? { ...seedFile, spentAt: at, isMarked: false } : seedFile
}

/** What a failure changes besides being remembered. */
export interface Aftermath {
  /** Keep the intent: the server may have rotated. */
  readonly unfinished?: boolean
  readonly notBefore?: number | null
  readonly refused?: boolean
  /** Epoch seconds: since when nothing but a bare 400 or 401 comes. Default: as before. */
  readonly bareSince?: number | null
}

/** @param client Who met the failure. */
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
    // What is in doubt is asked again soon: servers forgive a repetition for a minute at most.
    backoffUntil: at.now + backoff(aftermath.unfinished === true ? 1 : failures),
    notBefore: aftermath.notBefore ?? null,
    // A failure that is no verdict on the grant does not take an earlier verdict back.
    refusedAt: aftermath.refused === true ? at.now : set.refusedAt,
    bareSince: aftermath.bareSince === undefined ? set.bareSince : aftermath.bareSince,
    intent: aftermath.unfinished === true && set.intent !== null ? left(set.intent) : null,
  }
}

/** Unfinished, and nobody is at it. */
function left({ attempt, at, boot, salvaged, client }: Intent): Intent {
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
