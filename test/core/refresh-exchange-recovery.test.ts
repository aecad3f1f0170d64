import { describe, expect, it, test } from 'vitest'
import { OutcomeUnknown, StoreUnusable } from '../../src/core/errors.js'
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
import { GRANT, ISSUED, moment, tokenSet } from '../support/token-sets.js'
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
    expect(stage.log).toEqual(['read', 'save done', 'scrub'])
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
    ['another generation', left(granted('access-x', 'refresh-x'), 'refresh-1', 7)],
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

  it('a disk that fails when the answer is there tells the truth when the store was changed by something that went around its lock', async () => {
    stage.server.answers(() => {
      stage.store.put(tokenSet({ generation: 9 }))
      return granted('access-2', 'refresh-2')
    })
    await failure(stage.run())
    expect((await stage.stored()).generation).toBe(9)
    expect(stage.warnings.join()).toContain('around')
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
  const STEPS = ['prepare', 'signals', 'intent', 'request', 'keep', 'read', 'save', 'scrub']

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
