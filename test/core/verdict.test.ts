import { describe, expect, it } from 'vitest'
import { isBusy, namesReason, verdictIn, type Verdict } from '../../src/core/verdict.js'

describe('what a server’s words say', () => {
  it.each<[code: string | null, description: string | null, verdict: Verdict | undefined]>([
    ['invalid_request', 'The refresh token is invalid.', 'refused'],
    ['invalid_request', 'Invalid "refresh_token" in request.', 'refused'],
    ['invalid_request', 'Missing "refresh_token" in request.', 'misconfigured'],
    ['invalid_request', 'session not found', 'refused'],
    ['invalid_request', 'token expired', 'refused'],
    ['invalid_request', null, 'misconfigured'],
    ['invalid_request', 'refresh_token is required', 'misconfigured'],
    ['invalid_request', 'The request is missing a required parameter: refresh_token', 'misconfigured'],
    ['invalid_request', 'access token expired', 'misconfigured'],
    [null, 'missing or unknown refresh token', 'refused'],
    ['BAD_REFRESH_TOKEN', 'missing or unknown refresh token', 'refused'],
    ['invalid_code', null, 'refused'],
    ['invalid_grant: Token is expired or invalid.', null, 'refused'],
    [null, 'Refresh token not found: AB115abc', 'refused'],
    [null, 'Incorrect or invalid refresh token', 'refused'],
    [null, 'The refresh token "abc123" has already been used', 'refused'],
    [null, 'Refresh token has expired. Please log in again.', 'refused'],
    [null, 'Unable to refresh token: invalid response from upstream', undefined],
    [null, 'Failed to refresh token: session service unavailable', undefined],
    [null, 'The refresh token is not expired', undefined],
    [null, 'Access token expired', undefined],
    [null, 'refresh token is missing', 'misconfigured'],
    [null, 'unknown error while reading refresh token', undefined],
    ['unsupported', 'grant type refresh_token is not supported', 'misconfigured'],
    [null, 'Unsupported grant_type', 'misconfigured'],
    [null, 'refresh token grant is not allowed for this client', 'misconfigured'],
    [null, 'Unauthorized', undefined],
    ['deleted_client', 'The OAuth client was deleted.', 'misconfigured'],
    [null, 'The client is disabled', 'misconfigured'],
    [null, 'Unknown client', 'misconfigured'],
    ['400', 'Client secret is incorrect', 'misconfigured'],
    [null, 'Client 1012 is archived', 'misconfigured'],
    ['invalid_token', 'The access token expired', undefined],
    ['invalid_token', 'Invalid refresh token (expired): abc', 'refused'],
    ['token_revoked', null, 'refused'],
    ['Unknown or invalid refresh token.', null, 'refused'],
    ['RefreshTokenExpired', null, 'refused'],
    ['expired access/refresh token', null, 'refused'],
    [null, 'refreshToken is invalid', 'refused'],
    [null, 'No such refresh token', 'refused'],
    [null, 'Could not find refresh token', 'refused'],
    [null, 'The provided refresh token was revoked by the user', 'refused'],
    ['temporarily_unavailable', 'refresh token store down', 'passing'],
    ['server_error', null, 'passing'],
    ['oops', 'x', undefined],
    [null, 'The specified refresh_token parameter value is not valid', 'refused'],
    [null, 'refresh_token can not be empty', 'misconfigured'],
    [null, 'Too many requests with this refresh token', undefined],
    [null, 'Refresh token request rate limit exceeded, retry', undefined],
    [null, 'refresh token is invalid, expired or revoked', 'refused'],
    [null, 'The refresh token could not be found', 'refused'],
    [null, 'Refresh token revoked', 'refused'],
    [null, 'The refresh token has been blacklisted', 'refused'],
    [null, 'client does not exist', 'misconfigured'],
    [null, 'Parameter refresh_token missing', 'misconfigured'],
    ['session_expired', null, 'refused'],
    ['inactive_user', 'user is inactive', 'refused'],
    ['bad_client_secret', null, 'misconfigured'],
    ['invalid_client_id', null, 'misconfigured'],
    ['invalid_request', 'The client is suspended', 'misconfigured'],
    ['invalid_request', 'Grant has been revoked', 'refused'],
    ['invalid_grant', 'refresh_token is missing', 'refused'],
    ['unauthorized_client', 'The refresh token is invalid', 'misconfigured'],
    ['token_expired', 'the id token expired', undefined],
    [null, 'Refresh token is valid', undefined],
    [null, 'Please refresh token: invalid session', undefined],
    [null, 'The refresh token service is disabled', undefined],
    [null, '', undefined],
  ])('%j, %j: %s', (code, description, verdict) => {
    expect(verdictIn({ code, description }, code !== null)).toBe(verdict)
  })

  it('what a server’s words say are looked at, and a code is not, where nothing tells that it is an error', () => {
    expect(verdictIn({ code: 'access_denied', description: null }, false)).toBeUndefined()
    expect(verdictIn({ code: '40001', description: 'refresh token expired' }, false)).toBe('refused')
  })

  it.each(['token request is already being processed', 'Concurrent request', 'Please try again later'])(
    'what a server’s words say may be others a moment later: %s',
    (words) => {
      expect(isBusy(words)).toBe(true)
      expect(isBusy('expired')).toBe(false)
    },
  )

  it.each(['Token is expired', 'user is inactive', 'The password was changed'])(
    'name a reason: %s',
    (words) => {
      expect(namesReason(words)).toBe(true)
      expect(namesReason('invalid_grant: The refresh token is not known')).toBe(false)
    },
  )

  it('what a server’s words say are read in little time, however they are written', () => {
    const begin = performance.now()
    for (const piece of [
      'refresh token is ',
      'invalid or ',
      'a1',
      'missing the ',
      'refresh token "',
      'client is ',
    ])
      verdictIn({ code: null, description: piece.repeat(300).slice(0, 300) }, true)
    expect(performance.now() - begin).toBeLessThan(500)
  })
})
