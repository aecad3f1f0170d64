import { describe, expect, it, test } from 'vitest'
import { LoginRequired, OutcomeUnknown, StoreUnusable } from '../../src/core/errors.js'
import type { Rescued } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import {
  cutOff,
  garbage,
  granted,
  html,
  invalidClient,
  invalidGrant,
  notSent,
  raw,
  reading,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { GRANT, ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'
import { Died } from './stage.js'
import { failure, intent, refreshTokens, stage } from './exchange-stage.js'

/** What a process kept that died before it could save it. */
const left = (said: Said, spent = 'refresh-1', generation = 1, attempt = 2): Rescued => ({
  ...{ generation, attempt },
  spent: new Secret(spent).fingerprint,
  grant: GRANT,
  answer: raw(said, moment(ISSUED + 5)),
})

describe('a salvaged refresh token', () => {
  it('a salvaged refresh token is tried first, from an intent that holds it', async () => {
    stage.server.answers(cutOff('refresh-2'), granted('access-3', 'refresh-3'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2'])
    expect(refreshTokens(set)).toEqual(['refresh-3', 'refresh-1'])
  })

  it('a salvaged refresh token stays where the answer to it brings none', async () => {
    stage.server.answers(cutOff('refresh-2'), granted('access-3', null))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('a salvaged refresh token gives way to the stored one when the server refuses it', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), granted('access-3', 'refresh-3'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2', 'refresh-1'])
    expect(set.pair.refreshToken.reveal()).toBe('refresh-3')
  })

  it('a salvaged refresh token is refused, and so is the stored one: then a person must log in', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow(/answer of the server had been lost/)
    expect(await stage.stored()).toMatchObject({ intent: null, refusedAt: stage.at.now })
  })

  it('a salvaged refresh token is left to the next process, which tries it first', async () => {
    stage.server.answers(cutOff('refresh-2'), silence(), silence(), silence())
    await failure(stage.run())
    expect((await stage.stored()).intent?.salvaged?.reveal()).toBe('refresh-2')
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent.slice(-1)).toEqual(['refresh-2'])
  })

  it('a salvaged refresh token is read anew from a kept answer when it could not be noted in the store', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(cutOff('refresh-2')))
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent).toEqual(['refresh-2'])
  })

  it('a salvaged refresh token gives way to a later one, also when another process goes on', async () => {
    stage.server.answers(cutOff('refresh-2'), cutOff('refresh-3'), silence(), silence())
    await failure(stage.run())
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-2', 'refresh-3', 'refresh-3'])
    stage.server.answers(granted('access-4', 'refresh-4'))
    await stage.run()
    expect(stage.server.sent.slice(-1)).toEqual(['refresh-3'])
  })

  it('a salvaged refresh token is not tried again by the next process when the server has refused it', async () => {
    stage.server.answers(cutOff('refresh-2'), invalidGrant(), silence(), silence(), silence())
    await failure(stage.run())
    const before = stage.server.requests
    stage.server.answers(granted('access-3', 'refresh-3'))
    await stage.run()
    expect(stage.server.sent.slice(before)).toEqual(['refresh-1'])
  })

  it('a salvaged refresh token is given time to be heard after it was refused late', async () => {
    let tries = 0
    stage.server.answers(() => {
      stage.elapse([0, 29_499, 0][tries] ?? 0)
      return [cutOff('refresh-2'), invalidGrant()][tries++] ?? silence()
    })
    await failure(stage.run())
    for (const given of stage.server.timeouts) expect(given).toBeGreaterThanOrEqual(1000)
  })
})

describe('what an earlier process left', () => {
  it('an intent and nothing else: the same refresh token, now', async () => {
    stage.store.put(tokenSet({ sequence: 2, intent: intent() }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1'])
    expect(stage.slept).toEqual([])
    expect(set).toMatchObject({ generation: 2, sequence: 3, intent: null })
  })

  it('an intent, and the server refuses: it says that an answer had been lost', async () => {
    stage.store.put(tokenSet({ intent: intent() }))
    stage.server.answers(invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow('an earlier answer of the server had been lost')
  })

  it.each([
    ['nothing sent', notSent('ECONNREFUSED')],
    ['no verdict', status(503)],
    ['invalid_client', invalidClient()],
  ])('an intent, and now %s: the doubt stays', async (_what, said) => {
    stage.store.put(tokenSet({ intent: intent() }))
    stage.server.answers(said)
    await failure(stage.run())
    expect((await stage.stored()).intent).not.toBeNull()
  })

  const taken = async (): Promise<void> => {
    const set = await stage.run()
    expect(stage.server.sent).toEqual([])
    expect(await stage.stored()).toBe(set)
    expect(refreshTokens(set)).toEqual(['refresh-2', 'refresh-1'])
    expect(set).toMatchObject({ generation: 2, intent: null, pair: { obtained: moment(ISSUED + 5) } })
    expect(stage.store.rescued).toEqual([])
  }

  it('an intent and the answer to it: nothing is asked', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(granted('access-2', 'refresh-2')))
    stage.pass(60)
    await taken()
    expect(stage.log).toEqual(['read', 'save done', 'drop'])
  })

  it('an answer, its intent cleared', async () => {
    stage.store.put(tokenSet()).leave(left(granted('access-2', 'refresh-2')))
    await taken()
  })

  it('an answer to the salvaged refresh token', async () => {
    stage.store
      .put(tokenSet({ intent: intent('salvaged') }))
      .leave(left(granted('access-2', 'refresh-2'), 'salvaged'))
    await taken()
  })

  it('an answer to the salvaged refresh token, which it keeps', async () => {
    stage.store
      .put(tokenSet({ intent: intent('salvaged') }))
      .leave(left(granted('access-2', null), 'salvaged'))
    expect((await stage.run()).pair.refreshToken.reveal()).toBe('salvaged')
  })

  it('several answers: the newest that can be read', async () => {
    stage.store
      .put(tokenSet({ intent: intent() }))
      .leave(left(granted('access-x', 'refresh-x'), 'refresh-1', 1, 2))
      .leave(left(granted('access-2', 'refresh-2'), 'refresh-1', 1, 3))
      .leave(left(garbage(), 'refresh-1', 1, 4))
    await taken()
  })

  it('several answers: the newest by its number, wherever it was kept', async () => {
    stage.store
      .put(tokenSet({ intent: intent() }))
      .leave(left(granted('access-2', 'refresh-2'), 'refresh-1', 1, 3))
      .leave(left(granted('access-x', 'refresh-x'), 'refresh-1', 1, 2))
    await taken()
  })

  it.each([
    ['an earlier generation', left(granted('access-x', 'refresh-x'), 'refresh-1', 0)],
    ['another grant', { ...left(granted('access-x', 'refresh-x'), 'refresh-7', 7), grant: 'grant-2' }],
    ['a later generation, refused', left(invalidGrant(), 'refresh-7', 7)],
    ['a later generation without a refresh token', left(granted('access-x', null), 'refresh-7', 7)],
    ['another refresh token', left(granted('access-x', 'refresh-x'), 'refresh-0')],
    ['a refusal', left(invalidGrant())],
    ['an answer that nobody can read', left(garbage())],
    ['a page', left(html())],
  ])('an answer of no use (%s): asks', async (_which, record) => {
    stage.store.put(tokenSet({ intent: intent() })).leave(record)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect(refreshTokens(await stage.run())).toEqual(['refresh-2', 'refresh-1'])
    expect(stage.server.sent).toEqual(['refresh-1'])
  })

  it('an answer that nobody can read stays, also when the server then refuses', async () => {
    stage.store.put(tokenSet()).leave(left(garbage()))
    stage.server.answers(invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow('had been lost')
    expect(stage.store.rescued.map(({ attempt }) => attempt)).toContain(2)
  })

  it('an answer that cannot be saved even now: it is returned, and stays for the next one', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left(granted('access-2', 'refresh-2')))
    stage.store.savesFail = from(1)
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.warnings).toEqual([expect.stringContaining('rescue file only')])
    stage.store.savesFail = () => false
    await taken()
  })

  it('an answer on which its reader stumbles does not stop the next request', async () => {
    stage.store.put(tokenSet({ intent: intent() })).leave(left({ ...garbage(), body: Buffer.from('{') }))
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
  })
})

describe('a disk that fails when the answer is there', () => {
  it('the store only: the token is served with a warning, and the next process saves it', async () => {
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.notices).toMatchObject([
      { level: 'warning', message: expect.stringContaining('rescue file only') as string },
    ])
    expect(stage.log.slice(-3)).toEqual(['read', 'save done', 'signals let through'])
    expect(await stage.stored()).toMatchObject({ generation: 1, intent: { attempt: 2 } })

    stage.store.savesFail = () => false
    expect((await stage.run()).generation).toBe(2)
    expect(stage.server.requests).toBe(1)
  })

  it('the rescue file only: a warning, and the store has it', async () => {
    stage.store.keepsFail = from(1)
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(await stage.stored()).toBe(set)
    expect(stage.warnings).toEqual([expect.stringContaining('could be written neither to the rescue file')])
  })

  it('both, for a while: goes on trying, every half second, and then has it', async () => {
    stage.store.keepsFail = (nth) => nth < 5
    stage.store.savesFail = (nth) => nth > 1 && nth < 5
    stage.server.answers(granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(await stage.stored()).toBe(set)
    expect(stage.slept).toEqual([500, 500, 500])
    expect(stage.server.requests).toBe(1)
  })

  it('both, until the rescue file can be written again', async () => {
    stage.store.keepsFail = (nth) => nth < 3
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.run()).pair.accessToken.reveal()).toBe('access-2')
    expect(stage.store.rescued).toHaveLength(1)
  })

  it('both, for good: tries for half a minute, returns nothing, and says that the store failed', async () => {
    stage.store.keepsFail = from(1)
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await expect(stage.run()).rejects.toThrow(StoreUnusable)
    expect(stage.slept).toHaveLength(60)
    expect(stage.log.at(-1)).toBe('signals let through')
  })

  it('a disk that fails when the answer is there warns once of one failing disk, not at each try', async () => {
    stage.store.keepsFail = from(1)
    stage.store.savesFail = from(2)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await failure(stage.run())
    expect(stage.warnings).toHaveLength(1)
  })

  it('a disk that fails when the answer is there tells the truth when the store was emptied by something that went around its lock', async () => {
    stage.server.answers(() => {
      stage.store.put(undefined)
      return granted('access-2', 'refresh-2')
    })
    await failure(stage.run())
    expect(await stage.store.read()).toBeUndefined()
    expect(stage.warnings.join()).toContain('around')
    expect(stage.store.rescued).toHaveLength(1)
  })
})

describe('a store that was put back', () => {
  const LATER = left(granted('access-8', 'refresh-8'), 'refresh-7', 7, 9)

  it('a store that was put back gets the newest pair that was kept of its grant, and nothing is asked', async () => {
    stage.store
      .put(tokenSet({ sequence: 4, intent: intent() }))
      .leave(left(granted('access-7', 'refresh-7'), 'refresh-6', 6, 8), LATER)
    const set = await stage.run()
    expect(stage.server.sent).toEqual([])
    expect(set).toMatchObject({ generation: 8, sequence: 9, intent: null })
    expect(refreshTokens(set)).toEqual(['refresh-8', 'refresh-1'])
    expect(await stage.stored()).toBe(set)
    expect(stage.store.rescued).toEqual([])
  })

  it('a store that was put back gets a pair whose refresh token stayed the same', async () => {
    stage.store.put(tokenSet()).leave(left(granted('access-8', null), 'refresh-1', 7))
    expect(await stage.run()).toMatchObject({ generation: 8 })
    expect((await stage.stored()).pair.accessToken.reveal()).toBe('access-8')
  })

  it.each([
    ['another grant', { ...LATER, grant: 'grant-2' }],
    [
      'another client',
      { ...LATER, client: { tokenUrl: 'https://other.example/', issuer: null, clientId: '7' } },
    ],
    ['a grant without an id', { ...LATER, grant: null }],
  ])(
    'a store that was put back keeps its set, and the answer stays, where that is of %s',
    async (_which, record) => {
      const client = { tokenUrl: 'https://auth.example.com/token', issuer: null, clientId: '1012' }
      const grant = record.grant === null ? null : GRANT
      stage.store.put(tokenSet({ client, grant })).leave(record)
      stage.server.answers(granted('access-2', 'refresh-2'))
      expect(refreshTokens(await stage.run())).toEqual(['refresh-2', 'refresh-1'])
      expect(stage.store.rescued).toEqual([record])
    },
  )
})

describe('a pair that came second', () => {
  const SECOND = left(granted('access-s', 'refresh-s'), 'refresh-0', 0)

  it('a pair that came second is kept, and the one that came first is returned', async () => {
    const first = tokenSet({ generation: 9, pair: pair({ refreshToken: new Secret('refresh-9') }) })
    stage.server.answers(() => {
      stage.store.put(first)
      return granted('access-2', 'refresh-2')
    })
    expect(await stage.run()).toBe(first)
    expect(await stage.stored()).toBe(first)
    expect(stage.store.rescued).toMatchObject([{ generation: 1, attempt: 2 }])
    expect(stage.warnings).toEqual([])
  })

  it('a pair that came second is tried once the first is refused, and saves the grant', async () => {
    stage.store.put(tokenSet()).leave(SECOND)
    stage.server.answers(invalidGrant(), granted('access-2', 'refresh-2'))
    const set = await stage.run()
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-s'])
    expect(refreshTokens(set)).toEqual(['refresh-2', 'refresh-1'])
    expect(stage.store.rescued).toEqual([])
  })

  it('a pair that came second stays while the server gives no verdict', async () => {
    stage.store.put(tokenSet()).leave(SECOND)
    stage.server.answers(status(503))
    await failure(stage.run())
    expect(stage.store.rescued).toEqual([SECOND])
  })

  it('a pair that came second is tried once only, and the refusal is the one of the first', async () => {
    stage.store.put(tokenSet()).leave(SECOND, left(granted('access-t', 'refresh-t'), 'refresh-0', 0, 1))
    stage.server.answers(invalidGrant(), invalidGrant(), invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(stage.server.sent).toEqual(['refresh-1', 'refresh-s', 'refresh-t'])
    expect(await stage.stored()).toMatchObject({ refusedAt: ISSUED, intent: null })
  })

  it.each([
    ['another grant', { ...SECOND, grant: 'grant-2' }],
    ['a login', { ...SECOND, login: true as const }],
    ['the pair itself', left(granted('access-1', 'refresh-1'), 'refresh-0', 0)],
    ['an earlier generation', { ...SECOND, generation: -1 }],
    ['a refusal', left(invalidGrant(), 'refresh-0', 0)],
  ])('a pair that came second is none where the answer is of %s', async (_which, record) => {
    stage.store.put(tokenSet()).leave(record)
    stage.server.answers(invalidGrant())
    await expect(stage.run()).rejects.toThrow(LoginRequired)
    expect(stage.server.sent).toEqual(['refresh-1'])
  })
})

describe('a listener that throws', () => {
  const notify = (): never => {
    throw new Error('the log is closed')
  }

  it('a listener that throws at a clock that is wrong costs no token', async () => {
    stage.server.answers({ ...granted('access-2', 'refresh-2'), date: new Date(0).toUTCString() })
    await failure(stage.run({ notify }))
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('a listener that throws at a rescue file that cannot be written costs no token', async () => {
    stage.store.keepsFail = from(1)
    stage.server.answers(granted('access-2', 'refresh-2'))
    await failure(stage.run({ notify }))
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe('refresh-2')
  })
})

describe('killed at any step', () => {
  /**
   * Rotates at every request, as strict servers do.
   *
   * @param lenient Takes a refresh token until its successor is used.
   */
  const rotating = (lenient: boolean): ((token: string) => Said) => {
    let issued = 1
    let used = 0
    return (token) => {
      const number = Number(token.replace('refresh-', ''))
      if (lenient ? number < used : number !== issued) return invalidGrant()
      used = Math.max(used, number)
      issued++
      return granted(`access-${issued}`, `refresh-${issued}`)
    }
  }
  const STEPS = ['prepare', 'signals', 'intent', 'request', 'keep', 'read', 'save', 'drop']

  const killedAt = async (step: number, lenient: boolean): Promise<TokenSet> => {
    stage.server.answers(rotating(lenient))
    stage.diesAt = step
    await failure(stage.run())
    stage.diesAt = Infinity
    return stage.run()
  }

  it.each(STEPS.map((name, step) => [name, step] as const))(
    'a process killed before %s leaves what the next one goes on with, where the server forgives',
    async (_name, step) => {
      const { pair } = await killedAt(step, true)
      stage.server.answers(rotatingFrom(pair.refreshToken.reveal()))
      expect((await stage.run()).pair.accessToken.reveal()).toBe('access-next')
    },
  )

  it.each(STEPS.map((name, step) => [name, step] as const).filter(([name]) => name !== 'keep'))(
    'a process killed before %s leaves what the next one goes on with, also where the server forgives nothing',
    async (_name, step) => {
      const { pair } = await killedAt(step, false)
      expect(pair.refreshToken.reveal()).toMatch(/^refresh-[23]$/)
    },
  )

  const rotatingFrom =
    (current: string) =>
    (token: string): Said =>
      token === current ? granted('access-next', 'refresh-next') : invalidGrant()

  it('dies at each of these steps indeed', async () => {
    stage.server.answers(rotating(true))
    stage.diesAt = 4
    await expect(stage.run()).rejects.toThrow(Died)
    expect(stage.store.rescued).toEqual([])
    expect(stage.server.requests).toBe(1)
  })
})

test('answers of the fake server mean the same in another process', () => {
  const means = reading(granted('a', 'r').body)
  expect(means).toMatchObject({ kind: 'tokens', expiresIn: 3600 })
  expect(means.kind === 'tokens' && means.refreshToken?.reveal()).toBe('r')
})

it('an exchange that has come to nothing is nobody’s, though its intent stays', async () => {
  const holder = { boot: 'boot-1', pidNamespace: 'pid:[1]', pid: 1, started: 2, until: 3 }
  stage.store.holder = () => holder
  stage.server.answers(() => {
    throw new Error('it is at it')
  })
  await failure(stage.run())
  expect((await stage.stored()).intent).toMatchObject({ holder })
  stage.server.answers(silence(), silence(), silence(), silence())
  expect(await failure(stage.run())).toBeInstanceOf(OutcomeUnknown)
  const { intent } = await stage.stored()
  expect(intent).toMatchObject({ attempt: expect.any(Number) as number })
  expect(intent).not.toHaveProperty('holder')
})
