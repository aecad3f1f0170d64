import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer as createTlsServer, type Server } from 'node:https'
import { connect, createServer, type AddressInfo, type Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { authority, pem, type Authority } from '../support/authority.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place, type Place } from '../support/place.js'

/** Another address of this machine: what is loopback by name needs no proxy. */
const HOST = '127.0.0.2'

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

describe('a refresh and a call of the API go', { timeout: 60_000 }, () => {
  it('through the proxy that the configuration names, with TLS by a private authority', async () => {
    const { run, tunnels } = await behindTls({ network: `proxy = ${proxy.url}\nca_file = ${firm.cert}` })
    expect(await run(['get'])).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['api', '1/sites'])).toMatchObject({ code: 0, stderr: '' })
    expect(tunnels()).toBe(2)
  })

  it('and a login, with what its answer brought', async () => {
    const { run, tunnels, sandbox, store, config } = await behindTls({
      network: `proxy = ${proxy.url}\nca_file = ${firm.cert}`,
    })
    const text = readFileSync(config, 'utf8').replace(/file = .*/, '')
    writeFileSync(config, text.replace('[client]\n', '[client]\nredirect_uri = https://firm.example/\n'))
    const { stdout } = await run(['login', '--no-browser'])
    // The person's browser goes its own way.
    const { search } = new URL(stdout.trim())
    const answer = new URL(await decided(`${sandbox.url}authorize.action${search}`, 'allow'))
    // The sandbox calls itself by its own address, which is not the one that it has here.
    answer.searchParams.delete('iss')
    expect(await run(['login', '--complete', answer.href])).toMatchObject({ code: 0, stdout: '' })
    expect((await store.read())?.generation).toBe(1)
    expect(await run(['api', '1/sites'])).toMatchObject({ code: 0 })
    expect(tunnels()).toBe(2)
  })

  it('through the proxy of HTTPS_PROXY, and past it where NO_PROXY says so', async () => {
    const { run, tunnels } = await behindTls({ network: `ca_file = ${firm.cert}` })
    const env = { HTTPS_PROXY: proxy.url.replace('http://', '') }
    expect(await run(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
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

  it('with a user and a password for the proxy, which nobody gets to see', async () => {
    const url = new URL(locked.url)
    const refused = await behindTls({ network: `proxy = ${url.href}\nca_file = ${firm.cert}` })
    const without = await refused.run(['get'])
    expect(without).toMatchObject({ code: 75, stdout: '' })
    expect(without.stderr).toContain('could not be reached (PROXY_HTTP_407)')
    expect(refused.sandbox.refreshes()).toBe(0)
    expect(await refused.run(['api', '1/sites'])).toMatchObject({ code: 75, stdout: '' })

    url.username = 'someone'
    url.password = 'secret-of-the-proxy'
    const { run } = await behindTls({ network: `proxy = ${url.href}\nca_file = ${firm.cert}` })
    const got = await run(['-v', 'get'])
    expect(got).toMatchObject({ code: 0 })
    expect(got.stderr).not.toContain('secret')
  })

  it('with the authority of NODE_EXTRA_CA_CERTS, also beside one in the configuration', async () => {
    const { run } = await behindTls({})
    const env = { NODE_EXTRA_CA_CERTS: firm.cert }
    expect(await run(['get'])).toMatchObject({ code: 75, stdout: '' })
    expect(await run(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
    const beside = await behindTls({ network: `ca_file = ${authority().cert}` })
    expect(await beside.run(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
  })

  it('with a certificate of the client where the server asks for one', async () => {
    const client = firm.issue('client.example.com')
    const without = await behindTls({ network: `ca_file = ${firm.cert}`, mutual: true })
    expect(await without.run(['get'])).toMatchObject({ code: 75, stdout: '' })
    expect(without.sandbox.refreshes()).toBe(0)

    for (const way of [`proxy = ${proxy.url}`, 'proxy = none']) {
      const { run, shown } = await behindTls({
        network: `${way}\nca_file = ${firm.cert}\nclient_cert_file = ${client.cert}\nclient_key_file = ${client.key}`,
        mutual: true,
      })
      expect(await run(['get'])).toMatchObject({ code: 0, stderr: '' })
      expect(await run(['api', '1/sites'])).toMatchObject({ code: 0, stderr: '' })
      expect(shown).toEqual(['client.example.com', 'client.example.com'])
    }
  })

  it('to this machine itself without the proxy: its loopback is another', async () => {
    const { run } = await place({ config: `[network]\nproxy = http://127.0.0.1:1\n` })
    expect(await run(['get'])).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['api', '1/sites'])).toMatchObject({ code: 0 })
  })
})

describe('nothing is spent when', { timeout: 60_000 }, () => {
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
    ['the proxy is no URL', () => 'proxy = socks5://proxy.example.com', 'must be the URL of a proxy'],
  ])('%s: 78, with the file and the line', async (_, network, message) => {
    const { run, sandbox, config } = await behindTls({ network: network() })
    const got = await run(['get'])
    expect(got).toMatchObject({ code: 78, stdout: '' })
    expect(got.stderr).toContain(message)
    expect(got.stderr).toMatch(new RegExp(`${config}, line \\d+: \\[network\\]`))
    expect(sandbox.refreshes()).toBe(0)
  })
})

function damaged(): string {
  const path = join(folder(), 'bundle.pem')
  const good = readFileSync(firm.cert, 'utf8')
  writeFileSync(path, `${good}${good.replace(/\n[^\n]{40}/, '\n')}`)
  return path
}

interface BehindTls extends Place {
  /** How often the proxy was asked to let a connection through. */
  readonly tunnels: () => number
  /** Names of the clients that have shown a certificate. */
  readonly shown: readonly string[]
}

/** A sandbox that is reached by TLS only, at an address that is not `localhost`. */
async function behindTls({ network = '', mutual = false }): Promise<BehindTls> {
  const made = await place({ config: `[network]\n${network}\n` })
  const shown: string[] = []
  const front = createTlsServer(
    {
      ...pem(firm.issue(HOST)),
      requestCert: mutual,
      rejectUnauthorized: mutual,
      ca: readFileSync(firm.cert),
    },
    (incoming, outgoing) => {
      const { socket } = incoming
      if (mutual && socket instanceof TLSSocket) shown.push(String(socket.getPeerCertificate().subject.CN))
      const { method, headers, url = '' } = incoming
      const target = new URL(url, made.sandbox.url)
      // The sandbox answers to its own name only.
      const onward = request(target, { method, headers: { ...headers, host: target.host } }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      })
      incoming.pipe(onward)
    },
  )
  const port = await listening(front, HOST)
  const text = readFileSync(made.config, 'utf8')
  writeFileSync(made.config, text.replace(/instance = .*/, `instance = https://${HOST}:${port}/sandbox/`))
  const before = proxy.tunnels()
  return { ...made, shown, tunnels: () => proxy.tunnels() - before }
}

async function listening(server: Server | NetServer, host: string): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

interface Proxy {
  readonly url: string
  readonly tunnels: () => number
  readonly end: () => void
}

/** Debian's tinyproxy, a process of its own. */
async function tinyproxy(...lines: readonly string[]): Promise<Proxy> {
  const dir = folder()
  const log = join(dir, 'log')
  const config = join(dir, 'conf')
  const port = await freePort()
  writeFileSync(log, '')
  const settings = [`Port ${port}`, 'Listen 127.0.0.1', `LogFile "${log}"`, 'LogLevel Connect', ...lines]
  writeFileSync(config, `${settings.join('\n')}\n`)
  const child = spawn('tinyproxy', ['-d', '-c', config], { stdio: 'ignore' })
  while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels: () => readFileSync(log, 'utf8').match(/Request \(file descriptor \d+\): CONNECT /g)?.length ?? 0,
    end: () => child.kill(),
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => {
      resolve(false)
    })
  })
}
