import { beforeEach, describe, expect, it } from 'vitest'
import {
  ConfigInvalid,
  LoginRequired,
  OtherClient,
  OutcomeUnknown,
  StoreUnusable,
} from '../../src/core/errors.js'
import { closedByMove, inConfig } from '../../src/core/move-notes.js'
import type { StoreAddress } from '../../src/core/move-ports.js'
import { move, type Moved } from '../../src/core/move.js'
import type { PendingLogin, Rescued } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import { entry, intended } from '../../src/core/transitions.js'
import { garbage, granted, raw } from '../support/fake-server.js'
import { MemoryStore } from '../support/memory-store.js'
import { reveal } from '../support/store-contract.js'
import { GRANT, moment, pair, tokenSet } from '../support/token-sets.js'
import { Died, POLICY, Stage } from './stage.js'

const CLIENT = { tokenUrl: 'https://auth.example.com/token', issuer: null, clientId: '1012' }
const SET = tokenSet({ generation: 3, sequence: 7, client: CLIENT })
const LOGIN: PendingLogin = {
  ...{ state: new Secret('state-1'), verifier: new Secret('verifier-1'), redirectUri: 'http://127.0.0.1/' },
  ...{ begunAt: 5, spent: null, grant: 'grant-l', client: null },
}

let stage: Stage
let old: MemoryStore
let fresh: MemoryStore

beforeEach(() => {
  stage = new Stage(SET)
  old = stage.store
  fresh = another('new')
})

/** A store beside the stage's, whose events go into the same log. */
function another(name: string): MemoryStore {
  return new MemoryStore((what) => {
    if (stage.log.length >= stage.diesAt) throw new Died(what)
    stage.log.push(`${name}: ${what}`)
  }, name)
}

const ACME_1 = { name: 'acme-1', id: 'id-1' as string | null }
const ACME_2 = { name: 'acme-2', id: 'id-2' }

const moved = (from = old, to = fresh, { force = false, host = ACME_1 } = {}): Promise<Moved> => {
  const { server, clock, notify, sleep } = stage
  const options = { store: from, server, clock, notify, sleep, policy: POLICY, lockWait: 1 }
  return move(from, to, options, { force, here: { host, names: inConfig } })
}

/** The set that a guard on the store could spend; `undefined` if it can spend none. */
const spendable = (store: MemoryStore) => (store.content.note === undefined ? store.content.set : undefined)

const seeded = async (store: MemoryStore, set = SET): Promise<void> => {
  await store.exclusive((held) => held.note(set, 0, entry(set, 'seed', 'done', moment())), { waitMs: 0 })
}

describe('a move', () => {
  it('a move takes the pair, what was discovered, the login that waits and the history, and erases the old tokens', async () => {
    const discovered = { issuer: 'i', authorizeUrl: null, tokenUrl: 't', revocationUrl: null, at: 1 }
    const first = entry({ ...SET, sequence: 6 }, 'seed', 'done', moment())
    await old.exclusive(
      async (held) => {
        await held.note(SET, SET.generation, first)
        await held.pin(discovered)
        await held.saveLogin(LOGIN)
      },
      { waitMs: 0 },
    )
    expect(await moved()).toBe('moved')
    const set = await fresh.read()
    expect(reveal(set)).toEqual(
      reveal({ ...SET, generation: 4, sequence: 8, grant: set?.grant ?? '', host: null, cameFrom: null }),
    )
    expect(set?.grant).not.toBe(GRANT)
    expect(await fresh.discovered()).toEqual(discovered)
    expect(reveal(await fresh.login())).toEqual(reveal(LOGIN))
    expect((await fresh.history()).map(({ sequence, event, note }) => [sequence, event, note])).toEqual([
      [8, 'move', 'from memory'],
      [6, 'seed', null],
    ])
    expect(old.content).toMatchObject({ set: undefined, note: { direction: 'to', other: { path: 'new' } } })
    await expect(old.read()).rejects.toThrow('was moved to new on acme-1')
  })

  it('a move asks no server for anything', async () => {
    await moved()
    expect(stage.server.sent).toEqual([])
  })

  it('a move goes on from the counters of both stores', async () => {
    const gone = tokenSet({ generation: 20, sequence: 30, grant: 'grant-gone' })
    await seeded(fresh, gone)
    const last = entry({ ...gone, sequence: 31 }, 'logout', 'done', moment())
    await fresh.exclusive((held) => held.forget(last), { waitMs: 0 })
    await moved()
    expect(await fresh.read()).toMatchObject({ generation: 21, sequence: 39 })
  })

  it('an answer that waits belongs to the set that is moved', async () => {
    old.leave({
      ...{
        generation: 3,
        attempt: 7,
        spent: SET.pair.refreshToken.fingerprint,
        grant: GRANT,
        client: CLIENT,
      },
      answer: raw(granted('access-2', 'refresh-2')),
    })
    await moved()
    expect((await fresh.read())?.pair.refreshToken.reveal()).toBe('refresh-2')
    expect(old.rescued).toEqual([])
  })

  it('an exchange whose outcome is unknown goes along, and its answer with it', async () => {
    const asked = intended(SET, moment(), null, CLIENT)
    const kept: Rescued = {
      ...{
        generation: 3,
        attempt: 8,
        spent: SET.pair.refreshToken.fingerprint,
        grant: GRANT,
        client: CLIENT,
      },
      answer: raw(garbage()),
    }
    await seeded(fresh, tokenSet({ generation: 10, sequence: 20 }))
    await fresh.exclusive(
      (held) => held.forget(entry(tokenSet({ generation: 10, sequence: 21 }), 'logout', 'done', moment())),
      {
        waitMs: 0,
      },
    )
    old.put(asked).leave(kept, kept)
    await moved()
    const set = await fresh.read()
    expect(set).toMatchObject({ generation: 11, intent: { attempt: 8 + 21 } })
    expect(fresh.rescued).toMatchObject([
      { generation: 11, attempt: 8 + 21, grant: set?.grant, spent: kept.spent },
    ])
    expect(set?.sequence).toBeGreaterThanOrEqual(8 + 21)
  })

  it('the token set is refreshed in the new store as if it had always been there', async () => {
    await moved()
    stage.server.answers(granted('access-2', 'refresh-2'))
    const guard = stage.guard({ store: fresh })
    expect((await guard.refresh()).set.pair.refreshToken.reveal()).toBe('refresh-2')
    expect(stage.server.sent).toEqual(['refresh-1'])
  })
})

describe('a move is refused', () => {
  const untouched = (): void => {
    expect(spendable(old)).toBe(SET)
    expect(stage.log.filter((what) => what.includes('close'))).toEqual([])
  }

  it('a move is refused where there is nothing to move', async () => {
    const empty = another('empty')
    const refusal = moved(empty)
    await expect(refusal).rejects.toThrow(LoginRequired)
    await expect(refusal).rejects.toMatchObject({
      hint: 'set path = new in [store], without url, then: hq-token login',
    })
  })

  it('a move is refused where the set is another client’s', async () => {
    stage.server.named = { ...CLIENT, clientId: '7' }
    await expect(moved()).rejects.toThrow(OtherClient)
    untouched()
  })

  it('a move is refused where the new store holds a set, unless that is to be replaced', async () => {
    const theirs = tokenSet({
      generation: 9,
      sequence: 9,
      pair: pair({ refreshToken: new Secret('theirs') }),
    })
    await seeded(fresh, theirs)
    await expect(moved()).rejects.toThrow(ConfigInvalid)
    await expect(moved()).rejects.toMatchObject({
      hint: expect.stringContaining('--to new --force') as string,
    })
    untouched()
    expect(await moved(old, fresh, { force: true })).toBe('moved')
    const set = await fresh.read()
    expect(set?.generation).toBe(10)
    expect(set?.previous?.refreshToken.reveal()).toBe('theirs')
    expect(set?.pair.refreshToken.reveal()).toBe('refresh-1')
  })

  it('a move to where the set is changes nothing, and says so', async () => {
    expect(await moved(old, old)).toBe('there')
    untouched()
  })

  it('a move is refused while the set is on its way to another store', async () => {
    await dieAfter('memory: close to')
    const refusal = moved(old, another('third'))
    await expect(refusal).rejects.toThrow('is being moved to new on acme-1')
    await expect(refusal).rejects.toMatchObject({ hint: 'hq-token move --to new' })
  })

  it('a move is refused while another set is on its way to the new store', async () => {
    await dieAfter('new: close from')
    const third = another('third').put(SET)
    await expect(moved(third)).rejects.toThrow('is being moved to new from memory on acme-1')
  })

  it('a move of a set that is moved says where it is, and the same move that it is done', async () => {
    await moved()
    expect(await moved()).toBe('moved-before')
    await expect(moved(old, another('third'))).rejects.toThrow('was moved to new')
  })
})

/** The events of a whole move, which starts from a pair with an answer and a login beside it. */
async function eventsOfOne(): Promise<readonly string[]> {
  await moved()
  return stage.log
}

/** Kills the move right after an event. */
async function dieAfter(event: string, host = ACME_1): Promise<void> {
  const { log } = await withStage(async () => {
    await moved()
    return stage
  })
  const nth = log.indexOf(event.replace('memory: ', ''))
  expect(nth).toBeGreaterThanOrEqual(0)
  stage.diesAt = stage.log.length + nth + 1
  await expect(moved(old, fresh, { host })).rejects.toThrow(Died)
  stage.diesAt = Infinity
}

/** Runs `work` on a stage of its own, and puts this one back. */
async function withStage<T>(work: () => Promise<T>): Promise<T> {
  const mine = [stage, old, fresh] as const
  try {
    prepare()
    return await work()
  } finally {
    ;[stage, old, fresh] = mine
  }
}

function prepare(): void {
  stage = new Stage(SET)
  old = stage.store
  fresh = another('new')
}

describe('a move that is killed', () => {
  const kept: Rescued = {
    ...{ generation: 3, attempt: 8, spent: SET.pair.refreshToken.fingerprint, grant: GRANT, client: CLIENT },
    answer: raw(garbage()),
  }
  const prepared = async (): Promise<void> => {
    prepare()
    await old.exclusive((held) => held.saveLogin(LOGIN), { waitMs: 0 })
    old.put(intended(SET, moment(), null, CLIENT)).leave(kept)
    stage.log.length = 0
  }

  it.each([
    ['finished by the same command', () => moved(), 'moved'],
    ['undone by the move back', () => moved(fresh, old), 'given-up'],
  ])('at every step leaves one store that can spend at most, and is %s', async (_, again, outcome) => {
    await prepared()
    const events = await eventsOfOne()
    expect(events.filter((what) => !/read|drop/.test(what))).toEqual([
      'save HQ_OUTCOME_UNKNOWN',
      'new: close from',
      'close to',
      'new: note the login',
      'new: keep',
      'new: receive',
      'forget',
    ])
    const outcomes = new Set<string>()
    for (let step = 0; step < events.length; step++) {
      await prepared()
      stage.diesAt = step
      await expect(moved(), events[step]).rejects.toThrow(Died)
      stage.diesAt = Infinity
      const spenders = [old, fresh].filter((store) => spendable(store) !== undefined)
      expect(spenders.length, events[step]).toBeLessThanOrEqual(1)
      const had = [old, fresh].some(({ content }) => content.set?.pair.refreshToken.reveal() === 'refresh-1')
      expect(had, events[step]).toBe(true)
      // Whoever looks is told of it, in both configurations, until it is finished.
      if (spendable(old) === undefined)
        await expect(stage.guard({ store: old }).token()).rejects.toThrow(ConfigInvalid)
      if (fresh.content.note !== undefined)
        await expect(stage.guard({ store: fresh }).token()).rejects.toThrow(
          'is being moved to new from memory',
        )

      const result = await again().catch((error: unknown) => (error as Error).name)
      outcomes.add(result)
      if (result !== outcome) continue
      const [home, away] = result === 'moved' ? [fresh, old] : [old, fresh]
      expect(spendable(home)?.pair.refreshToken.reveal(), events[step]).toBe('refresh-1')
      expect(spendable(home)?.intent, events[step]).not.toBeNull()
      // The answers in the old store are erased before the tokens are.
      expect(home.rescued.length, events[step]).toBe(1)
      expect(reveal(await home.login()), events[step]).toEqual(reveal(LOGIN))
      expect(away.content.set, events[step]).toBeUndefined()
      expect(away.rescued, events[step]).toEqual([])
    }
    // It is not undone where it had not begun, or where the new store may have gone on from it.
    expect([...outcomes]).toEqual(
      outcome === 'moved' ? ['moved'] : ['LoginRequired', 'given-up', 'ConfigInvalid'],
    )
  })

  it('is not repeated over what the new store has made of the set since', async () => {
    await dieAfter('new: receive')
    stage.server.answers(granted('access-2', 'refresh-2'))
    await stage.guard({ store: fresh }).refresh()
    expect(await moved()).toBe('moved')
    expect((await fresh.read())?.pair.refreshToken.reveal()).toBe('refresh-2')
    expect(old.content.set).toBeUndefined()
  })

  it('does not bring back a set that the new store has received and forgotten', async () => {
    await dieAfter('new: receive')
    await stage.logins({ store: fresh }).logout(null)
    expect(await moved()).toBe('moved')
    expect(await fresh.read()).toBeUndefined()
  })

  it('goes on into a store that was made anew', async () => {
    await dieAfter('memory: close to')
    fresh = another('new')
    expect(await moved()).toBe('moved')
    expect((await fresh.read())?.pair.refreshToken.reveal()).toBe('refresh-1')
  })

  it('goes on over no set that has come into the new store meanwhile', async () => {
    await dieAfter('memory: close to')
    fresh = another('new')
    await seeded(fresh, tokenSet({ grant: 'grant-2' }))
    await expect(moved()).rejects.toThrow('holds a token set already')
    expect(await moved(old, fresh, { force: true })).toBe('moved')
  })
})

const ROW: StoreAddress = { url: 'postgres://db.example/hq', name: 'default' }

describe('a path names another file on another host', () => {
  const on2 = { host: ACME_2 }

  it('a move that was cut off at any step is finished by no other host, nor with a file of the same path there', async () => {
    const make = (): void => {
      prepare()
      old.address = ROW
    }
    make()
    const events = await eventsOfOne()
    const refusals: string[] = []
    for (let step = events.indexOf('close to') + 1; step < events.length; step++) {
      for (const force of [false, true]) {
        make()
        stage.diesAt = step
        await expect(moved()).rejects.toThrow(Died)
        stage.diesAt = Infinity
        const theirs = another('new')
        const refusal = moved(old, theirs, { ...on2, force })
        await expect(refusal, events[step]).rejects.toThrow(ConfigInvalid)
        await expect(refusal).rejects.toMatchObject({
          hint: 'finish it on acme-1: hq-token move --to new; if acme-1 is gone for good, name another store or row in [store], then: hq-token login',
        })
        refusals.push(events[step] ?? '')
        expect(theirs.content).toEqual({ set: undefined, note: undefined })
        expect(await moved()).toBe('moved')
        expect(spendable(fresh)?.pair.refreshToken.reveal()).toBe('refresh-1')
      }
    }
    expect(new Set(refusals)).toEqual(new Set(['new: receive', 'drop', 'forget']))
  })

  it('a move that is done is not taken for one to this host', async () => {
    old.address = ROW
    await moved()
    const refusal = moved(old, another('new'), on2)
    await expect(refusal).rejects.toThrow('was moved to new on acme-1')
    await expect(refusal).rejects.toMatchObject({
      hint: expect.stringContaining(
        'only acme-1 can use it; to share it again, on acme-1: hq-token move --to postgres://db.example/hq',
      ) as string,
    })
  })

  it.each(['new: close from', 'memory: close to'])(
    'a store that waits for a set of another host since “%s” is taken over by none',
    async (event) => {
      fresh.address = ROW
      await dieAfter(event)
      const theirs = another('memory').put(tokenSet({ grant: 'grant-2' }))
      for (const force of [false, true]) {
        const refusal = moved(theirs, fresh, { ...on2, force })
        await expect(refusal).rejects.toThrow('from memory on acme-1')
        await expect(refusal).rejects.toMatchObject({
          hint: expect.stringContaining(
            'finish it on acme-1, with the configuration of memory: hq-token move --to postgres://db.example/hq',
          ) as string,
        })
      }
      expect(spendable(theirs)?.grant).toBe('grant-2')
      expect(await moved()).toBe('moved')
    },
  )

  it('a move is undone by no other host', async () => {
    fresh.address = ROW
    await dieAfter('memory: close to')
    const refusal = moved(fresh, another('memory'), on2)
    await expect(refusal).rejects.toThrow('is being moved to new from memory on acme-1')
    expect(await moved(fresh, old)).toBe('given-up')
  })

  it.each(['memory: close to', 'new: receive'])(
    'a file that knows the move since “%s” is the one, whatever its host is called by now',
    async (event) => {
      old.address = ROW
      await dieAfter(event)
      expect(await moved(old, fresh, on2)).toBe('moved')
      expect(await moved(old, fresh, on2)).toBe('moved-before')
    },
  )

  it('without a machine id a name is not enough to fill a file that knows nothing of the move', async () => {
    const host = { name: 'acme-1', id: null }
    old.address = ROW
    await dieAfter('memory: close to', host)
    const theirs = another('new')
    await expect(moved(old, theirs, { host, force: true })).rejects.toThrow('new knows nothing of the move')
    expect(theirs.content.set).toBeUndefined()
    expect(await moved(old, fresh, { host })).toBe('moved')
  })

  it('a host is told from another one of its name', () => {
    const note = { direction: 'to', other: { path: '/x.db' }, host: ACME_1, grant: 'g', at: 7 } as const
    const here = { host: { name: 'acme-1', id: 'id-9' }, names: inConfig }
    expect(closedByMove({ name: 'row', address: ROW }, note, false, here)).toMatchObject({
      message: expect.stringContaining('to /x.db on another host named acme-1') as string,
      hint: expect.stringContaining('finish it on another host named acme-1: hq-token') as string,
    })
  })
})

describe('a move away from a store that hosts share', () => {
  const asked = intended(SET, moment(), null, CLIENT)

  beforeEach(async () => {
    old.isShared = true
    const begun = { ...entry(asked, 'refresh', 'unfinished', moment()), host: 'acme-7' }
    await old.exclusive((held) => held.note(asked, SET.generation, begun), { waitMs: 0 })
  })

  it('is refused while another host may have the answer to a refresh on its disk', async () => {
    for (const force of [false, true]) {
      const refusal = moved(old, fresh, { force })
      await expect(refusal).rejects.toThrow(OutcomeUnknown)
      await expect(refusal).rejects.toThrow('a refresh begun by acme-7 at')
      await expect(refusal).rejects.toMatchObject({
        exit: 75,
        hint: 'finish it on acme-7: hq-token refresh; if acme-7 is gone, the same here; then: hq-token move --to new',
      })
    }
    expect(spendable(old)).toEqual(asked)
    expect(fresh.content.note).toBeUndefined()
    stage.server.answers(granted('access-2', 'refresh-2'))
    await stage.guard().refresh()
    expect(await moved()).toBe('moved')
  })

  it('takes up the answer that this host has, and is no more refused', async () => {
    const { generation, sequence: attempt, grant, client } = asked
    const spent = SET.pair.refreshToken.fingerprint
    old.leave({ generation, attempt, spent, grant, client, answer: raw(granted('access-2', 'refresh-2')) })
    expect(await moved()).toBe('moved')
    expect(spendable(fresh)?.pair.refreshToken.reveal()).toBe('refresh-2')
  })

  it('is finished if it had begun, because nothing can land in the old store any more', async () => {
    old.isShared = false
    await dieAfter('memory: close to')
    old.isShared = true
    expect(await moved()).toBe('moved')
    expect(spendable(fresh)?.intent).not.toBeNull()
  })
})

describe('two moves', () => {
  it('two moves in opposite directions do not wait for each other', async () => {
    await seeded(fresh, tokenSet({ grant: 'grant-2' }))
    const begun = performance.now()
    const [one, other] = await Promise.allSettled([
      moved(old, fresh, { force: true }),
      moved(fresh, old, { force: true }),
    ])
    expect(performance.now() - begun).toBeLessThan(900)
    expect([one, other].filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(1)
    expect([old, fresh].filter((store) => spendable(store) !== undefined).length).toBe(1)
  })

  it('two moves of one set at once move it once', async () => {
    const outcomes = await Promise.all([moved(), moved()])
    expect(outcomes.sort()).toEqual(['moved', 'moved-before'])
  })

  it('a set goes there and back again as often as a person likes', async () => {
    for (let round = 0; round < 3; round++) {
      expect(await moved(old, fresh)).toBe('moved')
      expect(await moved(fresh, old)).toBe('moved')
    }
    expect((await old.read())?.pair.refreshToken.reveal()).toBe('refresh-1')
    expect((await old.read())?.generation).toBeGreaterThan(SET.generation + 5)
  })
})

it('a new store that cannot be written leaves the old one open', async () => {
  const full = another('full')
  const close = (): never => {
    throw new StoreUnusable('the disk is full')
  }
  const exclusiveForMove: MemoryStore['exclusiveForMove'] = (critical, waitMs) =>
    full.exclusiveForMove((held) => critical({ ...held, close }), waitMs)
  const broken = Object.assign(Object.create(full) as MemoryStore, { exclusiveForMove })
  await expect(moved(old, broken)).rejects.toThrow('the disk is full')
  expect(spendable(old)?.pair).toEqual(SET.pair)
})
