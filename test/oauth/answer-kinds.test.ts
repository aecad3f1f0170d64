import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { TokenGuard } from '../../src/core/guard.js'
import { expiryPolicy } from '../../src/core/policy.js'
import type { AuthorizationServer, RawAnswer, Reading } from '../../src/core/ports.js'
import { readAnswer } from '../../src/oauth/answer.js'
import { isName } from '../../src/oauth/answer-shape.js'
import { raw } from '../support/fake-server.js'
import { MemoryStore } from '../support/memory-store.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'

// What is around a pair, what is in its place, and what becomes of whatever arrives.

const ACCESS = 'AT-0aZ.~+/=-_9x'
const REFRESH = 'RT-9+/=end-of-it'
const PAIR = { access_token: ACCESS, refresh_token: REFRESH, expires_in: 3600 }
const JSON_PAIR = JSON.stringify(PAIR)
const XML_PAIR = `<TokenResponse><access_token>${ACCESS}</access_token><refresh_token>${REFRESH}</refresh_token><expires_in>3600</expires_in></TokenResponse>`
const FORM_PAIR = new URLSearchParams(
  Object.entries(PAIR).map(([name, value]): [string, string] => [name, String(value)]),
).toString()
const NOTICE = '<br />\n<b>Notice</b>:  Undefined index: a "b" {c in <b>/x.php</b> on line <b>3</b><br />\n'
const PAGE = '<!doctype html><html><script>var x = {"y": "z"}</script><p>Welcome</p></html>'
const FRAMED = { isFramed: true }
const UNFRAMED = { isFramed: false }

function answer(body: string | Uint8Array, changes: Partial<RawAnswer> = {}): RawAnswer {
  return {
    ...raw({
      ...{ sent: true, status: 200, contentType: null, contentEncoding: null, retryAfter: null, date: null },
      ...{ body: Buffer.from(body), complete: true, failure: null },
    }),
    ...changes,
  }
}

const read = (body: string, changes?: Partial<RawAnswer>): Promise<Reading> =>
  readAnswer(answer(body, changes))

function opened(reading: Reading): readonly [access?: string, refresh?: string | undefined] {
  return reading.kind === 'tokens' ? [reading.accessToken.reveal(), reading.refreshToken?.reveal()] : []
}

describe('a pair inside something else', () => {
  it.each<[string, string]>([
    ['a notice before JSON', NOTICE + JSON_PAIR],
    ['a notice before XML', NOTICE + XML_PAIR],
    ['a notice before a form', `Notice: undefined\n${FORM_PAIR}`],
    ['a page behind JSON', `${JSON_PAIR}\n${PAGE}`],
    ['a page behind JSON, with no line end', JSON_PAIR + PAGE],
    ['a page behind a form', `${FORM_PAIR}\n${PAGE}`],
    ['a page behind XML', XML_PAIR + PAGE],
    ['a page around JSON', PAGE.replace('Welcome', `<pre>${JSON_PAIR}</pre>`)],
    ['a page around escaped JSON', PAGE.replace('Welcome', JSON_PAIR.replaceAll('"', '&quot;'))],
    ['a page around XML', PAGE.replace('Welcome', `<br><pre>${XML_PAIR}</pre>`)],
    ['a call of JavaScript', `/**/callback(${JSON_PAIR});`],
    ['a script', `<script>window.opener.postMessage({"token":${JSON_PAIR}}, "*")</script>`],
    ['a guard against other sites', `)]}',\n${JSON_PAIR}`],
    ['a loop', `while(1);${JSON_PAIR}`],
    ['the same document twice', JSON_PAIR + JSON_PAIR],
    ['another document before it', `{"warning":"slow"}\n${JSON_PAIR}`],
    ['JSON in XML', `<string xmlns="urn:x">${JSON_PAIR}</string>`],
    ['JSON in a string', JSON.stringify(JSON_PAIR)],
    ['JSON in a string in an object', JSON.stringify({ d: JSON_PAIR })],
    ['an object', `{"status":0,"body":${JSON_PAIR}}`],
    ['a list', `[${JSON_PAIR}]`],
    ['a list in an object', `{"data":[${JSON_PAIR}]}`],
    ['one more element', `<response><status>0</status><body>${XML_PAIR.slice(15, -16)}</body></response>`],
    ['nested objects beside it', `{"user":{"id":1},"a":{"b":{}},${JSON_PAIR.slice(1)}`],
    [
      'two objects, one for each',
      `{"access":{"access_token":"${ACCESS}"},"refresh":{"refresh_token":"${REFRESH}"}}`,
    ],
    [
      'an object, the refresh token outside',
      `{"token":{"access_token":"${ACCESS}"},"refresh_token":"${REFRESH}"}`,
    ],
  ])('a pair inside something else: %s', async (_what, body) => {
    expect(opened(await read(body, FRAMED))).toEqual([ACCESS, REFRESH])
  })

  it.each<[string, string]>([
    ['two pairs that differ', JSON_PAIR + JSON_PAIR.replace(ACCESS, 'AT-another-one')],
    ['two pairs in one object', `{"a":${JSON_PAIR},"b":${JSON_PAIR.replace(REFRESH, 'RT-another')}}`],
    ['a pair three levels deep', `{"a":{"b":{"c":${JSON_PAIR}}}}`],
    [
      'a notice in the token',
      `{"access_token":"AT-0aZ${NOTICE.replace(/[\n"]/g, '')}","refresh_token":"x"} ${PAGE}`,
    ],
    ['single quotes', JSON_PAIR.replaceAll('"', "'")],
    ['a page with a token that no one can tell', PAGE.replace('Welcome', `access_token: '${ACCESS}'`)],
  ])(
    'a pair inside something else that nobody can tell (%s) is unknown, and its bytes stay',
    async (_what, body) => {
      const reading = await read(body, { ...FRAMED, contentType: 'text/html' })
      expect(reading).toMatchObject({ kind: 'unreadable', holdsTokens: true })
    },
  )

  it('a pair inside something else is in no ordinary page', async () => {
    for (const text of ['Log in', 'The access_token is sent as a form', '<input name="refresh_token">'])
      expect(await read(PAGE.replace('Welcome', text))).toEqual({ kind: 'html' })
  })

  it.each([
    ['the outer object', `{"data":{"access_token":"${ACCESS}"},"refresh_to`],
    ['a page around it', PAGE.replace('Welcome', `<pre>{"access_token":"${ACCESS}"}`).slice(0, -20)],
  ])(
    'a pair inside something else that broke off in %s is not taken without its refresh token',
    async (_where, body) => {
      for (const changes of [UNFRAMED, { complete: false, failure: 'ECONNRESET' }])
        expect((await read(body, changes)).kind).toBe('unreadable')
    },
  )
})

describe('a form', () => {
  const STUMP = `access_token=AT-0&expires_in=60&refresh_token=RT-9`
  it.each<[string, string, Partial<RawAnswer>, boolean]>([
    ['with its length', STUMP, FRAMED, true],
    ['of an older version’s record', STUMP, {}, true],
    ['that ends in its refresh token with the connection', STUMP, UNFRAMED, false],
    ['that ends in its access token with the connection', 'expires_in=60&access_token=AT-0', UNFRAMED, false],
    ['that ends in a name with the connection', 'access_token=AT-0&refresh_tok', UNFRAMED, false],
    [
      'whose last parameter is no token',
      'access_token=AT-0&refresh_token=RT-9&expires_in=60',
      UNFRAMED,
      true,
    ],
    ['that broke off', STUMP, { complete: false }, false],
  ])('a form: %s', async (_what, body, changes, isWhole) => {
    const reading = await read(body, changes)
    expect(reading.kind).toBe(isWhole ? 'tokens' : 'unreadable')
    if (!isWhole) expect(reading).toMatchObject({ isCut: true })
  })

  it('cut off behind its refresh token gives that one', async () => {
    const reading = await read(`refresh_token=${encodeURIComponent(REFRESH)}&access_token=AT`, UNFRAMED)
    expect(reading.kind === 'unreadable' && reading.salvaged?.reveal()).toBe(REFRESH)
  })
})

describe('a refresh token', () => {
  it.each([`${REFRESH}\r\n`, ` ${REFRESH}\t`, `\uFEFF${REFRESH}`])(
    'a refresh token is trimmed at its ends: %j',
    async (token) => {
      expect(opened(await read(JSON.stringify({ ...PAIR, refresh_token: token })))).toEqual([ACCESS, REFRESH])
    },
  )

  it.each([4711, {}, [REFRESH, REFRESH], true, 'a\nb', 'é'])(
    'a refresh token that is %j is there and unusable',
    async (token) => {
      expect(await read(JSON.stringify({ ...PAIR, refresh_token: token }))).toMatchObject({
        ...{ kind: 'tokens', refreshToken: null, isRefreshTokenUnusable: true },
      })
    },
  )

  it('twice in XML is there and unusable', async () => {
    const twice = XML_PAIR.replace('<expires_in>', '<refresh_token>RT-2</refresh_token><expires_in>')
    expect(await read(twice)).toMatchObject({ kind: 'tokens', isRefreshTokenUnusable: true })
  })

  it('twice in a form is there and unusable, unless it is the same twice', async () => {
    const tokens = { access_token: ACCESS, refresh_token: REFRESH }
    const form = (second: string): string =>
      `${new URLSearchParams(tokens).toString()}&${new URLSearchParams({ refresh_token: second, a: 'b' }).toString()}`
    expect(await read(form('RT-2'))).toMatchObject({ kind: 'tokens', isRefreshTokenUnusable: true })
    const same = await read(form(REFRESH))
    expect(same.kind === 'tokens' && same.refreshToken?.reveal()).toBe(REFRESH)
  })

  it('somewhere else in the answer is there and unusable', async () => {
    const elsewhere = `{"access_token":"${ACCESS}","more":{"deep":{"refresh_token":"${REFRESH}"}}}`
    expect(await read(elsewhere)).toMatchObject({ kind: 'tokens', isRefreshTokenUnusable: true })
  })

  it.each([undefined, null, '', ' \t', false])('a refresh token that is %j is none', async (token) => {
    const reading = await read(JSON.stringify({ ...PAIR, refresh_token: token, refresh_token_expires_in: 9 }))
    expect(reading).not.toHaveProperty('isRefreshTokenUnusable')
  })
})

describe('a lifetime', () => {
  const SENT = { sentAt: moment(ISSUED) }
  const lifetimes = async (fields: object, changes: Partial<RawAnswer> = {}) => {
    const reading = await read(JSON.stringify({ access_token: ACCESS, ...fields }), { ...SENT, ...changes })
    return reading.kind === 'tokens' ? [reading.expiresIn, reading.isLifetimeUnusable === true] : []
  }

  it.each<[object, number | null, boolean]>([
    [{}, null, false],
    [{ expires_in: null }, null, false],
    [{ expires_in: 0 }, null, true],
    [{ expires_in: 'soon' }, null, true],
    [{ expires_at: new Date((ISSUED + 60) * 1000).toISOString() }, 60, false],
    [{ expires_on: String(ISSUED + 60) }, 60, false],
    [{ access_token_expires_at: (ISSUED + 60) * 1000 }, 60, false],
    [{ '.expires': new Date((ISSUED + 60) * 1000).toUTCString() }, 60, false],
    [{ expires_in: ISSUED + 60 }, 60, false],
    [{ expires_in: 3_600_000, expires_in_sec: 3600 }, 3600, false],
    [{ expires_in_ms: 3_600_000 }, 3600, false],
    [{ expires_in: 3_600_000, expires_at: ISSUED + 3600 }, 3600, false],
    [{ expires_in: 0, expires_at: ISSUED + 60 }, 60, false],
    [{ expires_in: 3600, expires_at: ISSUED + 60 }, 3600, false],
    [{ expires_in: 366 * 86_400 }, 366 * 86_400, false],
    [{ expires_in: 367 * 86_400 }, null, true],
    [{ expires_at: ISSUED - 60 }, null, true],
  ])('%j: %s s, unusable: %s', async (fields, seconds, isUnusable) => {
    expect(await lifetimes(fields)).toEqual([seconds, isUnusable])
  })

  it('a lifetime to an instant is counted by the server’s own clock, where it tells it', async () => {
    const fields = { expires_at: ISSUED + 1000 }
    expect(await lifetimes(fields, { date: new Date((ISSUED + 400) * 1000).toUTCString() })).toEqual([
      600,
      false,
    ])
    expect(await lifetimes(fields, { date: 'nonsense' })).toEqual([1000, false])
    expect(await lifetimes(fields, { date: new Date(0).toUTCString() })).toEqual([1000, false])
  })
})

describe('what stays unreadable is named', () => {
  it.each<[string, RegExp]>([
    ['{"status":0,"payload":{"jwt":1,"renew":2}}', /^JSON with the keys status, payload; below: jwt, renew$/],
    ['{}', /^JSON without a key$/],
    ['[1,2]', /^a JSON array of 2$/],
    ['<a><b>1</b></a>', /^XML with the keys a, b$/],
    ['status=ok&x=1', /^a form with the keys status, x$/],
    ['{"eyJhbGciOiJIUzI1NiJ9":1,"status":2}', /^JSON with the keys status, 1 more$/],
    [
      JSON.stringify(
        Object.fromEntries(
          Array.from({ length: 40 }, (_, n) => [`key_${'abcdefghij'[n % 10]}${'abcd'[n % 4]}${n}`, n]),
        ),
      ),
      /, \d+ more$/,
    ],
  ])('what stays unreadable is named: %s', async (body, shape) => {
    const reading = await read(body)
    expect(reading.kind === 'unreadable' && reading.shape).toMatch(shape)
  })

  it('what stays unreadable is named by no key that may be a secret', () => {
    for (const name of [
      'access_token',
      'refreshToken',
      'TokenResponse',
      'ERROR_CODE',
      'expires_in_sec',
      '@odata.context',
    ])
      expect([name, isName(name)]).toEqual([name, true])
    for (const name of [
      'eyJhbGciOiJIUzI1NiJ9',
      'a8f5f167f44f4964e6c998dee827110c',
      'sk_live_4eC39HqLyjWDarjtT1',
      'x'.repeat(41),
      '',
    ])
      expect([name, isName(name)]).toEqual([name, false])
  })
})

describe('much text', () => {
  it.each([
    ['braces', '{'.repeat(1_000_000)],
    ['braces before a key', `${'{'.repeat(1_000_000)}"access_token":"x"`],
    ['keys', '"access_token":'.repeat(70_000)],
    ['keys with their braces', '{"access_token":'.repeat(60_000)],
    ['quotes', `{"access_token":"${'\\"'.repeat(500_000)}`],
    ['escaped quotes', `"access_token":${'&quot;'.repeat(160_000)}`],
    ['lines', 'access_token=\n'.repeat(70_000)],
    ['elements', '<a><access_token>'.repeat(60_000)],
    ['elements that end', `${'<a>'.repeat(150_000)}<access_token>x${'</a>'.repeat(120_000)}`],
    ['attributes', '<access_token a="'.repeat(60_000)],
    ['white space', `access_token${' '.repeat(1_000_000)}`],
  ])('much text of %s is read in little time', async (_what, body) => {
    const begin = performance.now()
    await read(body)
    expect(performance.now() - begin).toBeLessThan(3_000)
  })
})

test('whatever arrives with a 2xx, the pair is saved or the record stays, and no message holds a token', async () => {
  const token = fc.string({
    unit: fc.constantFrom(...Array.from('abXYZ0189-._')),
    minLength: 14,
    maxLength: 24,
  })
  const around = fc.constantFrom('', NOTICE, PAGE, ")]}',\n", '{"a":{"b":', 'callback(', '\uFEFF', '\n')
  const written = fc.constantFrom(
    (access: string, refresh: string) =>
      JSON.stringify({ ...PAIR, access_token: access, refresh_token: refresh }),
    (access: string, refresh: string) => XML_PAIR.replace(ACCESS, access).replace(REFRESH, refresh),
    (access: string, refresh: string) => `refresh_token=${refresh}&access_token=${access}`,
    (access: string, refresh: string) =>
      JSON.stringify({ s: 0, body: { access_token: access, refresh_token: refresh } }),
    (access: string, refresh: string) => JSON.stringify({ jwt: access, renewal: refresh }),
  )
  const made = fc.record({
    ...{ access: token, refresh: token, before: around, behind: around, written },
    ...{ status: fc.constantFrom(200, 201), isFramed: fc.boolean(), complete: fc.boolean() },
    cut: fc.option(fc.nat(400)),
    noise: fc.option(fc.tuple(fc.nat(400), fc.nat(255))),
  })
  await fc.assert(
    fc.asyncProperty(made, async (one) => {
      const text = one.before + one.written(one.access, one.refresh) + one.behind
      let body = Buffer.from(text)
      if (one.noise !== null) body[one.noise[0] % body.length] = one.noise[1]
      if (one.cut !== null) body = body.subarray(0, one.cut)
      const { status, isFramed, complete } = one
      const said = answer(body, { status, isFramed, complete, failure: complete ? null : 'ECONNRESET' })
      const store = new MemoryStore().put(tokenSet())
      const server: AuthorizationServer = {
        ...{ host: 'auth.example.com', prepare: () => Promise.resolve(), read: readAnswer },
        client: () => Promise.resolve({ tokenUrl: null, issuer: null, clientId: null }),
        ...{ refresh: () => Promise.resolve(said), redeem: () => Promise.resolve(said) },
      }
      const words: string[] = []
      const guard = new TokenGuard({
        ...{ store, server, clock: () => moment(ISSUED + 4000), policy: expiryPolicy({ percent: 10 }, 60) },
        ...{ timeout: 1, sleep: () => Promise.resolve() },
        notify: (notice) => words.push(notice.message, notice.hint ?? ''),
      })
      await guard
        .token()
        .catch((error: unknown) => words.push(String(error), (error as Error & { hint?: string }).hint ?? ''))
      const set = await store.read()
      // A byte of noise may have taken its name away: then none came, by all that can be known.
      const isNamed = set?.generation === 1 || body.includes('refresh_token')
      const hasRefresh = one.refresh !== one.access && body.includes(one.refresh) && isNamed
      const isSaved =
        set?.pair.refreshToken.reveal() === one.refresh || set?.intent?.salvaged?.reveal() === one.refresh
      const isKept = store.rescued.some((record) => Buffer.compare(record.answer.body, body) === 0)
      if (hasRefresh) expect({ isSaved, isKept }).not.toEqual({ isSaved: false, isKept: false })
      words.push(JSON.stringify([set?.lastFailure, await store.history()]))
      expect(words.join('\n')).not.toContain(one.access)
      expect(words.join('\n')).not.toContain(one.refresh)
    }),
    { numRuns: 1500 },
  )
})
