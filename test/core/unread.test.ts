import { beforeEach, describe, expect, it } from 'vitest'
import { ConfigInvalid, LoginRequired, OutcomeUnknown, ServerUnavailable } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { garbage, granted, invalidGrant, raw, refusal, silence, status } from '../support/fake-server.js'
import { GRANT, ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'
import { EXPIRED, Stage } from './stage.js'

const HOUR = 3600
const DAY = 86_400
let stage: Stage

beforeEach(() => {
  stage = new Stage()
  stage.pass(EXPIRED)
})

const failure = (run: Promise<unknown>): Promise<unknown> =>
  run.then(
    () => 'a token',
    (error: unknown) => error,
  )
const get = (): Promise<unknown> => failure(stage.guard().token())

describe('an answer that nobody could read', () => {
  it('the next process waits all the same where one died before it left word of an answer that nobody could read', async () => {
    const intent = { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: null }
    stage.store.put(tokenSet({ sequence: 2, intent }))
    const answer = raw(garbage(), moment(stage.at.now))
    stage.store.leave({
      generation: 1,
      attempt: 2,
      grant: GRANT,
      spent: new Secret('refresh-1').fingerprint,
      answer,
    })
    expect(await get()).toBeInstanceOf(OutcomeUnknown)
    expect(stage.server.requests).toBe(0)
    stage.pass(HOUR).server.answers(granted('access-2', 'refresh-2'))
    expect(await get()).toBe('a token')
  })

  it('an answer that nobody could read is read by a newer version at once', async () => {
    stage.server.answers(garbage())
    await get()
    stage.server.read = () =>
      Promise.resolve({
        ...{ kind: 'tokens', accessToken: new Secret('access-2'), refreshToken: new Secret('refresh-2') },
        ...{ expiresIn: 3600, refreshExpiresIn: null, tokenType: null, scope: null, user: null },
      })
    expect(await get()).toBe('a token')
    expect(stage.server.requests).toBe(1)
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe('refresh-2')
    expect(stage.store.rescued).toEqual([])
  })

  it('an answer that nobody could read stays, whatever the server says after the hour', async () => {
    stage.server.answers(garbage(), invalidGrant(), invalidGrant())
    await get()
    stage.pass(HOUR)
    expect(await get()).toBeInstanceOf(LoginRequired)
    expect(stage.store.rescued.length).toBeGreaterThan(0)
  })

  it('an unreadable answer that was kept nowhere is no reason to wait', async () => {
    stage.store.keepsFail = () => true
    stage.server.answers(garbage(), granted('access-2', 'refresh-2'))
    expect(await get()).toBe('a token')
    expect(stage.server.requests).toBe(2)
  })
})

describe('a refusal of our own repetition', () => {
  it('a refusal of our own repetition is asked again once, some seconds later, and then a token counts', async () => {
    stage.server.answers(silence(), invalidGrant(), granted('access-2', 'refresh-2'))
    expect(await get()).toBe('a token')
    expect(stage.slept).toEqual([500, 3000])
  })

  it('a refusal of our own repetition that is said twice counts', async () => {
    stage.server.answers(silence(), invalidGrant(), invalidGrant())
    expect(await get()).toBeInstanceOf(LoginRequired)
    expect(stage.server.requests).toBe(3)
  })

  it('a refusal of our own repetition is none where nothing was repeated', async () => {
    stage.server.answers(invalidGrant())
    expect(await get()).toBeInstanceOf(LoginRequired)
    expect(stage.server.requests).toBe(1)
  })
})

describe('a redirect of the token URL', () => {
  const redirect = (code: number) => ({ ...status(code), location: 'https://auth.example.com/token/' })
  const HINT = expect.stringContaining('token_url = https://auth.example.com/token/') as string

  it('a redirect of the token URL is said with the address; for good and once more it is the configuration’s fault', async () => {
    stage.server.answers(redirect(308), redirect(308), redirect(308))
    const first = await get()
    expect(first).toBeInstanceOf(ServerUnavailable)
    expect(first).toMatchObject({ hint: HINT })
    for (let call = 0; call < 2; call++) {
      const next = await get()
      expect(next).toBeInstanceOf(ConfigInvalid)
      expect(next).toMatchObject({ exit: 78, hint: HINT })
    }
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(await get()).toBe('a token')
  })

  it.each([
    ['for a while', redirect(307)],
    ['to another origin', { ...status(301), location: null }],
  ])('%s stays 75', async (_how, said) => {
    stage.server.answers(() => said)
    for (let call = 0; call < 3; call++) expect(await get()).toMatchObject({ exit: 75 })
  })
})

describe('a bare 400', () => {
  it('a bare 400 between answers of others counts from the first; a token ends it', async () => {
    stage.server.answers(status(400), status(503), status(404), status(400))
    await get()
    const { now } = stage.at
    for (let call = 0; call < 3; call++) await get().then(() => stage.pass(600))
    expect((await stage.stored()).bareSince).toBe(now)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await get()
    expect((await stage.stored()).bareSince).toBeNull()
  })

  it.each([
    ['a verdict', invalidGrant()],
    ['a word about the client', refusal('invalid_client', null, 401)],
    ['an answer that nobody can read', garbage()],
  ])('a bare 400 is forgotten at %s', async (_what, said) => {
    stage.server.answers(status(400), said)
    await get()
    await get()
    expect((await stage.stored()).bareSince).toBeNull()
  })

  it('a bare 400 never ends a grant whose access token works', async () => {
    const good: TokenSet = tokenSet({ pair: pair({ lifetime: 10 * DAY }), bareSince: ISSUED })
    stage.store.put(good)
    stage.pass(9 * DAY + DAY / 2).server.answers(() => status(400))
    expect(await get()).toBe('a token')
    expect(await failure(stage.guard().refresh())).toMatchObject({ exit: 75 })
    expect((await stage.stored()).refusedAt).toBeNull()
  })
})

describe('a refusal', () => {
  const refusedWith = async (set: Partial<TokenSet>, description: string | null): Promise<string> => {
    stage.store.put(tokenSet(set))
    stage.server.answers(invalidGrant(description))
    return String(await get())
  }
  const used = { lastRefreshAt: ISSUED }

  it('a refusal without a reason names a copy', async () => {
    expect(await refusedWith(used, null)).toMatch(/a copy of this store .* has used it since/)
  })

  it.each<[string, Partial<TokenSet>, string | null]>([
    ['the server says that it expired', used, 'Token is expired'],
    ['it was never used here', { lastRefreshAt: null }, null],
    ['it ended by what the server said', { ...used, pair: pair({ refreshExpiresAt: ISSUED + 1 }) }, null],
    ['it was idle for long', { lastRefreshAt: ISSUED - 100 * DAY }, null],
  ])('a refusal accuses nobody where %s', async (_why, set, description) => {
    const said = await refusedWith(set, description)
    expect(said).toMatch(/refused the refresh token/)
    expect(said).not.toMatch(/copy of this store|1970/)
  })
})
