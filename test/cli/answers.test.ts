import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { withoutNews } from '../support/processes.js'
import { machineClock } from '../../src/platform/machine.js'
import type { TokenSet } from '../../src/core/token-set.js'
import type { FaultName } from '../../src/sandbox/faults.js'
import { place, type PlaceOptions } from '../support/place.js'
import { told, type Told } from '../support/world.js'

const HOUR = 3_600
const DAY = 86_400
const TOKEN = /^[\w-]{40,}\n$/

/** A sandbox with one fault, an expired seed in the store, and a clock that can be set ahead. */
async function stage(name: FaultName, count = Infinity, options: PlaceOptions = {}, seedTtl = 0) {
  const made = await place({ faults: [{ name, count }], ...options }, seedTtl)
  const { sandbox, config, store } = made
  let ahead = 0
  const clock = () => {
    const at = machineClock()
    return { ...at, now: at.now + ahead, uptime: at.uptime + ahead }
  }
  const run = (...args: string[]): Promise<Told> =>
    told(args, { env: { HQ_TOKEN_CONFIG: config }, clock }).then(withoutNews)
  await run('seed')
  return {
    ...made,
    run,
    stored: async (): Promise<TokenSet> => {
      const set = await store.read()
      if (set === undefined) throw new Error('the set has vanished')
      return set
    },
    requests: (): number => sandbox.log.filter(({ presented }) => presented !== null).length,
    pass: (seconds: number): void => {
      ahead += seconds
    },
    mend: (): void => {
      sandbox.setFaults([])
    },
    status: async () => JSON.parse((await run('status', '--json')).stdout) as Record<string, unknown>,
  }
}

describe('an answer that brings a pair, whatever is around it or in it, is taken at once', () => {
  it.concurrent.each<FaultName>([
    'notice-before',
    'page-behind',
    'in-page',
    'script',
    'json-guard',
    'envelope',
    'envelope-list',
    'refresh-token-line-end',
    'token-type-odd',
  ])('an answer that brings a pair, whatever is around it or in it, is taken at once: %s', async (name) => {
    const { run, stored, requests, mend } = await stage(name)
    expect(await run('get')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(TOKEN) as string,
      stderr: '',
    })
    expect(requests()).toBe(1)
    expect(await stored()).toMatchObject({ generation: 2, intent: null, failures: 0 })
    mend()
    // The refresh token that was saved is the one that the server goes by.
    expect(await run('refresh')).toMatchObject({ code: 0 })
    expect(await stored()).toMatchObject({ generation: 3 })
  })
})

describe('a form that is cut off in its last value', () => {
  it('a form that is cut off in its last value costs no refresh token, and the repetition heals it where the server forgives one', async () => {
    const cut = await stage('form-cut', 1, { graceMs: 1e9 })
    expect(await cut.run('get')).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
    expect(await cut.run('refresh')).toMatchObject({ code: 0 })
    const lasting = await stage('form-cut')
    const { refreshToken } = (await lasting.stored()).pair
    expect(await lasting.run('get')).toMatchObject({ stdout: '' })
    expect((await lasting.stored()).pair.refreshToken.equals(refreshToken)).toBe(true)
  })
})

describe('an answer that nobody can read', () => {
  it.concurrent.each<[FaultName, RegExp]>([
    ['envelope-deep', /JSON with the keys result; below: status, data/],
    ['unreadable', /JSON with the keys result; below: status, tokens/],
    ['two-pairs', /what begins like JSON of \d+ characters/],
    // Random bytes, which may begin like anything.
    ['garbage', /(?:text|markup|what begins like JSON) of \d+ characters/],
  ])(
    '%s: is asked for once, kept, named and read again, and nobody asks for an hour',
    async (name, shape) => {
      const { run, stored, requests, pass, mend, store } = await stage(name, 1, { graceMs: 1e9 })
      const first = await run('get')
      expect(first).toMatchObject({ code: 75, stdout: '' })
      expect(first.stderr).toMatch(shape)
      expect(first.stderr).toMatch(/the answer is kept because it may hold the new tokens/)
      expect(first.stderr).toMatch(/hint: .*not asked again before .*hq-token login/)
      expect(first.stderr).not.toMatch(/(?:access|refresh)-[\w-]{8}|AT-of/)
      expect(requests()).toBe(1)
      expect(await stored()).toMatchObject({ generation: 1, refusedAt: null, intent: { attempt: 2 } })
      const kept = async (): Promise<number> =>
        store.exclusive(async (held) => (await held.rescue.records()).length, { waitMs: 0 })
      expect(await kept()).toBe(1)

      mend()
      for (const args of [['get'], ['refresh'], ['refresh', '--if-older', '1s']]) {
        const next = await run(...args)
        expect(next).toMatchObject({ code: 75, stdout: '' })
        expect(next.stderr).toMatch(/not asked again before/)
      }
      expect(requests()).toBe(1)
      pass(HOUR)
      expect(await run('get')).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(requests()).toBe(2)
      expect(await kept()).toBe(0)
    },
  )

  it('an answer that nobody can read is no reason to ask while the access token works, and that one is served', async () => {
    const { run, requests, pass, mend } = await stage('unreadable', 1, { graceMs: 1e9 }, 2 * DAY)
    const { stdout: token } = await run('get')
    expect((await run('refresh')).code).toBe(75)
    expect(requests()).toBe(1)
    mend()
    pass(2 * HOUR)
    expect(await run('get')).toMatchObject({ code: 0, stdout: token })
    expect((await run('refresh', '--if-older', '1s')).code).toBe(75)
    expect((await run('doctor')).code).toBe(0)
    expect(requests()).toBe(1)
    // A person's word counts once the hour is over.
    expect((await run('refresh')).code).toBe(0)
    expect(requests()).toBe(2)
  })
})

describe('a refresh token that is there and cannot be used', () => {
  it.concurrent.each<FaultName>(['refresh-token-number', 'refresh-token-object'])(
    '%s: the access token is served, the answer stays, and the warning says so',
    async (name) => {
      const { run, stored, requests, store } = await stage(name, 1, { graceMs: 1e9 })
      const first = await run('get')
      expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(first.stderr).toMatch(/sent a new refresh token that cannot be used.* in the rescue file/)
      expect(requests()).toBe(1)
      const { pair, previous, generation } = await stored()
      expect(generation).toBe(2)
      expect(pair.refreshToken.fingerprint).toBe(previous?.refreshToken.fingerprint)
      const kept = async (): Promise<number> =>
        store.exclusive(async (held) => (await held.rescue.records()).length, { waitMs: 0 })
      expect(await kept()).toBe(1)
      expect(await run('get')).toMatchObject({ code: 0, stdout: first.stdout, stderr: '' })
      expect(await run('refresh')).toMatchObject({ code: 0 })
      expect(await kept()).toBe(0)
    },
  )

  it('a refusal after a refresh token that cannot be used accuses no copy of the store', async () => {
    const { run } = await stage('refresh-token-number', 1)
    await run('get')
    const { code, stderr } = await run('refresh')
    expect(code).toBe(4)
    expect(stderr).toMatch(/had sent a new refresh token that cannot be used/)
    expect(stderr).not.toMatch(/a copy of this store/)
  })
})

describe('a lifetime', () => {
  it.concurrent.each<[FaultName, number]>([
    ['expires-at', 1800],
    ['expires-epoch', 1800],
    ['expires-milliseconds', 1800],
  ])('%s is read', async (name, seconds) => {
    const { run, stored, status } = await stage(name)
    expect(await run('get')).toMatchObject({ code: 0, stderr: '' })
    const { pair } = await stored()
    expect(Math.abs(pair.lifetime - seconds)).toBeLessThanOrEqual(3)
    expect(await status()).toMatchObject({ lifetime_guessed: false })
  })

  it('a lifetime of nothing counts as the default, with one warning, and is called a guess', async () => {
    const { run, stored, status } = await stage('expires-zero')
    const { code, stderr } = await run('get')
    expect(code).toBe(0)
    expect(stderr.match(/warning: .*assumes 18000 s/g)).toHaveLength(1)
    expect((await stored()).pair).toMatchObject({ lifetime: 18_000, isLifetimeGuessed: true })
    expect(await status()).toMatchObject({ lifetime_guessed: true })
    expect((await run('status')).stdout).toMatch(/access .*a guess/)
    expect((await run('doctor')).stdout).toMatch(/access token.*a guess/)
    expect(await run('get')).toMatchObject({ code: 0, stderr: '' })
  })

  it('a lifetime that nobody says is a guess without a warning', async () => {
    const { run, status } = await stage('no-expiry')
    expect(await run('get')).toMatchObject({ code: 0, stderr: '' })
    expect(await status()).toMatchObject({ lifetime_guessed: true })
  })
})

describe('a token of a type that nothing here can use', () => {
  it('a token of a type that nothing here can use is saved and not handed out, and status, get and doctor agree', async () => {
    const { run, stored, status, requests } = await stage('token-type-mac')
    for (let call = 0; call < 2; call++) {
      const { code, stdout, stderr } = await run('get')
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      expect(stderr).toMatch(/of another type than Bearer/)
    }
    expect(requests()).toBe(1)
    expect(await stored()).toMatchObject({ generation: 2, intent: null, pair: { tokenType: 'mac' } })
    expect(await status()).toMatchObject({ state: 'expired', access: { token_type: 'mac' } })
    expect((await run('status')).stdout).toMatch(/not usable: hq-token cannot use a token of the type mac/)
    expect((await run('doctor')).code).toBe(78)
  })
})

describe('a dead grant in the server’s own words', () => {
  it.concurrent.each<FaultName>(['bad-refresh-token', 'invalid-code', 'token-in-request'])(
    '%s: 4, and a new seed file heals it',
    async (name) => {
      const { run, stored, requests, mend, seed, sandbox } = await stage(name)
      const first = await run('get')
      expect(first).toMatchObject({ code: 4, stdout: '' })
      expect(requests()).toBe(1)
      expect((await stored()).refusedAt).not.toBeNull()
      mend()
      const { accessToken, refreshToken } = sandbox.issue()
      writeFileSync(
        seed,
        `[AUTH]\naccess_token = ${accessToken}\naccess_expiry = 600\nrefresh_token = ${refreshToken}\n`,
      )
      expect(await run('get')).toMatchObject({ code: 0, stdout: `${accessToken}\n` })
    },
  )

  it.concurrent.each<FaultName>(['missing-parameter', 'deleted-client'])(
    'a refusal in the words %s is no dead grant: 78',
    async (name) => {
      const { run, stored, requests, mend } = await stage(name)
      expect(await run('get')).toMatchObject({ code: 78, stdout: '' })
      expect(requests()).toBe(1)
      expect(await stored()).toMatchObject({ refusedAt: null, intent: null })
      mend()
      expect((await run('get')).code).toBe(0)
    },
  )

  it(
    'a dead grant that is refused because the request is at work already is asked about again before it counts',
    { timeout: 20_000 },
    async () => {
      const once = await stage('busy', 1)
      expect(await once.run('get')).toMatchObject({ code: 0, stdout: expect.stringMatching(TOKEN) as string })
      expect(once.requests()).toBe(2)
      const always = await stage('busy')
      expect((await always.run('get')).code).toBe(4)
      expect(always.requests()).toBe(2)
    },
  )
})

describe('a bare 400 or 401', () => {
  it.concurrent.each<FaultName>(['400-empty', '401-empty'])(
    '%s is no verdict; for an hour it is likely one, and after a day a person is called',
    { timeout: 20_000 },
    async (name) => {
      const { run, stored, requests, pass, status, mend } = await stage(name)
      const first = await run('get')
      expect(first).toMatchObject({ code: 75, stdout: '' })
      expect(first.stderr).not.toMatch(/since/)
      expect(requests()).toBe(1)
      expect(await status()).toMatchObject({ state: 'expired', likely_dead_since: null })

      pass(HOUR)
      const later = await run('get')
      expect(later).toMatchObject({ code: 75, stdout: '' })
      expect(later.stderr).toMatch(/and nothing else since .*the grant has probably ended/)
      expect(later.stderr).toMatch(/hint: hq-token login/)
      expect(await status()).toMatchObject({ likely_dead_since: expect.any(String) as string })
      expect((await run('status')).stdout).toMatch(/the grant has probably ended/)
      const doctor = await run('doctor')
      expect(doctor).toMatchObject({
        code: 4,
        stdout: expect.stringMatching(/grant has probably ended/) as string,
      })

      pass(DAY)
      const last = await run('get')
      expect(last).toMatchObject({ code: 4, stdout: '' })
      expect(last.stderr).toMatch(/nothing else since .*has probably ended the grant/)
      expect(requests()).toBe(3)
      // Once an hour and no more.
      expect((await run('get')).code).toBe(4)
      expect(requests()).toBe(3)
      expect(await status()).toMatchObject({ state: 'login_required' })
      pass(HOUR)
      expect((await run('get')).code).toBe(4)
      expect(requests()).toBe(4)
      pass(HOUR)
      mend()
      expect((await run('get')).code).toBe(0)
      expect(await stored()).toMatchObject({ refusedAt: null, bareSince: null })
    },
  )

  it('a new seed file is taken after a bare 400 or 401 that has come for an hour', async () => {
    const { run, requests, pass, seed, sandbox } = await stage('400-empty')
    const replace = (): string => {
      const { accessToken, refreshToken } = sandbox.issue()
      writeFileSync(
        seed,
        `[AUTH]\naccess_token = ${accessToken}\naccess_expiry = ${DAY}\nissued_at = ${Math.floor(Date.now() / 1000)}\nrefresh_token = ${refreshToken}\n`,
      )
      return accessToken
    }
    await run('get')
    const token = replace()
    expect((await run('get')).code).toBe(75)
    pass(HOUR)
    expect(await run('get')).toMatchObject({ code: 0, stdout: `${token}\n` })
    expect(requests()).toBe(2)
  })

  it.concurrent.each<FaultName>(['403-html', '404-html', '408'])(
    'a bare 400 or 401 is not %s, which stays 75 however long it lasts',
    async (name) => {
      const { run, pass, status } = await stage(name)
      for (const seconds of [HOUR, DAY, DAY]) {
        expect((await run('get')).code).toBe(75)
        pass(seconds)
      }
      expect((await run('get')).code).toBe(75)
      expect(await status()).toMatchObject({ state: 'expired', likely_dead_since: null })
    },
  )
})
