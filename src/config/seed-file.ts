// Reads a seed file: INI with an [AUTH] section. Imports nothing.
import { SeedInvalid, UsageError } from '../core/errors.js'
import { instant, LONGEST_ACCESS, lifetimeOf } from '../core/lifetime.js'
import { rfc3339, type Clock } from '../core/clock.js'
import type { Notice } from '../core/ports.js'
import { Secret } from '../core/secret.js'
import { STANDARD_INPUT, type Seed, type TokenPair } from '../core/token-set.js'
import { isBearer } from '../core/token-type.js'
import { ABSENT, FileProblem, isThere, MOST_BYTES, readRegular, TOO_LARGE } from './file.js'
import { decode, named, readIni, shown, type Entry, type Ini } from './ini.js'
import { isPlaceholder } from './placeholder.js'
import { readSeedBytes } from './seed-bytes.js'
import { markedAt } from './seed-mark.js'
import { knownElsewhere, misspelt, refuseAnswers, SEED_KEYS, type SeedKey } from './seed-names.js'
import { suggestion } from './suggest.js'

export type SeedInput = { readonly path: string } | { readonly stdin: Uint8Array }

export interface SeedOptions {
  readonly clock: Clock
  /** Epoch seconds (`instant` reads them): when the tokens were issued. Wins over what the file says. */
  readonly issuedAt?: number | undefined
  /** Seconds; for a file without `access_expiry`. */
  readonly defaultLifetime: number
}

const SECTION = 'auth'
const KEYS = SEED_KEYS
type Key = SeedKey

const SHAPE = 'a seed file holds [AUTH] with at least access_token and refresh_token'
const NAME_ONE = 'hq-token seed FILE, with a file that is there; - for standard input'
const MOST_TOKEN = 65_536
/** Seconds: the clocks of two machines differ by less. */
const CLOCK_TOLERANCE = 60
/** A thousand years, in seconds. */
const LONGEST = 31_536_000_000

/**
 * Reads a first token set from an INI file, a pipe or standard input.
 *
 * @throws {SeedInvalid} naming file, line and key; never a value.
 * @throws {UsageError} when `issuedAt` lies in the future.
 */
export async function readSeed(
  input: SeedInput,
  { clock, issuedAt, defaultLifetime }: SeedOptions,
): Promise<{ seed: Seed; notices: Notice[] }> {
  const source = 'path' in input ? input.path : STANDARD_INPUT
  try {
    const found =
      'path' in input
        ? await readSeedBytes(input.path)
        : { bytes: input.stdin, modifiedAt: null, file: null, notices: [] }
    if (found.bytes.byteLength > MOST_BYTES) throw new FileProblem(TOO_LARGE)
    const at = clock()
    refuseAnswers(decode(found.bytes))
    const ini = readIni(found.bytes)
    const auth = authEntries(ini)
    const tokens = { accessToken: token(auth, 'access_token'), refreshToken: token(auth, 'refresh_token') }
    const stated = issuedAt === undefined ? statedIssue(auth, at.now) : checkedIssue(issuedAt, at.now)
    const issued = Math.max(0, Math.min(stated ?? found.modifiedAt ?? at.now, at.now))
    const lives = lifetime(auth, issued)
    const pair = {
      ...tokens,
      tokenType: tokenType(auth),
      scope: null,
      obtained: { now: issued, boot: at.boot, uptime: at.uptime - (at.now - issued) },
      lifetime: lives ?? defaultLifetime,
      isLifetimeGuessed: lives === undefined,
      refreshExpiresAt: refreshExpiry(auth, issued),
    }
    const notices = [
      ...found.notices,
      ...strayNotices(ini, source),
      ...(stated === undefined ? [issueNotice(source, issued, found.modifiedAt !== null)] : []),
      ...lifetimeNotices(auth, pair, at.now, source),
    ]
    const spentAt = found.file === null ? null : markedAt(found.file, pair.refreshToken.fingerprint)
    return { seed: { pair, user: userOf(auth), source, file: found.file, spentAt }, notices }
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    const details = error.message === ABSENT ? { hint: NAME_ONE, ...error.details } : error.details
    throw new SeedInvalid(error.told('path' in input ? `the seed file ${source}` : source), details)
  }
}

/**
 * Reads the configured seed file; `undefined` if it does not exist (any more).
 *
 * @throws {SeedInvalid} as `readSeed`.
 */
export async function seedIfThere(
  path: string,
  options: SeedOptions,
): Promise<{ seed: Seed; notices: Notice[] } | undefined> {
  return isThere(path) ? readSeed({ path }, options) : undefined
}

/** The fingerprint of the refresh token in a seed file; `undefined` if no seed can be read there. */
export function seedIn(path: string): string | undefined {
  try {
    return token(authEntries(readIni(readRegular(path).bytes)), 'refresh_token').fingerprint
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    return undefined
  }
}

type Auth = ReadonlyMap<Key, Entry>

function authEntries({ entries, sections }: Ini): Auth {
  const stray = entries.find(({ section }) => section === '')
  if (stray !== undefined)
    throw new FileProblem(`${named(stray.key)} before any section`, stray.line, 'put a line [AUTH] above it')
  if (!sections.has(SECTION))
    throw new FileProblem(
      `has no section [AUTH]${sections.size === 0 ? '' : `, only ${listed(sections.keys())}`}`,
      null,
      SHAPE,
    )
  refuseBrokenTokens(entries)
  refuseSlips(entries)
  return new Map(
    entries.flatMap((entry): [Key, Entry][] => {
      const key = KEYS.find((known) => known === entry.key)
      return entry.section === SECTION && key !== undefined ? [[key, entry]] : []
    }),
  )
}

/** Refuses a token that an editor has wrapped: its rest, which ends in `=`, looks like a key of its own. */
function refuseBrokenTokens(entries: readonly Entry[]): void {
  const tokens = entries.filter(({ key }) => key === 'access_token' || key === 'refresh_token')
  const rest = entries.find(
    ({ key, value, line }) =>
      /^=*$/.test(value) &&
      !(KEYS as readonly string[]).includes(key) &&
      tokens.some((broken) => broken.line === line - 1),
  )
  if (rest !== undefined)
    throw new FileProblem(
      'looks like the rest of the token above it',
      rest.line,
      'put the whole token on one line',
    )
}

/**
 * Refuses misspelt keys as in the config, because a lifetime with a misspelt name would be guessed and nobody would
 * know why.
 */
function refuseSlips(entries: readonly Entry[]): void {
  for (const { section, key, line } of entries) {
    const meant = section === SECTION ? misspelt(key) : undefined
    if (meant !== undefined)
      throw new FileProblem(
        `unknown key${shown(key) ? ` ${key}` : ''} in [AUTH]`,
        line,
        `did you mean ${meant}? A note begins with ;`,
      )
  }
}

/** A notice about what is not ours; no error, because people keep notes in these files. */
function strayNotices({ entries, sections }: Ini, source: string): Notice[] {
  const unknown = entries.filter(
    ({ section, key }) => section === SECTION && !(KEYS as readonly string[]).includes(key),
  )
  const others = [...sections.keys()].filter((name) => name !== SECTION)
  return [
    ...unknown.map(({ key, line }): Notice => {
      const close = knownElsewhere(key) ?? suggestion(key, KEYS)
      return {
        level: 'warning',
        message: `${source}, line ${line}: ${named(key)} in [AUTH] is not known and is disregarded`,
        ...(close === undefined ? {} : { hint: `did you mean ${close}?` }),
      }
    }),
    ...(others.length === 0 ? [] : [info(`${source}: only [AUTH] is read; disregarded: ${listed(others)}`)]),
  ]
}

function token(auth: Auth, key: 'access_token' | 'refresh_token'): Secret {
  const entry = auth.get(key)
  if (entry === undefined) throw new FileProblem(`has no ${key} in [AUTH]`, null, SHAPE)
  const { value, line } = entry
  if (value === '')
    throw new FileProblem(`${key} is empty`, line, 'if it begins with ; or #, put it in double quotes')
  if (isPlaceholder(value))
    throw new FileProblem(`${key} is still a placeholder`, line, 'put the token itself there')
  if (/[\s\p{Cc}]/u.test(value))
    throw new FileProblem(`${key} holds white space`, line, 'a token is one word')
  if (/[^!-~]/.test(value)) throw new FileProblem(`${key} holds a character that is not ASCII`, line)
  if (value.length > MOST_TOKEN) throw new FileProblem(`${key} is longer than 64 KiB`, line)
  return new Secret(value)
}

function tokenType(auth: Auth): string {
  const entry = auth.get('token_type')
  if (entry === undefined) return 'Bearer'
  if (entry.value === '' || !isBearer(entry.value))
    throw new FileProblem('token_type is not bearer', entry.line)
  return entry.value
}

/** An unusable name is no error, because it is only shown to people. */
function userOf(auth: Auth): string | null {
  const user = auth.get('user')?.value ?? ''
  return user === '' || isPlaceholder(user) ? null : user
}

/** A lifetime in seconds; programs also write it as `2592000.0`. */
function duration(auth: Auth, key: 'access_expiry' | 'refresh_expiry'): number | undefined {
  const entry = auth.get(key)
  if (entry === undefined) return undefined
  const value = /^\d+(?:\.\d*)?$/.test(entry.value) ? Math.floor(Number(entry.value)) : NaN
  if (!Number.isSafeInteger(value)) throw new FileProblem(`${key} is not a number of seconds`, entry.line)
  if (value > LONGEST)
    throw new FileProblem(`${key} is no lifetime: it is longer than a thousand years`, entry.line)
  return value
}

function instantOf(
  auth: Auth,
  key: 'access_expires_at' | 'refresh_expires_at' | 'issued_at',
): number | undefined {
  const entry = auth.get(key)
  if (entry === undefined) return undefined
  const value = instant(entry.value)
  if (value === undefined)
    throw new FileProblem(
      `${key} is not a point in time`,
      entry.line,
      'write 2026-12-01T09:30:00Z, or epoch seconds',
    )
  return value
}

function statedIssue(auth: Auth, now: number): number | undefined {
  const issued = instantOf(auth, 'issued_at')
  if (issued !== undefined && issued > now + CLOCK_TOLERANCE)
    throw new FileProblem('issued_at lies in the future', auth.get('issued_at')?.line)
  return issued
}

function checkedIssue(issuedAt: number, now: number): number {
  if (issuedAt > now + CLOCK_TOLERANCE) throw new UsageError('--issued-at lies in the future')
  return issuedAt
}

/**
 * Seconds from the issue on, read as a server's own are; 0 if it is over. A point in time wins over a lifetime,
 * whose beginning may be a guess.
 *
 * @returns `undefined` if the file says nothing, or nothing that a lifetime can be.
 */
function lifetime(auth: Auth, issued: number): number | undefined {
  const end = instantOf(auth, 'access_expires_at') ?? misplacedEnd(auth)
  if (end !== undefined) return end <= issued ? 0 : lifetimeOf(end, issued, LONGEST_ACCESS)
  const expiry = duration(auth, 'access_expiry')
  return expiry === 0 ? 0 : lifetimeOf(expiry, issued, LONGEST_ACCESS)
}

/** A point in time in the place of a lifetime: epoch seconds of 2001 and later, milliseconds, or RFC 3339. */
function misplacedEnd(auth: Auth): number | undefined {
  const value = auth.get('access_expiry')?.value ?? ''
  if (/^\d{4}-/.test(value)) return instant(value)
  const number = /^\d{10,13}(?:\.\d*)?$/.test(value) ? Number(value) : 0
  return number >= 1e12 ? Math.floor(number / 1000) : number >= 1e9 ? Math.floor(number) : undefined
}

function refreshExpiry(auth: Auth, issued: number): number | null {
  const expiry = duration(auth, 'refresh_expiry')
  return instantOf(auth, 'refresh_expires_at') ?? (expiry === undefined ? null : issued + expiry)
}

function issueNotice(source: string, issued: number, byFile: boolean): Notice {
  const why = byFile ? `when ${source} was last modified` : 'now'
  const hint = 'say when with issued_at in [AUTH] or with --issued-at TIME'
  return { level: 'info', message: `the tokens count as issued ${why}: ${rfc3339(issued)}`, hint }
}

function lifetimeNotices(auth: Auth, pair: TokenPair, now: number, source: string): Notice[] {
  const end = instantOf(auth, 'access_expires_at')
  const misplaced = misplacedEnd(auth)
  const expiry = misplaced === undefined ? duration(auth, 'access_expiry') : undefined
  const notices: Notice[] = []
  if (end === undefined && misplaced !== undefined)
    notices.push({
      level: 'warning',
      message: `${source}: access_expiry is a point in time, and counts as one`,
      hint: 'access_expiry is a lifetime in seconds; a point in time goes into access_expires_at',
    })
  if (pair.isLifetimeGuessed && (auth.has('access_expiry') || auth.has('access_expires_at')))
    notices.push({
      level: 'warning',
      message: `${source}: no access token lives for more than a year; this one counts as living ${pair.lifetime} s`,
      hint: 'access_expiry is a lifetime in seconds; a point in time goes into access_expires_at',
    })
  if (end !== undefined && expiry !== undefined && Math.abs(expiry - pair.lifetime) > CLOCK_TOLERANCE)
    notices.push(info(`${source}: access_expires_at and access_expiry disagree; access_expires_at counts`))
  if (pair.obtained.now + pair.lifetime <= now)
    notices.push(info(`${source}: the access token has expired; the next hq-token get refreshes it`))
  return notices
}

function info(message: string): Notice {
  return { level: 'info', message }
}

function listed(names: Iterable<string>): string {
  return [...names].map((name) => (shown(name) ? `[${name}]` : 'another section')).join(', ')
}
