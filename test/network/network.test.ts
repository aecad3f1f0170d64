import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withoutNews } from '../support/processes.js'
import { authority, pem, type Authority, type Certificate } from '../support/authority.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place } from '../support/place.js'
import { freePort, listening, tinyproxy, type Proxy } from '../support/proxy.js'
import { HOST, inFrontOf, type Fronted } from '../support/tls-front.js'

let firm: Authority
let certificate: Certificate
let proxy: Proxy
let locked: Proxy

beforeAll(async () => {
  requirePrograms('tinyproxy', 'openssl')
  firm = authority()
  certificate = firm.issue(HOST)
  proxy = await tinyproxy()
  locked = await tinyproxy('BasicAuth someone secret-of-the-proxy')
}, 300_000)

afterAll(() => {
  for (const one of [proxy, locked]) one.end()
})

describe('a refresh and a call of the API go', { timeout: 300_000 }, () => {
  it('a refresh and a call of the API go through the proxy that the configuration names, with TLS by a private authority', async () => {
    const { run, tunnels } = await behindTls({ network: `proxy = ${proxy.url}\nca_file = ${firm.cert}` })
    expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(withoutNews(await run(['api', '1/sites']))).toMatchObject({ code: 0, stderr: '' })
    expect(tunnels()).toBe(2)
  })

  it('a login goes through the proxy, with what its answer brought', async () => {
    const there = await behindTls({ network: `proxy = ${proxy.url}\nca_file = ${firm.cert}` })
    await loggedIn(there)
    expect(await there.run(['api', '1/sites'])).toMatchObject({ code: 0 })
    expect(there.tunnels()).toBe(2)
  })

  it('a notification goes through the proxy, with TLS by a private authority, and nowhere without that', async () => {
    const bodies: string[] = []
    const hooks = createTlsServer(pem(certificate), (request, response) => {
      request.on('data', (part: Buffer) => bodies.push(part.toString())).on('end', () => response.end())
    })
    const url = `https://${HOST}:${await listening(hooks, HOST)}/hook`
    const { run, tunnels } = await behindTls({ network: `proxy = ${proxy.url}\nca_file = ${firm.cert}` })
    const env = { HQ_TOKEN_NOTIFY_URL: url }
    expect(await run(['notify', '--test'], { env })).toMatchObject({ code: 0 })
    expect([bodies.length, bodies.join('')]).toEqual([1, expect.stringMatching(/^\{/)])
    expect(tunnels()).toBe(1)
    const stranger = await behindTls({ network: 'proxy = none' })
    const refused = await stranger.run(['notify', '--test'], { env })
    expect([refused.code, refused.stdout]).toEqual([78, expect.stringContaining('could not be reached')])
    expect(bodies).toHaveLength(1)
  })

  it('a discovery goes through the proxy, and a revocation at the place that it told', async () => {
    const there = await behindTls({ network: `proxy = ${proxy.url}\nca_file = ${firm.cert}` })
    const asked: string[] = []
    const port = await listening(
      createTlsServer(pem(certificate), ({ method = '', url = '' }, response) => {
        asked.push(`${method} ${url}`)
        const at = { issuer, revocation_endpoint: `${issuer}/revoke` }
        const sandbox = `https://${HOST}:${there.port}/sandbox/`
        response.setHeader('content-type', 'application/json').end(
          JSON.stringify({
            ...at,
            authorization_endpoint: `${sandbox}authorize.action`,
            token_endpoint: `${sandbox}api/oauth2/token`,
          }),
        )
      }),
      HOST,
    )
    const issuer = `https://${HOST}:${port}`
    const text = readFileSync(there.config, 'utf8')
    writeFileSync(there.config, text.replace(/instance = .*/, `issuer = ${issuer}`))
    await loggedIn(there, issuer)
    expect(asked).toEqual(['GET /.well-known/openid-configuration'])
    expect(there.tunnels()).toBe(2)
    expect(await there.run(['logout'])).toMatchObject({ code: 0, stdout: '' })
    expect(asked.slice(1)).toEqual(['POST /revoke'])
    expect(there.tunnels()).toBe(3)
    expect(await there.store.read()).toBeUndefined()
  })

  it('a refresh and a call of the API go through the proxy of HTTPS_PROXY, and past it where NO_PROXY says so', async () => {
    const { run, tunnels } = await behindTls({ network: `ca_file = ${firm.cert}` })
    const env = { HTTPS_PROXY: proxy.url.replace('http://', '') }
    expect(withoutNews(await run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(tunnels()).toBe(1)
    const exempt = { ...env, NO_PROXY: `example.com, ${HOST}` }
    expect(await run(['refresh'], { env: exempt })).toMatchObject({ code: 0 })
    expect(await run(['api', '1/sites'], { env: { ...env, no_proxy: '*' } })).toMatchObject({ code: 0 })
    expect(tunnels()).toBe(1)
  })

  it('straight where the configuration says none, whatever the environment says', async () => {
    const { run, tunnels } = await behindTls({ network: `proxy = none\nca_file = ${firm.cert}` })
    expect(await run(['get'], { env: { HTTPS_PROXY: proxy.url } })).toMatchObject({ code: 0 })
    expect(tunnels()).toBe(0)
  })

  it('a refresh and a call of the API go with a user and a password for the proxy, which nobody gets to see', async () => {
    const url = new URL(locked.url)
    const refused = await behindTls({ network: `proxy = ${url.href}\nca_file = ${firm.cert}` })
    const without = await refused.run(['get'])
    expect(without).toMatchObject({ code: 75, stdout: '' })
    expect(without.stderr).toContain(`could not be reached (PROXY_HTTP_407) through the proxy ${url.host}\n`)
    expect(without.stderr).toMatch(/hint: nothing was lost; check the proxy \(\[network\] proxy, HTTPS_PROXY/)
    expect(refused.sandbox.refreshes()).toBe(0)
    expect(await refused.run(['api', '1/sites'])).toMatchObject({ code: 75, stdout: '' })

    url.username = 'someone'
    url.password = 'secret-of-the-proxy'
    const { run } = await behindTls({ network: `proxy = ${url.href}\nca_file = ${firm.cert}` })
    const got = await run(['-v', 'get'])
    expect(got).toMatchObject({ code: 0 })
    expect(got.stderr).not.toContain('secret')
  })

  it('the proxy is named as the proxy where that is down, by whatever command', async () => {
    const port = await freePort()
    for (const [network, env] of [
      [`proxy = http://someone:word@127.0.0.1:${port}\n`, {}],
      ['', { HTTPS_PROXY: `http://someone:word@127.0.0.1:${port}` }],
    ] as const) {
      const { run, sandbox, config } = await behindTls({ network: `${network}ca_file = ${firm.cert}` })
      const said = `the proxy 127.0.0.1:${port} could not be reached (ECONNREFUSED), and the way to ${HOST}`
      for (const args of [['get'], ['refresh'], ['exec', '--', 'true']]) {
        const { code, stdout, stderr } = await run(args, { env })
        expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
        expect(stderr).toContain(said)
        expect(stderr).toContain('check the proxy ([network] proxy, HTTPS_PROXY or ALL_PROXY')
        expect(stderr).not.toContain('word@')
      }
      const input = '[AUTH]\naccess_token = AT\naccess_expiry = 3600\nrefresh_token = RT\n'
      expect(await run(['seed', '--force', '-'], { env, input })).toMatchObject({ code: 0 })
      const api = await run(['api', '1/sites'], { env })
      expect(api).toMatchObject({ code: 75, stdout: '' })
      expect(api.stderr).toContain(said)
      writeFileSync(config, readFileSync(config, 'utf8').replace(/instance = .*/, `issuer = https://${HOST}`))
      const login = await run(['login', '--no-browser'], { env })
      expect(login).toMatchObject({ code: 75, stdout: '' })
      expect(login.stderr).toContain(`at the proxy 127.0.0.1:${port})`)
      writeFileSync(
        config,
        readFileSync(config, 'utf8').replace(/issuer = .*/, `instance = https://${HOST}/x/`),
      )
      expect(sandbox.log).toEqual([])
      const doctor = await run(['doctor'], { env })
      expect(doctor.stdout).toMatch(
        new RegExp(
          `^fail +proxy +http://127\\.0\\.0\\.1:${port} \\(.*\\): it cannot be reached \\(ECONNREFUSED\\)$`,
          'm',
        ),
      )
    }
  })

  it('a refresh and a call of the API go with the authority of NODE_EXTRA_CA_CERTS, also beside one in the configuration', async () => {
    const { run } = await behindTls({})
    const env = { NODE_EXTRA_CA_CERTS: firm.cert }
    expect(await run(['get'])).toMatchObject({ code: 75, stdout: '' })
    expect(withoutNews(await run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    const beside = await behindTls({ network: `ca_file = ${authority().cert}` })
    expect(withoutNews(await beside.run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
  })

  it('a refresh and a call of the API go with a certificate of the client where the server asks for one', async () => {
    const client = firm.issue('client.example.com')
    const without = await behindTls({ network: `ca_file = ${firm.cert}`, mutual: true })
    expect(await without.run(['get'])).toMatchObject({ code: 75, stdout: '' })
    expect(without.sandbox.refreshes()).toBe(0)

    for (const way of [`proxy = ${proxy.url}`, 'proxy = none']) {
      const { run, shown } = await behindTls({
        network: `${way}\nca_file = ${firm.cert}\nclient_cert_file = ${client.cert}\nclient_key_file = ${client.key}`,
        mutual: true,
      })
      expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })
      expect(withoutNews(await run(['api', '1/sites']))).toMatchObject({ code: 0, stderr: '' })
      expect(shown).toEqual(['client.example.com', 'client.example.com'])
    }
  })

  it('a login goes with a certificate of the client where the server asks for one', async () => {
    const client = firm.issue('client.example.com')
    const there = await behindTls({
      network: `ca_file = ${firm.cert}\nclient_cert_file = ${client.cert}\nclient_key_file = ${client.key}`,
      mutual: true,
    })
    await loggedIn(there)
    expect(there.shown).toEqual(['client.example.com'])
  })

  it('a refresh and a call of the API go to this machine itself without the proxy: its loopback is another', async () => {
    const { run } = await place({ config: `[network]\nproxy = http://127.0.0.1:1\n` })
    expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['api', '1/sites'])).toMatchObject({ code: 0 })
  })
})

describe('nothing is spent when', { timeout: 300_000 }, () => {
  it.each([
    ['takes the connection and closes it', (socket: Socket) => void socket.on('data', () => socket.end())],
    ['resets the connection', (socket: Socket) => void socket.on('data', () => socket.resetAndDestroy())],
    [
      'says 502',
      (socket: Socket) => void socket.on('data', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')),
    ],
  ])('the proxy %s: every command ends, after a connection or two', async (_, treat) => {
    let connections = 0
    const port = await listening(
      createServer((socket) => {
        connections++
        socket.on('error', () => undefined)
        treat(socket)
      }),
      '127.0.0.1',
    )
    const { run, sandbox, config } = await behindTls({
      network: `proxy = http://127.0.0.1:${port}\nca_file = ${firm.cert}\n[refresh]\ntimeout = 5s`,
    })
    const text = readFileSync(config, 'utf8')
    const ends = async (args: readonly string[]): Promise<void> => {
      connections = 0
      expect(await run(args)).toMatchObject({ code: 75, stdout: '' })
      expect(connections).toBeLessThanOrEqual(2)
    }
    await ends(['get'])
    writeFileSync(config, text.replace('[client]', `[client]\nrevocation_url = https://${HOST}:1/r`))
    await ends(['logout'])
    const issuer = text.replace(/instance = .*/, `issuer = https://${HOST}:1`)
    writeFileSync(config, issuer)
    await ends(['login', '--no-browser'])
    writeFileSync(config, text)
    const seed = readFileSync(join(dirname(config), 'token.ini'), 'utf8')
    writeFileSync(
      join(dirname(config), 'fresh.ini'),
      seed.replace(/access_expiry = .*/, 'access_expiry = 3600'),
    )
    await run(['seed', '--force', join(dirname(config), 'fresh.ini')])
    await ends(['api', '1/sites'])
    expect(sandbox.refreshes()).toBe(0)
  })

  it('the proxy takes the connection and says nothing', async () => {
    const silent = await listening(
      createServer(() => undefined),
      '127.0.0.1',
    )
    const { run, sandbox } = await behindTls({
      network: `proxy = http://127.0.0.1:${silent}\nca_file = ${firm.cert}\n[refresh]\ntimeout = 2s`,
    })
    const got = await run(['get'])
    expect(got).toMatchObject({ code: 75, stdout: '' })
    expect(got.stderr).toContain('could not be reached (TIMEOUT)')
    expect(sandbox.refreshes()).toBe(0)
    const called = await run(['api', '--timeout', '1s', '1/sites'])
    expect(called).toMatchObject({ code: 75, stdout: '' })
  })

  it.each([
    ['the file of authorities is missing', () => 'ca_file = none.pem', 'none.pem does not exist'],
    ['it holds none', () => `ca_file = ${firm.key}`, 'holds no certificate in PEM'],
    ['it holds one that is damaged', () => `ca_file = ${damaged()}`, 'cannot be read (number 2)'],
    [
      'the key is another’s',
      () => `client_cert_file = ${firm.cert}\nclient_key_file = ${firm.issue('b.example.com').key}`,
      'is not the key of the certificate in',
    ],
    [
      'the key is no key',
      () => `client_cert_file = ${firm.cert}\nclient_key_file = ${firm.cert}`,
      'holds no private key in PEM, or one that needs a passphrase',
    ],
    ['there is a certificate and no key', () => `client_cert_file = ${firm.cert}`, 'is given alone'],
    ['the proxy is no URL', () => 'proxy = http://', 'must be the URL of a proxy'],
    ['the proxy is a SOCKS one', () => 'proxy = socks5://proxy.example.com', 'names a SOCKS proxy'],
  ])('%s: 78, with the file and the line', async (_, network, message) => {
    const { run, sandbox, config } = await behindTls({ network: network() })
    const got = await run(['get'])
    expect(got).toMatchObject({ code: 78, stdout: '' })
    expect(got.stderr).toContain(message)
    expect(got.stderr).toMatch(new RegExp(`${config}, line \\d+: \\[network\\]`))
    expect(sandbox.refreshes()).toBe(0)
  })
})

/** @param iss Who answers, where that is not to be left out. */
async function loggedIn({ run, sandbox, store, config }: BehindTls, iss?: string): Promise<void> {
  const text = readFileSync(config, 'utf8').replace(/^file = .*\n/m, '')
  writeFileSync(config, text.replace(/redirect_uri = .*/, 'redirect_uri = https://firm.example/'))
  const { stdout } = await run(['login', '--no-browser'])
  // The person's browser goes its own way.
  const { search } = new URL(stdout.trim())
  const answer = new URL(await decided(`${sandbox.url}authorize.action${search}`, 'allow'))
  // The sandbox calls itself by its own address, which is not the one that it has here.
  answer.searchParams.delete('iss')
  if (iss !== undefined) answer.searchParams.set('iss', iss)
  expect(await run(['login', '--complete', answer.href])).toMatchObject({ code: 0, stdout: '' })
  expect((await store.read())?.generation).toBe(1)
}

function damaged(): string {
  const path = join(folder(), 'bundle.pem')
  const good = readFileSync(firm.cert, 'utf8')
  writeFileSync(path, `${good}${good.replace(/\n[^\n]{40}/, '\n')}`)
  return path
}

interface BehindTls extends Fronted {
  /** How often the proxy was asked to let a connection through. */
  readonly tunnels: () => number
}

async function behindTls({ network = '', mutual = false }): Promise<BehindTls> {
  const made = await place({ config: `[network]\n${network}\n` })
  const fronted = await inFrontOf(made, { firm, certificate, mutual })
  const before = proxy.tunnels()
  return { ...fronted, tunnels: () => proxy.tunnels() - before }
}

describe('a proxy of the environment that is of no use here', { timeout: 60_000 }, () => {
  const SECRET = 'secret-of-the-proxy'
  const PROXIES = [
    ['ALL_PROXY', `socks://me:${SECRET}@127.0.0.1:1/`],
    ['all_proxy', 'socks5://127.0.0.1:1'],
    ['ALL_PROXY', 'socks5h://127.0.0.1:1'],
    ['HTTPS_PROXY', 'socks4://127.0.0.1:1'],
    ['HTTPS_PROXY', `ftp://me:${SECRET}@127.0.0.1:1`],
  ] as const

  it.each(PROXIES)('%s=%s fails nothing that needs none', async (name, value) => {
    const { run } = await place({}, 0)
    const env = { [name]: value }
    expect(withoutNews(await run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    for (const args of [
      ['get'],
      ['status'],
      ['refresh'],
      ['api', '1/sites'],
      ['exec', '--', 'true'],
      ['doctor'],
    ])
      expect(withoutNews(await run(args, { env })), args.join(' ')).toMatchObject({ code: 0, stderr: '' })
  })

  it.each(PROXIES)('%s=%s where one is needed: 78 before anything is sent', async (name, value) => {
    const { run, sandbox, tunnels, config, store } = await behindTls({ network: `ca_file = ${firm.cert}` })
    const env = { [name]: value }
    const text = readFileSync(config, 'utf8')
    writeFileSync(config, text.replace('[client]', `[client]\nrevocation_url = https://${HOST}:1/r`))
    for (const args of [['get'], ['refresh'], ['api', '1/sites'], ['logout']]) {
      const { code, stdout, stderr } = await run(args, { env })
      expect({ code, stdout }, stderr).toEqual({ code: 78, stdout: '' })
      expect(stderr).toMatch(new RegExp(`error: ${name} (?:names a SOCKS proxy|must be the URL of a proxy)`))
      expect(stderr).toMatch(/hint: in the config: \[network\] proxy = .*; or proxy = none/)
      expect(stderr).not.toContain(SECRET)
    }
    const own = await run(['get'], { env: { HQ_TOKEN_PROXY: value } })
    expect(own.code).toBe(78)
    expect(own.stderr).toMatch(/hint: HQ_TOKEN_PROXY=http:.*; or HQ_TOKEN_PROXY=none/)
    const doctor = await run(['doctor'], { env })
    expect(doctor.code).toBe(78)
    expect(doctor.stdout).toMatch(new RegExp(`^fail +proxy +${name} `, 'm'))
    expect(doctor.stdout).toMatch(/^skip +token URL +needs a connection to /m)
    expect([sandbox.refreshes(), tunnels()]).toEqual([0, 0])
    expect((await store.read())?.intent ?? null).toBeNull()

    expect(await run(['refresh'], { env: { ...env, NO_PROXY: `192.0.2.0/24,${HOST}/32` } })).toMatchObject({
      code: 0,
    })
    expect(await run(['refresh'], { env: { ...env, HQ_TOKEN_PROXY: 'none' } })).toMatchObject({ code: 0 })
    expect(await run(['api', '1/sites'], { env: { ...env, HQ_TOKEN_PROXY: proxy.url } })).toMatchObject({
      code: 0,
    })
    expect(tunnels()).toBe(1)
  })

  it('a proxy of the environment that is of no use here gives way to HTTPS_PROXY, as with curl', async () => {
    const { run, tunnels } = await behindTls({ network: `ca_file = ${firm.cert}` })
    const env = { ALL_PROXY: 'socks://127.0.0.1:1', HTTPS_PROXY: proxy.url }
    expect(withoutNews(await run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(tunnels()).toBe(1)
  })

  it('a proxy of the environment that is of no use here gives way for a range of NO_PROXY to the proxy that is of use, too', async () => {
    const { run, tunnels } = await behindTls({ network: `ca_file = ${firm.cert}` })
    const env = { HTTPS_PROXY: proxy.url, NO_PROXY: HOST.replace(/\d+$/, '0/24') }
    expect(withoutNews(await run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(withoutNews(await run(['api', '1/sites'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(tunnels()).toBe(0)
  })
})
