// Holds the simulated stores against the real ones: what a schedule finds is worth nothing if they differ.
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TokenError } from '../../src/core/errors.js'
import type { HeldStore, TokenStore } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { machineTime } from '../../src/store/postgres/machine-time.js'
import { PostgresStore } from '../../src/store/postgres/postgres-store.js'
import type { Holding, Registry, Seen } from '../../src/store/postgres/registry.js'
import type { Seat } from '../../src/store/seat.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import {
  answer,
  DISCOVERED,
  LOGIN,
  ONE,
  OTHER,
  registryDatabase,
  told,
  WAYS,
} from '../support/registry-database.js'
import { reveal, tokenStoreContract } from '../support/store-contract.js'
import { GRANT, pair, tokenSet } from '../support/token-sets.js'
import { Database } from './database.js'
import { directActor, directMemory, directRegistry, NAMELESS } from './direct.js'
import { Disk } from './disk.js'
import { LocalStore } from './local-store.js'
import { Random } from './random.js'
import { SimulatedSeat } from './seat.js'

const now = (): number => Math.floor(Date.now() / 1000)

tokenStoreContract('the simulated file', () => {
  const disk = new Disk()
  const open = (): LocalStore => new LocalStore(disk, directActor(), NAMELESS)
  return {
    ...{ store: open(), other: open() },
    stealLock: () => {
      disk.lock = undefined
    },
  }
})

tokenStoreContract('PostgresStore on a simulated seat and database', () => {
  const database = new Database(now)
  const open = (name: string): PostgresStore => {
    const disk = new Disk()
    const seat = new SimulatedSeat(disk, directActor()) as unknown as Pick<Seat, 'exclusive' | 'claim'>
    const clock = () => ({ now: now(), boot: 'boot-1', uptime: now() })
    return new PostgresStore(seat, directMemory(disk, name), directRegistry(database), {
      ...{ host: name, leaseMs: 20_000, recheck: 0, notify: () => undefined },
      ...{ time: machineTime(clock), address: { url: 'postgres://db.example/hq', name: 'default' } },
    })
  }
  return {
    ...{ store: open('acme-1'), other: open('acme-2') },
    stealLock: () => {
      const { lease } = database.row
      database.take(lease, { seat: 'acme-9', host: 'acme-9' }, 0)
      database.release({ seat: 'acme-9', host: 'acme-9', term: lease.term + 1 })
    },
  }
})

/** A set as it may come: of one of a few grants, generations and sequences. */
function someSet(random: Random): TokenSet {
  const generation = 1 + random.below(4)
  const [refreshToken, accessToken] = ['refresh', 'access'].map(
    (what) => new Secret(`${what}-${generation}-${random.below(2)}`),
  )
  return tokenSet({
    ...{ generation, sequence: generation + random.below(3) },
    grant: random.pick([GRANT, 'grant-2', null]),
    ...(refreshToken && accessToken && { pair: pair({ refreshToken, accessToken }) }),
  })
}

const SEEDS = Array.from({ length: 40 }, (_, index) => index + 1)

describe('a simulated file and a real one', () => {
  /** What a section of some steps comes to: each step's result, or the name of its error. */
  async function ran(store: TokenStore, seed: number): Promise<unknown[]> {
    const random = new Random(seed)
    const results: unknown[] = []
    for (let sections = 0; sections < 5; sections++)
      await store.exclusive(
        async (held) => {
          for (let steps = 0; steps < 5; steps++) {
            const result = await someStep(held, random).catch((error: unknown) => error)
            results.push(result instanceof TokenError ? result.code : reveal(result as TokenSet))
          }
        },
        { waitMs: 0 },
      )
    return [...results, reveal(await store.read()), await store.history()]
  }

  function someStep(held: HeldStore, random: Random): Promise<unknown> {
    const set = someSet(random)
    const event = random.pick(['refresh', 'login', 'seed'] as const)
    switch (random.below(9)) {
      case 0:
      case 1:
        return held.note(set, set.generation - random.below(2), told(set, event))
      case 2:
      case 3:
      case 4:
        return held.land(set, set.generation - 1, told(set, event))
      case 5:
        return held.read()
      case 6:
        return held.counters()
      case 7:
        return held.saveLogin(random.chance(0.5) ? LOGIN : null).then(() => held.login())
      default:
        return random.chance(0.7) ? held.pin(DISCOVERED) : held.forget(told(set, 'logout'))
    }
  }

  it('a simulated file and a real one answer alike, whatever is asked', async () => {
    for (const seed of SEEDS) {
      const simulated = await ran(new LocalStore(new Disk(), directActor(), NAMELESS), seed)
      const real = await ran(new SqliteStore(join(folder(), 'token.db')), seed)
      expect(simulated, `seed ${seed}`).toEqual(real)
    }
  })
})

describe('a simulated database and a real one', () => {
  const [way] = WAYS
  if (way === undefined) throw new Error('there is no way')
  const db = registryDatabase(way)

  async function ran(registry: Registry, seed: number): Promise<unknown[]> {
    const random = new Random(seed)
    // Makes the row.
    const results = [outlineOf(await registry.take({ term: 0, beat: 0 }, ONE, 0))]
    for (let steps = 0; steps < 40; steps++) {
      const holding: Holding = { ...random.pick([ONE, OTHER]), term: 0 }
      const seen = await registry.look()
      results.push(await someStep(registry, random, holding, seen))
      results.push(outlineOf(await registry.look()), reveal((await registry.answers()) as never))
    }
    return [...results, await registry.history()]
  }

  /** Mostly by whoever holds the lease, as it was seen. */
  async function someStep(registry: Registry, random: Random, by: Holding, seen?: Seen): Promise<unknown> {
    const { lease, generation = 0, set } = seen ?? {}
    const term = (lease?.term ?? 0) - (random.chance(0.8) ? 0 : 1)
    const holding = { ...by, term }
    const next = someSet(random)
    const around = generation + (random.chance(0.8) ? 0 : random.pick([-1, 1]))
    switch (random.below(11)) {
      case 0:
      case 1:
      case 2:
        return outlineOf(await registry.take({ term, beat: lease?.beat ?? 0 }, by, 1000 * random.below(3)))
      case 3:
        return registry.beat(holding)
      case 4:
        return registry.release(holding)
      case 5:
        return registry.note(holding, around, next, told(next))
      case 6:
        return registry.saveLogin(holding, random.chance(0.5) ? LOGIN : null)
      case 7:
        return registry.pin(holding, DISCOVERED)
      case 8: {
        const grant = random.chance(0.7) ? set?.grant : random.pick([undefined, null, GRANT])
        return registry.land(by, { generation: around, grant }, next, told(next))
      }
      case 9: {
        const kept = answer(`answer ${random.below(3)}`, { generation: random.below(4), seat: by.seat })
        return random.chance(0.7) ? registry.keep(kept, 5000) : registry.drop([kept], random.below(4))
      }
      default:
        return registry.forget(holding, around, random.chance(0.5) ? told(next, 'logout') : null)
    }
  }

  /** Without what no two databases have in common. */
  function outlineOf(seen: Seen | undefined): unknown {
    if (seen === undefined) return undefined
    const { lease, set, login, timelineSince } = seen
    const own = { registryId: '', startedAt: 0, now: 0, timelineSince: timelineSince !== null }
    const taken = { ...lease, at: lease.at !== null }
    return { ...seen, ...own, lease: taken, set: reveal(set), login: reveal(login) }
  }

  it('a simulated database and a real one answer alike, whatever is asked', async () => {
    for (const seed of SEEDS.slice(0, 12)) {
      const simulated = await ran(directRegistry(new Database(now)), seed)
      const real = await ran(await db.host({ row: `row-${seed}` }), seed)
      expect(simulated, `seed ${seed}`).toEqual(real)
    }
  })
})
