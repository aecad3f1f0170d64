import { execFile } from 'node:child_process'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ConfigInvalid } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import type { AuthMethod } from '../../src/core/auth-method.js'
import { clientAuthentication } from '../../src/oauth/client-authentication.js'
import { listening } from '../support/proxy.js'

async function proof(authMethod: AuthMethod, clientId: string, secret: string) {
  const clientSecret = () => Promise.resolve(new Secret(secret))
  const { prove, hint } = await clientAuthentication({ authMethod, clientId, clientSecret })
  const [form, headers] = [new URLSearchParams(), new Headers()]
  prove(form, headers)
  const credentials = /^Basic (\S+)$/.exec(headers.get('authorization') ?? '')?.[1] ?? ''
  return { form: form.toString(), header: Buffer.from(credentials, 'base64').toString(), hint }
}

/** What `curl -u` sends. */
async function curl(userAndPassword: string): Promise<string> {
  let seen: IncomingHttpHeaders = {}
  const server = createServer(({ headers }, response) => {
    seen = headers
    response.end()
  })
  const port = await listening(server, '127.0.0.1')
  await promisify(execFile)('curl', ['-s', '-u', userAndPassword, `http://127.0.0.1:${port}/`])
  return Buffer.from((seen.authorization ?? '').replace('Basic ', ''), 'base64').toString()
}

/** As RFC 6749 appendix B has a server read it. */
const decoded = (header: string): string[] =>
  header.split(':').map((part) => new URLSearchParams(`a=${part}`).get('a') ?? '')

const COMMON = [
  ['1012', 'abcDEF0123456789abcDEF0123456789'],
  ['my-app', 'a-b_c'],
  ['my.app*1', 'x.y-z_*'],
] as const
const TOLD_APART = [
  ['app', 'a;b'],
  ['app', 'a#b'],
  ['app', 'a~b'],
  ['my app', 'secret'],
  ['app', 'a+b/c=='],
  ['app', '100%25'],
  ['app', 'pa:ss'],
  ['ümlaut', 'sécret'],
] as const

describe('client_secret_basic', () => {
  it.each(COMMON)(
    'client_secret_basic of %s and %s is the same for servers that decode and for those that do not',
    async (id, secret) => {
      const { header, form, hint } = await proof('client_secret_basic', id, secret)
      expect(header).toBe(await curl(`${id}:${secret}`))
      expect(decoded(header)).toEqual([id, secret])
      expect({ form, hint }).toEqual({ form: '', hint: null })
    },
  )

  it.each(TOLD_APART)(
    'client_secret_basic of %s and %s is for servers that decode, and names the other way',
    async (id, secret) => {
      const { header, hint } = await proof('client_secret_basic', id, secret)
      expect(decoded(header)).toEqual([id, secret])
      expect(header).not.toBe(`${id}:${secret}`)
      expect(hint).toContain('try auth_method = client_secret_basic_plain in [client] of the config')
    },
  )

  it('client_secret_basic can be read back whatever the secret holds', async () => {
    const all = String.fromCodePoint(...Array.from({ length: 0x250 }, (_, code) => code + 0x20))
    const { header } = await proof('client_secret_basic', all, all)
    expect(decoded(header)).toEqual([all, all])
  })
})

describe('client_secret_basic_plain', () => {
  it.each([...COMMON, ...TOLD_APART])(
    'client_secret_basic_plain of %s and %s is what `curl -u` sends',
    async (id, secret) => {
      const { header, form } = await proof('client_secret_basic_plain', id, secret)
      expect(header).toBe(await curl(`${id}:${secret}`))
      expect(form).toBe('')
    },
  )

  it('client_secret_basic_plain names the other way where the two differ', async () => {
    const { hint } = await proof('client_secret_basic_plain', 'app', 'a;b')
    expect(hint).toContain('try auth_method = client_secret_basic in [client] of the config')
    expect(await proof('client_secret_basic_plain', 'my-app', 'a-b_c')).toMatchObject({ hint: null })
  })

  it.each([
    ['a:b', 'secret', /client_id that holds a colon/],
    ['a\nb', 'secret', /holds a control character/],
    ['a', 'sec\u007fret', /holds a control character/],
  ])('client_secret_basic_plain of %j and %j cannot be sent', async (id, secret, message) => {
    const refused = proof('client_secret_basic_plain', id, secret)
    await expect(refused).rejects.toThrow(ConfigInvalid)
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.not.toThrow(/sec.ret/)
  })
})

describe('other methods', () => {
  it('send the secret in the form, or only the client id', async () => {
    expect(await proof('client_secret_post', 'a;b', 'c~d')).toEqual({
      form: 'client_id=a%3Bb&client_secret=c%7Ed',
      header: '',
      hint: null,
    })
    expect(await proof('none', 'a;b', 'unused')).toEqual({ form: 'client_id=a%3Bb', header: '', hint: null })
  })
})
