import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { authority, type Authority } from '../support/authority.js'
import { requirePrograms } from '../support/debian.js'
import { freePort, tinyproxy, type Proxy } from '../support/proxy.js'
import { HOST, inFrontOf } from '../support/tls-front.js'
import { told, type WorldOptions } from '../support/world.js'
import { type Examined, examined, rewritten, seeded } from './examined.js'

describe('TLS and the proxy', { timeout: 300_000 }, () => {
  let firm: Authority
  let proxy: Proxy
  let locked: Proxy

  beforeAll(async () => {
    requirePrograms('tinyproxy', 'openssl')
    firm = authority()
    proxy = await tinyproxy()
    locked = await tinyproxy('BasicAuth someone secret-of-the-proxy')
  }, 300_000)

  afterAll(() => {
    for (const one of [proxy, locked]) one.end()
  })

  const behind = async (
    network: string,
    more: { certificate?: ReturnType<Authority['issue']>; mutual?: boolean } = {},
    options: WorldOptions & { argv?: readonly string[] } = {},
  ): Promise<Examined> => {
    const made = await seeded({ config: `[network]\n${network}\n` })
    return examined(await inFrontOf(made, { firm, ...more }), options)
  }

  it('doctor names the issuer, the days that are left, and the proxy that was used, where TLS is fine', async () => {
    const got = await behind(`ca_file = ${firm.cert}\nproxy = ${proxy.url}`, {}, { argv: ['--online'] })
    expect(got.code).toBe(0)
    expect(got.check('trust')?.message).toBe('the authorities of Node and of ca_file')
    expect(got.check('certificate')).toMatchObject({
      ...{
        status: 'ok',
        message: expect.stringMatching(
          /^127\.0\.0\.2:\d+, by Firm CA, for another (?:59|60) days$/,
        ) as string,
      },
    })
    expect(got.check('proxy')?.message).toMatch(
      new RegExp(`^${proxy.url} \\(.*, line \\d+: \\[network\\] proxy\\)$`),
    )
    expect(got.check('API')).toMatchObject({ status: 'ok' })
  })

  it('doctor goes without the proxy where the host is exempt from it', async () => {
    const got = await behind(
      `ca_file = ${firm.cert}`,
      {},
      { env: { HTTPS_PROXY: proxy.url, NO_PROXY: HOST } },
    )
    expect(got.check('proxy')?.message).toMatch(/^not used for 127\.0\.0\.2:\d+ \(http:.* \(HTTPS_PROXY\)\)$/)
  })

  it('doctor warns of a certificate that ends soon', async () => {
    const got = await behind(`ca_file = ${firm.cert}`, { certificate: firm.issue(HOST, 3) })
    expect(got.code).toBe(0)
    expect(got.check('certificate')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/another [23] days/) as string,
      hint: expect.stringContaining('has to renew it') as string,
    })
  })

  it.each([
    [
      'that has expired',
      () => firm.issue(HOST, -1),
      true,
      /has expired \(CERT_HAS_EXPIRED\)/,
      /renew the certificate/,
    ],
    [
      'for another name',
      () => firm.issue('other.example.com'),
      true,
      /is for another name/,
      /is it 127\.0\.0\.2\?/,
    ],
    [
      'by nobody who is known',
      () => firm.issue(HOST),
      false,
      /an authority that this machine does not trust/,
      /ca_file = FILE .*NODE_EXTRA_CA_CERTS=FILE/,
    ],
  ])(
    'doctor ends with 75 for a certificate %s, straight and through the proxy',
    async (_, certificate, isKnown, message, hint) => {
      for (const way of ['none', proxy.url]) {
        const ca = isKnown ? `ca_file = ${firm.cert}\n` : ''
        const got = await behind(`${ca}proxy = ${way}`, { certificate: certificate() })
        expect(got.code).toBe(75)
        expect(got.check('server')).toMatchObject({ status: 'ok' })
        expect(got.check('certificate')).toMatchObject({
          ...{ status: 'fail', exit: 75 },
          message: expect.stringMatching(message) as string,
          hint: expect.stringMatching(hint) as string,
        })
        expect(got.check('token URL')).toMatchObject({ status: 'skip' })
      }
    },
  )

  it('doctor ends with 75 for a proxy that refuses, is not there, or does not get through', async () => {
    const asks = await behind(`ca_file = ${firm.cert}\nproxy = ${locked.url}`)
    expect(asks.code).toBe(75)
    expect(asks.check('proxy')).toMatchObject({
      ...{
        status: 'fail',
        exit: 75,
        message: expect.stringContaining('asks for a user and a password (407)') as string,
      },
      hint: expect.stringContaining('http://USER:PASSWORD@') as string,
    })
    const absent = await behind(`proxy = http://127.0.0.1:${await freePort()}`)
    expect(absent.check('proxy')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/) as string,
      hint: 'check the address of the proxy, and whether the proxy runs',
    })
    const made = await seeded({ config: `[network]\nproxy = ${proxy.url}\n` })
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = https://${HOST}:1/`))
    expect((await examined(made)).check('proxy')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/does not let 127\.0\.0\.2:1 through \(5\d\d\)/) as string,
      hint: expect.stringContaining('NO_PROXY') as string,
    })
  })

  it('keep the password of the proxy to themselves', async () => {
    const url = new URL(locked.url)
    url.username = 'someone'
    url.password = 'secret-of-the-proxy'
    const made = await seeded({ config: `[network]\nca_file = ${firm.cert}\nproxy = ${url.href}\n` })
    const { config } = await inFrontOf(made, { firm })
    const got = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: config } })
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(got.stdout).not.toContain('secret-of-the-proxy')
  })

  it('doctor ends with 78 for TLS files that cannot be used, and warns of one that Node passes over', async () => {
    const missing = await behind('ca_file = none.pem')
    expect(missing.code).toBe(78)
    expect(missing.check('trust')).toMatchObject({
      status: 'fail',
      exit: 78,
      message: expect.stringContaining('none.pem does not exist') as string,
    })
    const passedOver = await behind(
      `ca_file = ${firm.cert}`,
      {},
      { env: { NODE_EXTRA_CA_CERTS: '/nonexistent.pem' } },
    )
    expect(passedOver.check('trust')).toMatchObject({ status: 'warn', hint: 'ls -ld /nonexistent.pem' })
  })

  it('doctor says how long a certificate of the client lives, and that the server wants one', async () => {
    const client = firm.issue('client.example.com', 3)
    const shown = `client_cert_file = ${client.cert}\nclient_key_file = ${client.key}`
    const got = await behind(`ca_file = ${firm.cert}\n${shown}`, { mutual: true })
    expect(got.code).toBe(0)
    expect(got.check('trust')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/certificate ends in [23] days$/) as string,
      hint: expect.stringContaining('client_cert_file') as string,
    })
    const without = await behind(`ca_file = ${firm.cert}`, { mutual: true })
    expect(without.code).toBe(75)
    expect(without.check('token URL')).toMatchObject({
      ...{ status: 'fail', exit: 75, message: expect.stringContaining('did not answer') as string },
      hint: expect.stringContaining('client_cert_file') as string,
    })
  })
})
