import { describe, expect, it } from 'vitest'
import type { TokenSet } from '../../src/core/token-set.js'
import type { FaultName } from '../../src/sandbox/faults.js'
import { startSandbox } from '../../src/sandbox/server.js'
import { place, type PlaceOptions } from '../support/place.js'
import { withoutNews } from '../support/processes.js'
import { told, type Told } from '../support/world.js'

/** One exchange against a sandbox that fails as told, the store after it, and the call after that. */
async function exchange(
  name: FaultName,
  count = Infinity,
  options: PlaceOptions = {},
): Promise<{
  first: Told
  after: TokenSet
  requests: number
  next: () => Promise<Told>
  requestsNext: () => number
  mend: () => void
}> {
  const { sandbox, config, store } = await place({ faults: [{ name, count }], ...options })
  const env = { HQ_TOKEN_CONFIG: config }
  await told(['seed'], { env })
  const first = await told(['get'], { env })
  const after = await store.read()
  if (after === undefined) throw new Error('the set has vanished')
  const requests = sandbox.log.length
  return {
    first,
    after,
    requests,
    next: () => told(['get'], { env }).then(withoutNews),
    requestsNext: () => sandbox.log.length - requests,
    mend: () => {
      sandbox.setFaults([])
    },
  }
}

const TOKEN = /^[\w-]{40,}\n$/

describe('an answer that brings a token, however it is written, is taken', () => {
  it.concurrent.each<FaultName>([
    'strings',
    'no-expiry',
    'gzip',
    'bom',
    'form',
    'no-refresh-token',
    'empty-refresh-token',
  ])('an answer that brings a token, however it is written, is taken: %s', async (name) => {
    const { first, after, requests } = await exchange(name)
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
    expect(requests).toBe(1)
    expect(after).toMatchObject({ generation: 2, intent: null, failures: 0 })
    const kept = after.pair.refreshToken.fingerprint === after.previous?.refreshToken.fingerprint
    expect(kept).toBe(name === 'no-refresh-token' || name === 'empty-refresh-token')
  })

  it('XML, where the server speaks nothing else', async () => {
    const { sandbox, config, store } = await place({ xml: true })
    const { code, stderr } = withoutNews(await told(['get'], { env: { HQ_TOKEN_CONFIG: config } }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect((await store.read())?.user).toBe('someone@example.com')
    expect(sandbox.refreshes()).toBe(1)
  })
})

describe('an answer that was lost is asked for again with the same refresh token, at once', () => {
  it.concurrent.each<FaultName>(['close', 'lost-answer', 'cut-body', '500', '502-html', 'empty'])(
    '%s, once, from a server that forgives the repetition',
    async (name) => {
      const { first, after, requests } = await exchange(name, 1, { graceMs: 3_600_000 })
      expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(requests).toBe(2)
      expect(after).toMatchObject({ generation: 2, intent: null, failures: 0 })
    },
  )

  it.concurrent.each<FaultName>(['close', 'lost-answer', '500', 'empty-rotated'])(
    '%s, for good: the intent stays, and the next call carries on',
    { timeout: 180_000 },
    async (name) => {
      const { first, after, requests, mend, next, requestsNext } = await exchange(name, Infinity, {
        graceMs: 3_600_000,
      })
      expect(first).toMatchObject({ code: 75, stdout: '' })
      expect(first.stderr).toMatch(/the refresh may have happened/)
      expect(requests).toBe(4)
      expect(after.intent).not.toBeNull()
      mend()
      expect(await next()).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(requestsNext()).toBe(1)
    },
  )

  it('a refresh token that stands whole in an answer cut off behind it is used, with no grace at all', async () => {
    const { first, after, requests } = await exchange('cut-after-refresh-token', 1)
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
    expect(requests).toBe(2)
    expect(after.intent).toBeNull()
  })

  it('a server that is silent is waited for as long as `timeout` says, and asked once more', async () => {
    const { first, after, requests } = await exchange('silence', Infinity, {
      config: '[refresh]\ntimeout = 1s\n',
    })
    expect(first).toMatchObject({ code: 75, stdout: '' })
    expect(requests).toBe(2)
    expect(after.intent).not.toBeNull()
  })
})

describe('an answer that is no verdict changes nothing', () => {
  it.concurrent.each<FaultName>(['html', '403-html', '408', 'redirect'])(
    'an answer that is no verdict changes nothing: %s',
    async (name) => {
      const { first, after, requests, mend, next } = await exchange(name)
      expect(first).toMatchObject({ code: 75, stdout: '' })
      expect(requests).toBe(1)
      expect(after).toMatchObject({ generation: 1, intent: null, refusedAt: null, failures: 1 })
      mend()
      expect(await next()).toMatchObject({ code: 0, stderr: '' })
    },
  )

  it.concurrent.each<FaultName>(['429', '429-date', '503'])(
    '%s: nobody asks again before the server’s time',
    async (name) => {
      const { first, after, requests, mend, next, requestsNext } = await exchange(name)
      expect(first).toMatchObject({ code: 75, stdout: '' })
      expect(requests).toBe(1)
      expect(after.intent).toBeNull()
      expect(after.notBefore).toBeGreaterThan(Date.now() / 1000 - 1)
      mend()
      expect(await next()).toMatchObject({ code: 75, stdout: '' })
      expect(requestsNext()).toBe(0)
      await new Promise((resolve) => setTimeout(resolve, 3100))
      expect(await next()).toMatchObject({ code: 0 })
    },
  )

  it('nobody listening: nothing was sent, nothing is in doubt', async () => {
    const { sandbox, config, store } = await place()
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['seed'], { env })
    await sandbox.close()
    const { code, stdout, stderr } = await told(['get'], { env })
    expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
    expect(stderr).toMatch(/could not be reached \(ECONNREFUSED\)/)
    expect(await store.read()).toMatchObject({ generation: 1, intent: null, failures: 1 })
    const { port } = new URL(sandbox.url)
    const again = await startSandbox({ port: Number(port), clientSecret: sandbox.clientSecret })
    expect((await told(['get'], { env })).code).toBe(4) // Another server: it does not know the grant.
    await again.close()
  })
})

describe('a verdict on the grant', () => {
  it.concurrent.each<FaultName>(['invalid-grant', 'error-200'])(
    '%s: a person must log in, and nothing is deleted',
    async (name) => {
      const { first, after, requests, mend, next, requestsNext } = await exchange(name)
      expect(first).toMatchObject({ code: 4, stdout: '' })
      expect(first.stderr).toMatch(/refused the refresh token \(invalid_grant/)
      expect(first.stderr).toMatch(/hint: .*seed FILE/)
      expect(requests).toBe(1)
      expect(after).toMatchObject({ generation: 1, intent: null })
      expect(after.refusedAt).not.toBeNull()
      mend()
      expect(await next()).toMatchObject({ code: 4, stdout: '' })
      expect(requestsNext()).toBe(0)
    },
  )

  it('a verdict on the grant says that an answer had been lost before, when one had', async () => {
    const { first } = await exchange('lost-answer', 1)
    expect(first).toMatchObject({ code: 4, stdout: '' })
    expect(first.stderr).toMatch(/an earlier answer of the server had been lost/)
  })

  it('a verdict on the grant is asked for again when a person says so, and heals', async () => {
    const { sandbox, config } = await place({ faults: [{ name: 'invalid-grant', count: 1 }] })
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['get'], { env })
    expect((await told(['refresh'], { env })).code).toBe(0)
    expect(await told(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(sandbox.refreshes()).toBe(1)
  })
})

describe('a verdict on the client', () => {
  it.concurrent.each<FaultName>(['invalid-client', 'unauthorized-client', 'invalid-scope'])(
    '%s: the configuration must be mended, and then all is well',
    async (name) => {
      const { first, after, requests, mend, next } = await exchange(name)
      expect(first).toMatchObject({ code: 78, stdout: '' })
      expect(requests).toBe(1)
      expect(after).toMatchObject({ generation: 1, intent: null, refusedAt: null })
      mend()
      expect(await next()).toMatchObject({ code: 0, stderr: '' })
    },
  )
})

describe('while the access token is still good', () => {
  it.concurrent.each<FaultName>(['503', 'html', 'invalid-grant', 'invalid-client', 'redirect'])(
    '%s is survived: the token is served with a warning, and the server left alone for a while',
    async (name) => {
      const { sandbox, config } = await place(
        { faults: [{ name, count: Infinity }], config: '[refresh]\nearly = 20h\n' },
        86_400,
      )
      const env = { HQ_TOKEN_CONFIG: config }
      const clock = (): { now: number; boot: null; uptime: number } => ({
        now: Math.floor(Date.now() / 1000) + 50_000,
        boot: null,
        uptime: 0,
      })
      await told(['seed'], { env })
      const first = await told(['get'], { env, clock })
      expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(first.stderr).toMatch(/warning/)
      expect(await told(['get'], { env, clock })).toMatchObject({ code: 0, stdout: first.stdout })
      expect(sandbox.log).toHaveLength(1)
    },
  )
})
