// What simulated schedules have found (test/simulation), against a real database: leases, clocks and healing after faults.
import { rmSync } from 'node:fs'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TokenGuard } from '../../../src/core/guard.js'
import { Overtaken } from '../../../src/core/errors.js'
import type { HeldStore, Landed, Rescued } from '../../../src/core/store-ports.js'
import { Secret } from '../../../src/core/secret.js'
import type { TokenSet } from '../../../src/core/token-set.js'
import { entry, intended } from '../../../src/core/transitions.js'
import { storePaths } from '../../../src/store/files.js'
import { hereSet } from '../../../src/store/postgres/database-time.js'
import { afterLook, nothing } from '../../../src/store/postgres/remembered.js'
import type { Seen } from '../../../src/store/postgres/registry.js'
import { POLICY } from '../../core/stage.js'
import { FakeServer, granted, raw } from '../../support/fake-server.js'
import { HostTime } from '../../support/fleet-time.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { fleetHost, registryAt, type FleetHost } from '../../support/shared-stores.js'
import { GRANT, HOST, ISSUED, moment, pair, tokenSet } from '../../support/token-sets.js'

let postgres: Postgres
let database: string
let one: FleetHost
let two: FleetHost

beforeAll(async () => {
  postgres = await startPostgres()
})

const host = async (name: string, path?: string, boot = `boot-${name}`): Promise<FleetHost> =>
  fleetHost(await registryAt(postgres.url(database)), { host: name, time: new HostTime(boot) }, path, {
    ...HOST,
    boot,
  })

beforeEach(async () => {
  database = await postgres.createDatabase()
  one = await host('acme-1')
  two = await host('acme-2')
  await one.store.exclusive((held) => note(held, tokenSet(), 0), { waitMs: 0 })
})

const sql = (text: string): ReturnType<Postgres['sql']> => postgres.sql(text, undefined, database)
const note = (held: HeldStore, set: TokenSet, after = set.generation): Promise<void> =>
  held.note(set, after, entry(set, 'refresh', 'unfinished', moment()))
const NEXT = tokenSet({
  ...{ generation: 2, sequence: 2 },
  pair: pair({ accessToken: new Secret('access-2'), refreshToken: new Secret('refresh-2') }),
})
const land = (held: HeldStore): Promise<Landed> =>
  held.land(NEXT, 1, entry(NEXT, 'refresh', 'done', moment()))
const record = (sentAt = moment()): Rescued => ({
  ...{ generation: 1, attempt: 2, spent: new Secret('refresh-1').fingerprint, grant: GRANT },
  answer: raw(granted('access-2', 'refresh-2'), sentAt),
})
const lease = async () => (await sql('SELECT lease_seat, lease_beat::int AS beat FROM hq_token.grants'))[0]

describe('a lease that was taken again after a pair has landed', () => {
  it('a lease that was taken again after a pair has landed gives signs of life, and is given back', async () => {
    await one.store.exclusive(
      async (held) => {
        await land(held)
        await note(held, intended(NEXT, moment(), null))
        const before = await lease()
        await one.time.pass(11_000)
        expect(Number((await lease())?.['beat'])).toBeGreaterThan(Number(before?.['beat']) + 1)
        expect(held.isAssured(3, 10_000)).toBe(true)
      },
      { waitMs: 0 },
    )
    expect((await lease())?.['lease_seat']).toBeNull()
  })

  it('a lease is not taken again by a process whose seat has lost its lock file', async () => {
    await one.store.exclusive(
      async (held) => {
        await land(held)
        rmSync(storePaths(one.path).lock)
        await expect(note(held, intended(NEXT, moment(), null))).rejects.toThrow(Overtaken)
      },
      { waitMs: 0 },
    )
  })
})

describe('the clocks of hosts and of the database', () => {
  it.each([3600, -3600])(
    'the clock of a host that is %i s ahead does not count in an answer that another takes up',
    async (ahead) => {
      one.time.ahead = ahead
      await one.store.exclusive((held) => held.rescue.keep(record(one.time.clock())), { waitMs: 0 })
      const [kept] = await two.store.exclusive((held) => held.rescue.records(), { waitMs: 0 })
      const { now, boot, uptime } = kept?.answer.sentAt ?? moment(0)
      expect(Math.abs(now - two.time.clock().now)).toBeLessThan(5)
      expect(Math.abs(uptime - two.time.clock().uptime)).toBeLessThan(5)
      expect(boot).toBe('boot-acme-2')
    },
  )

  it('the clock of a database that was set back makes no token young on a host that has not seen it', () => {
    const at = { now: ISSUED - 3600, boot: 'boot-2', uptime: 50 }
    expect(hereSet(tokenSet(), 0, at).pair.obtained.boot).toBeNull()
    const later = { now: ISSUED + 10, boot: 'boot-2', uptime: 50 }
    expect(hereSet(tokenSet(), 0, later).pair.obtained).toEqual({ now: ISSUED, boot: 'boot-2', uptime: 40 })
  })

  it('the clock of a host that stood still while it looked is no difference: it looks again', async () => {
    let stops = 0
    two.link.fault = (method) => {
      if (method === 'look' && stops++ === 0) two.time.stop(600_000)
      return undefined
    }
    await two.store.read()
    expect(two.link.calls).toEqual(['look', 'look'])
  })
})

describe('what a seat remembers', () => {
  it('what a seat remembers is not replaced by a look that came before it', async () => {
    const look = async (): Promise<Seen> => {
      const seen = await two.link.registry.look()
      if (seen === undefined) throw new Error('there is no schema')
      return seen
    }
    const early = await look()
    await one.store.exclusive((held) => land(held), { waitMs: 0 })
    const at = two.time.clock()
    const late = await look()
    const known = afterLook(nothing('seat'), late, late.set, at, 'place')
    expect(known.generation).toBe(2)
    expect(afterLook(known, early, early.set, at, 'place')).toBe(known)
  })
})

describe('an answer that waits on the disk of a host', () => {
  /** The process dies with the answer on this disk only, and its lease stays. */
  const leave = (at: FleetHost, answer: Rescued): Promise<void> =>
    at.store
      .exclusive(
        async (held) => {
          await note(held, intended(tokenSet(), moment(), null))
          at.link.fault = () => 'down'
          await held.rescue.keep(answer)
          throw new Error('died')
        },
        { waitMs: 0 },
      )
      .catch(async () => {
        at.link.fault = undefined
        await sql(`UPDATE hq_token.grants SET token_set = token_set || '{"obtained_at": 1}'`)
      })
  const get = (at: FleetHost, lockWait = 0): Promise<string> => {
    const server = new FakeServer(at.time.clock)
    const guard = new TokenGuard({ ...at, server, clock: at.time.clock, policy: POLICY, lockWait })
    return guard.token().then(({ secret }) => secret.reveal())
  }

  it('an answer that waits on the disk of a host is saved after its restart, before the lease from before has ended', async () => {
    await leave(one, record(one.time.clock()))
    const restarted = await host('acme-1', one.path, 'boot-9')
    expect(await get(restarted)).toBe('access-2')
    expect((await two.store.read({ anew: true }))?.generation).toBe(2)
  })

  it('an answer that waits on the disk of a host and brings no token does not keep it from waiting for the lease', async () => {
    await leave(one, {
      ...record(one.time.clock()),
      answer: { ...raw(granted('', '')), body: Buffer.from('no') },
    })
    const restarted = await host('acme-1', one.path, 'boot-9')
    await expect(get(restarted, 2)).rejects.toThrow('acme-1 has been refreshing')
  })
})

describe('a database that was put back', () => {
  /** To before the newest pair, with the lease of a host that is no more. */
  const putBack = async (): Promise<void> => {
    const [row] = await sql('SELECT to_jsonb(g) AS row FROM hq_token.grants g')
    await one.store.exclusive(
      async (held) => {
        await held.rescue.keep(record(one.time.clock()))
        await land(held)
        await held.rescue.drop(() => true)
      },
      { waitMs: 0 },
    )
    await sql(
      `UPDATE hq_token.grants SET (generation, sequence, token_set) =
         (SELECT generation, sequence, token_set FROM jsonb_populate_record(null::hq_token.grants, '${JSON.stringify(row?.['row'])}')),
         lease_seat = gen_random_uuid(), lease_host = 'acme-9', lease_ms = 20000, lease_term = lease_term + 1`,
    )
    await sql('DELETE FROM hq_token.answers')
  }
  const get = (at: FleetHost): Promise<string> => {
    const server = new FakeServer(at.time.clock)
    const guard = new TokenGuard({ ...at, server, clock: at.time.clock, policy: POLICY, lockWait: 0 })
    return guard.token().then(({ secret }) => secret.reveal())
  }
  const generation = async (): Promise<unknown> =>
    (await sql('SELECT generation::int FROM hq_token.grants'))[0]?.['generation']

  it('a database that was put back is healed by its saver although a dead host’s lease came back with it', async () => {
    await putBack()
    await one.time.pass(61_000)
    expect(await get(one)).toBe('access-2')
    expect(await generation()).toBe(2)
  })

  it('a database that was put back is healed by its saver after a restart, which has no token to hand out', async () => {
    await putBack()
    const restarted = await host('acme-1', one.path, 'boot-9')
    expect(await get(restarted)).toBe('access-2')
    expect(await generation()).toBe(2)
  })
})
