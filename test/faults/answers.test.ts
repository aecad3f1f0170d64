import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { TokenGuard } from '../../src/core/guard.js'
import { outcomeOf, type Outcome } from '../../src/core/outcome.js'
import { expiryPolicy } from '../../src/core/policy.js'
import type { AuthorizationServer, RawAnswer } from '../../src/core/ports.js'
import { readAnswer } from '../../src/oauth/answer.js'
import { http } from '../oauth/loopback.js'
import { MemoryStore } from '../support/memory-store.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'
import { aim, leaked, NEW_ACCESS, NEW_REFRESH, REFRESH, target } from './network-aim.js'
import { full, report } from './figures.js'

// Whatever a token endpoint says: the shapes that servers are known to send, by a whole `get`, and
// mutated bodies at the level where answers are read.

const BODIES = full ? 100_000 : 5_000
const KEPT = 300
const figures = { shapes: 0, bodies: 0, thrown: 0, cut: 0, expanded: 0, kept: 0, lost: 0, leaked: 0 }

afterAll(() => {
  report('answers', {
    tried: `${figures.shapes} shapes, ${figures.bodies} mutated bodies`,
    lost: figures.lost,
    seen: `${figures.thrown} thrown, ${figures.cut} cut-off tokens, ${figures.expanded} entities expanded, ${figures.leaked} secrets on stderr, all of ${figures.kept} unread answers kept`,
  })
})

const JSON_BODY = `{"access_token":"${NEW_ACCESS}","expires_in":"18000","refresh_token":"${NEW_REFRESH}","refresh_token_expires_in":"31536000","token_type":"bearer"}`
const XML_BODY = `<?xml version="1.0"?><TokenResponse><access_token>${NEW_ACCESS}</access_token><expires_in>18000</expires_in><refresh_token>${NEW_REFRESH}</refresh_token><token_type>bearer</token_type></TokenResponse>`
const FORM_BODY = `access_token=${NEW_ACCESS}&expires_in=18000&refresh_token=${NEW_REFRESH}&token_type=bearer`
const ENTITY = `<!DOCTYPE r [<!ENTITY x "EXPANDED">]>`
// On its own: a parser that refuses this one would hide that it takes the other.
const FILE_ENTITY = `<!DOCTYPE r [<!ENTITY f SYSTEM "file:///proc/self/status">]>`

type Kind =
  'done' | 'kept old' | 'unusable' | 'unknown' | 'unread' | 'idle' | 'no verdict' | 'refused' | 'client'
const EXIT: Record<Kind, number> = {
  ...{
    done: 0,
    'kept old': 0,
    unusable: 0,
    unknown: 75,
    unread: 75,
    idle: 75,
    'no verdict': 75,
    refused: 4,
    client: 78,
  },
}
interface Shape {
  readonly body: string | Uint8Array
  readonly status?: number
  readonly headers?: Record<string, string>
}
const of = (body: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Shape => ({
  body,
  status,
  headers,
})
const error = (code: unknown, status = 400, rest: object = {}): Shape =>
  of(JSON.stringify({ error: code, ...rest }), status)
const plain = { access_token: NEW_ACCESS, refresh_token: NEW_REFRESH, expires_in: 3600 }
const json = (changes: object = {}): Shape => of(JSON.stringify({ ...plain, ...changes }))

const SHAPES: Record<string, readonly [Shape, Kind]> = {
  'HighQ’s JSON': [of(JSON_BODY), 'done'],
  'HighQ’s XML': [of(XML_BODY, 200, { 'content-type': 'application/xml' }), 'done'],
  'XML labelled JSON': [of(XML_BODY), 'done'],
  'JSON labelled text': [of(JSON_BODY, 200, { 'content-type': 'text/plain' }), 'done'],
  'a form': [of(FORM_BODY, 200, { 'content-type': 'application/x-www-form-urlencoded' }), 'done'],
  'a form labelled JSON': [of(FORM_BODY), 'done'],
  'UTF-8 with a mark': [of(`\uFEFF${JSON_BODY}`), 'done'],
  'UTF-16': [of(Buffer.from(`\uFEFF${JSON_BODY}`, 'utf16le')), 'done'],
  'UTF-16, big end first': [of(Buffer.from(`\uFEFF${XML_BODY}`, 'utf16le').swap16()), 'done'],
  'gzip that was not asked for': [of(gzipSync(JSON_BODY), 200, { 'content-encoding': 'gzip' }), 'done'],
  'gzip without a word': [of(gzipSync(JSON_BODY)), 'done'],
  deflate: [of(deflateSync(JSON_BODY), 200, { 'content-encoding': 'deflate' }), 'done'],
  'deflate without its wrapper': [
    of(deflateRawSync(JSON_BODY), 200, { 'content-encoding': 'deflate' }),
    'done',
  ],
  brotli: [of(brotliCompressSync(XML_BODY), 200, { 'content-encoding': 'br' }), 'done'],
  'a coding that it does not have': [of(JSON_BODY, 200, { 'content-encoding': 'gzip' }), 'done'],
  'camel case': [of(`{"accessToken":"${NEW_ACCESS}","refreshToken":"${NEW_REFRESH}"}`), 'done'],
  'no lifetime': [json({ expires_in: undefined }), 'done'],
  'a lifetime of null': [json({ expires_in: null }), 'done'],
  'a lifetime that is a word': [json({ expires_in: 'soon' }), 'done'],
  'a lifetime that is an instant': [json({ expires_in: 1_900_000_000 }), 'done'],
  'a lifetime below nothing': [json({ expires_in: -5 }), 'done'],
  'status 201': [of(JSON_BODY, 201), 'done'],
  'tokens with status 400': [of(JSON_BODY, 400), 'done'],
  'tokens with status 500': [of(JSON_BODY, 500), 'done'],
  'tokens beside an error': [json({ error: 'invalid_grant' }), 'done'],
  'no refresh token': [json({ refresh_token: undefined }), 'kept old'],
  'an empty refresh token': [json({ refresh_token: '' }), 'kept old'],
  'a refresh token of null': [json({ refresh_token: null }), 'kept old'],
  'the same refresh token': [json({ refresh_token: REFRESH }), 'kept old'],
  invalid_grant: [error('invalid_grant'), 'refused'],
  'invalid_grant with 200': [error('invalid_grant', 200), 'refused'],
  'invalid_grant with 401': [error('invalid_grant', 401), 'refused'],
  'invalid_grant with 500': [error('invalid_grant', 500), 'refused'],
  'invalid_grant as XML': [of('<error><error>invalid_grant</error></error>', 400), 'refused'],
  'invalid_grant as a form': [of('error=bad_refresh_token&error_description=x', 200), 'refused'],
  'invalid_grant that quotes what was sent': [
    error('invalid_grant', 400, { error_description: `${REFRESH} is over` }),
    'refused',
  ],
  'an error in a list': [of('{"errors":[{"errorType":"invalid_grant","message":"x"}]}', 400), 'refused'],
  invalid_client: [error('invalid_client', 401), 'client'],
  'invalid_client as an object': [error({ code: 'invalid_client' }), 'client'],
  unauthorized_client: [error('unauthorized_client'), 'client'],
  'an error of nobody’s': [error('temporarily_unavailable', 400), 'no verdict'],
  'an error with 200 of nobody’s': [error('oops', 200), 'no verdict'],
  'a web page': [of('<!DOCTYPE html><title>Log in</title>'), 'no verdict'],
  'a web page with 403': [of('<html><body>no</body></html>', 403), 'no verdict'],
  'a gateway’s 502': [of('<html>Bad Gateway</html>', 502), 'unknown'],
  'a 504 without a word': [of('', 504), 'unknown'],
  'a 400 without a word': [of('', 400), 'no verdict'],
  'a 405': [of('Method Not Allowed', 405), 'no verdict'],
  nothing: [of(''), 'unknown'],
  'no content (204)': [of('', 204, { 'content-length': '0' }), 'unknown'],
  'an empty object': [of('{}'), 'unread'],
  'a list': [of(`[${JSON_BODY}]`), 'done'],
  'a string': [of(JSON.stringify(NEW_ACCESS)), 'unread'],
  null: [of('null'), 'idle'],
  'two objects': [of(JSON_BODY + JSON_BODY), 'done'],
  'JSON with a comma too many': [of(JSON_BODY.replace('}', ',}')), 'unread'],
  'half of it': [of(JSON_BODY.slice(0, 30)), 'unread'],
  'half of the XML': [of(XML_BODY.slice(0, 70)), 'unread'],
  'a token with white space': [json({ access_token: `${NEW_ACCESS} x` }), 'unread'],
  'a token with a line end': [json({ access_token: `${NEW_ACCESS}\r\nx: y` }), 'unread'],
  'an empty token': [json({ access_token: '' }), 'unread'],
  'a token that is a number': [json({ access_token: 5 }), 'unread'],
  'a token that is an object': [json({ access_token: {} }), 'unread'],
  'entities of its own': [of(`${ENTITY}<r><access_token>&x;</access_token></r>`), 'unread'],
  'an entity for a file': [of(`${FILE_ENTITY}<r><access_token>&f;</access_token></r>`), 'unread'],
  'a refresh token that is a number': [json({ refresh_token: 4711 }), 'unusable'],
  'a refresh token that is an object': [json({ refresh_token: { value: NEW_REFRESH } }), 'unusable'],
  'a refresh token with a line end': [json({ refresh_token: `${NEW_REFRESH}\n` }), 'done'],
  'a notice before it': [
    of(`<b>Notice</b>: x in y\n${JSON_BODY}`, 200, { 'content-type': 'text/html' }),
    'done',
  ],
  'a page behind it': [
    of(`${JSON_BODY}<!doctype html><p>Site`, 200, { 'content-type': 'text/html' }),
    'done',
  ],
  'an envelope': [of(`{"status":0,"body":${JSON_BODY}}`), 'done'],
  'two pairs': [of(JSON_BODY + JSON_BODY.replace(NEW_ACCESS, 'AT-other-5511aa')), 'unread'],
  'three levels': [of(`{"a":{"b":{"c":${JSON_BODY}}}}`), 'unread'],
  'a page with a token': [of(`<!doctype html><p>access_token: "${NEW_ACCESS}"`), 'unread'],
  'its own word for a dead grant': [
    of('{"status":"BAD_REFRESH_TOKEN","message":"missing or unknown"}', 400),
    'refused',
  ],
  'its own words for a dead grant': [of('{"message":"The refresh token has been revoked"}', 401), 'refused'],
  'invalid_request for a dead grant': [
    error('invalid_request', 400, { error_description: 'The refresh token is invalid.' }),
    'refused',
  ],
  'invalid_code with 200': [error('invalid_code', 200), 'refused'],
  'a missing parameter': [
    error('invalid_request', 400, { error_description: 'refresh_token is missing' }),
    'client',
  ],
  'a grant type that it does not know': [of('{"message":"Unsupported grant_type"}', 400), 'client'],
  'a dead client': [error('deleted_client', 401), 'client'],
  'a disabled client': [of('{"message":"The client is disabled"}', 403), 'client'],
  'words about a dead grant on a page': [of('<html><p>The refresh token is invalid', 400), 'no verdict'],
  'words about a dead grant with 500': [of('{"message":"The refresh token is invalid"}', 500), 'unknown'],
  'a redirect': [of('', 308, { location: 'token/' }), 'no verdict'],
  binary: [of(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))), 'unread'],
}

describe('a whole get with one answer', () => {
  it.concurrent.each(Object.entries(SHAPES))(
    'a whole get with one answer that is %s',
    async (_situation, [shape, kind]) => {
      const server = await target(
        (socket) => void socket.end(http(shape.status ?? 200, Buffer.from(shape.body), shape.headers)),
      )
      // Too short for a third try: what one answer means is what is asked here.
      const { told, store } = aim(`http://127.0.0.1:${server.port}/token`, {
        config: '[refresh]\ntimeout = 2\n',
      })
      const { code, stdout, stderr } = await told(['get'])
      const isDone = kind === 'done' || kind === 'kept old' || kind === 'unusable'
      expect({ code, stdout }, stderr).toEqual({ code: EXIT[kind], stdout: isDone ? `${NEW_ACCESS}\n` : '' })
      // What is in doubt is asked once more, however short the time.
      expect(server.requests).toHaveLength(kind === 'unknown' ? 2 : 1)
      expect(leaked(stderr)).toEqual([])
      expect(stderr).not.toContain('EXPANDED')
      const set = await store.read()
      expect(set?.pair.refreshToken.reveal()).toBe(kind === 'done' ? NEW_REFRESH : REFRESH)
      expect({ intent: set?.intent != null, refused: set?.refusedAt != null }).toEqual({
        intent: kind === 'unknown' || kind === 'unread' || kind === 'idle',
        refused: kind === 'refused',
      })
      expect(JSON.stringify([set?.lastFailure, await store.history()])).not.toMatch(/EXPANDED|VmPeak/)
      if (isDone) expect(set?.pair.lifetime).toBeGreaterThan(0)

      // What may hold the only copy of a refresh token stays, and is not asked for again.
      const kept = await store.exclusive(async (held) => (await held.rescue.records()).length, { waitMs: 0 })
      if (kind === 'unread' || kind === 'unusable') expect(kept).toBe(1)
      if (isDone && kind !== 'unusable') expect(kept).toBe(0)
      if (kind === 'unread') {
        server.onRequest = (socket) => void socket.end(http(200, JSON_BODY))
        expect(await told(['get'])).toMatchObject({ code: 75, stdout: '' })
        expect(server.requests).toHaveLength(1)
      }

      // The next call heals what no person has to.
      if (kind === 'unknown' || kind === 'idle' || kind === 'no verdict') {
        server.onRequest = (socket) => void socket.end(http(200, JSON_BODY))
        expect(await told(['get'])).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n` })
      }
      figures.shapes += 1
      figures.leaked += leaked(stderr).length
    },
  )
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

const XML_ENTITIES = `${ENTITY}<TokenResponse><access_token>&x;</access_token><refresh_token>&x;</refresh_token></TokenResponse>`
const ORIGINALS = [
  ...[JSON_BODY, XML_BODY, FORM_BODY, XML_ENTITIES],
  JSON.stringify(plain, null, 2),
  JSON.stringify({ error: 'invalid_grant', error_description: 'over' }),
  XML_BODY.replace(NEW_ACCESS, `<![CDATA[${NEW_ACCESS}]]>`),
]
const PIECES = [
  ...['"', '\\', '{', '}', '[', ']', ',', ':', '<', '>', '&', '=', '%', '\0', '\n', '\uFEFF', '&x;', '&#0;'],
  ...[
    '&#1114112;',
    '<!--',
    ']]>',
    '<![CDATA[',
    '</access_token>',
    ENTITY,
    '"__proto__":{"access_token":"x"},',
  ],
  ...['%zz', '\\u12', '\\ud800', '<!DOCTYPE html>', '1e999', 'constructor'],
].map((piece) => Buffer.from(piece))

interface Mutant {
  readonly body: Buffer
  readonly text: string | undefined
  readonly answer: RawAnswer
  /** Nothing but its end was taken away: what it held may be read whole or not at all. */
  readonly isCut: boolean
}

function mutant(nth: number): Mutant {
  const random = numbers(nth)
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T
  const original = pick(ORIGINALS)
  const isCut = random(3) === 0
  let body: Buffer = Buffer.from(original)
  const coding = random(6)
  const pack = (bytes: Buffer): Buffer =>
    coding === 0
      ? gzipSync(bytes)
      : coding === 1
        ? deflateSync(bytes)
        : coding === 2
          ? Buffer.from(bytes.toString(), 'utf16le')
          : bytes
  if (coding === 2) body = Buffer.from(`\uFEFF${original}`)
  if (isCut) {
    body = pack(body)
    body = body.subarray(0, random(body.length))
  } else {
    for (let changes = 1 + random(3); changes > 0; changes--) {
      const at = random(body.length + 1)
      const added = random(2) === 0 ? pick(PIECES) : Buffer.from([random(256)])
      body = Buffer.concat([
        body.subarray(0, at),
        added,
        body.subarray(at + random(random(4) === 0 ? 40 : 2)),
      ])
    }
  }
  const text = isCut || coding <= 2 ? undefined : body.toString()
  if (!isCut) body = pack(body)
  // A form that ends with the connection has no end that shows: only a length tells.
  const complete = isCut && original === FORM_BODY ? false : random(2) === 0
  const headers = [null, 'gzip', 'deflate', 'br', 'x'] as const
  return {
    body,
    text,
    isCut,
    answer: {
      sentAt: moment(),
      sent: true,
      status: pick([200, 200, 200, 201, 302, 400, 401, 429, 500, 503]),
      contentType: pick([null, 'application/json', 'text/html', 'text/xml', 'x']),
      contentEncoding: coding === 1 ? 'deflate' : pick(headers),
      retryAfter: pick([null, '5', 'x', '-1', '1e9', 'Mon, 01 Jan 2999 00:00:00 GMT']),
      date: null,
      body,
      complete,
      failure: complete ? null : 'UND_ERR_SOCKET',
    },
  }
}

/** Every secret that was read from an answer. */
function secretsIn(outcome: Outcome): { access: string[]; refresh: string[] } {
  if (outcome.kind === 'granted') {
    const { accessToken, refreshToken } = outcome.tokens
    return { access: [accessToken.reveal()], refresh: refreshToken === null ? [] : [refreshToken.reveal()] }
  }
  return {
    access: [],
    refresh: outcome.kind === 'unknown' && outcome.salvaged !== null ? [outcome.salvaged.reveal()] : [],
  }
}

/** What stands next to a value's end, in any of the three languages. */
const EDGE = /^$|^["'<>=&\s[\]{},:;\\\0]$/

/** A value that goes on, in the text that it was read from, where it was said to end. */
function isPart(token: string, text: string): boolean {
  // What is written by reference reads otherwise than it stands.
  if (/[\\%+]|&#|<!/.test(text)) return false
  for (let at = text.indexOf(token); at !== -1; at = text.indexOf(token, at + 1))
    if (EDGE.test(text.charAt(at - 1)) && EDGE.test(text.charAt(at + token.length))) return false
  return true
}

describe('mutated bodies', () => {
  it(
    `${BODIES} of them are read without a throw, and never a token in part`,
    { timeout: 600_000 },
    async () => {
      const failures: string[] = []
      const unread: Mutant[] = []
      for (let nth = 0; nth < BODIES; nth++) {
        const made = mutant(nth)
        figures.bodies += 1
        try {
          const reading = await readAnswer(made.answer)
          const outcome = outcomeOf(made.answer, reading, ISSUED)
          const { access, refresh } = secretsIn(outcome)
          const all = [...access, ...refresh]
          if (all.some((token) => token.includes('EXPANDED') || token.includes('VmPeak'))) {
            figures.expanded += 1
            failures.push(`${nth}: an entity was expanded`)
          }
          const inPart = made.isCut
            ? access.some((token) => token !== NEW_ACCESS) || refresh.some((token) => token !== NEW_REFRESH)
            : made.text !== undefined && all.some((token) => isPart(token, made.text ?? ''))
          if (inPart) {
            figures.cut += 1
            failures.push(
              `${nth}: ${JSON.stringify(all)} of ${JSON.stringify(made.text ?? made.body.toString())}`,
            )
          }
          if (outcome.kind === 'unknown' && made.answer.status === 200 && made.body.length > 0)
            unread.push(made)
          if (outcome.kind === 'no-verdict' && outcome.retryAfter !== null && !(outcome.retryAfter <= 3600))
            failures.push(`${nth}: a pause of ${outcome.retryAfter} s`)
        } catch (thrown) {
          figures.thrown += 1
          failures.push(`${nth}: ${String(thrown)}`)
        }
      }
      expect(failures.slice(0, 5)).toEqual([])

      expect(unread.length).toBeGreaterThan(KEPT)
      for (const { answer } of unread.slice(0, KEPT)) {
        const kept = await keeps(answer)
        figures.kept += kept ? 1 : 0
        figures.lost += kept ? 0 : 1
      }
      expect(figures.lost).toBe(0)
    },
  )
})

/** Whether one answer that nobody can read is there, byte for byte, after the exchange it was an answer to. */
async function keeps(answer: RawAnswer): Promise<boolean> {
  const store = new MemoryStore().put(tokenSet())
  const server: AuthorizationServer = {
    host: 'auth.example.com',
    client: () => Promise.resolve({ tokenUrl: null, issuer: null, clientId: null }),
    prepare: () => Promise.resolve(),
    refresh: () => Promise.resolve(answer),
    redeem: () => Promise.resolve(answer),
    read: readAnswer,
  }
  const at = moment(ISSUED + 4000)
  const guard = new TokenGuard({
    store,
    server,
    clock: () => at,
    policy: expiryPolicy({ percent: 10 }, 60),
    timeout: 1,
    sleep: () => Promise.resolve(),
  })
  const code = await guard.token().then(
    () => 'a token',
    (failure: unknown) => (failure as { code?: string }).code,
  )
  const set = await store.read()
  return (
    code === 'HQ_OUTCOME_UNKNOWN' &&
    set?.intent != null &&
    store.rescued.some((record) => Buffer.compare(record.answer.body, answer.body) === 0)
  )
}
