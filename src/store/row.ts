// Converts between the core's types and the columns of the store's tables. Reads and writes no file.
import type { Client } from '../core/client.js'
import { StoreUnfit } from '../core/errors.js'
import type { HistoryEntry, PendingLogin } from '../core/store-ports.js'
import type { Discovered } from '../core/ports.js'
import { Secret } from '../core/secret.js'
import type { Holder, SeedFile, TokenPair, TokenSet } from '../core/token-set.js'

/** The value of a column, in each of the stores. */
export type Value = string | number | null

export type Row = Readonly<Record<string, Value>>

/** The token set as columns of `token_set`, except `id` and `padding`. */
export function toRow(set: TokenSet): Row {
  return {
    generation: set.generation,
    sequence: set.sequence,
    ...pairColumns('', set.pair),
    ...pairColumns('previous_', set.previous),
    user: set.user,
    seed: set.seed,
    seed_path: set.seedFile?.path ?? null,
    seed_spent_at: set.seedFile?.spentAt ?? null,
    seed_marked: set.seedFile === null ? null : Number(set.seedFile.isMarked),
    grant_id: set.grant,
    client: toClient(set.client),
    previous_client: toClient(set.previousClient),
    last_refresh_at: set.lastRefreshAt,
    failure_at: set.lastFailure?.at ?? null,
    failure_code: set.lastFailure?.code ?? null,
    failure_message: set.lastFailure?.message ?? null,
    failure_client: toClient(set.failureClient),
    failures: set.failures,
    backoff_until: set.backoffUntil,
    not_before: set.notBefore,
    refused_at: set.refusedAt,
    bare_since: set.bareSince,
    intent_attempt: set.intent?.attempt ?? null,
    intent_at: set.intent?.at ?? null,
    intent_boot: set.intent?.boot ?? null,
    intent_salvaged: set.intent?.salvaged?.reveal() ?? null,
    intent_client: toClient(set.intent?.client ?? null),
    intent_holder: toHolder(set.intent?.holder),
    host_name: set.host?.name ?? null,
    host_id: set.host?.id ?? null,
    host_boot: set.host?.boot ?? null,
    came_from: set.cameFrom?.name ?? null,
    came_at: set.cameFrom?.at ?? null,
    rejected_at: set.rejectedAt,
  }
}

function pairColumns(prefix: string, pair: TokenPair | null): Row {
  return {
    [`${prefix}access_token`]: pair?.accessToken.reveal() ?? null,
    [`${prefix}refresh_token`]: pair?.refreshToken.reveal() ?? null,
    [`${prefix}token_type`]: pair?.tokenType ?? null,
    [`${prefix}scope`]: pair?.scope ?? null,
    [`${prefix}obtained_at`]: pair === null ? null : whole(pair.obtained.now),
    [`${prefix}obtained_boot`]: pair?.obtained.boot ?? null,
    [`${prefix}obtained_uptime`]: pair === null ? null : whole(pair.obtained.uptime),
    [`${prefix}lifetime`]: pair === null ? null : whole(pair.lifetime),
    [`${prefix}lifetime_guessed`]: pair === null ? null : Number(pair.isLifetimeGuessed),
    [`${prefix}refresh_expires_at`]:
      pair === null || pair.refreshExpiresAt === null ? null : whole(pair.refreshExpiresAt),
  }
}

/** Refuses integers above 2^53: SQLite stores them, but JavaScript would read them back as damage. */
function whole(value: number): number {
  return Math.min(Math.floor(value), Number.MAX_SAFE_INTEGER)
}

/** What the columns of a set that is being forgotten hold, byte for byte, before their row is deleted. */
export const BLOT = '~'

/** Whether a process that was forgetting this set has died before it could delete the row. */
export function isForgotten(row: Row): boolean {
  return /^~+$/.test(String(row['access_token']))
}

/** @throws {StoreUnusable} when a column is missing or of another type: the store is damaged. */
export function fromRow(row: Row): TokenSet {
  const attempt = integerOrNull(row, 'intent_attempt')
  const failureAt = integerOrNull(row, 'failure_at')
  return {
    generation: integer(row, 'generation'),
    sequence: integer(row, 'sequence'),
    pair: pairFrom(row, ''),
    previous: row['previous_access_token'] === null ? null : pairFrom(row, 'previous_'),
    user: textOrNull(row, 'user'),
    seed: textOrNull(row, 'seed'),
    seedFile: seedFileFrom(row),
    grant: textOrNull(row, 'grant_id'),
    client: clientOrNull(row, 'client'),
    previousClient: clientOrNull(row, 'previous_client'),
    failureClient: clientOrNull(row, 'failure_client'),
    lastRefreshAt: integerOrNull(row, 'last_refresh_at'),
    lastFailure:
      failureAt === null
        ? null
        : { at: failureAt, code: text(row, 'failure_code'), message: text(row, 'failure_message') },
    failures: integer(row, 'failures'),
    backoffUntil: integerOrNull(row, 'backoff_until'),
    notBefore: integerOrNull(row, 'not_before'),
    refusedAt: integerOrNull(row, 'refused_at'),
    bareSince: integerOrNull(row, 'bare_since'),
    intent:
      attempt === null
        ? null
        : {
            attempt,
            at: integer(row, 'intent_at'),
            boot: textOrNull(row, 'intent_boot'),
            salvaged: secretOrNull(row, 'intent_salvaged'),
            client: clientOrNull(row, 'intent_client'),
            ...holderFrom(row, 'intent_holder'),
          },
    ...hostsFrom(row),
    rejectedAt: integerOrNull(row, 'rejected_at'),
  }
}

function seedFileFrom(row: Row): SeedFile | null {
  const path = textOrNull(row, 'seed_path')
  const spentAt = integerOrNull(row, 'seed_spent_at')
  return path === null ? null : { path, spentAt, isMarked: integerOrNull(row, 'seed_marked') === 1 }
}

function toClient(client: Client | null): string | null {
  if (client === null) return null
  const { tokenUrl, issuer, clientId } = client
  return JSON.stringify({ token_url: tokenUrl, issuer, client_id: clientId })
}

function clientOrNull(row: Row, column: string): Client | null {
  const json = textOrNull(row, column)
  if (json === null) return null
  try {
    const fields = JSON.parse(json) as Row
    const [tokenUrl, issuer] = [textOrNull(fields, 'token_url'), textOrNull(fields, 'issuer')]
    return { tokenUrl, issuer, clientId: text(fields, 'client_id') }
  } catch {
    throw damaged(column)
  }
}

function toHolder(holder: Holder | undefined): string | null {
  if (holder === undefined) return null
  const { boot, pidNamespace, pid, started, until } = holder
  return JSON.stringify({ boot, pid_ns: pidNamespace, pid, started, until })
}

function holderFrom(row: Row, column: string): { readonly holder?: Holder } {
  const json = textOrNull(row, column)
  if (json === null) return {}
  try {
    const fields = JSON.parse(json) as Row
    const [boot, pidNamespace] = [text(fields, 'boot'), text(fields, 'pid_ns')]
    const [pid, started, until] = [
      integer(fields, 'pid'),
      integer(fields, 'started'),
      integer(fields, 'until'),
    ]
    return { holder: { boot, pidNamespace, pid, started, until } }
  } catch {
    // Another version names it otherwise.
    return {}
  }
}

function hostsFrom(row: Row): Pick<TokenSet, 'host' | 'cameFrom'> {
  const name = textOrNull(row, 'host_name')
  const origin = textOrNull(row, 'came_from')
  return {
    host: name === null ? null : { name, id: textOrNull(row, 'host_id'), boot: textOrNull(row, 'host_boot') },
    cameFrom: origin === null ? null : { name: origin, at: integer(row, 'came_at') },
  }
}

/** As it is accepted; another text could end a line of a header, or be no token at all. */
const ACCESS_TOKEN = /^[\x21-\x7e]+$/
/** It is never printed, so its characters are the server's business: to refuse some could only cost the grant. */
const REFRESH_TOKEN = /^[^]+$/

function token(row: Row, column: string, shape: RegExp): Secret {
  const value = text(row, column)
  if (!shape.test(value)) throw damaged(column)
  return new Secret(value)
}

function pairFrom(row: Row, prefix: string): TokenPair {
  return {
    accessToken: token(row, `${prefix}access_token`, ACCESS_TOKEN),
    refreshToken: token(row, `${prefix}refresh_token`, REFRESH_TOKEN),
    tokenType: text(row, `${prefix}token_type`),
    scope: textOrNull(row, `${prefix}scope`),
    obtained: {
      now: integer(row, `${prefix}obtained_at`),
      boot: textOrNull(row, `${prefix}obtained_boot`),
      uptime: integer(row, `${prefix}obtained_uptime`),
    },
    lifetime: integer(row, `${prefix}lifetime`),
    isLifetimeGuessed: integerOrNull(row, `${prefix}lifetime_guessed`) === 1,
    refreshExpiresAt: integerOrNull(row, `${prefix}refresh_expires_at`),
  }
}

/** Bytes of a note that fit the row's width; enough for a person. */
const NOTE_LENGTH = 200
const CLIENT_LENGTH = 120

export function toHistoryRow(entry: HistoryEntry): Row {
  return {
    sequence: entry.sequence,
    at: entry.at,
    event: entry.event,
    outcome: entry.outcome,
    generation: entry.generation,
    access: entry.access,
    refresh: entry.refresh,
    note: cut(entry.note, NOTE_LENGTH),
    grant_id: entry.grant,
    client: cut(entry.client, CLIENT_LENGTH),
  }
}

function cut(text: string | null, bytes: number): string | null {
  return text === null ? null : Buffer.from(text).subarray(0, bytes).toString('utf8')
}

/** Leaves out an entry that cannot be read, because people alone need the history. */
export function fromHistoryRows(rows: readonly (Row | null)[]): HistoryEntry[] {
  return rows.flatMap((row) => {
    try {
      return [fromHistoryRow(row ?? {})]
    } catch {
      return []
    }
  })
}

function fromHistoryRow(row: Row): HistoryEntry {
  return {
    sequence: integer(row, 'sequence'),
    at: integer(row, 'at'),
    event: text(row, 'event') as HistoryEntry['event'],
    outcome: text(row, 'outcome'),
    generation: integer(row, 'generation'),
    access: text(row, 'access'),
    refresh: text(row, 'refresh'),
    note: textOrNull(row, 'note'),
    grant: textOrNull(row, 'grant_id'),
    client: textOrNull(row, 'client'),
  }
}

export function toLoginRow(login: PendingLogin): Row {
  return {
    state: login.state.reveal(),
    verifier: login.verifier.reveal(),
    redirect_uri: login.redirectUri,
    begun_at: whole(login.begunAt),
    spent: login.spent,
    grant_id: login.grant,
    client: toClient(login.client),
    holder: toHolder(login.holder),
  }
}

export function fromLoginRow(row: Row): PendingLogin {
  return {
    state: new Secret(text(row, 'state')),
    verifier: new Secret(text(row, 'verifier')),
    redirectUri: text(row, 'redirect_uri'),
    begunAt: integer(row, 'begun_at'),
    spent: textOrNull(row, 'spent'),
    grant: textOrNull(row, 'grant_id'),
    client: clientOrNull(row, 'client'),
    ...holderFrom(row, 'holder'),
  }
}

export function toDiscoveredRow({ issuer, authorizeUrl, tokenUrl, revocationUrl, at }: Discovered): Row {
  return {
    issuer,
    authorize_url: authorizeUrl,
    token_url: tokenUrl,
    revocation_url: revocationUrl,
    at: whole(at),
  }
}

export function fromDiscoveredRow(row: Row): Discovered {
  return {
    issuer: text(row, 'issuer'),
    authorizeUrl: textOrNull(row, 'authorize_url'),
    tokenUrl: text(row, 'token_url'),
    revocationUrl: textOrNull(row, 'revocation_url'),
    at: integer(row, 'at'),
  }
}

function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw damaged(column)
  return value
}

/** Reads a text column; a missing one belongs to a later version. */
function textOrNull(row: Row, column: string): string | null {
  return (row[column] ?? null) === null ? null : text(row, column)
}

function secretOrNull(row: Row, column: string): Secret | null {
  const value = textOrNull(row, column)
  return value === null ? null : new Secret(value)
}

function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw damaged(column)
  return value
}

function integerOrNull(row: Row, column: string): number | null {
  return (row[column] ?? null) === null ? null : integer(row, column)
}

function damaged(column: string): StoreUnfit {
  return new StoreUnfit(`the store is damaged (column ${column})`, {
    hint: 'the file was left as it is; move it away (hq-token doctor names it), then: hq-token login (or: hq-token seed FILE)',
  })
}
