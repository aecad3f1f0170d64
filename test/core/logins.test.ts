import { describe, expect, it } from 'vitest'
import { StoreUnusable, TokenError } from '../../src/core/errors.js'
import { LOGIN_LIFETIME } from '../../src/core/logins.js'
import { Secret } from '../../src/core/secret.js'
import {
  cutOff,
  garbage,
  granted,
  html,
  invalidClient,
  invalidGrant,
  notSent,
  raw,
  silence,
  status,
} from '../support/fake-server.js'
import { at, from } from '../support/memory-store.js'
import { HOST, tokenSet } from '../support/token-sets.js'
import { EXPIRED, FRESH, Stage } from './stage.js'

const STATE = new Secret('state-1')
const CODE = new Secret('code-1')
const LOGIN = {
  state: STATE,
  verifier: new Secret('verifier-1'),
  redirectUri: 'http://127.0.0.1:8765/callback',
}

/** A store, empty or with `access-1`, and a login begun there. */
async function begun(set: 'empty' | 'full' = 'empty'): Promise<Stage> {
  const stage = new Stage(set === 'empty' ? null : tokenSet())
  await stage.logins().begin(LOGIN)
  stage.log.length = 0
  return stage
}

const finish = (stage: Stage, code = CODE, state: Secret | null = STATE) =>
  stage.logins({ host: HOST }).finish(code, state)

async function failure(work: Promise<unknown>): Promise<TokenError> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown as Error,
  )
  if (error instanceof TokenError) return error
  throw error
}

describe('a login', () => {
  it('a login begins a grant in an empty store', async () => {
    const stage = await begun()
    stage.server.answers(granted('access-9', 'refresh-9', { user: 'someone@example.com', scope: 'a b' }))
    const set = await finish(stage)
    expect(set).toMatchObject({
      generation: 1,
      sequence: 1,
      previous: null,
      seed: null,
      user: 'someone@example.com',
      host: HOST,
    })
    expect(set.pair.scope).toBe('a b')
    expect((await stage.guard().token()).secret.reveal()).toBe('access-9')
    expect((await stage.store.history())[0]).toMatchObject({ event: 'login', outcome: 'done' })
    expect(stage.store.rescued).toEqual([])
  })

  it('a login replaces a grant when the new one is saved, and keeps the old one as the previous', async () => {
    const stage = await begun('full')
    stage.server.answers(granted('access-9', 'refresh-9'))
    const set = await finish(stage)
    expect(set.generation).toBe(2)
    expect(set.previous?.refreshToken.reveal()).toBe('refresh-1')
    expect(set.seed).toBe(tokenSet().seed)
  })

  it('a login heals a grant that the server has refused', async () => {
    const stage = new Stage(tokenSet({ refusedAt: 1 })).pass(EXPIRED)
    await stage.logins().begin(LOGIN)
    stage.server.answers(granted('access-9', 'refresh-9'))
    await finish(stage)
    expect((await stage.guard().token()).secret.reveal()).toBe('access-9')
  })

  it('a login has its answer on disk before anybody reads it, and says so when it is saved only', async () => {
    const stage = await begun('full')
    stage.server.answers(granted('access-9', 'refresh-9'))
    await finish(stage)
    expect(stage.log).toEqual([
      'prepare',
      'note the login, spent',
      'request with code-1',
      'keep',
      'read',
      'save done',
      'drop',
      'forget the login',
    ])
  })

  it('a login that died with its answer on disk is finished by the next who asks, once', async () => {
    const stage = await begun('full')
    stage.server.answers(granted('access-9', 'refresh-9'))
    stage.diesAt = 5
    await expect(finish(stage)).rejects.toThrow('save done')
    stage.diesAt = Infinity
    expect((await stage.logins().takeUp())?.pair.accessToken.reveal()).toBe('access-9')
    expect((await stage.stored()).pair.accessToken.reveal()).toBe('access-9')
    expect(await stage.logins().takeUp()).toBeUndefined()
  })

  it('a login says which one it takes the place of, as long as that one waits', async () => {
    const stage = new Stage(null)
    const begin = () => stage.logins().begin(LOGIN)
    expect(await begin()).toBeUndefined()
    expect(await begin()).toMatchObject({ begunAt: stage.at.now })
    stage.pass(LOGIN_LIFETIME + 1)
    expect(await begin()).toBeUndefined()
    stage.server.answers(silence())
    await failure(finish(stage))
    expect(await begin()).toBeUndefined()
  })

  it('a login sends the code once, whatever comes back', async () => {
    for (const answer of [silence(), cutOff(), garbage(), status(502), html(), status(429), invalidGrant()]) {
      const stage = await begun('full')
      stage.server.answers(answer)
      await failure(finish(stage))
      expect(stage.server.sent).toEqual(['code-1'])
      expect((await stage.guard().token()).secret.reveal()).toBe('access-1')
    }
  })

  it.each([
    [4, 'HQ_LOGIN_REQUIRED', invalidGrant('code-1 was used'), 'refused the code'],
    [78, 'HQ_CLIENT_REFUSED', invalidClient(), 'refused the client'],
    [75, 'HQ_SERVER_UNAVAILABLE', notSent('ECONNREFUSED'), 'could not be reached (ECONNREFUSED)'],
    [75, 'HQ_SERVER_UNAVAILABLE', html(), 'did not answer as a token endpoint'],
    [75, 'HQ_OUTCOME_UNKNOWN', silence(), 'the code is spent'],
    [78, 'HQ_CLIENT_REFUSED', granted('access-9', null), 'issued no refresh token'],
  ] as const)('a login fails with %i %s', async (exit, code, answer, message) => {
    const stage = await begun('full')
    stage.server.answers(answer)
    const error = await failure(finish(stage))
    expect(error).toMatchObject({ exit, code })
    expect(error.message).toContain(message)
    expect(error.message).not.toContain('code-1')
    expect((await stage.stored()).pair.accessToken.reveal()).toBe('access-1')
  })

  it.each([
    [
      { ...status(301), location: 'https://acme.test/new/token' },
      /token_url = https:\/\/acme\.test\/new\/token, then .*hq-token login$/,
    ],
    [status(302), /token_url .* whether a proxy asks for a login, then .*hq-token login$/],
    [status(404), /check instance or token_url .*, then .*hq-token login$/],
    [status(403), /^begin again: hq-token login$/],
    [notSent('ECONNREFUSED'), /^check the network and the URL$/],
    [notSent('PROXY_ECONNREFUSED'), /^check the proxy /],
  ] as const)('a login that fails says what to look at, as a refresh does: %#', async (answer, hint) => {
    const stage = await begun()
    stage.server.answers(answer)
    expect((await failure(finish(stage))).hint).toMatch(hint)
  })

  it('a login can be finished again with the same code when nothing was sent', async () => {
    const stage = await begun()
    stage.server.answers(notSent('ENOTFOUND'), granted('access-9', 'refresh-9'))
    await failure(finish(stage))
    expect((await finish(stage)).pair.accessToken.reveal()).toBe('access-9')
  })

  it('a login sends nothing when the store cannot take word of it', async () => {
    const stage = await begun('full')
    stage.store.savesFail = from(1)
    expect(await failure(finish(stage))).toMatchObject({ exit: 74 })
    expect(stage.server.sent).toEqual([])
  })

  it('a login is finished by the next process when the store could not be written after the answer', async () => {
    const stage = await begun()
    stage.server.answers(granted('access-9', 'refresh-9'))
    // The first save was that of the login, the second is the word of its code, the third the new set.
    stage.store.savesFail = at(3)
    expect(await failure(finish(stage))).toMatchObject({ exit: 74 })
    expect((await stage.guard().token()).secret.reveal()).toBe('access-9')
    expect(stage.server.requests).toBe(1)
  })
})

it('a login that fails leaves an answer to a refresh that nobody could read, and only that', async () => {
  const alone = await begun('full')
  alone.server.answers(garbage(400))
  await failure(finish(alone))
  expect(alone.store.rescued).toEqual([])

  const stage = await begun('full')
  const { generation, sequence, pair } = await stage.stored()
  const spent = pair.refreshToken.fingerprint
  stage.store.leave({ generation, attempt: sequence, spent, answer: raw(garbage()) })
  stage.server.answers(invalidGrant())
  await failure(finish(stage))
  expect(stage.store.rescued).toContainEqual(expect.objectContaining({ spent }))
})

describe('an answer of the browser is not taken', () => {
  const answers = async (stage: Stage, state: Secret | null = STATE): Promise<string> => {
    stage.server.answers(granted('access-9', 'refresh-9'))
    const error = await failure(finish(stage, CODE, state))
    expect(error.exit).toBe(4)
    expect(error.hint).toMatch(/hq-token login/)
    expect(stage.server.sent).toEqual([])
    return error.message
  }

  it('an answer of the browser is not taken when no login waits', async () => {
    expect(await answers(new Stage(null))).toContain('no login waits for an answer')
  })

  it('an answer of the browser is not taken with a state that is not this login’s', async () => {
    expect(await answers(await begun(), new Secret('state-2'))).toContain('its state is another')
  })

  it('half an hour later', async () => {
    const stage = (await begun()).pass(LOGIN_LIFETIME + 1)
    expect(await answers(stage)).toContain('has expired')
  })

  it('a second time', async () => {
    const stage = await begun()
    stage.server.answers(granted('access-9', 'refresh-9'))
    await finish(stage)
    expect((await failure(finish(stage))).message).toContain('no login waits')

    const lost = await begun()
    lost.server.answers(silence())
    await failure(finish(lost))
    lost.server.sent.length = 0
    expect(await answers(lost)).toContain('was used before')
  })

  it('an answer of the browser to a login that a newer one has replaced is not taken', async () => {
    const stage = await begun()
    await stage.logins().begin({ ...LOGIN, state: new Secret('state-2') })
    expect(await answers(stage)).toContain('its state is another')
  })
})

it('the code alone will do, while its login waits', async () => {
  const stage = (await begun()).pass(LOGIN_LIFETIME)
  stage.server.answers(granted('access-9', 'refresh-9'))
  expect((await finish(stage, CODE, null)).pair.accessToken.reveal()).toBe('access-9')
})

describe.each(['empty', 'full'] as const)('a login that dies, with a store that is %s', (kind) => {
  it('a login that dies leaves the old grant or has the new one, wherever it dies', async () => {
    const whole = await begun(kind)
    whole.server.answers(granted('access-9', 'refresh-9'))
    await finish(whole)
    const reached = new Set<string>()
    for (let n = 0; n < whole.log.length; n++) {
      const stage = (await begun(kind)).pass(FRESH)
      stage.server.answers(granted('access-9', 'refresh-9'))
      stage.diesAt = n
      // From its death on it does nothing more, whatever catches its end.
      await finish(stage).catch(() => undefined)
      stage.diesAt = Infinity
      // Only a renewal looks under the lock; a fresh token is served as it is.
      const token = await stage
        .guard()
        .token()
        .then(
          ({ secret }) => secret.reveal(),
          (error: unknown) => (error as TokenError).code,
        )
      reached.add(token)
      const answered = whole.log.slice(0, n).includes('keep')
      const saved = whole.log.slice(0, n).includes('save done')
      expect([n, token]).toEqual([
        n,
        saved || (answered && kind === 'empty')
          ? 'access-9'
          : kind === 'empty'
            ? 'HQ_LOGIN_REQUIRED'
            : 'access-1',
      ])
      if (kind === 'full' && answered && !saved) {
        // The next renewal finds the answer, and spends nothing.
        await stage
          .guard()
          .refresh()
          .catch(() => undefined)
        expect((await stage.guard().token()).secret.reveal()).toBe('access-9')
        expect(stage.server.sent).toEqual(['code-1'])
      }
    }
    expect(reached.has('access-9')).toBe(true)
  })
})

describe('a logout', () => {
  it('a logout revokes the refresh token, and forgets', async () => {
    const stage = new Stage()
    const revoked: string[] = []
    await stage.logins().begin(LOGIN)
    const did = await stage.logins().logout((token) => {
      revoked.push(token.reveal())
      return Promise.resolve()
    })
    expect([did, revoked]).toEqual([true, ['refresh-1']])
    expect(await stage.store.read()).toBeUndefined()
    expect(await stage.store.login()).toBeUndefined()
    expect((await stage.store.history())[0]).toMatchObject({ event: 'logout', outcome: 'done' })
    expect(await failure(stage.guard().token())).toMatchObject({ exit: 4 })
  })

  it('a logout keeps all when the server could not be told', async () => {
    const stage = new Stage()
    await expect(stage.logins().logout(() => Promise.reject(new Error('down')))).rejects.toThrow('down')
    expect((await stage.guard().token()).secret.reveal()).toBe('access-1')
  })

  it('a logout of what a refresh had received when it died revokes the newest token', async () => {
    const stage = new Stage()
    const set = await stage.stored()
    stage.store.leave({
      generation: set.generation,
      attempt: set.sequence,
      spent: set.pair.refreshToken.fingerprint,
      grant: set.grant,
      answer: raw(granted('access-2', 'refresh-2')),
    })
    const revoked: string[] = []
    await stage.logins().logout((token) => {
      revoked.push(token.reveal())
      return Promise.resolve()
    })
    expect(revoked).toEqual(['refresh-2'])
    expect(stage.store.rescued).toEqual([])
  })

  it('a logout says so where there is nothing to forget', async () => {
    expect(await new Stage(null).logins().logout(null)).toBe(false)
  })
})

describe('when the last look finds that the store is another process’s', () => {
  it('the code is not sent, and does all the same when it is tried again', async () => {
    const stage = await begun('full')
    stage.store.stillOurs = () => false
    expect(await failure(finish(stage))).toMatchObject({ code: 'HQ_STORE_BUSY', exit: 75 })
    expect(stage.server.requests).toBe(0)
    expect((await stage.store.login())?.spent).toBeNull()
    stage.store.stillOurs = (what) => what === CODE.fingerprint
    stage.server.answers(granted('access-9', 'refresh-9'))
    expect((await finish(stage)).pair.accessToken.reveal()).toBe('access-9')
  })

  it('a store that cannot be read is told, and the code is not sent', async () => {
    const stage = await begun('full')
    stage.store.stillOurs = () => {
      throw new StoreUnusable('the disk is gone')
    }
    expect(await failure(finish(stage))).toMatchObject({ message: 'the disk is gone', exit: 74 })
    expect(stage.server.requests).toBe(0)
  })
})

it('a code whose answer was lost is nobody’s any more, and spent', async () => {
  const stage = await begun('full')
  stage.store.holder = () => ({ boot: 'b', pidNamespace: 'pid:[1]', pid: 1, started: 2, until: 3 })
  stage.server.answers(silence())
  await failure(finish(stage))
  const login = await stage.store.login()
  expect(login).toMatchObject({ spent: CODE.fingerprint })
  expect(login).not.toHaveProperty('holder')
})
