import { describe, expect, it } from 'vitest'

import { Secret } from '../../src/core/secret.js'
import { movableClock, post, record, refresh, sandboxFor, sites } from './client.js'

const XML =
  /^<TokenResponse><access_token>(access-[\w-]{43})<\/access_token><expires_in>300<\/expires_in><refresh_token>(refresh-[\w-]{43})<\/refresh_token><token_type>bearer<\/token_type><useremail>someone@example\.com<\/useremail><\/TokenResponse>$/

describe('a refresh', () => {
  it('a refresh answers as JSON where JSON is asked for', async () => {
    const sandbox = await sandboxFor()
    const { refreshToken } = sandbox.issue()
    const response = await refresh(sandbox, refreshToken)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/json;charset=UTF-8')
    expect(response.headers.get('cache-control')).toBe('no-store')
    const fields = await record(response)
    expect(fields).toEqual({
      access_token: expect.stringMatching(/^access-[\w-]{43}$/) as string,
      expires_in: 300,
      refresh_token: expect.stringMatching(/^refresh-[\w-]{43}$/) as string,
      refresh_token_expires_in: 31_536_000,
      token_type: 'bearer',
    })
    expect((await refresh(sandbox, String(fields['refresh_token']))).status).toBe(200)
  })

  it.each([{}, { accept: '*/*' }, { accept: 'text/html' }])(
    'a refresh answers as XML to %j',
    async (headers) => {
      const sandbox = await sandboxFor()
      const response = await refresh(sandbox, sandbox.issue().refreshToken, headers)
      expect(response.headers.get('content-type')).toBe('application/xml;charset=UTF-8')
      expect(await response.text()).toMatch(XML)
    },
  )

  it('a refresh answers as XML always, where the sandbox is told so', async () => {
    const sandbox = await sandboxFor({ xml: true })
    expect(await (await refresh(sandbox, sandbox.issue().refreshToken)).text()).toMatch(XML)
    expect(await (await refresh(sandbox, 'unknown')).text()).toBe(
      '<TokenResponse><error>invalid_grant</error><error_description>The refresh token is not known</error_description></TokenResponse>',
    )
  })

  it('a refresh leaves fingerprints in the log and no token', async () => {
    const seen: unknown[] = []
    const sandbox = await sandboxFor({
      clock: movableClock(1_800_000_000.5),
      onRequest: (entry) => seen.push(entry),
    })
    const { refreshToken, accessToken } = sandbox.issue()
    const fields = await record(await refresh(sandbox, refreshToken))
    await refresh(sandbox, refreshToken)
    await sites(sandbox, accessToken)
    const print = (token: unknown) => new Secret(String(token)).fingerprint
    const token = {
      at: 1_800_000_000.5,
      method: 'POST',
      path: '/sandbox/api/oauth2/token',
      grantType: 'refresh_token',
      presented: print(refreshToken),
    }
    expect(sandbox.log).toEqual([
      { ...token, outcome: 'rotated', issued: print(fields['refresh_token']) },
      { ...token, outcome: 'reused', issued: null },
      {
        ...token,
        method: 'GET',
        path: '/sandbox/api/1/sites',
        grantType: null,
        outcome: 'refused',
        presented: print(accessToken),
        issued: null,
      },
    ])
    expect(seen).toEqual(sandbox.log)
    expect(JSON.stringify(sandbox.log)).not.toMatch(/(access|refresh)-[\w-]{43}/)
  })

  it('a refresh is refused while the registration is archived', async () => {
    const sandbox = await sandboxFor()
    const { refreshToken } = sandbox.issue()
    sandbox.setArchived(true)
    const response = await refresh(sandbox, refreshToken)
    expect([response.status, await record(response)]).toMatchObject([400, { error: 'unauthorized_client' }])
    sandbox.setArchived(false)
    expect((await refresh(sandbox, refreshToken)).status).toBe(200)
  })

  it('a refresh has rotated before a slow answer is on its way', async () => {
    const sandbox = await sandboxFor({ latencyMs: 2000 })
    const begun = performance.now()
    let isAnswered = false
    const response = refresh(sandbox, sandbox.issue().refreshToken).finally(() => (isAnswered = true))
    await expect.poll(() => sandbox.refreshes(), { interval: 5 }).toBe(1)
    expect(isAnswered).toBe(false)
    expect((await response).status).toBe(200)
    expect(performance.now() - begun).toBeGreaterThanOrEqual(1999)
  })
})

describe('the client', () => {
  const basic = (id: string, secret: string) => ({
    accept: 'application/json',
    authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`,
  })
  const clientId = 'a client:1'
  const clientSecret = 'p:q & r+s% é'

  it('the client may authenticate by HTTP Basic', async () => {
    const sandbox = await sandboxFor({ clientId, clientSecret })
    const send = (headers: Record<string, string>) =>
      fetch(`${sandbox.url}api/oauth2/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: sandbox.issue().refreshToken,
        }),
      })
    expect((await send(basic(clientId, clientSecret))).status).toBe(200)
    const wrong = await send(basic(clientId, 'wrong'))
    expect(wrong.status).toBe(401)
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Basic /)
    expect(await record(wrong)).toMatchObject({ error: 'invalid_client' })
  })

  it.each([{ client_secret: 'wrong' }, { client_id: '1013' }, { client_secret: '' }])(
    'the client is refused with %j, and nothing is spent',
    async (wrong) => {
      const sandbox = await sandboxFor()
      const { refreshToken } = sandbox.issue()
      const grant = { grant_type: 'refresh_token', refresh_token: refreshToken }
      const response = await post(sandbox, { ...grant, ...wrong })
      expect(response.status).toBe(401)
      expect(await record(response)).toMatchObject({ error: 'invalid_client' })
      expect((await post(sandbox, grant)).status).toBe(200)
    },
  )

  it('the client must not authenticate twice', async () => {
    const sandbox = await sandboxFor()
    const grant = { grant_type: 'refresh_token', refresh_token: sandbox.issue().refreshToken }
    const response = await post(sandbox, grant, basic(sandbox.clientId, sandbox.clientSecret))
    expect([response.status, await record(response)]).toMatchObject([400, { error: 'invalid_request' }])
  })

  it('the client has a secret of 32 characters, another one each time', async () => {
    const [one, two] = [await sandboxFor(), await sandboxFor()]
    expect(one.clientSecret).toMatch(/^[\w-]{32}$/)
    expect(one.clientSecret).not.toBe(two.clientSecret)
  })
})

describe('a request that is none', () => {
  it.each([
    [{}, 'invalid_request'],
    [{ grant_type: 'refresh_token' }, 'invalid_request'],
    [{ grant_type: 'refresh_token', refresh_token: '' }, 'invalid_request'],
    [{ grant_type: 'authorization_code' }, 'invalid_request'],
    [{ grant_type: 'client_credentials' }, 'unsupported_grant_type'],
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
  ])('%j is refused with %s', async (form, error) => {
    const response = await post(await sandboxFor(), form)
    expect([response.status, await record(response)]).toMatchObject([400, { error }])
  })

  it('a request that is none has a parameter twice', async () => {
    const sandbox = await sandboxFor()
    const body = new URLSearchParams({ client_id: sandbox.clientId, client_secret: sandbox.clientSecret })
    for (const token of ['a', 'b']) body.append('refresh_token', token)
    const response = await fetch(`${sandbox.url}api/oauth2/token`, { method: 'POST', body })
    expect([response.status, await response.text()]).toMatchObject([400, expect.stringContaining('twice')])
  })

  it('a request that is none is no POST, or no form, or endless', async () => {
    const sandbox = await sandboxFor()
    const url = `${sandbox.url}api/oauth2/token`
    const get = await fetch(url)
    expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST'])
    const headers = { 'content-type': 'application/json' }
    expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(415)
    expect((await post(sandbox, { refresh_token: 'x'.repeat(2_000_000) })).status).toBe(413)
    expect(sandbox.log.map(({ outcome }) => outcome)).toEqual(['refused', 'refused', 'refused'])
  })
})
