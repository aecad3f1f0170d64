import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { TokenError } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import { authorizationRequest, codeFrom, pasted } from '../../src/oauth/authorization.js'

const PLACE = {
  authorizeUrl: new URL('https://login.example/authorize'),
  clientId: '1012',
  scope: null,
  issuer: null,
}
const STATE = new Secret('state-1')

describe('the address to log in at', () => {
  it('the address to log in at asks for a code, with a state and a challenge that are new each time', async () => {
    const first = await authorizationRequest(PLACE, 'http://127.0.0.1:8765/callback')
    const second = await authorizationRequest(PLACE, 'http://127.0.0.1:8765/callback')
    expect(Object.fromEntries(first.url.searchParams)).toEqual({
      response_type: 'code',
      client_id: '1012',
      redirect_uri: 'http://127.0.0.1:8765/callback',
      state: first.state.reveal(),
      code_challenge: createHash('sha256').update(first.verifier.reveal()).digest('base64url'),
      code_challenge_method: 'S256',
    })
    expect(first.state.reveal().length).toBeGreaterThanOrEqual(43)
    expect(first.state.equals(second.state) || first.verifier.equals(second.verifier)).toBe(false)
  })

  it('the address to log in at keeps what the endpoint’s own address asks for', async () => {
    const authorizeUrl = new URL('https://login.example/authorize?access_type=offline')
    const { url } = await authorizationRequest({ ...PLACE, authorizeUrl }, 'http://127.0.0.1/')
    expect(url.searchParams.get('access_type')).toBe('offline')
  })

  it.each([
    ['openid offline_access', 'consent'],
    ['openid', null],
    ['not_offline_access', null],
  ])('the address to log in at with scope %s asks for %s', async (scope, prompt) => {
    const { url } = await authorizationRequest({ ...PLACE, scope }, 'http://127.0.0.1/')
    expect([url.searchParams.get('scope'), url.searchParams.get('prompt')]).toEqual([scope, prompt])
  })
})

describe('what a person pastes', () => {
  it.each([
    ['the address', 'http://127.0.0.1:8765/callback?code=abc&state=xyz'],
    ['with line breaks', 'http://127.0.0.1:8765/call\r\nback?code=a\n  bc&state=x\nyz\n'],
    ['with a fragment', 'https://firm.example/cb?code=abc&state=xyz#_=_'],
    ['in the fragment', 'https://firm.example/cb#code=abc&state=xyz'],
    ['quoted', '"https://firm.example/cb?code=abc&state=xyz"'],
    ['in angle brackets', ' <https://firm.example/cb?code=abc&state=xyz> '],
    ['without its host', '/cb?code=abc&state=xyz'],
    ['its query alone', '?code=abc&state=xyz'],
    ['its parameters alone', 'code=abc&state=xyz'],
    ['with a query of its own', 'https://firm.example/cb?page=1&code=abc&state=xyz'],
  ])('what a person pastes is %s', (_, text) => {
    const found = pasted(text)
    expect(
      found?.kind === 'address' && [...['code', 'state'].map((name) => found.parameters.get(name))],
    ).toEqual(['abc', 'xyz'])
  })

  it.each(['abc-DEF_123', ' abc-DEF\n_123 ', '"abc-DEF_123"'])(
    'what a person pastes is the code alone: %j',
    (text) => {
      const found = pasted(text)
      expect(found?.kind === 'code' && found.code.reveal()).toBe('abc-DEF_123')
    },
  )

  it('what a person pastes is a code as it stands in an address', () => {
    const found = pasted('4%2F0AbC-d')
    expect(found?.kind === 'code' && found.code.reveal()).toBe('4/0AbC-d')
  })

  it.each(['oops my clipboard', 'ftp://x/y', '127.0.0.1:8765/cb', 'pässword'])(
    'what a person pastes is something else, which is sent nowhere: %s',
    (text) => {
      expect(pasted(text)).toBeUndefined()
    },
  )

  it('what a person pastes is an error of the server', () => {
    const found = pasted('http://127.0.0.1/cb?error=access_denied&state=xyz')
    expect(found?.kind === 'address' && found.parameters.get('error')).toBe('access_denied')
  })

  it.each([
    '',
    ' \n',
    'https://login.example/authorize?client_id=1',
    'https://firm.example/',
    '?state=xyz',
    '#',
  ])('what a person pastes is nothing of the kind: %j', (text) => {
    expect(pasted(text)).toBeUndefined()
  })
})

describe('an answer', () => {
  const answer = async (query: string, issuer: string | null = null): Promise<string> => {
    try {
      return (await codeFrom(new URLSearchParams(query), STATE, { ...PLACE, issuer })).reveal()
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      expect(error.message).not.toContain('state-1')
      return `${error.exit} ${error.message}`
    }
  }

  it('an answer with the state of the login gives its code', async () => {
    expect(await answer('code=abc&state=state-1')).toBe('abc')
  })

  it.each([
    ['without a state', 'code=abc', '4 this answer has no state'],
    ['with another state', 'code=abc&state=state-2', '4 this answer does not belong to the login that waits'],
    ['with a state that begins like it', 'code=abc&state=state-12', '4 this answer does not belong to'],
    ['with its state twice', 'code=abc&state=state-1&state=state-1', '4 this answer does not belong to'],
    ['with two codes', 'code=abc&code=def&state=state-1', '4 the answer of login.example holds no code'],
    ['with an empty code', 'code=&state=state-1', '4 the answer of login.example holds no code'],
    ['without a code', 'state=state-1', '4 the answer of login.example holds no code'],
    ['with a token', 'access_token=x&state=state-1', '4 the answer of login.example holds no code'],
    [
      'that denies',
      'error=access_denied&state=state-1',
      '4 the login was denied at login.example (access_denied)',
    ],
    [
      'that wants more',
      'error=login_required&state=state-1',
      '4 login.example needs another step from the person',
    ],
    ['of a broken server', 'error=server_error&state=state-1', '75 login.example could not answer'],
    ['of a busy server', 'error=temporarily_unavailable&state=state-1', '75 login.example could not answer'],
    [
      'that takes no such scope',
      'error=invalid_scope&error_description=no+such+scope&state=state-1',
      '78 login.example does not accept the request (invalid_scope: no such scope)',
    ],
    [
      'that quotes',
      'error=invalid_request&error_description=bad+state-1&state=state-1',
      '78 login.example does not',
    ],
  ])('%s is not taken', async (_, query, message) => {
    expect((await answer(query)).slice(0, message.length)).toBe(message)
  })

  it.each([
    ['the configured issuer', 'https://a.example/x', 'https://a.example/x', true],
    ['another than the configured one', 'https://b.example/', 'https://a.example/', false],
    ['one at the place that we know', 'https://login.example/tenant/', null, true],
    ['one somewhere else', 'https://evil.example/', null, false],
    ['one that is no address', 'evil', null, false],
  ])('an answer from %s', async (_, iss, issuer, isTaken) => {
    const said = await answer(`code=abc&state=state-1&iss=${encodeURIComponent(iss)}`, issuer)
    expect(said.startsWith('4 this answer says that it comes from another server')).toBe(!isTaken)
    expect(said === 'abc').toBe(isTaken)
  })
})
