import { rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readSeed } from '../../src/config/seed-file.js'
import { SeedInvalid } from '../../src/core/errors.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { ISSUED, moment } from '../support/token-sets.js'
import { told } from '../support/world.js'
import { full, report } from './figures.js'

// Every shape of a seed file that people have, by the whole command; and mutated seeds and configs:
// exactly the token that stands there, or a refusal that names the file, and never a value.

const FILES = full ? 100_000 : 3_000
/** One in so many goes through the whole command, with a store that is written. */
const WHOLE = 50
/** Where it stands; or what is wrong with the file as a whole, which stands nowhere. */
const PLACED =
  /\bline \d+\b|has no (?:section \[AUTH\]|access_token|refresh_token)|is (?:a binary file|empty)/
const figures = { shapes: 0, seeds: 0, accepted: 0, configs: 0, cut: 0, leaked: 0, unforeseen: 0 }

afterAll(() => {
  report('inputs', {
    tried: `${figures.shapes} shapes, ${figures.seeds} mutated seed files (${figures.accepted} taken), ${figures.configs} mutated configs`,
    lost: figures.cut,
    seen: `${figures.leaked} secrets on stderr, ${figures.unforeseen} errors that say no place`,
  })
})

const ACCESS = 'aCcEsS;0123#456789=='
const REFRESH = 'rEfReSh-9876/543+210'
const SECRET = 'cLiEnT-5ecret-5432109'
const SIX = `[AUTH]
access_token = ${ACCESS}
access_expiry = 2592000
refresh_token= ${REFRESH}
refresh_expiry = 2628000
token_type = bearer
user = someone@example.com
`
const CLOCK = () => moment(ISSUED + 1000)
const leaks = (text: string): boolean =>
  [ACCESS, REFRESH, SECRET].some(
    (secret) => text.includes(secret.slice(0, 9)) || text.includes(secret.slice(-9)),
  )

const without = (key: string): string => SIX.replace(new RegExp(`^${key}.*\n`, 'm'), '')
const having = (key: string, value: string): string =>
  SIX.replace(new RegExp(`^${key} ?=.*$`, 'm'), `${key} = ${value}`)

const GOOD: Record<string, string | Buffer> = {
  'as people have it': SIX,
  'names in upper case': SIX.replace(/^\w+(?= ?=)/gm, (name) => name.toUpperCase()),
  'a section in lower case': SIX.replace('AUTH', 'auth'),
  'a section with spaces': SIX.replace('[AUTH]', '  [ AUTH ]  '),
  CRLF: SIX.replaceAll('\n', '\r\n'),
  'CR alone': SIX.replaceAll('\n', '\r'),
  'a last line without an end': SIX.trimEnd(),
  'a token in the last line, without an end': `[AUTH]\nrefresh_token = ${REFRESH}\naccess_token = ${ACCESS}`,
  'a byte order mark': `\uFEFF${SIX}`,
  'UTF-16': Buffer.from(`\uFEFF${SIX}`, 'utf16le'),
  'UTF-16 the other way': Buffer.from(`\uFEFF${SIX}`, 'utf16le').swap16(),
  'UTF-16 without a mark': Buffer.from(SIX, 'utf16le'),
  'comments of both kinds': `; one\n# two\n${SIX.replaceAll('\n', ' ; three\n')}`,
  'comments behind a tab': SIX.replaceAll('\n', '\t# three\n'),
  quotes: SIX.replace(/= ?(.*)$/gm, '= "$1"'),
  'single quotes and a comment': SIX.replace(/= ?(.*)$/gm, "= '$1' ; x"),
  'no spaces': SIX.replace(/ ?= ?/g, '='),
  'empty lines and blanks': SIX.replaceAll('\n', '  \n\n'),
  'another section': `${SIX}[OTHER]\nx = y\n`,
  'a key of nobody’s': `${SIX}note = mine\n`,
  'an issue time': `${SIX}issued_at = 2027-01-15T08:00:00Z\n`,
  'an issue time in epoch seconds': `${SIX}issued_at = ${ISSUED}\n`,
  'an end instead of a lifetime': `${without('access_expiry')}access_expires_at = ${ISSUED + 2_592_000}\n`,
  'an end of the refresh token': `${SIX}refresh_expires_at = 2028-01-01T00:00:00+01:00\n`,
  'a lifetime with a point': SIX.replace('2592000', '2592000.0'),
  'no user and no type': without('user').replace(/^token_type.*\n/m, ''),
  'Bearer in another case': having('token_type', 'BEARER'),
}

const BAD: Record<string, readonly [string | Buffer, RegExp]> = {
  'a duplicate key': [
    `${SIX}access_token = ${ACCESS}\n`,
    /line 8: access_token is given twice: line 2 has it already/,
  ],
  'a duplicate key in another case': [`${SIX}ACCESS_TOKEN = x\n`, /line 8: access_token is given twice/],
  'no access token': [without('access_token'), /has no access_token/],
  'no refresh token': [without('refresh_token'), /has no refresh_token/],
  'an empty access token': [having('access_token', ''), /line 2: access_token is empty/],
  'an empty refresh token': [having('refresh_token', '""'), /line 4: refresh_token is empty/],
  'white space in a token': [having('access_token', `${ACCESS} x`), /line 2: access_token holds white space/],
  'a tab in a token': [having('refresh_token', `${REFRESH}\tx`), /line 4: refresh_token holds white space/],
  'a control character in a token': [having('access_token', `${ACCESS}\u0001`), /line 2: access_token/],
  'a lifetime in words': [having('access_expiry', '30 days'), /line 3: access_expiry/],
  'a negative lifetime': [having('access_expiry', '-1'), /line 3: access_expiry/],
  'a lifetime in hexadecimal': [having('refresh_expiry', '0x10'), /line 5: refresh_expiry/],
  'a lifetime of NaN': [having('access_expiry', 'NaN'), /line 3: access_expiry/],
  'a placeholder': [having('access_token', 'REDACTED-1234'), /line 2: access_token is still a placeholder/],
  'another placeholder': [having('refresh_token', 'your_token_here'), /line 4: refresh_token is still/],
  'another type': [having('token_type', 'mac'), /line 6: token_type/],
  'a binary file': [Buffer.from('\u007fELF\0\0\u0001'), /is a binary file/],
  'a web page': [`<!DOCTYPE html><p>${ACCESS}`, /line 1: a web page/],
  'nothing at all': ['', /has no section \[AUTH\]/],
  'another file': [`[client]\nx = ${ACCESS}\n`, /has no section \[AUTH\], only \[client\]/],
  'no section': [SIX.replace('[AUTH]\n', ''), /line 1: access_token before any section/],
  'an issue time in the future': [`${SIX}issued_at = 2099-01-01T00:00:00Z\n`, /line 8: issued_at/],
  'an issue time without an offset': [`${SIX}issued_at = 2027-01-15T08:00:00\n`, /line 8: issued_at/],
  'a day that does not exist': [`${SIX}issued_at = 2026-02-30T00:00:00Z\n`, /line 8: issued_at/],
  'a token broken over two lines': [having('access_token', `${ACCESS}\nmore`), /line 3: /],
  'a token continued with an indent': [having('access_token', `${ACCESS}\n  more==`), /line 3: /],
  'Latin-1': [Buffer.from(having('user', 'Jos\u00e9'), 'latin1'), /line 7: not UTF-8/],
  'a conflict that was not resolved': [`<<<<<<< HEAD\n${SIX}`, /line 1: /],
  JSON: [JSON.stringify({ access_token: ACCESS }), /line 1: /],
}

interface Place {
  readonly dir: string
  readonly seed: string
  readonly store: SqliteStore
  readonly env: NodeJS.ProcessEnv
}

function place(content: string | Uint8Array): Place {
  const dir = folder()
  const seed = join(dir, 'token.ini')
  writeFileSync(seed, content, { mode: 0o600 })
  utimesSync(seed, ISSUED, ISSUED)
  const path = join(dir, 'token.db')
  const env = { HQ_TOKEN_STORE: path, HQ_TOKEN_TOKEN_URL: 'https://x.example/t', HQ_TOKEN_CLIENT_ID: '1' }
  return { dir, seed, store: new SqliteStore(path), env: { ...env, HQ_TOKEN_AUTH_METHOD: 'none' } }
}

describe('a seed file', () => {
  it.each(Object.entries(GOOD))(
    'a seed file with %s gives exactly the tokens, by name and by -',
    async (_shape, content) => {
      for (const byName of [true, false]) {
        const { seed, store, env } = place(content)
        const { code, stdout, stderr } = await told(['seed', byName ? seed : '-'], {
          env,
          clock: CLOCK,
          ...(byName ? {} : { input: Buffer.from(content) }),
        })
        expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '' })
        expect(leaks(stderr)).toBe(false)
        const { pair } = (await store.read()) ?? {}
        expect([pair?.accessToken.reveal(), pair?.refreshToken.reveal()]).toEqual([ACCESS, REFRESH])
        expect(await told(['get'], { env, clock: CLOCK })).toEqual({
          code: 0,
          stdout: `${ACCESS}\n`,
          stderr: '',
        })
      }
      figures.shapes += 1
    },
  )

  it.each(Object.entries(BAD))(
    'a seed file with %s is refused, and the store untouched',
    async (_shape, [content, says]) => {
      const { seed, store, env } = place(content)
      const { code, stdout, stderr } = await told(['seed', seed], { env, clock: CLOCK })
      expect({ code, stdout }, stderr).toEqual({ code: 65, stdout: '' })
      expect(stderr).toContain(seed)
      expect(stderr).toMatch(says)
      expect(leaks(stderr)).toBe(false)
      expect(await store.read()).toBeUndefined()
      figures.shapes += 1
    },
  )

  it('a seed file with a token broken before its = is refused', async () => {
    const { seed, store, env } = place(having('refresh_token', 'rEfReSh-9876\n543210=='))
    const { code } = await told(['seed', seed], { env, clock: CLOCK })
    const stored = (await store.read())?.pair.refreshToken.reveal()
    expect({ code, stored }).toEqual({ code: 65, stored: undefined })
  })

  it('a seed file that is missing is refused', async () => {
    const { seed, env } = place('')
    rmSync(seed)
    const { code, stderr } = await told(['seed', seed], { env, clock: CLOCK })
    expect({ code, stderr }).toMatchObject({ code: 65, stderr: expect.stringContaining(seed) as string })
  })
})

/** A generator whose numbers a failure can be told by: mulberry32. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

const PIECES = [
  '\n',
  '\r',
  '=',
  '[',
  ']',
  '"',
  "'",
  ' ;',
  ' #',
  ';',
  '\t',
  ' ',
  '\0',
  '\u00e9',
  '\u2028',
  '\uFEFF',
  '\\',
  '__proto__',
  '%',
]
  .concat(['[AUTH]\n', 'access_token = x\n', '\n ', 'true', '\u0085'])
  .map((piece) => Buffer.from(piece))

function mutated(original: string, nth: number): Buffer {
  const random = numbers(nth)
  let bytes = random(8) === 0 ? Buffer.from(`\uFEFF${original}`, 'utf16le') : Buffer.from(original)
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const at = random(bytes.length + 1)
    const added =
      random(3) > 0 ? (PIECES[random(PIECES.length)] ?? Buffer.alloc(0)) : Buffer.from([random(256)])
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      random(4) === 0 ? Buffer.alloc(0) : added,
      bytes.subarray(random(10) === 0 ? bytes.length : at + random(random(4) === 0 ? 30 : 2)),
    ])
  }
  return bytes
}

/** A token that goes on where it was said to end: whatever is no white space, quote or `=` before it. */
function isPart(token: string, bytes: Buffer): boolean {
  return ![
    bytes.toString(),
    bytes.toString('utf16le'),
    Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le'),
  ].some((text) => {
    for (let at = text.indexOf(token); at !== -1; at = text.indexOf(token, at + 1))
      if (
        /^$|^[\s"'=]$/.test(text.charAt(at - 1)) &&
        /^$|^\s|^["'](?:\s|$)/.test(text.slice(at + token.length, at + token.length + 2))
      )
        return true
    return false
  })
}

describe('mutated files', () => {
  it(`${FILES} seeds give the token that stands there, or say why not`, { timeout: 900_000 }, async () => {
    const failures: string[] = []
    const fail = (nth: number, what: string): void => {
      failures.push(`${nth}: ${what}: ${JSON.stringify(mutated(SIX, nth).toString())}`)
    }
    for (let nth = 0; nth < FILES; nth++) {
      const bytes = mutated(SIX, nth)
      figures.seeds += 1
      try {
        const { seed, notices } = await readSeed({ stdin: bytes }, { clock: CLOCK, defaultLifetime: 60 })
        figures.accepted += 1
        if (leaks(JSON.stringify(notices))) {
          figures.leaked += 1
          fail(nth, 'a notice tells a token')
        }
        const tokens = [seed.pair.accessToken.reveal(), seed.pair.refreshToken.reveal()]
        if (tokens.some((token) => isPart(token, bytes))) {
          figures.cut += 1
          fail(nth, JSON.stringify(tokens))
        }
      } catch (error) {
        if (!(error instanceof SeedInvalid)) {
          figures.unforeseen += 1
          fail(nth, String(error))
        } else if (leaks(`${error.message} ${error.hint ?? ''}`)) {
          figures.leaked += 1
          fail(nth, 'a refusal tells a token')
        } else if (!error.message.includes('standard input') || !PLACED.test(error.message)) {
          figures.unforeseen += 1
          fail(nth, `no place: ${error.message}`)
        }
      }
      if (nth % WHOLE === 0) {
        const { dir, seed, store, env } = place(bytes)
        const { code, stdout, stderr } = await told(['seed', seed], { env, clock: CLOCK })
        const set = await store.read()
        if (![0, 65].includes(code) || stdout !== '' || leaks(stderr) || (code === 0) !== (set !== undefined))
          fail(nth, `exit ${code}, ${stderr}`)
        if (set !== undefined && isPart(set.pair.accessToken.reveal(), bytes))
          fail(nth, 'a cut-off token is stored')
        rmSync(dir, { recursive: true })
      }
    }
    expect(failures.slice(0, 5)).toEqual([])
    expect(figures.accepted).toBeGreaterThan(FILES / 20)
  })

  it(`${FILES / 10} configs are taken, or refused by name`, { timeout: 900_000 }, async () => {
    const dir = folder()
    const path = join(dir, 'config.ini')
    const original = `[client]\ninstance = https://acme.example/acme/\nclient_id = 1012\nclient_secret = ${SECRET}\n[store]\npath = token.db\n[refresh]\nearly = 10%\ntimeout = 30s\n`
    const failures: string[] = []
    for (let nth = 0; nth < FILES / 10; nth++) {
      writeFileSync(path, mutated(original, nth), { mode: 0o600 })
      const { code, stderr } = await told(['--config', path, 'status', '--json'], { clock: CLOCK })
      figures.configs += 1
      const isTold =
        code === 0 ||
        (code === 78 && stderr.includes(path) && PLACED.test(stderr)) ||
        (code === 74 && stderr.includes(dir))
      if (!isTold || leaks(stderr)) failures.push(`${nth}: exit ${code}, ${stderr}`)
      figures.unforeseen += isTold ? 0 : 1
      figures.leaked += leaks(stderr) ? 1 : 0
    }
    expect(failures.slice(0, 5)).toEqual([])
  })
})
