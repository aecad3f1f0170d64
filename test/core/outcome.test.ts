import { describe, expect, it, test } from 'vitest'
import { outcomeOf, type Outcome } from '../../src/core/outcome.js'
import {
  cutOff,
  garbage,
  granted,
  html,
  invalidGrant,
  notSent,
  raw,
  reading,
  refusal,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { ISSUED } from '../support/token-sets.js'

function outcome(said: Said): Outcome {
  return outcomeOf(raw(said), reading(said.body), ISSUED)
}

describe('what an answer means', () => {
  it.each<[string, Said, Outcome['kind']]>([
    ['tokens', granted('a', 'r'), 'granted'],
    ['tokens without a refresh token', granted('a', null), 'granted'],
    ['tokens with HTTP 400', { ...granted('a', 'r'), status: 400 }, 'granted'],
    ['tokens with HTTP 503', { ...granted('a', 'r'), status: 503 }, 'granted'],
    ['tokens of an answer cut off behind them', { ...granted('a', 'r'), complete: false }, 'granted'],

    ['connection refused', notSent('ECONNREFUSED'), 'not-sent'],
    ['a host without address', notSent('ENOTFOUND'), 'not-sent'],
    ['a certificate that nobody knows', notSent('SELF_SIGNED_CERT_IN_CHAIN'), 'not-sent'],

    ['a reset after sending', silence('ECONNRESET'), 'unknown'],
    ['silence', silence(), 'unknown'],
    ['an answer cut off', cutOff(), 'unknown'],
    ['an answer cut off behind a refresh token', cutOff('salvaged'), 'unknown'],
    ['an answer that makes no sense', garbage(), 'unknown'],
    ['HTTP 200 and nothing', status(200), 'unknown'],
    ['HTTP 204', status(204), 'unknown'],
    ['HTTP 500', status(500), 'unknown'],
    ['HTTP 502 with a web page', html(502), 'unknown'],
    ['HTTP 504', status(504), 'unknown'],
    ['HTTP 500 with an error of no RFC', refusal('server_error', null, 500), 'unknown'],

    ['HTTP 429', status(429), 'no-verdict'],
    ['HTTP 503', status(503), 'no-verdict'],
    ['HTTP 503 with a web page', html(503), 'no-verdict'],
    ['HTTP 503 cut off', cutOff('salvaged', 503), 'no-verdict'],
    ['HTTP 408', status(408), 'no-verdict'],
    ['a login page', html(), 'no-verdict'],
    ['a portal’s page with HTTP 403', html(403), 'no-verdict'],
    ['HTTP 400 and nothing', status(400), 'no-verdict'],
    ['HTTP 401 that makes no sense', garbage(401), 'no-verdict'],
    ['HTTP 404', status(404), 'no-verdict'],
    ['HTTP 302', status(302), 'no-verdict'],
    ['HTTP 308', status(308), 'no-verdict'],
    ['an error of no RFC', refusal('temporarily_unavailable'), 'no-verdict'],
    ['an error of no RFC with HTTP 200', refusal('slow_down', null, 200), 'no-verdict'],

    ['invalid_grant', invalidGrant(), 'refused'],
    ['invalid_grant with HTTP 200', refusal('invalid_grant', null, 200), 'refused'],
    ['invalid_grant with HTTP 401', refusal('invalid_grant', null, 401), 'refused'],
    ['invalid_grant with HTTP 403', refusal('invalid_grant', null, 403), 'refused'],
    ['invalid_grant with HTTP 404', refusal('invalid_grant', null, 404), 'refused'],
    ['invalid_grant with HTTP 500', refusal('invalid_grant', null, 500), 'refused'],
    ['invalid_grant with HTTP 503', refusal('invalid_grant', null, 503), 'refused'],
    ['GitHub’s word for it', refusal('bad_refresh_token', null, 200), 'refused'],
    ['OpenAI’s word for it', refusal('refresh_token_reused', null, 401), 'refused'],
    ['and its other one', refusal('refresh_token_expired', null, 401), 'refused'],

    ['invalid_client', refusal('invalid_client', null, 401), 'misconfigured'],
    ['invalid_client with HTTP 500', refusal('invalid_client', null, 500), 'misconfigured'],
    ['unauthorized_client', refusal('unauthorized_client'), 'misconfigured'],
    ['invalid_scope', refusal('invalid_scope'), 'misconfigured'],
    ['invalid_request', refusal('invalid_request'), 'misconfigured'],
    ['unsupported_grant_type', refusal('unsupported_grant_type'), 'misconfigured'],
    ['access_denied', refusal('access_denied'), 'misconfigured'],
    ['a word of its own for a dead grant', refusal('invalid_code', null, 200), 'refused'],
    [
      'its words with a code of RFC 6749',
      refusal('invalid_request', 'The refresh token is invalid.'),
      'refused',
    ],
    ['its words with HTTP 500', refusal('oops', 'The refresh token is invalid.', 500), 'unknown'],
    ['its words with HTTP 503', refusal('oops', 'The refresh token is invalid.', 503), 'no-verdict'],
    ['its words with HTTP 429', refusal('oops', 'Invalid refresh token', 429), 'no-verdict'],
    [
      'its words without an error',
      garbage(400, { said: { code: 'BAD_REFRESH_TOKEN', description: null } }),
      'refused',
    ],
    [
      'its words with HTTP 200',
      garbage(200, { said: { code: null, description: 'refresh token expired' } }),
      'refused',
    ],
    ['other words with HTTP 200', garbage(200, { said: { code: 'OK', description: 'done' } }), 'unknown'],
    ['a dead client', refusal('deleted_client', null, 401), 'misconfigured'],
    ['what may hold tokens, with HTTP 400', garbage(400, { holdsTokens: true }), 'unknown'],
    ['what may hold tokens, with HTTP 503', garbage(503, { holdsTokens: true }), 'unknown'],

    ['GitHub’s invalid_client', refusal('incorrect_client_credentials', null, 200), 'misconfigured'],
  ])('what an answer means: %s', (_what, said, kind) => {
    expect(outcome(said).kind).toBe(kind)
  })

  it.each<[string, Said, boolean]>([
    ['HTTP 400 and nothing', status(400), true],
    ['HTTP 401 and nothing', status(401), true],
    [
      'HTTP 401 in words that say nothing',
      garbage(401, { said: { code: null, description: 'Unauthorized' } }),
      true,
    ],
    ['an error that nobody knows', refusal('E1234'), true],
    ['an error that goes by', refusal('temporarily_unavailable'), false],
    ['a page', html(400), false],
    ['a broken-off HTTP 400', cutOff(null, 400), false],
    ['HTTP 403', status(403), false],
    ['HTTP 404', status(404), false],
    ['HTTP 407', status(407), false],
    ['HTTP 408', status(408), false],
    ['HTTP 429', status(429), false],
  ])('%s: bare, %s', (_what, said, isBare) => {
    expect(outcome(said)).toMatchObject({ kind: 'no-verdict', isBare: isBare })
  })

  it.each<[string, Said, object]>([
    ['a whole answer that makes no sense', garbage(), { isKept: true, isUnread: true, mayHoldTokens: true }],
    [
      'too short for a token',
      garbage(200, { isIdle: true }),
      { isKept: true, isUnread: true, mayHoldTokens: false },
    ],
    ['a cut-off one', cutOff(), { isKept: true, isUnread: false, mayHoldTokens: false }],
    ['one without its end', garbage(200, { isCut: true }), { isKept: true, isUnread: false }],
    ['nothing', status(200), { isKept: false, isUnread: false, mayHoldTokens: false }],
    ['HTTP 500', garbage(500), { isKept: false, isUnread: false, mayHoldTokens: false }],
    ['HTTP 500 that may hold tokens', garbage(500, { holdsTokens: true }), { isKept: true, isUnread: true }],
  ])('what is kept of %s', (_what, said, kept) => {
    expect(outcome(said)).toMatchObject({ kind: 'unknown', ...kept })
  })

  it.each([
    ['a cut-off answer', cutOff('salvaged'), 'salvaged'],
    ['a cut-off HTTP 500', cutOff('salvaged', 500), 'salvaged'],
    ['one cut off too early', cutOff(), undefined],
    ['silence', silence(), undefined],
  ])('a refresh token is salvaged from %s', (_what, said, salvaged) => {
    const result = outcome(said)
    expect(result.kind === 'unknown' ? result.salvaged?.reveal() : 'no').toBe(salvaged)
  })
})

describe('what is said of it', () => {
  it.each<[string, Said, string]>([
    ['an error and its description', invalidGrant('revoked'), 'invalid_grant: revoked'],
    ['an error alone', invalidGrant(), 'invalid_grant'],
    ['nothing sent', notSent('ECONNREFUSED'), 'ECONNREFUSED'],
    ['nothing sent, and nobody knows why', { ...notSent('x'), failure: null }, 'no answer'],
    ['a status', status(500), 'HTTP 500'],
    ['an error of no RFC, and its status', refusal('slow_down', 'too fast', 400), 'HTTP 400 (slow_down)'],
    ['a page', html(), 'HTTP 200, a web page and not the token endpoint’s answer'],
    ['a broken-off answer', cutOff(), 'HTTP 200, broken off (UND_ERR_SOCKET)'],
    ['a redirect', status(302), 'HTTP 302, a redirect, which is not followed'],
    ['nonsense', garbage(), 'HTTP 200, an answer that cannot be read'],
    [
      'its shape',
      garbage(200, { shape: 'JSON with the keys a' }),
      'HTTP 200, an answer that cannot be read (JSON with the keys a)',
    ],
    [
      'a redirect within the origin',
      { ...status(308), location: 'https://a.example/token/' },
      'HTTP 308, a redirect to https://a.example/token/, which is not followed',
    ],
  ])('what is said of it: %s', (_what, said, what) => {
    expect(outcome(said)).toMatchObject({ what })
  })

  test('no token of an answer is in it', () => {
    expect(JSON.stringify(outcome(cutOff('salvaged-token')))).not.toContain('salvaged-token')
  })
})

describe('Retry-After', () => {
  const IN_TWO_MINUTES = new Date((ISSUED + 120) * 1000).toUTCString()
  it.each([
    ['seconds', 429, '17', 17],
    ['seconds, with space around', 503, ' 17 ', 17],
    ['none', 503, '0', 0],
    ['an hour at most', 503, '86400', 3600],
    ['a number without end', 503, '9'.repeat(400), 3600],
    ['a date', 503, IN_TWO_MINUTES, 120],
    ['a date, an hour at most', 503, new Date((ISSUED + 86_400) * 1000).toUTCString(), 3600],
    ['a date in the past', 503, new Date((ISSUED - 5) * 1000).toUTCString(), 0],
    ['nonsense', 503, 'soon', null],
    ['nothing', 503, '', null],
    ['not said', 503, null, null],
    ['not said, too many requests', 429, null, 30],
    ['nonsense, too many requests', 429, 'soon', 30],
    ['on a page', 403, '60', 60],
    ['on a redirect', 302, '60', 60],
  ])('%s: HTTP %i, %j', (_what, code, retryAfter, seconds) => {
    expect(outcome(status(code, retryAfter))).toMatchObject({ kind: 'no-verdict', retryAfter: seconds })
  })

  // A lenient date parser takes these for days of the year 2001, and so for instants long past.
  it.each(['-5', '1.5', '12 seconds', '10,20'])('nonsense that begins with a number: %j', (retryAfter) => {
    expect(outcome(status(429, retryAfter))).toMatchObject({ retryAfter: 30 })
  })
})
