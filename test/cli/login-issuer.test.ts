import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { home } from './login-home.js'

describe('the endpoints of an issuer', () => {
  /** Metadata of whatever kind, at whichever path. */
  async function metadata(
    body: (issuer: string) => unknown,
    path = '/.well-known/openid-configuration',
    otherwise = 404,
  ) {
    const server = createServer((request, response) => {
      const isThere = request.url === path
      response.writeHead(isThere ? 200 : otherwise, { 'content-type': 'application/json' })
      response.end(isThere ? JSON.stringify(body(issuer)) : '')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.close()
    })
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const there = await home()
    const text = readFileSync(there.config, 'utf8')
    writeFileSync(there.config, text.replace(/instance = .*/, `issuer = ${issuer}`))
    return { ...there, issuer }
  }

  const all = (issuer: string) => ({
    issuer,
    authorization_endpoint: `${issuer}/a`,
    token_endpoint: `${issuer}/t`,
    revocation_endpoint: `${issuer}/r`,
  })

  it.each(['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server'])(
    'the endpoints of an issuer are found at %s, and kept',
    async (path) => {
      const { tell, store, issuer } = await metadata(all, path)
      const { code, stdout } = await tell(['login', '--no-browser'])
      expect([code, stdout]).toEqual([0, expect.stringContaining(`${issuer}/a?response_type=code`)])
      expect(await store.discovered()).toMatchObject({
        issuer,
        tokenUrl: `${issuer}/t`,
        revocationUrl: `${issuer}/r`,
      })
    },
  )

  it.each([
    [
      'that of another issuer',
      (issuer: string) => ({ ...all(issuer), issuer: 'https://evil.example' }),
      'another issuer',
    ],
    [
      'without a token endpoint',
      (issuer: string) => ({ ...all(issuer), token_endpoint: undefined }),
      'no token endpoint',
    ],
    [
      'with an endpoint in the clear',
      (issuer: string) => ({ ...all(issuer), token_endpoint: 'ftp://x/t' }),
      'token_endpoint must be an https URL',
    ],
    ['a list', () => [], 'cannot be read'],
  ])('the endpoints of an issuer are not taken from metadata that is %s', async (_, body, message) => {
    const { tell, store } = await metadata(body)
    const { code, stdout, stderr } = await tell(['login', '--no-browser'])
    expect([code, stdout, stderr]).toEqual([78, '', expect.stringContaining(message)])
    expect(await store.discovered()).toBeUndefined()
  })

  it.each([400, 403, 405, 301])(
    'the endpoints of an issuer are found at the second place where the first answers with %i',
    async (status) => {
      const { tell, store } = await metadata(all, '/.well-known/oauth-authorization-server', status)
      expect(await tell(['login', '--no-browser'])).toMatchObject({ code: 0 })
      expect(await store.discovered()).toBeDefined()
    },
  )

  it.each([429, 503])(
    'the endpoints of an issuer are asked for later where the server says %i',
    async (status) => {
      const { tell } = await metadata(all, '/nowhere', status)
      expect(await tell(['login', '--no-browser'])).toMatchObject({ code: 75, stdout: '' })
    },
  )

  it('the endpoints of an issuer are unknown without metadata, and before a login', async () => {
    const { tell } = await metadata(all, '/nowhere')
    expect(await tell(['login', '--no-browser'])).toMatchObject({ code: 78, stdout: '' })
    expect((await tell(['refresh'])).code).toBe(4)
  })
})
