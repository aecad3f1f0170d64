import fc from 'fast-check'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'

import type { RawAnswer, Reading } from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import { readAnswer } from '../../src/oauth/answer.js'

const ACCESS = 'AT-0aZ.~+/=-_'
const REFRESH = 'RT-9+/=end'

function answer(body: string | Uint8Array, changes: Partial<RawAnswer> = {}): RawAnswer {
  return {
    sentAt: { now: 1_700_000_000, boot: null, uptime: 1 },
    sent: true,
    status: 200,
    contentType: 'application/json',
    contentEncoding: null,
    retryAfter: null,
    date: null,
    body: Buffer.from(body),
    complete: true,
    failure: null,
    ...changes,
  }
}

/** What only tells an answer that cannot be read from another such. */
const ASIDE = ['isCut', 'isIdle', 'holdsTokens', 'shape', 'said']

/** A reading with its secrets laid open, and without what is `null` and what is `ASIDE`. */
function plain(reading: Reading): Record<string, unknown> {
  const open = Object.entries(reading)
    .filter(([name]) => !ASIDE.includes(name))
    .map(([name, value]): [string, unknown] => [name, value instanceof Secret ? value.reveal() : value])
  return Object.fromEntries(open.filter(([, value]) => value !== null))
}

const read = async (body: string | Uint8Array, changes?: Partial<RawAnswer>) =>
  plain(await readAnswer(answer(body, changes)))

const json = (fields: object) => JSON.stringify({ access_token: ACCESS, ...fields })
const tokens = (rest: object = {}) => ({ kind: 'tokens', accessToken: ACCESS, ...rest })
const error = (code: string, description?: string) => ({
  kind: 'error',
  code,
  ...(description === undefined ? {} : { description }),
})
const html = { kind: 'html' }
const unreadable = { kind: 'unreadable' }
const salvaged = { kind: 'unreadable', salvaged: REFRESH }
const cut = { complete: false, failure: 'UND_ERR_SOCKET' }

const HIGHQ_JSON = `{"access_token":"${ACCESS}","expires_in":"18000","refresh_token":"${REFRESH}","refresh_token_expires_in":"31536000","token_type":"bearer"}`
const HIGHQ_XML = `<TokenResponse><access_token>${ACCESS}</access_token><expires_in>2419200</expires_in><refresh_token>${REFRESH}</refresh_token><token_type>bearer</token_type><useremail>user@client.example</useremail></TokenResponse>`
const HIGHQ_XML_READ = tokens({
  refreshToken: REFRESH,
  expiresIn: 2_419_200,
  tokenType: 'bearer',
  user: 'user@client.example',
})
const FORM = new URLSearchParams({
  access_token: ACCESS,
  refresh_token: REFRESH,
  expires: '5184000',
}).toString()
const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, 'utf16le')

type Case = [situation: string, body: string | Uint8Array, expected: object, changes?: Partial<RawAnswer>]

const SHAPES: readonly Case[] = [
  // What HighQ sends
  [
    'HighQ’s JSON, numbers as strings',
    HIGHQ_JSON,
    tokens({ refreshToken: REFRESH, expiresIn: 18_000, refreshExpiresIn: 31_536_000, tokenType: 'bearer' }),
  ],
  ['HighQ’s XML', HIGHQ_XML, HIGHQ_XML_READ, { contentType: 'application/xml' }],
  ['XML labelled JSON', HIGHQ_XML, HIGHQ_XML_READ],
  ['JSON labelled as a web page', json({}), tokens(), { contentType: 'text/html' }],
  ['no content type at all', HIGHQ_XML, HIGHQ_XML_READ, { contentType: null }],

  // Lifetimes
  ['a fraction of a second', json({ expires_in: '3600.7' }), tokens({ expiresIn: 3600 })],
  ['a lifetime of 0', json({ expires_in: 0 }), tokens({ isLifetimeUnusable: true })],
  ['a negative lifetime', json({ expires_in: -1 }), tokens({ isLifetimeUnusable: true })],
  ['a lifetime of null', json({ expires_in: null }), tokens()],
  ['a lifetime of NaN', json({ expires_in: 'NaN' }), tokens({ isLifetimeUnusable: true })],
  [
    'a lifetime of 1e99',
    `{"access_token":"${ACCESS}","expires_in":1e99}`,
    tokens({ isLifetimeUnusable: true }),
  ],
  [
    'a lifetime that is an instant',
    json({ expires_in: 1_634_244_444 }),
    tokens({ isLifetimeUnusable: true }),
  ],
  [
    'a lifetime with letters behind it',
    json({ expires_in: '3600abc' }),
    tokens({ isLifetimeUnusable: true }),
  ],
  ['a lifetime of true', json({ expires_in: true }), tokens({ isLifetimeUnusable: true })],
  ['`expires` for `expires_in`', json({ expires: 5_184_000 }), tokens({ expiresIn: 5_184_000 })],
  [
    '`expires` beside an unusable `expires_in`',
    json({ expires_in: 0, expires: 60 }),
    tokens({ expiresIn: 60 }),
  ],
  ['Keycloak’s refresh lifetime', json({ refresh_expires_in: 1800 }), tokens({ refreshExpiresIn: 1800 })],
  [
    'Intuit’s refresh lifetime',
    json({ x_refresh_token_expires_in: '8726400' }),
    tokens({ refreshExpiresIn: 8_726_400 }),
  ],
  [
    'Huawei’s refresh lifetime',
    json({ refreshExpirationTime: 86_400 }),
    tokens({ refreshExpiresIn: 86_400 }),
  ],
  ['a refresh lifetime of 0 (no end)', json({ refresh_expires_in: 0 }), tokens()],

  // Refresh tokens
  ['an empty refresh token', json({ refresh_token: '' }), tokens()],
  ['a blank refresh token', json({ refresh_token: ' \t' }), tokens()],
  ['a refresh token of null', json({ refresh_token: null }), tokens()],
  [
    'a refresh token that is an object',
    json({ refresh_token: {} }),
    tokens({ isRefreshTokenUnusable: true }),
  ],
  [
    'a refresh token that was garbled',
    json({ refresh_token: 'RT\uFFFD' }),
    tokens({ isRefreshTokenUnusable: true }),
  ],

  // Other fields and names
  ['no token type', json({ scope: 'read write' }), tokens({ scope: 'read write' })],
  [
    'an odd token type',
    json({ token_type: 'User Access Token' }),
    tokens({ tokenType: 'User Access Token' }),
  ],
  ['a scope that is an array', json({ scope: ['a'] }), tokens()],
  [
    'camel case',
    `{"accessToken":"${ACCESS}","refreshToken":"${REFRESH}","expiresIn":60,"tokenType":"Bearer"}`,
    tokens({ refreshToken: REFRESH, expiresIn: 60, tokenType: 'Bearer' }),
  ],
  [
    'ASP.NET’s XML',
    `<?xml version="1.0" encoding="utf-8"?>\r\n<TokenResponse xmlns="urn:x"><AccessToken>${ACCESS}</AccessToken><RefreshToken>${REFRESH}</RefreshToken></TokenResponse>`,
    tokens({ refreshToken: REFRESH }),
  ],
  ['the standard’s spelling beside another', json({ accessToken: 'AT-other' }), tokens()],
  ['a key given twice', `{"access_token":"AT-first","access_token":"${ACCESS}"}`, tokens()],
  ['an error beside an access token', json({ error: 'invalid_grant' }), tokens()],
  ['an access token with status 500', json({}), tokens(), { status: 500 }],

  // Encodings
  ['a UTF-8 byte order mark', `\uFEFF${json({})}`, tokens()],
  ['two byte order marks', `\uFEFF\uFEFF${json({})}`, tokens()],
  ['UTF-16, little-endian', utf16(json({})), tokens()],
  ['UTF-16, big-endian', utf16(HIGHQ_XML).swap16(), HIGHQ_XML_READ],
  ['gzip', gzipSync(json({})), tokens(), { contentEncoding: 'gzip' }],
  ['gzip that nobody told of', gzipSync(json({})), tokens()],
  ['deflate', deflateSync(json({})), tokens(), { contentEncoding: 'deflate' }],
  ['deflate without its wrapper', deflateRawSync(json({})), tokens(), { contentEncoding: 'Deflate ' }],
  ['brotli', brotliCompressSync(json({})), tokens(), { contentEncoding: 'br' }],
  ['plain text labelled brotli', json({}), tokens(), { contentEncoding: 'br' }],
  [
    'plain text labelled deflate, which would inflate to a byte',
    `{\n  "expires_in": 0,"access_token":"${ACCESS}"}`,
    tokens({ isLifetimeUnusable: true }),
    { contentEncoding: 'deflate' },
  ],
  [
    'a coding that is no coding',
    json({ refresh_token: 'é' }),
    tokens({ isRefreshTokenUnusable: true }),
    { contentEncoding: 'constructor' },
  ],
  [
    'gzip cut behind the refresh token',
    gzipSync(HIGHQ_JSON + ' '.repeat(9)).subarray(0, -9),
    {
      ...tokens({
        refreshToken: REFRESH,
        expiresIn: 18_000,
        refreshExpiresIn: 31_536_000,
        tokenType: 'bearer',
      }),
    },
    { contentEncoding: 'gzip', ...cut },
  ],
  ['a cut gzip of a form', gzipSync(FORM).subarray(0, -6), salvaged, { contentEncoding: 'gzip' }],
  ['a gzip bomb', gzipSync(json({}) + ' '.repeat(50_000_000)), unreadable, { contentEncoding: 'gzip' }],

  // Forms
  [
    'a form',
    FORM,
    tokens({ refreshToken: REFRESH, expiresIn: 5_184_000 }),
    { contentType: 'application/x-www-form-urlencoded' },
  ],
  [
    'a form labelled plain text, with a line end',
    `${FORM}\r\n`,
    tokens({ refreshToken: REFRESH, expiresIn: 5_184_000 }),
    { contentType: 'text/plain' },
  ],
  [
    'GitHub’s error, a form with status 200',
    'error=bad_refresh_token&error_description=The+refresh+token+is+incorrect',
    error('bad_refresh_token', 'The refresh token is incorrect'),
  ],
  ['a form whose `+` was not encoded', 'access_token=a+b', unreadable],

  // XML
  [
    'an upper-case root and namespaces',
    `<o:TOKENRESPONSE xmlns:o="u"><o:access_token>${ACCESS}</o:access_token></o:TOKENRESPONSE>`,
    tokens(),
  ],
  ['XML in CDATA', `<r><access_token><![CDATA[${ACCESS}]]></access_token></r>`, tokens()],
  [
    'XML with the five entities',
    '<r><access_token>&lt;&gt;&amp;&quot;&apos;</access_token></r>',
    tokens({ accessToken: `<>&"'` }),
  ],
  [
    'XML with references to characters',
    '<r><access_token>a&#43;b&#x2F;c&#38;amp;&amp;lt;</access_token></r>',
    tokens({ accessToken: 'a+b/c&amp;&lt;' }),
  ],
  ['XML, indented', `<r>\n  <access_token>\n    ${ACCESS}\n  </access_token>\n</r>\n`, tokens()],
  ['XML with an entity of its own', '<r><access_token>&euro;</access_token></r>', unreadable],
  [
    'XML with a document type',
    `<!DOCTYPE r [<!ENTITY x "y">]><r><access_token>${ACCESS}</access_token></r>`,
    tokens(),
  ],
  [
    'XML nested too deep',
    `<a><access_token>${ACCESS}</access_token><b><c><d><e>1</e></d></c></b></a>`,
    unreadable,
  ],
  ['XML with two roots', `<r><access_token>${ACCESS}</access_token></r><s/>`, tokens()],
  [
    'XML with two access tokens',
    `<r><access_token>a</access_token><access_token>b</access_token></r>`,
    unreadable,
  ],
  ['XML with a reserved name', `<r><__proto__>x</__proto__><access_token>a</access_token></r>`, unreadable],
  [
    'an XML error',
    '<TokenResponse><error>invalid_grant</error><error_description>gone &amp; over</error_description></TokenResponse>',
    error('invalid_grant', 'gone & over'),
    { status: 400 },
  ],
  ['an XML error that is the root', '<error>invalid_grant</error>', error('invalid_grant'), { status: 400 }],
  [
    'an XML error inside an error',
    '<error><error>invalid_client</error></error>',
    error('invalid_client'),
    { status: 401 },
  ],
  [
    'an XML error with a code',
    '<error><code>invalid_grant</code><message>no</message></error>',
    error('invalid_grant', 'no'),
  ],

  // Errors
  ['an error with status 200', '{"error":"invalid_grant"}', error('invalid_grant')],
  [
    'an error with a description',
    '{"error":" invalid_grant ","error_description":" gone\\u001b[2J "}',
    error('invalid_grant', ' gone\u001b[2J '),
    { status: 400 },
  ],
  [
    'an error beside an empty access token',
    '{"access_token":"","error":"invalid_grant"}',
    error('invalid_grant'),
  ],
  [
    'Fitbit’s errors',
    '{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid"}],"success":false}',
    error('invalid_grant', 'Refresh token invalid'),
    { status: 400 },
  ],
  ['errors that are strings', '{"errors":["invalid_grant","other"]}', error('invalid_grant')],
  [
    'Facebook’s error',
    '{"error":{"message":"Expired","type":"OAuthException","code":190}}',
    error('OAuthException', 'Expired'),
  ],
  ['Google’s error', '{"error":{"code":401,"status":"UNAUTHENTICATED"}}', error('UNAUTHENTICATED')],
  ['an error that is a number', '{"error":17}', error('17')],
  ['an error that is true', '{"error":true}', error('true')],
  ['an error that is an empty object', '{"error":{}}', error('unspecified')],
  [
    'an endless code and description',
    JSON.stringify({ error: 'e'.repeat(5000), error_description: 'd'.repeat(5000) }),
    error('e'.repeat(100), 'd'.repeat(300)),
  ],
  ['an error of null', '{"error":null}', unreadable],
  ['no errors', '{"errors":[]}', unreadable],

  // Web pages
  ['a web page', '<!DOCTYPE html>\n<html><body>Log in</body></html>', html, { contentType: 'text/html' }],
  ['a web page labelled JSON', '\r\n<HTML lang="en"><p>', html],
  ['XHTML', '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0"><html/>', html],
  ['half a web page', 'Blocked<br>by policy', html, { contentType: 'Text/HTML; charset=utf-8' }],
  ['XML labelled as a web page', HIGHQ_XML, HIGHQ_XML_READ, { contentType: 'text/html' }],

  // Nothing
  ['an empty body', '', unreadable],
  ['a word', 'OK', unreadable],
  ['a JSON string', `"${ACCESS}"`, unreadable],
  ['a JSON array', `[${json({})}]`, tokens()],
  ['a token one level down', `{"data":${json({})}}`, tokens()],
  ['an access token with a space', '{"access_token":"a b"}', unreadable],
  ['an access token with a line end', '{"access_token":"a\\n"}', tokens({ accessToken: 'a' })],
  ['an access token that is a number', '{"access_token":12345}', unreadable],
  ['an access token that is not ASCII', '{"access_token":"tökén"}', unreadable],
  ['bytes of no text', Buffer.from([0, 255, 254, 1, 2]), unreadable],
  ['JSON with something behind it', `${json({})}<!-- served by x -->`, tokens()],

  // Broken off
  ['whole JSON of an answer that broke off', json({}), tokens(), cut],
  ['whole XML of an answer that broke off', HIGHQ_XML, HIGHQ_XML_READ, cut],
  [
    'a form that broke off behind the refresh token',
    'access_token=abc&refresh_token=RT-9%2B/=end&exp',
    salvaged,
    cut,
  ],
  [
    'a form that broke off in the refresh token',
    'access_token=abc&refresh_token=RT-9%2B/=en',
    unreadable,
    cut,
  ],
  ['JSON cut behind the refresh token', `{ "refresh_token" : "RT-9\\u002b\\/=end", "acc`, salvaged, cut],
  [
    'JSON cut at the quote of the refresh token',
    `{"access_token":"x","refresh_token":"RT-9+/=end`,
    unreadable,
    cut,
  ],
  ['JSON cut in an escape', `{"refresh_token":"RT-9+/=end\\"`, unreadable, cut],
  ['camel case cut behind the refresh token', `{"refreshToken":"${REFRESH}","acc`, salvaged, cut],
  [
    'a reference beyond Unicode in cut XML',
    '<T><refresh_token>RT&#x110000;</refresh_token><acc',
    unreadable,
    cut,
  ],
  ['an empty refresh token in cut JSON', '{"refresh_token":"","acc', unreadable, cut],
  [
    'XML cut behind the refresh token',
    `<T><refresh_token>\n RT-9&#43;/=end </refresh_token><acc`,
    salvaged,
    cut,
  ],
  ['XML cut in the end tag', `<T><refresh_token>${REFRESH}</refresh_tok`, unreadable, cut],
  ['a foreign entity in cut XML', `<T><refresh_token>RT&plus;</refresh_token><acc`, unreadable, cut],
  [
    'a refresh token beside an unusable access token',
    `{"access_token":null,"refresh_token":"${REFRESH}"}`,
    salvaged,
  ],
]

describe('an answer of the token endpoint', () => {
  test.each<Case>(SHAPES)(
    'an answer of the token endpoint: %s',
    async (_situation, body, expected, changes) => {
      expect(await read(body, changes)).toEqual(expected)
    },
  )
})

describe('whatever arrives', () => {
  const settings = fc.record({
    contentType: fc.constantFrom(null, 'application/json', 'text/html', 'application/xml'),
    contentEncoding: fc.constantFrom(null, 'gzip', 'deflate', 'br', 'gzip, br', 'constructor', '__proto__'),
    complete: fc.boolean(),
  })

  test('any bytes give a reading', async () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.json().map((text) => Buffer.from(text)),
      fc.string().map((text) => Buffer.from(`<a>${text}</a>`)),
    )
    await fc.assert(
      fc.asyncProperty(noise, settings, async (body, changes) => {
        expect(await read(body, changes)).toHaveProperty('kind')
      }),
      { numRuns: 1000 },
    )
  })

  test('a mutated answer gives a reading', async () => {
    const originals = [HIGHQ_JSON, HIGHQ_XML, FORM].map((text) => Buffer.from(text))
    const mutant = fc
      .tuple(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
      )
      .map(([original, changes]) => {
        const bytes = Buffer.from(original)
        for (const [place, value] of changes) bytes[place % bytes.length] = value
        return bytes
      })
    await fc.assert(
      fc.asyncProperty(mutant, settings, async (body, changes) => {
        expect(await read(body, changes)).toHaveProperty('kind')
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['escapes', `{"refresh_token":"${'\\/'.repeat(500_000)}`],
    ['whole escapes', `{"refresh_token":"${'\\/'.repeat(500_000)}","a`],
    ['names', '"refresh_token"'.repeat(65_000)],
    ['open tags', '<refresh_token '.repeat(65_000)],
    ['start tags', '<refresh_token>'.repeat(65_000)],
    ['parameters', '&refresh_token='.repeat(65_000)],
    ['nested objects', '{"error":'.repeat(100_000) + '1' + '}'.repeat(100_000)],
    ['nested arrays', `{"errors":${'['.repeat(500_000)}${']'.repeat(500_000)}}`],
    ['white space', `<a>${' '.repeat(1_000_000)}`],
    ['ampersands', `<a>${'&'.repeat(1_000_000)}</a>`],
    ['attributes', `<a ${'b="" '.repeat(200_000)}`],
  ])('a mebibyte of %s is read in little time', async (_what, body) => {
    const begin = performance.now()
    expect(await read(body, cut)).toHaveProperty('kind')
    expect(performance.now() - begin).toBeLessThan(10_000)
  })
})

describe('an answer cut off at any point', () => {
  const token = fc.string({
    unit: fc.constantFrom(...Array.from('abZ9-._~+/=&<>"\'\\%')),
    minLength: 1,
    maxLength: 12,
  })
  const pair = fc.record({ access: token, refresh: token, accessFirst: fc.boolean() })

  const escapedXml = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
  const shapes: Record<string, (fields: readonly (readonly [string, string])[]) => string> = {
    json: (fields) => JSON.stringify(Object.fromEntries(fields)),
    xml: (fields) =>
      `<?xml version="1.0"?><T>${fields.map(([n, v]) => `<${n}>${escapedXml(v)}</${n}>`).join('')}</T>`,
    form: (fields) => new URLSearchParams(Object.fromEntries(fields)).toString(),
  }
  const packings: Record<string, (text: string) => [Uint8Array, Partial<RawAnswer>]> = {
    plain: (text) => [Buffer.from(text), {}],
    gzip: (text) => [gzipSync(text), { contentEncoding: 'gzip' }],
    deflate: (text) => [deflateRawSync(text), { contentEncoding: 'deflate' }],
    brotli: (text) => [brotliCompressSync(text), { contentEncoding: 'br' }],
    utf16: (text) => [utf16(text), {}],
  }

  test.each(
    Object.keys(shapes).flatMap((shape) => Object.keys(packings).map((packing) => [shape, packing] as const)),
  )('%s, %s: a token is whole or none', async (shape, packing) => {
    await fc.assert(
      fc.asyncProperty(pair, async ({ access, refresh, accessFirst }) => {
        const both = [
          ['access_token', access],
          ['refresh_token', refresh],
        ] as const
        const fields = [...(accessFirst ? both : [...both].reverse()), ['expires_in', '60']] as const
        const [body, changes] = packings[packing]?.(shapes[shape]?.(fields) ?? '') ?? [Buffer.alloc(0), {}]

        expect(await read(body, changes)).toMatchObject({ accessToken: access, refreshToken: refresh })
        for (let length = 0; length < body.length; length++) {
          const reading = await read(body.subarray(0, length), { ...changes, ...cut })
          if (reading['kind'] === 'tokens')
            expect(reading).toMatchObject({ accessToken: access, refreshToken: refresh })
          else expect([undefined, refresh]).toContain(reading['salvaged'])
        }
      }),
      { numRuns: 15 },
    )
  })
})
