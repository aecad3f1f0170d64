// An issuer and a seed: nobody logs in, so nothing asks for the endpoints but what needs them. What the issuer names
// is taken where it is fit for secrets, and a second server beside it never hears of a token, a secret or a code.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withoutNews } from '../support/processes.js'
import type { Discovered } from '../../src/core/ports.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

interface Issuer extends Place {
  readonly issuer: string
  /** The paths that the issuer was asked for. */
  readonly asked: string[]
  /** What the other server was sent: it should be nothing. */
  readonly elsewhere: string[]
  /** That server's port; it listens at every address. */
  readonly port: number
  /** From here on the issuer answers so. */
  readonly answers: (answer: RequestListener) => void
  readonly tell: (args: readonly string[], options?: WorldOptions) => Promise<Told>
}

const OIDC = '/.well-known/openid-configuration'

async function listening(answer: RequestListener, host: string): Promise<number> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const json =
  (body: unknown): RequestListener =>
  ({ url }, response) => {
    if (url === OIDC)
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    else response.writeHead(404).end()
  }

/** A sandbox that is found by an issuer alone, with a seed whose access token is over, unless said otherwise. */
async function home(options: PlaceOptions = {}, seedTtl = 0): Promise<Issuer> {
  const made = await place(options, seedTtl)
  const { asked, elsewhere } = { asked: [] as string[], elsewhere: [] as string[] }
  const port = await listening((request, response) => {
    elsewhere.push(`${request.method ?? ''} ${request.url ?? ''}`)
    request.on('data', (chunk: Buffer) => elsewhere.push(chunk.toString()))
    response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}')
  }, '0.0.0.0')
  let answer: RequestListener | undefined
  const issuerPort = await listening((request, response) => {
    asked.push(request.url ?? '')
    ;(answer ?? json(metadata(issuer, made)))(request, response)
  }, '127.0.0.1')
  const issuer = `http://127.0.0.1:${issuerPort}`
  const text = readFileSync(made.config, 'utf8').replace(/instance = .*/, `issuer = ${issuer}`)
  writeFileSync(made.config, text)
  return {
    ...{ ...made, issuer, asked, elsewhere, port },
    answers: (next) => (answer = next),
    tell: (args, more = {}) => told(args, { ...more, env: { HQ_TOKEN_CONFIG: made.config, ...more.env } }),
  }
}

function metadata(issuer: string, { sandbox: { url } }: Place): Record<string, unknown> {
  return {
    issuer,
    authorization_endpoint: `${url}authorize.action`,
    token_endpoint: `${url}api/oauth2/token`,
  }
}

function pin({ store }: Place, discovered: Discovered): Promise<void> {
  return store.exclusive((held) => held.pin(discovered), { waitMs: 5_000 })
}

async function keptBy({ store }: Place): Promise<Discovered> {
  const kept = await store.discovered()
  if (kept === undefined) throw new Error('nothing was kept')
  return kept
}

/** Without [seed] file, so that a store stays empty until it is seeded. */
function unseeded({ config }: Place): void {
  writeFileSync(config, readFileSync(config, 'utf8').replace(/\[seed\]\nfile = .*/, ''))
}

describe('an issuer is asked for its endpoints', () => {
  it('an issuer is asked for its endpoints by a seed, which keeps them: the refresh asks no more', async () => {
    const there = await home()
    const seeded = await there.tell(['seed', '-v'])
    expect({ code: seeded.code, stdout: seeded.stdout }).toEqual({ code: 0, stdout: '' })
    expect(seeded.stderr).not.toContain('warning')
    expect(there.asked).toEqual([OIDC])
    expect(await there.store.discovered()).toMatchObject({
      ...{ issuer: there.issuer, tokenUrl: `${there.sandbox.url}api/oauth2/token`, revocationUrl: null },
    })
    const got = await there.tell(['get'])
    expect([got.code, await there.works(got.stdout.trim())]).toEqual([0, true])
    // A file that was imported before is no reason to ask again.
    expect(await there.tell(['seed'])).toMatchObject({ code: 0 })
    expect(there.asked).toEqual([OIDC])
  })

  it('an issuer is asked for its endpoints by a Node that cannot `require` an ES module, as 22.0 is', async () => {
    const there = await home()
    const env = { NODE_OPTIONS: '--no-experimental-require-module' }
    expect(withoutNews(await there.run(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(there.asked).toEqual([OIDC])
  })

  it('an issuer is asked for its endpoints by the first refresh, where the seed came by itself', async () => {
    const there = await home()
    const got = withoutNews(await there.tell(['get']))
    expect([got.code, got.stderr, await there.works(got.stdout.trim())]).toEqual([0, '', true])
    expect(there.asked).toEqual([OIDC])
    expect(await there.tell(['refresh'])).toMatchObject({ code: 0 })
    expect(there.asked).toEqual([OIDC])
  })

  it('an issuer is not asked for its endpoints where the token is fresh', async () => {
    const there = await home({}, 3600)
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(there.asked).toEqual([])
  })

  it('an issuer is not asked for its endpoints where the configuration names the token endpoint', async () => {
    const there = await home()
    const text = readFileSync(there.config, 'utf8')
    writeFileSync(
      there.config,
      text.replace('[client]', `[client]\ntoken_url = ${there.sandbox.url}api/oauth2/token`),
    )
    expect(await there.tell(['seed'])).toMatchObject({ code: 0 })
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(there.asked).toEqual([])
  })

  it('an issuer is asked for its endpoints where the store keeps those of another', async () => {
    const there = await home()
    const other = `http://127.0.0.1:${there.port}`
    await pin(there, {
      issuer: other,
      authorizeUrl: null,
      tokenUrl: `${other}/t`,
      revocationUrl: null,
      at: 1,
    })
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(await there.store.discovered()).toMatchObject({ issuer: there.issuer })
    expect(there.elsewhere).toEqual([])
  })

  it(
    'an issuer is asked for its endpoints once, by as many processes as want a token at one time',
    { timeout: 60_000 },
    async () => {
      const there = await home({ latencyMs: 300 })
      const all = await Promise.all(Array.from({ length: 8 }, () => there.run(['get']).then(withoutNews)))
      expect(new Set(all.map(({ code, stderr, stdout }) => `${code} ${stderr} ${stdout}`)).size).toBe(1)
      expect(all[0]?.code).toBe(0)
      expect(there.asked).toEqual([OIDC])
      expect(there.sandbox.log).toHaveLength(1)
    },
  )

  it('an issuer is asked for its endpoints to revoke a grant, where nobody has asked before', async () => {
    const there = await home({}, 3600)
    there.answers(
      json({
        ...metadata(there.issuer, there),
        revocation_endpoint: `http://127.0.0.1:${there.port}/revoke`,
      }),
    )
    expect(await there.tell(['get'])).toMatchObject({ code: 0 })
    expect(there.asked).toEqual([])
    await there.tell(['logout'])
    expect(there.asked).toEqual([OIDC])
    expect(there.elsewhere[0]).toBe('POST /revoke')
  })

  it('an issuer is not asked for its endpoints by a logout that has nothing to revoke', async () => {
    const there = await home()
    expect(await there.tell(['logout'])).toMatchObject({ code: 0 })
    expect(there.asked).toEqual([])
  })
})

describe('an issuer that cannot be asked', () => {
  const busy: RequestListener = (_, response) => {
    response.writeHead(503).end()
  }

  it('an issuer that cannot be asked is a warning at a seed, which is imported all the same', async () => {
    const there = await home()
    there.answers(busy)
    const { host } = new URL(there.issuer)
    const { code, stdout, stderr } = await there.tell(['seed'])
    expect([code, stdout]).toEqual([0, ''])
    expect(stderr).toContain(
      `hq-token: warning: the token cannot be refreshed yet: the metadata of ${host} could not be fetched (HTTP 503)\nhq-token: hint: the first refresh tries again\n`,
    )
    expect((await there.store.read())?.generation).toBe(1)
    there.answers(json(metadata(there.issuer, there)))
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
  })

  it('an issuer that cannot be asked is 75 where the token is over; nothing is spent, and the next call asks again', async () => {
    const there = await home()
    expect(await there.tell(['seed'])).toMatchObject({ code: 0 })
    await pin(there, {
      issuer: 'https://other.example',
      authorizeUrl: null,
      tokenUrl: 'https://other.example/t',
      revocationUrl: null,
      at: 1,
    })
    there.answers(busy)
    there.asked.length = 0
    const { host } = new URL(there.issuer)
    const failed = await there.tell(['get'])
    expect(failed).toEqual({
      ...{ code: 75, stdout: '' },
      stderr: `hq-token: error: the metadata of ${host} could not be fetched (HTTP 503)\nhq-token: hint: nothing was lost; run the same command again later\n`,
    })
    expect(there.asked).toEqual([OIDC])
    expect(there.sandbox.log).toEqual([])
    expect(await there.store.read()).toMatchObject({
      ...{ intent: null, failures: 1, generation: 1 },
      lastFailure: { code: 'HQ_SERVER_UNAVAILABLE' },
    })
    const [last, first] = await there.store.history()
    expect([last?.event, last?.outcome, first?.event]).toEqual(['refresh', 'HQ_SERVER_UNAVAILABLE', 'seed'])
    there.answers(json(metadata(there.issuer, there)))
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
  })

  it('an issuer that cannot be asked is asked once for all who wait', { timeout: 60_000 }, async () => {
    const there = await home()
    expect((await there.tell(['seed'])).code).toBe(0)
    await pin(there, {
      issuer: 'https://other.example',
      authorizeUrl: null,
      tokenUrl: 'https://other.example/t',
      revocationUrl: null,
      at: 1,
    })
    there.answers((_, response) => {
      setTimeout(() => response.writeHead(503).end(), 3_000)
    })
    there.asked.length = 0
    const all = await Promise.all(Array.from({ length: 6 }, () => there.run(['get'])))
    expect(all.map(({ code, stdout }) => `${code} ${stdout}`)).toEqual(Array(6).fill('75 '))
    expect(there.asked).toEqual([OIDC])
  })

  it('an issuer that cannot be asked costs no token that is still good, and is left alone for a while', async () => {
    const there = await home({ config: '[refresh]\nearly = 50%\n' }, 3600)
    there.answers(busy)
    const issued = String(Math.floor(Date.now() / 1000) - 2_000)
    expect((await there.tell(['seed', '--issued-at', issued])).code).toBe(0)
    there.asked.length = 0
    const first = await there.tell(['get'])
    expect([first.code, first.stdout]).toEqual([0, expect.stringMatching(/^\S+\n$/)])
    expect(first.stderr).toContain('the access token in the store is still good and is served')
    const second = await there.tell(['get'])
    expect(withoutNews(second)).toEqual({ code: 0, stdout: first.stdout, stderr: '' })
    expect(there.asked).toEqual([OIDC])
  })

  it.each<[string, (there: Issuer) => RequestListener, number, string]>([
    ['publishes nothing', () => (_, response) => response.writeHead(404).end(), 78, 'publishes no metadata'],
    [
      'is another',
      (there) => json({ ...metadata('https://login.example.com', there) }),
      78,
      'belongs to another issuer: https://login.example.com/',
    ],
    [
      'redirects elsewhere',
      ({ port }) =>
        (_, response) =>
          response.writeHead(302, { location: `http://127.0.0.1:${port}/` }).end(),
      78,
      'cannot be read (HTTP 302)',
    ],
  ])(
    'an issuer that cannot be asked because it %s: the seed is imported, and a refresh ends with 78',
    async (_, answer, exit, message) => {
      const there = await home()
      there.answers(answer(there))
      const seeded = await there.tell(['seed'])
      expect([seeded.code, seeded.stderr]).toEqual([0, expect.stringContaining(message)])
      const got = await there.tell(['get'])
      expect([got.code, got.stdout, got.stderr]).toEqual([exit, '', expect.stringContaining(message)])
      expect(got.stderr).toContain('hint: check issuer, or set authorize_url and token_url instead')
      expect(there.sandbox.log).toEqual([])
      expect(there.elsewhere).toEqual([])
    },
  )
})

describe('an endpoint that is not fit for secrets', () => {
  /** It is this machine by another name: what is sent there arrives, and is seen. */
  const unfit = ({ port }: Issuer): string => `http://0.0.0.0:${port}/token`

  const withApi = ({ sandbox }: Issuer) => ({ HQ_TOKEN_API_URL: `${sandbox.url}api/` })

  it('an endpoint that is not fit for secrets and is discovered gets no token, no secret and no code', async () => {
    const there = await home()
    there.answers(json({ ...metadata(there.issuer, there), token_endpoint: unfit(there) }))
    const commands = [
      ['seed', there.seed],
      ['get'],
      ['refresh'],
      ['api', '1/sites'],
      ['login', '--no-browser'],
      ['logout'],
    ]
    const codes = []
    for (const args of commands) codes.push((await there.tell(args, { env: withApi(there) })).code)
    expect(codes).toEqual([0, 78, 78, 78, 78, 78])
    expect((await there.tell(['get'])).stderr).toContain(
      `cannot be used: token_endpoint must be an https URL (http only to this machine itself)`,
    )
    expect(there.elsewhere).toEqual([])
    expect(await there.store.discovered()).toBeUndefined()
  })

  it('an endpoint that is not fit for secrets and is kept by an older version is not used, until a login asks anew', async () => {
    const there = await home()
    expect((await there.tell(['seed'])).code).toBe(0)
    const kept = await keptBy(there)
    await pin(there, { ...kept, tokenUrl: unfit(there) })
    const message = `the token_url that the store keeps for the issuer ${there.issuer} must be an https URL (http only to this machine itself)`
    const hint = 'hq-token login asks the issuer again (or set token_url in [client] of the configuration)'
    for (const args of [['get'], ['refresh'], ['api', '1/sites']])
      expect(await there.tell(args, { env: withApi(there) })).toEqual({
        ...{ code: 78, stdout: '', stderr: `hq-token: error: ${message}\nhq-token: hint: ${hint}\n` },
      })
    // What needs no server goes on.
    expect((await there.tell(['status'])).code).toBe(0)
    const doctor = await there.tell(['doctor'])
    expect([doctor.code, doctor.stdout]).toEqual([
      78,
      expect.stringContaining(`fail   settings       ${message}\n       → ${hint}\n`),
    ])
    expect((await there.tell(['seed'])).stderr).toContain(`the token cannot be refreshed yet: ${message}`)
    expect(there.elsewhere).toEqual([])

    expect(await there.tell(['login', '--no-browser'])).toMatchObject({ code: 0 })
    expect(await there.store.discovered()).toMatchObject({ tokenUrl: kept.tokenUrl })
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(there.elsewhere).toEqual([])
  })

  it('an endpoint that is not fit for secrets and is kept to revoke at is not used: a logout keeps all, and a refresh goes on', async () => {
    const there = await home()
    expect((await there.tell(['seed'])).code).toBe(0)
    await pin(there, { ...(await keptBy(there)), revocationUrl: unfit(there), authorizeUrl: unfit(there) })
    expect(withoutNews(await there.tell(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(await there.tell(['logout'])).toEqual({
      ...{ code: 78, stdout: '' },
      stderr: `hq-token: error: the revocation_url that the store keeps for the issuer ${there.issuer} must be an https URL (http only to this machine itself)\nhq-token: hint: hq-token login asks the issuer again (or set revocation_url in [client] of the configuration)\n`,
    })
    expect((await there.store.read())?.generation).toBe(2)
    expect((await there.tell(['doctor'])).code).toBe(0)
    expect(there.elsewhere).toEqual([])
    expect(await there.tell(['logout', '--local'])).toMatchObject({ code: 0 })
  })

  it.each(['no URL at all', 'https://u:p@x.example/', 'https://x.example/#'])(
    'an endpoint that is not fit for secrets and is kept as %j is no bug of ours',
    async (address) => {
      const there = await home()
      expect((await there.tell(['seed'])).code).toBe(0)
      await pin(there, { ...(await keptBy(there)), tokenUrl: address })
      const { code, stderr } = await there.tell(['get'])
      expect([code, stderr]).toEqual([78, expect.stringContaining('that the store keeps for the issuer')])
      expect(stderr).not.toContain(address)
    },
  )

  it('an endpoint that is not fit for secrets and is kept does no harm where the configuration gives another', async () => {
    const there = await home()
    expect((await there.tell(['seed'])).code).toBe(0)
    await pin(there, { ...(await keptBy(there)), tokenUrl: unfit(there) })
    const env = { HQ_TOKEN_TOKEN_URL: `${there.sandbox.url}api/oauth2/token` }
    expect(withoutNews(await there.tell(['get'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(there.elsewhere).toEqual([])
  })

  it('an endpoint that is not fit for secrets may be forgotten: logout --local works', async () => {
    const there = await home()
    unseeded(there)
    expect((await there.tell(['seed', there.seed])).code).toBe(0)
    await pin(there, {
      issuer: there.issuer,
      authorizeUrl: null,
      tokenUrl: unfit(there),
      revocationUrl: null,
      at: 1,
    })
    expect(await there.tell(['logout', '--local'])).toMatchObject({ code: 0 })
    expect(await there.store.read()).toBeUndefined()
  })
})

describe('an issuer is shown', () => {
  it('an issuer is shown by status as the instance, before and after it was asked', async () => {
    const there = await home()
    const shown = async (): Promise<unknown> =>
      (JSON.parse((await there.tell(['status', '--json'])).stdout) as { instance: unknown }).instance
    expect(await shown()).toBe(there.issuer)
    expect((await there.tell(['status'])).stdout).toMatch(new RegExp(`^instance +${there.issuer}$`, 'm'))
    await there.tell(['seed'])
    expect(await shown()).toBe(there.issuer)
  })
})
