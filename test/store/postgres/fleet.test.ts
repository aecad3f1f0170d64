import { randomUUID } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TokenGuard } from '../../../src/core/guard.js'
import { LockTimeout, Overtaken, StoreUnreachable } from '../../../src/core/errors.js'
import type { HeldStore, Rescued } from '../../../src/core/store-ports.js'
import { Secret } from '../../../src/core/secret.js'
import type { TokenSet } from '../../../src/core/token-set.js'
import { entry, intended } from '../../../src/core/transitions.js'
import { POLICY } from '../../core/stage.js'
import { FakeServer, granted, raw } from '../../support/fake-server.js'
import { HostTime } from '../../support/fleet-time.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { fleetHost, registryAt, type FleetHost } from '../../support/shared-stores.js'
import { GRANT, HOST, moment, pair, seed, tokenSet } from '../../support/token-sets.js'

let postgres: Postgres
let database: string
let one: FleetHost
let two: FleetHost

beforeAll(async () => {
  postgres = await startPostgres()
})

const host = async (name: string, time = new HostTime(`boot-${name}`)): Promise<FleetHost> =>
  fleetHost(await registryAt(postgres.url(database)), { host: name, time })

beforeEach(async () => {
  database = await postgres.createDatabase()
  one = await host('acme-1')
  two = await host('acme-2')
})

const sql = (text: string): ReturnType<Postgres['sql']> => postgres.sql(text, undefined, database)
const note = (held: HeldStore, set: TokenSet, after = set.generation): Promise<void> =>
  held.note(set, after, entry(set, 'refresh', 'unfinished', moment()))
const seeded = ({ store }: FleetHost, set = tokenSet()): Promise<void> =>
  store.exclusive((held) => note(held, set, 0), { waitMs: 0 })
const NEXT = tokenSet({
  ...{ generation: 2, sequence: 2 },
  pair: pair({ accessToken: new Secret('access-2'), refreshToken: new Secret('refresh-2') }),
})
const land = (held: HeldStore, set = NEXT) =>
  held.land(set, set.generation - 1, entry(set, 'refresh', 'done', moment()))
/** A lease of a host that is no more. */
const deadLease = (): ReturnType<Postgres['sql']> =>
  sql(
    "UPDATE hq_token.grants SET lease_seat = gen_random_uuid(), lease_host = 'acme-9', lease_ms = 20000, lease_term = lease_term + 1",
  )
const run = ({ store }: FleetHost, waitMs = 90_000): Promise<string> =>
  store.exclusive(() => Promise.resolve('ran'), { waitMs })
const records = (generation: number, said = granted('access-2', 'refresh-2')): Rescued => ({
  ...{ generation, attempt: 2, spent: new Secret('refresh-1').fingerprint, grant: GRANT },
  answer: raw(said),
})

describe('a lease of another host', () => {
  beforeEach(() => seeded(one))

  it('a lease of another host is followed once it has stood still for its whole length', async () => {
    await deadLease()
    const before = two.time.elapsed()
    expect(await run(two)).toBe('ran')
    expect(two.time.elapsed() - before).toBeGreaterThan(20_000)
    expect(two.time.elapsed() - before).toBeLessThan(26_000)
  })

  it('a lease of another host is not waited for where the caller does not wait', async () => {
    await deadLease()
    await expect(run(two, 0)).rejects.toThrow(LockTimeout)
    await expect(run(two, 0)).rejects.toThrow('acme-9 has been refreshing')
  })

  it('a lease of another host that gives signs of life is never followed', async () => {
    await deadLease()
    two.time.every(10_000, () => void sql('UPDATE hq_token.grants SET lease_beat = lease_beat + 1'))
    await expect(run(two)).rejects.toThrow(LockTimeout)
  })

  it('a lease of another host is watched by several calls one after another', async () => {
    await deadLease()
    await expect(run(two, 12_000)).rejects.toThrow(LockTimeout)
    expect(await run(two, 12_000)).toBe('ran')
  })

  it('a lease of another host is not watched in a time without a look, if a refresh was begun', async () => {
    await sql(`UPDATE hq_token.grants SET token_set = token_set || '{"intent_attempt": 2, "intent_at": 1}'`)
    await deadLease()
    await expect(run(two, 12_000)).rejects.toThrow(LockTimeout)
    await two.time.pass(60_000)
    // Nobody has seen the holder be silent in this minute: it may have waited for the database.
    await expect(run(two, 0)).rejects.toThrow(LockTimeout)
    // On a machine at work a look may come late, and what was watched before it counts no more.
    expect(await run(two, 26_000)).toBe('ran')
  })

  it('a lease of another host is watched anew after the database was out of reach', async () => {
    await deadLease()
    await expect(run(two, 12_000)).rejects.toThrow(LockTimeout)
    two.link.fault = () => 'down'
    await expect(run(two, 1000)).rejects.toThrow(StoreUnreachable)
    two.link.fault = undefined
    await expect(run(two, 12_000)).rejects.toThrow(LockTimeout)
  })

  it('a lease of a process of this very host that has died is taken at once', async () => {
    const { seat } = await one.memory.load()
    await sql(`UPDATE hq_token.grants SET lease_seat = '${seat}', lease_ms = 20000`)
    expect(await run(one, 0)).toBe('ran')
  })
})

it.each([
  ['to a machine of another name', { ...HOST, name: 'acme-7' }],
  ['to a machine of another boot', { ...HOST, boot: 'boot-7' }],
  ['into another container of this machine', HOST],
])('a seat that was copied %s is a seat of its own', async (_what, machine) => {
  await seeded(one)
  const { seat } = await one.memory.load()
  copyFileSync(one.path, `${one.path}.copy`)
  const copy = fleetHost(await registryAt(postgres.url(database)), {}, `${one.path}.copy`, machine)
  await sql(`UPDATE hq_token.grants SET lease_seat = '${seat}', lease_ms = 20000`)
  await expect(run(copy, 0)).rejects.toThrow(LockTimeout)
  expect(await run(one, 0)).toBe('ran')
  expect((await copy.memory.load()).seat).not.toBe(seat)
})

describe('two rows of one database on one seat', () => {
  const ofRow = async (row: string): Promise<FleetHost> =>
    fleetHost(await registryAt(postgres.url(database), row), { time: two.time }, two.path, HOST, row)

  it('two rows of one database on one seat have generations of their own', async () => {
    const [first, second] = [await ofRow('first'), await ofRow('second')]
    await seeded(first, tokenSet({ generation: 7, sequence: 9 }))
    await first.store.read({ anew: true })
    await seeded(second)
    expect((await second.store.read({ anew: true }))?.generation).toBe(1)
    expect(second.notices).toEqual([])
    expect((await first.store.read())?.generation).toBe(7)
  })

  it('two rows of one database on one seat are not watched as one', async () => {
    await seeded(one)
    const [first, second] = [await ofRow('first'), await ofRow('second')]
    for (const { link } of [first, second]) {
      await link.registry.take({ term: 0, beat: 0 }, { seat: randomUUID(), host: 'acme-9' }, 20_000)
    }
    await expect(run(first, 15_000)).rejects.toThrow(LockTimeout)
    await expect(run(second, 10_000)).rejects.toThrow(LockTimeout)
    expect(await run(first, 10_000)).toBe('ran')
  })
})

describe('the last look before a request', () => {
  const look = (change: () => Promise<void> | void): Promise<boolean> =>
    one.store.exclusive(
      async (held) => {
        const set = intended(tokenSet(), moment(), null)
        await note(held, set, 1)
        expect(held.isAssured(set.sequence, 10_000)).toBe(true)
        await change()
        return held.isAssured(set.sequence, 10_000)
      },
      { waitMs: 0 },
    )
  beforeEach(() => seeded(one))

  it.each<[string, () => Promise<void> | void]>([
    [
      'this host stood still for half of its lease',
      () => {
        one.time.stop(10_500)
      },
    ],
    [
      'its wall clock says so',
      () => {
        one.time.ahead = 600
      },
    ],
    [
      'the database has given the lease to another',
      async () => {
        await deadLease()
        await one.time.pass(5000)
      },
    ],
    [
      'no sign of life arrives',
      async () => {
        one.link.fault = () => 'down'
        await one.time.pass(10_500)
      },
    ],
  ])('the last look before a request stops it where %s', async (_what, change) => {
    expect(await look(change)).toBe(false)
  })

  it('the last look before a request lets it go as long as signs of life arrive', async () => {
    expect(await look(() => one.time.pass(60_000))).toBe(true)
  })
})

describe('a word of the database that is lost', () => {
  beforeEach(() => seeded(one))

  it.each(['note', 'saveLogin', 'pin'] as const)(
    'a word of the database that is lost at %s is asked for',
    async (method) => {
      let lost = 0
      one.link.fault = (called) => (called === method && lost++ === 0 ? 'mute' : undefined)
      const set = intended(tokenSet(), moment(), null)
      await one.store.exclusive(
        async (held) => {
          await note(held, set, 1)
          await held.saveLogin(null)
          await held.pin({
            issuer: 'https://a.example',
            authorizeUrl: null,
            tokenUrl: 'x',
            revocationUrl: null,
            at: 1,
          })
        },
        { waitMs: 0 },
      )
      expect(lost).toBeGreaterThan(1)
      expect((await two.store.read())?.sequence).toBe(2)
    },
  )

  it('a word of the database that is lost at the lease is asked for, once', async () => {
    let lost = 0
    one.link.fault = (called) => (called === 'take' && lost++ === 0 ? 'mute' : undefined)
    expect(await run(one, 1000)).toBe('ran')
    expect(lost).toBe(2)
    one.link.fault = (called) => (called === 'take' ? 'mute' : undefined)
    await expect(run(one)).rejects.toThrow(StoreUnreachable)
  })

  it('a word of the database that is not heard for a whole lease costs the lease, not the call', async () => {
    let ran = 0
    one.link.fault = (called) => (ran === 1 && ['note', 'beat'].includes(called) ? 'down' : undefined)
    await one.store.exclusive(
      async (held) => {
        ran += 1
        await note(held, intended(tokenSet(), moment(), null), 1)
      },
      { waitMs: 90_000 },
    )
    expect(ran).toBe(2)
  })

  it('a word of the database that is lost at a seed costs nothing', async () => {
    database = await postgres.createDatabase()
    one = await host('acme-1')
    let lost = 0
    one.link.fault = (called) => (called === 'note' && lost++ === 0 ? 'mute' : undefined)
    await seeded(one)
    expect((await one.store.read())?.generation).toBe(1)
  })

  it('a word of the database that is lost at the save of a pair is found to be there', async () => {
    let lost = 0
    one.link.fault = (called) => (called === 'land' && lost++ === 0 ? 'mute' : undefined)
    expect(await one.store.exclusive((held) => land(held), { waitMs: 0 })).toBe('already')
    expect((await two.store.read())?.generation).toBe(2)
  })

  it('a word of the database that is lost at a logout is found to be done', async () => {
    let lost = 0
    one.link.fault = (called) => (called === 'forget' && lost++ === 0 ? 'mute' : undefined)
    await one.store.exclusive((held) => held.forget(null), { waitMs: 0 })
    expect(await two.store.read()).toBeUndefined()
  })
})

describe('a received pair', () => {
  beforeEach(() => seeded(one))

  it('a received pair is offered for a minute to a database that is out of reach', async () => {
    const from = one.time.elapsed()
    const landed = await one.store.exclusive(
      (held) => {
        one.link.fault = () => (one.time.elapsed() - from < 50_000 ? 'down' : undefined)
        return land(held)
      },
      { waitMs: 0 },
    )
    expect(landed).toBe('saved')
  })

  it('a received pair is offered for a minute where the password cannot be had, as from a service that is away', async () => {
    let tries = 0
    const landed = await one.store.exclusive(
      (held) => {
        one.link.fault = () => (++tries < 4 ? 'refused' : undefined)
        return land(held)
      },
      { waitMs: 0 },
    )
    expect(landed).toBe('saved')
    expect(tries).toBeGreaterThan(4)
  })

  it('a received pair waits in this host’s rescue file after that, and the next call saves it', async () => {
    await one.store.exclusive(
      async (held) => {
        one.link.fault = () => 'down'
        await held.rescue.keep(records(1))
        await expect(land(held)).rejects.toThrow(StoreUnreachable)
      },
      { waitMs: 0 },
    )
    one.link.fault = undefined
    const kept = await one.store.exclusive((held) => held.rescue.records(), { waitMs: 0 })
    expect(kept).toEqual([records(1)])
  })

  it('a received pair that the database has not got is handed out by this host, and saved at its first look that finds the database', async () => {
    const { time } = one
    const server = new FakeServer(time.clock, [granted('access-2', 'refresh-2')])
    const guard = (at: FleetHost): TokenGuard =>
      new TokenGuard({ store: at.store, server, clock: time.clock, policy: POLICY })
    await time.pass(3_590_000)
    await sql(`UPDATE hq_token.grants SET token_set = token_set || '{"obtained_at": 1}'`)
    one.link.fault = (method) => (method === 'land' || server.requests > 0 ? 'down' : undefined)
    expect((await guard(one).token()).secret.reveal()).toBe('access-2')
    expect((await guard(one).token()).secret.reveal()).toBe('access-2')
    one.link.fault = undefined
    await time.pass(11_000)
    expect((await guard(one).token()).secret.reveal()).toBe('access-2')
    expect(server.sent).toEqual(['refresh-1'])
    const { pair: saved } = (await two.store.read()) ?? {}
    expect(saved?.refreshToken.reveal()).toBe('refresh-2')
  })

  it('a received pair’s answer is found by another host, from before it was read', async () => {
    await one.store.exclusive((held) => held.rescue.keep(records(1)), { waitMs: 0 })
    const kept = await two.store.exclusive((held) => held.rescue.records(), { waitMs: 0 })
    const { answer, ...about } = records(1)
    // It counts by the clocks of the host that has found it.
    const sentAt = { ...answer.sentAt, boot: 'boot-acme-2' }
    expect(kept).toEqual([{ ...about, answer: { ...answer, sentAt } }])
  })

  it('a received pair’s answer is kept where only the database can take it', async () => {
    await one.store.exclusive(
      async (held) => {
        one.link.fault = () => 'down'
        await held.rescue.keep(records(1))
        one.link.fault = undefined
        expect(await held.rescue.records()).toEqual([records(1)])
      },
      { waitMs: 0 },
    )
  })
})

describe('a token that this host has seen', () => {
  beforeEach(async () => {
    await seeded(one)
    await two.store.read()
    two.link.calls.length = 0
  })

  it('a token that this host has seen is read without the database for a minute', async () => {
    await two.time.pass(59_000)
    expect((await two.store.read())?.pair.accessToken.reveal()).toBe('access-1')
    expect(two.link.calls).toEqual([])
    await two.time.pass(2000)
    await two.store.read()
    expect(two.link.calls).toEqual(['look'])
  })

  it('a token that this host has seen is looked up anew where the caller asks for it', async () => {
    await two.store.read({ anew: true })
    expect(two.link.calls).toEqual(['look'])
  })

  it.each([
    ['was refused', { refusedAt: 5 }],
    ['is being renewed', { intent: { attempt: 2, at: 3, boot: null, salvaged: null, client: null } }],
    ['lives for five minutes, by the tenth of that', { pair: pair({ lifetime: 300 }) }],
  ])('a token that this host has seen is looked up anew where it %s', async (_what, changes) => {
    await one.store.exclusive((held) => note(held, tokenSet({ sequence: 2, ...changes }), 1), { waitMs: 0 })
    await two.store.read({ anew: true })
    two.link.calls.length = 0
    await two.time.pass(31_000)
    await two.store.read()
    expect(two.link.calls).toEqual(['look'])
  })

  it('a token that this host has seen is served with a warning while a person must mend the way to the database', async () => {
    await two.store.read()
    await two.time.pass(61_000)
    two.link.fault = () => 'refused'
    expect((await two.store.read())?.generation).toBe(1)
    expect(two.notices.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^url_password_command failed .*; the token set is as of /),
    ])
    const fresh = await host('acme-3')
    fresh.link.fault = () => 'refused'
    await expect(fresh.store.read()).rejects.toThrow('url_password_command failed')
  })

  it('a token that this host has seen is served with a warning while the database is out of reach, which is not asked at every call', async () => {
    await two.time.pass(61_000)
    two.link.fault = () => 'down'
    expect((await two.store.read())?.pair.accessToken.reveal()).toBe('access-1')
    expect(two.notices).toMatchObject([
      { level: 'warning', message: expect.stringContaining('as of 20') as unknown },
    ])
    await two.store.read()
    expect(two.link.calls).toEqual(['look'])
    await two.time.pass(11_000)
    await two.store.read()
    expect(two.link.calls).toEqual(['look', 'look'])
  })

  it('a token that this host has seen is no help to another host', async () => {
    const three = await host('acme-3')
    const from = three.time.elapsed()
    three.link.fault = () => 'down'
    await expect(three.store.read()).rejects.toThrow(StoreUnreachable)
    // It has waited for a moment, because it has nothing else.
    expect(three.time.elapsed() - from).toBeGreaterThan(15_000)
    three.link.fault = () => (three.time.elapsed() - from < 20_000 ? 'down' : undefined)
    expect((await three.store.read())?.generation).toBe(1)
  })

  it('a token that this host has seen is forgotten once another host has logged out', async () => {
    expect(readFileSync(two.path, 'latin1')).toContain('access-1')
    await one.store.exclusive((held) => held.forget(null), { waitMs: 0 })
    await two.time.pass(61_000)
    expect(await two.store.read()).toBeUndefined()
    for (const { path } of [one, two]) expect(readFileSync(path, 'latin1')).not.toContain('access-1')
  })

  it('a token that this host has seen is kept without what buys new ones', () => {
    expect(readFileSync(two.path, 'latin1')).not.toContain('refresh-1')
  })

  it('a token that this host has seen in another database is not handed out', async () => {
    const other = await postgres.createDatabase()
    const moved = fleetHost(await registryAt(postgres.url(other)), { time: two.time }, two.path)
    await two.time.pass(61_000)
    expect(await moved.store.read()).toBeUndefined()
  })
})

describe('a database that was put back', () => {
  let backup: string
  const putBack = async (): Promise<void> => {
    await sql(
      `UPDATE hq_token.grants SET (generation, sequence, token_set) = (SELECT generation, sequence, token_set FROM jsonb_populate_record(null::hq_token.grants, '${backup}'))`,
    )
    await sql('DELETE FROM hq_token.answers')
  }
  beforeEach(async () => {
    await seeded(one)
    backup = JSON.stringify((await sql('SELECT to_jsonb(g) AS row FROM hq_token.grants g'))[0]?.['row'])
    await one.store.exclusive(
      async (held) => {
        await held.rescue.keep(records(1))
        await land(held)
        await held.rescue.drop(() => true)
      },
      { waitMs: 0 },
    )
    await two.store.read()
    await putBack()
  })

  it('a database that was put back does not make a host hand out an older token', async () => {
    await two.time.pass(61_000)
    expect((await two.store.read())?.pair.accessToken.reveal()).toBe('access-2')
    expect(two.notices[0]?.message).toContain('older than what this host has seen')
  })

  it('a database that was put back lets nobody spend who knows better', async () => {
    const begun = two.store.exclusive(
      async (held) => note(held, intended((await held.read()) ?? NEXT, moment(), null), 1),
      { waitMs: 0 },
    )
    await expect(begun).rejects.toThrow('older than what this host has seen')
  })

  it('a database that was put back makes no host forget what it has seen by what it notes there', async () => {
    for (const call of [1, 2]) {
      const begun = two.store.exclusive(
        async (held) => {
          const set = (await held.read()) ?? NEXT
          await note(held, intended(set, moment(), null), 1).catch(async (error: unknown) => {
            // As an exchange that could not begin does.
            await note(held, { ...set, sequence: set.sequence + 1 }, 1)
            throw error
          })
        },
        { waitMs: 0 },
      )
      await expect(begun, `call ${call}`).rejects.toThrow('older than what this host has seen')
    }
    expect((await two.store.read({ anew: true }))?.pair.accessToken.reveal()).toBe('access-2')
  })

  it('a database that was put back lets a host serve what it has seen, and refresh nothing', async () => {
    const server = new FakeServer(two.time.clock)
    const guard = new TokenGuard({ ...two, server, clock: two.time.clock, policy: POLICY })
    await two.time.pass(61_000)
    expect((await guard.token()).secret.reveal()).toBe('access-2')
    await expect(guard.refresh()).rejects.toThrow('older than what this host has seen')
    expect(server.sent).toEqual([])
  })

  it('a database that was put back is healed by the host that saved the newest pair', async () => {
    const kept = await one.store.exclusive((held) => held.rescue.records(), { waitMs: 0 })
    expect(kept).toEqual([records(1)])
    const server = new FakeServer(one.time.clock)
    const guard = new TokenGuard({ ...one, server, clock: one.time.clock, policy: POLICY })
    await one.time.pass(3_600_000 - 30_000)
    server.answers(granted('access-3', 'refresh-3'))
    expect((await guard.token()).secret.reveal()).toBe('access-3')
    expect(server.sent).toEqual(['refresh-2'])
    await two.time.pass(3_600_000)
    expect((await two.store.read())?.generation).toBe(3)
  })

  it('a database that was put back takes a login, which goes on from what this host has seen', async () => {
    const login = { ...NEXT, grant: 'grant-2', lastRefreshAt: null }
    await two.store.exclusive(
      async (held) => {
        const { generation, sequence } = await held.counters()
        expect({ generation, sequence }).toEqual({ generation: 2, sequence: 2 })
        const next = { ...login, generation: 3, sequence: 3, pair: pair({ obtained: two.time.clock() }) }
        await held.land(next, 1, entry(next, 'login', 'done', moment()))
      },
      { waitMs: 0 },
    )
    expect((await one.store.read({ anew: true }))?.grant).toBe('grant-2')
  })
})

describe('a database that has failed over', () => {
  beforeEach(async () => {
    await seeded(one)
    await one.store.exclusive((held) => land(held), { waitMs: 0 })
    await two.store.read()
    // The timeline of the last save is another than the database's.
    await sql("UPDATE hq_token.grants SET timeline = '00000000'")
  })
  const begin = async ({ store, time }: FleetHost): Promise<void> =>
    store.exclusive(
      async (held) => {
        const set = await held.read()
        if (set === undefined) throw new Error('the store is empty')
        await note(held, intended(set, time.clock(), null), set.generation)
      },
      { waitMs: 0 },
    )

  it('a database that has failed over lets nobody spend for five minutes, or for one without a token', async () => {
    const since = (seconds: number): Promise<unknown> =>
      sql(`UPDATE hq_token.grants SET found_at = found_at - interval '${seconds} seconds'`)
    await sql("UPDATE hq_token.grants SET found_timeline = '00000000'")
    await expect(begin(two)).rejects.toThrow('has failed over')
    await since(290)
    await expect(begin(two)).rejects.toThrow('waits 10 s')
    await since(11)
    await begin(two)
    await sql("UPDATE hq_token.grants SET found_timeline = '00000000'")
    await sql(`UPDATE hq_token.grants SET token_set = token_set || '{"obtained_at": 1}'`)
    await expect(begin(one)).rejects.toThrow('waits 60 s')
    await since(61)
    // Nobody begins to wait anew, were he never here before.
    await begin(await host('acme-9'))
  })

  it('a database that has failed over is settled by the next pair that lands', async () => {
    await expect(begin(two)).rejects.toThrow('has failed over')
    const next = { ...NEXT, generation: 3, sequence: 3 }
    await one.store.exclusive((held) => land(held, next), { waitMs: 0 })
    await begin(two)
  })

  it('a database that has failed over may go on at once where every commit waits for a standby', async () => {
    await sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    one.link.fault = undefined
    const synchronous = await host('acme-3')
    const { registry } = synchronous.link
    Object.assign(synchronous, {
      store: fleetHost(
        new Proxy(registry, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name, target)
            if (name !== 'take' || typeof value !== 'function') return value
            return async (...values: unknown[]) => {
              const seen = (await Reflect.apply(value, target, values)) as object | undefined
              return seen && { ...seen, isSynchronous: true }
            }
          },
        }),
      ).store,
    })
    await begin(synchronous)
  })
})

describe('hosts whose clocks differ', () => {
  it.each([600, -600, 86_400, -86_400])(
    'hosts whose clocks differ by %i s refresh once in each life',
    async (ahead) => {
      two.time.ahead = ahead
      let requests = 0
      const guards = [one, two].map(({ store, time }) => {
        const server = new FakeServer(time.clock, () => {
          requests++
          return granted(`access-${requests + 1}`, `refresh-${requests + 1}`)
        })
        return new TokenGuard({ store, server, clock: time.clock, policy: POLICY })
      })
      await guards[0]?.adopt({ ...seed({ obtained: one.time.clock() }) })
      const served: string[] = []
      // Twelve looks in each life, and the database's own clock stands still meanwhile: the tests take no hours.
      for (let look = 0; look < 24; look++) {
        for (const guard of guards) served.push((await guard.token()).secret.reveal())
        await sql(
          `UPDATE hq_token.grants SET token_set = token_set || jsonb_build_object('obtained_at', (token_set->>'obtained_at')::int - 300)`,
        )
        await Promise.all([one, two].map(({ time }) => time.pass(300_000)))
      }
      expect(requests).toBe(2)
      expect(new Set(served)).toEqual(new Set(['access-1', 'access-2', 'access-3']))
    },
  )
})

it('a database whose clock was set back makes no token younger than this host knows it to be, under the lease either', async () => {
  await seeded(one)
  await one.store.read()
  const obtained = one.time.clock().now
  await one.time.pass(3_000_000)
  // As if an hour had not passed for the database.
  await sql(
    `UPDATE hq_token.grants SET token_set = token_set || '{"obtained_at": ${Math.floor(Date.now() / 1000)}}'`,
  )
  const read = await one.store.read({ anew: true })
  const held = await one.store.exclusive((row) => row.read(), { waitMs: 0 })
  for (const set of [read, held]) expect(set?.pair.obtained.now).toBeLessThan(obtained + 10)
})

it('a second process of one host meets the first one’s lock, and asks no database', async () => {
  await seeded(one)
  const beside = fleetHost(await registryAt(postgres.url(database)), { time: one.time }, one.path)
  await one.store.exclusive(
    async () => {
      await expect(run(beside, 0)).rejects.toThrow(LockTimeout)
    },
    { waitMs: 0 },
  )
  expect(beside.link.calls).toEqual([])
})

it('a refresh costs four commits, and a look one question', async () => {
  await seeded(one)
  one.link.calls.length = 0
  await one.store.exclusive(
    async (held) => {
      await held.read()
      await held.rescue.records()
      await note(held, intended(tokenSet(), moment(), null), 1)
      await held.rescue.keep(records(1))
      await land(held, { ...NEXT, sequence: 3 })
      await held.rescue.drop(({ generation }) => generation < 2)
    },
    { waitMs: 0 },
  )
  expect(one.link.calls).toEqual(['look', 'take', 'answers', 'note', 'keep', 'land'])
})

it('a section that lands a pair and goes on takes the lease again, unless another has it', async () => {
  await seeded(one)
  await one.store.exclusive(
    async (held) => {
      await land(held)
      await note(held, intended(NEXT, moment(), null), 2)
      await land(held, { ...NEXT, generation: 3, sequence: 4 })
      await deadLease()
      const next = intended({ ...NEXT, generation: 3, sequence: 4 }, moment(), null)
      await expect(note(held, next, 3)).rejects.toThrow(Overtaken)
    },
    { waitMs: 0 },
  )
})
