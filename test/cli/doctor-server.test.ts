import { createServer as createTcpServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Finding } from '../../src/core/finding.js'
import { inspectWay } from '../../src/network/inspect.js'
import { freePort, listening } from '../support/proxy.js'
import { told, type WorldOptions } from '../support/world.js'
import { changed, type Examined, examined, later, rewritten, seeded, serving } from './examined.js'

describe('the server', { timeout: 300_000 }, () => {
  const at = async (instance: string, options: WorldOptions = {}): Promise<Examined> => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = ${instance}`))
    return examined(made, options)
  }
  const answering = (status: number, type: string, body: string, headers = {}): Promise<string> =>
    serving((_, response) => response.writeHead(status, { 'content-type': type, ...headers }).end(body))

  it('doctor reports a server whose name nobody knows, and ends with 75', async () => {
    const got = await at('https://no-such-host.invalid/')
    expect(got.code).toBe(75)
    expect(got.check('name')).toMatchObject({
      ...{ status: 'fail', exit: 75, message: expect.stringContaining('no-such-host.invalid') as string },
      hint: expect.stringContaining('name resolution') as string,
    })
    expect(got.names).not.toContain('server')
    for (const name of ['token URL', 'authorize URL'])
      expect(got.check(name)).toMatchObject({ status: 'skip' })
  })

  it.each([
    ['by a name: where that is', 'localhost', /^localhost is (?:::1|127\.0\.0\.1)/],
    ['by an address: nothing has to be found out', '127.0.0.1', undefined],
    ['by an address of IPv6', '[::1]', undefined],
  ])('doctor reports a server that is configured %s', async (_, host, message) => {
    const got = await at(`http://${host}:${await freePort()}/`)
    expect(got.check('server')).toMatchObject({ status: 'fail' })
    expect(got.check('name')).toEqual(
      message && expect.objectContaining({ status: 'ok', message: expect.stringMatching(message) as string }),
    )
  })

  it.each([
    ['CERT_NOT_YET_VALID', 'certificate', /is not valid yet/, /clock/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'certificate', /no TLS connection with/, /host and port/],
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'certificate',
      /does not accept this client’s certificate/,
      /client_cert/,
    ],
    ['UND_ERR_CONNECT_TIMEOUT', 'server', /does not answer/, /firewall/],
    ['EHOSTUNREACH', 'server', /cannot be reached from here/, /firewall/],
  ])(
    'doctor says what it means that a server is not reached by %s, and ends with 75',
    (failure, name, message, hint) => {
      const found = { isConnected: false, certificate: null, addresses: ['192.0.2.1'], answer: null }
      const url = new URL('https://acme.highq.com/')
      const { checks, isReached } = inspectWay({ ...found, failure, url, proxy: 'unused' }, null, 0)
      expect(isReached).toBe(false)
      expect(checks.at(-1)).toMatchObject({
        ...{ name, status: 'fail', exit: 75, message: expect.stringMatching(message) as string },
        hint: expect.stringMatching(hint) as string,
      })
    },
  )

  it('doctor does not look up the name of a server that is reached through a proxy', () => {
    const found = { failure: null, isConnected: true, certificate: null, addresses: null, answer: null }
    const way = (hostname: string): readonly Finding[] =>
      inspectWay({ ...found, proxy: 'reached', url: new URL(`https://${hostname}/`) }, 'http://proxy', 0)
        .checks
    expect(way('acme.highq.com')).toContainEqual({
      ...{ name: 'name', status: 'skip', message: 'the proxy resolves the name acme.highq.com' },
    })
    expect(way('10.0.0.1').map(({ name }) => name)).toEqual(['proxy', 'server', 'certificate', 'clock'])
  })

  it('doctor reports a server that refuses the connection, and ends with 75', async () => {
    const got = await at(`http://127.0.0.1:${await freePort()}/`)
    expect(got.code).toBe(75)
    expect(got.check('server')).toMatchObject({
      ...{
        status: 'fail',
        exit: 75,
        message: expect.stringMatching(/refuses the connection \(ECONNREFUSED\)/) as string,
      },
      hint: expect.stringContaining('HTTPS_PROXY') as string,
    })
  })

  it('doctor reports a server that takes the connection and says nothing, and ends with 75, within half a minute', async () => {
    const port = await listening(
      createTcpServer(() => undefined),
      '127.0.0.1',
    )
    const begun = performance.now()
    const got = await at(`http://127.0.0.1:${port}/`)
    expect(performance.now() - begun).toBeLessThan(30_000)
    expect(got.code).toBe(75)
    expect(got.check('token URL')).toMatchObject({
      status: 'fail',
      exit: 75,
      message: `127.0.0.1:${port} did not answer (TIMEOUT)`,
    })
  })

  it.each([
    [
      'HTML',
      200,
      'text/html',
      '<!doctype html><html><body>Sign in</body></html>',
      'fail',
      75,
      /a web page \(HTTP 200\)/,
    ],
    [
      'nothing',
      404,
      'text/html',
      '<html>no</html>',
      'fail',
      78,
      /there is no token endpoint at .* \(HTTP 404\)/,
    ],
    ['a redirect', 302, 'text/plain', '', 'fail', 75, /redirects elsewhere \(HTTP 302\)/],
    ['an error of its own', 500, 'text/plain', 'oops', 'fail', 75, /HTTP 500/],
    ['400 without a reason', 400, 'text/plain', 'bad', 'warn', 0, /not in the form of RFC 6749/],
    // As glewlwyd, to a request without a client.
    [
      '400 without a word',
      400,
      '',
      '',
      'ok',
      0,
      /refuses a request without a client, as it should \(HTTP 400\)/,
    ],
    ['401 without a word', 401, 'text/plain', '\n', 'ok', 0, /refuses a request without a client/],
    ['403 without a word', 403, '', '', 'warn', 0, /not in the form of RFC 6749/],
    ['405 without a word', 405, '', '', 'warn', 0, /not in the form of RFC 6749/],
    ['success without a word', 200, '', '', 'warn', 0, /not in the form of RFC 6749/],
    [
      'an error in XML',
      400,
      'application/xml',
      '<e><error>invalid_request</error></e>',
      'ok',
      0,
      /invalid_request/,
    ],
  ] as const)(
    'doctor reports a server with %s at the token URL: %s',
    async (_, status, type, body, verdict, code, message) => {
      const elsewhere = await answering(status, type, body, { location: 'https://example.com/' })
      const made = await seeded()
      rewritten(made, (text) => text.replace('[store]', `token_url = ${elsewhere}/token\n[store]`))
      const got = await examined(made)
      expect(got.code).toBe(code)
      expect(got.check('token URL')).toMatchObject({
        status: verdict,
        message: expect.stringMatching(message) as string,
      })
      if (verdict !== 'ok') expect(got.check('token URL')?.hint).toBeTruthy()
      expect(got.check('authorize URL')).toMatchObject({ status: 'ok' })
      // Another server: each has its own way.
      expect(got.names.filter((name) => name === 'server')).toHaveLength(2)
    },
  )

  it.each([
    [200, 'ok', 0],
    [302, 'ok', 0],
    [503, 'warn', 0],
    [404, 'fail', 78],
  ])('doctor reports a server with HTTP %d at the authorize URL: %s', async (status, verdict, code) => {
    const elsewhere = await answering(status, 'text/html', '<html></html>', { location: '/login' })
    const made = await seeded()
    rewritten(made, (text) => text.replace('[store]', `authorize_url = ${elsewhere}/authorize\n[store]`))
    const got = await examined(made)
    expect(got.code).toBe(code)
    expect(got.check('authorize URL')).toMatchObject({
      ...{ status: verdict, exit: code === 0 ? null : code },
      ...(verdict !== 'ok' && { hint: expect.stringMatching(/authorize_url|browser/) as string }),
    })
  })

  it.each([
    ['no metadata', 404, '', 78, /publishes no metadata/, /^check issuer/],
    ['a failure', 503, '', 75, /could not be fetched \(HTTP 503\)/, /again later/],
    ['no JSON', 200, '<html>', 78, /cannot be read/, /^check issuer/],
    ['another’s', 200, '{"issuer":"https://evil.example"}', 78, /belongs to another issuer/, /^check issuer/],
  ] as const)(
    'doctor reports a server with %s where the issuer should tell its endpoints',
    async (_, status, body, code, message, hint) => {
      const issuer = await answering(status, 'application/json', body)
      const made = await seeded()
      rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
      const got = await examined(made)
      expect(got.code).toBe(code)
      expect(got.check('issuer')).toMatchObject({
        ...{ status: 'fail', exit: code },
        ...{ message: expect.stringMatching(message) as string, hint: expect.stringMatching(hint) as string },
      })
    },
  )

  it.each([
    ['at the first place, and much of it', '/.well-known/openid-configuration', 404, 80_000],
    ['at the second, where the first is a web page', '/.well-known/oauth-authorization-server', 200, 0],
    ['at the second, where the first is forbidden', '/.well-known/oauth-authorization-server', 403, 0],
  ])(
    'doctor and login agree on a server whose issuer tells its endpoints %s',
    async (_, path, otherwise, more) => {
      const issuer = await serving(({ url }, response) => {
        const isThere = url === path
        response.writeHead(isThere ? 200 : otherwise, {
          'content-type': isThere ? 'application/json' : 'text/html',
        })
        const [authorization_endpoint, token_endpoint] = [`${issuer}/a`, `${issuer}/t`]
        const metadata = { issuer, authorization_endpoint, token_endpoint, more: 'x'.repeat(more) }
        response.end(isThere ? JSON.stringify(metadata) : '<html>Sign in</html>')
      })
      const made = await seeded()
      rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
      expect((await examined(made)).check('issuer')).toMatchObject({
        ...{ status: 'ok', message: `${issuer} publishes its endpoints` },
      })
      expect(await made.run(['login', '--no-browser'])).toMatchObject({ code: 0 })
    },
  )

  it('doctor says as a login does that the issuer does not say where to log in, where a login is meant to be', async () => {
    const issuer: string = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/t` }))
    })
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
    expect((await examined(made)).check('issuer')).toMatchObject({
      ...{ status: 'fail', exit: 78, message: `the metadata of ${issuer} does not say where to log in` },
      hint: 'set authorize_url in [client] of the configuration',
    })
    expect(await made.run(['login', '--no-browser'])).toMatchObject({ code: 78, stdout: '' })
    rewritten(made, (text) => text.replace(/redirect_uri = .*\n/, ''))
    expect((await examined(made)).check('issuer')).toMatchObject({ status: 'ok' })
  })

  it('doctor ends with the code of the first failure where configuration, store and server have all failed', async () => {
    const made = await seeded()
    rewritten(made, (text) =>
      text
        .replace(/client_secret = .*/, 'client_secret_command = exit 3')
        .replace(/instance = .*/, 'instance = http://127.0.0.1:1/'),
    )
    changed(made, 'PRAGMA user_version = 99')
    const all = await examined(made)
    expect(['client secret', 'schema', 'server'].map((name) => all.check(name)?.exit)).toEqual([78, 74, 75])
    expect(all.code).toBe(78)
    rewritten(made, (text) => text.replace(/client_secret_command = .*/, 'client_secret = s3cr3t-012345'))
    expect((await examined(made)).code).toBe(74)
    changed(made, 'PRAGMA user_version = 4')
    expect((await examined(made)).code).toBe(75)
  })

  it('doctor reports a server whose clock is another, or untold', async () => {
    const made = await seeded()
    expect((await examined(made, { clock: later(90) })).check('clock')).toMatchObject({
      ...{ status: 'ok', message: expect.stringMatching(/^(?:8|9)\d s ahead of the server’s$/) as string },
    })
    for (const [seconds, direction] of [
      [600, 'ahead of'],
      [-600, 'behind'],
    ] as const)
      expect((await examined(made, { clock: later(seconds) })).check('clock')).toMatchObject({
        ...{ status: 'warn', hint: expect.stringContaining('timedatectl') as string },
        message: expect.stringMatching(new RegExp(`clock is \\d{3} s ${direction} the server’s`)) as string,
      })
    const mute = await serving((_, response) => {
      response.sendDate = false
      response.writeHead(400).end()
    })
    expect((await at(`${mute}/`)).check('clock')).toMatchObject({ status: 'skip' })
  })

  it('the server is not asked at all where nobody checks who it is: 78', async () => {
    const made = await seeded()
    const got = await examined(made, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
    expect(got.code).toBe(78)
    expect(got.check('trust')).toMatchObject({ status: 'fail', exit: 78 })
    expect(got.check('servers')).toMatchObject({ status: 'skip' })
    expect(made.sandbox.log).toHaveLength(0)
  })

  it('commands no terminal by what it says', async () => {
    const url = await answering(400, 'application/json', '{"error":"\\u001b[31mred"}')
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = ${url}/`))
    const { stdout } = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(stdout).not.toContain('\u001b')
  })
})
