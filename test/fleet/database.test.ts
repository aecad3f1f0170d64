import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { cuttable, type Cuttable } from '../support/cuttable.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import {
  fleet,
  fleetCluster,
  LEASE,
  outcomeOf,
  STAGES,
  type Databases,
  type Fleet,
  type FleetOptions,
  type Outcome,
  type Stage,
} from './fleet-stage.js'
import { full, report } from '../faults/figures.js'
import { Tally } from './fleet-tally.js'

// The database of a fleet is restarted, away, read-only, failed over or put back.

// Each has a cluster of its own.
vi.setConfig({ maxConcurrency: 4, testTimeout: 300_000 })

const tally = new Tally()
afterAll(() => {
  report('fleet-database', tally.figures('faults'))
})

const SHORT = full ? STAGES : (['taken', 'sent', 'recorded'] as const)
const UNHARMED: Outcome = { requests: 1, isLost: false, faults: [] }
const config = `[refresh]\nlock_wait = ${2 * LEASE}s\n`

const idle: Postgres[] = []
/** Runs one case on a cluster that no other case uses meanwhile. */
async function onCluster(run: (postgres: Postgres) => Promise<void>): Promise<void> {
  const postgres = idle.pop() ?? (await fleetCluster())
  await run(postgres)
  idle.push(postgres)
}

describe.concurrent('a database that is restarted', () => {
  const cases = SHORT.flatMap((stage) => (['fast', 'immediate'] as const).map((mode) => ({ mode, stage })))
  it.each(cases)('a database that is restarted ($mode) at $stage costs nothing', ({ mode, stage }) =>
    onCluster(async (postgres) => {
      const all = await fleet(postgres, { isTls: stage === 'connecting', config })
      const [one, two] = [await all.host('one'), await all.host('two')]
      const standing = await one.reach(stage)
      const waiting = await two.begin()
      await postgres.restart(mode)
      standing.letGo()
      const outcome = await outcomeOf(all, [one, two], await Promise.all([standing.done, waiting.done]))
      tally.count(`restarted: ${mode}`, stage, 0, outcome)
      expect(outcome).toEqual(UNHARMED)
    }),
  )

  it.each(SHORT)('a database that is restarted at %s of a login costs nothing', (stage) =>
    onCluster(async (postgres) => {
      const all = await fleet(postgres, { isTls: stage === 'connecting', config, isEmpty: true })
      const [one, two] = [await all.host('one'), await all.host('two')]
      const standing = await one.reach(stage, ['login', '--complete', await all.allowed(one)])
      await postgres.restart('immediate')
      standing.letGo()
      expect(await standing.done).toMatchObject({ code: 0 })
      const outcome = await outcomeOf(all, [one, two])
      tally.count('restarted: in a login', stage, 0, outcome)
      expect(outcome).toEqual(UNHARMED)
    }),
  )
})

describe.concurrent('a database that is down', () => {
  it.each([
    ['fresh', { seedTtl: 3600 }, 0],
    ['due', { seedTtl: 3600, age: 3400 }, 0],
    ['dead', { seedTtl: 0 }, 75],
  ])('a database that is down lets nobody spend: a token that is %s', (what, options, code) =>
    onCluster(async (postgres) => {
      const all = await fleet(postgres, { ...options, recheck: 0, config })
      const [one, stranger] = [await all.host('one'), await all.host('stranger')]
      expect(await one.tell(['status'])).toMatchObject({ code: 0 })
      await postgres.stop()
      expect(await one.start().done).toMatchObject({ code })
      // A host that has never seen the row has no token to serve, and waits for a moment.
      if (full) expect(await stranger.start().done).toMatchObject({ code: 75 })
      const requests = all.requests()
      await postgres.start()
      const outcome = { ...(await outcomeOf(all, [one, stranger])), requests }
      tally.count(`down: token ${what}`, 'get', 0, outcome)
      expect(outcome).toEqual({ ...UNHARMED, requests: 0 })
    }),
  )
})

describe.concurrent('a database that takes no writes', () => {
  async function nothingSent(all: Fleet, port?: number): Promise<void> {
    const one = await all.host('one', port)
    const { code, stdout, stderr } = await one.start().done
    expect({ code, stdout }, stderr).toEqual({ code: 75, stdout: '' })
    expect(all.requests()).toBe(0)
  }

  it('a database that takes no writes because it is a replica is not asked for a token', async () => {
    const { all, replica } = await pair({})
    await nothingSent(all, replica.port)
    await counted('read-only: a replica', all)
  })

  it('a database that takes no writes by default_transaction_read_only costs nothing', () =>
    onCluster(async (postgres) => {
      const all = await fleet(postgres, { config })
      await postgres.sql(`ALTER DATABASE ${all.database} SET default_transaction_read_only = on`)
      await nothingSent(all)
      await postgres.sql(`ALTER DATABASE ${all.database} RESET default_transaction_read_only`)
      await counted('read-only: by its settings', all)
    }))

  it('a database that takes no writes because its synchronous standby is away costs nothing', async () => {
    const postgres = await fleetCluster()
    const all = await fleet(postgres, { config })
    const names = async (value: string): Promise<void> => {
      await postgres.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`)
      await postgres.sql('SELECT pg_reload_conf()')
    }
    await names('away')
    await nothingSent(all)
    await names('')
    await counted('read-only: no synchronous standby', all)
  })

  async function counted(what: string, all: Fleet): Promise<void> {
    const outcome = await outcomeOf(all, [await all.host('two')])
    tally.count(what, 'get', 0, outcome)
    expect(outcome).toEqual(UNHARMED)
  }
})

interface Pair {
  readonly all: Fleet
  readonly replica: Postgres
  /** The way by which the replica hears of commits. */
  readonly replication: Cuttable
  /** Waits until the replica knows all. */
  readonly inStep: () => Promise<void>
  /** The primary is gone, and the replica takes its place and its address. */
  readonly failOver: () => Promise<void>
}

/** A primary and its replica at one address, and a fleet there. */
async function pair({
  isSynchronous = false,
  ...options
}: FleetOptions & { isSynchronous?: boolean }): Promise<Pair> {
  const primary = await fleetCluster()
  const replication = await cuttable(primary.port)
  const replica = await startPostgres({
    standbyOf: { primary, port: replication.port },
    config: isSynchronous ? { synchronous_standby_names: '*' } : {},
  })
  // Each commit of its own waits for a replica too.
  if (isSynchronous) await startPostgres({ standbyOf: { primary: replica, port: replica.port } })
  const address = await cuttable(primary.port)
  let present = primary
  const databases: Databases = {
    port: address.port,
    sql: (...args) => present.sql(...args),
    createDatabase: (model) => present.createDatabase(model),
  }
  const all = await fleet(databases, { config, ...options })
  const IN_STEP = 'SELECT FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()'
  const inStep = async (): Promise<void> => {
    while ((await primary.sql(IN_STEP)).length === 0) await sleep(20)
  }
  await inStep()
  if (isSynchronous) {
    await primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    await primary.sql('SELECT pg_reload_conf()')
  }
  return {
    ...{ all, replica, replication, inStep },
    failOver: async () => {
      await primary.stop('immediate')
      replication.refuse()
      replication.reset()
      await replica.sql('SELECT pg_promote()')
      present = replica
      address.leadTo(replica.port)
      address.reset()
    },
  }
}

describe.concurrent('a fail-over', () => {
  it.each(SHORT)('a fail-over at %s costs nothing where commits wait for the standby', async (stage) => {
    const { all, failOver } = await pair({ isSynchronous: true, isTls: stage === 'connecting' })
    const [one, two] = [await all.host('one'), await all.host('two')]
    const standing = await one.reach(stage)
    const waiting = await two.begin()
    await failOver()
    standing.letGo()
    const outcome = await outcomeOf(all, [one, two], await Promise.all([standing.done, waiting.done]))
    tally.count('failed over: synchronous', stage, 0, outcome)
    expect(outcome).toEqual(UNHARMED)
  })

  /** The last thing that the standby has heard of. */
  const HEARD = ['taken', 'intent', 'recorded'] as const satisfies readonly Stage[]
  const cases = HEARD.flatMap((stage) => [true, false].map((isSaverFirst) => ({ stage, isSaverFirst })))
  it.each(full ? cases : cases.slice(2))(
    'a fail-over that loses all since $stage costs nothing, the saver comes first: $isSaverFirst',
    async ({ stage, isSaverFirst }) => {
      // The saver looks at each call: in its first minute it would only print what it has.
      const { all, replication, inStep, failOver } = await pair({ recheck: 0 })
      const [one, two] = [await all.host('one'), await all.host('two')]
      const standing = await one.reach(stage)
      await inStep()
      replication.silence()
      standing.letGo()
      expect(await standing.done).toMatchObject({ code: 0 })
      await failOver()
      if (!isSaverFirst) {
        const { code, stdout } = await two.start().done
        // It may not spend, and finds the answer only where the standby has heard of it.
        expect(code).toBe(stage === 'recorded' ? 0 : 75)
        expect(stdout !== '').toBe(stage === 'recorded')
      }
      const outcome = await outcomeOf(all, [one, two])
      tally.count(`failed over: a loss, ${isSaverFirst ? 'saver' : 'other'} first`, stage, 0, outcome)
      expect(outcome).toEqual(UNHARMED)
    },
  )
})

describe.concurrent('a backup', () => {
  it.each([1, 2])(
    'a backup from %i generations ago lets nobody spend, until the saver heals it',
    (generations) =>
      onCluster(async (postgres) => {
        const all = await fleet(postgres, { config, recheck: 0 })
        const [one, two] = [await all.host('one'), await all.host('two')]
        expect(await one.tell()).toMatchObject({ code: 0 })
        const backup = await postgres.createDatabase(all.database)
        for (let made = 0; made < generations; made++)
          expect(await one.tell(['refresh'])).toMatchObject({ code: 0 })
        const newest = await two.tell()
        expect(newest.code).toBe(0)
        await postgres.sql(`DROP DATABASE ${all.database}`)
        await postgres.sql(`ALTER DATABASE ${backup} RENAME TO ${all.database}`)

        // Not at the second call either.
        for (const call of [1, 2]) {
          const refused = await two.start(['refresh']).done
          expect(refused, `call ${call}`).toMatchObject({ code: 75 })
          expect(refused.stderr).toContain('is older than what this host has seen')
        }
        expect(await two.start().done).toMatchObject({ code: 0, stdout: newest.stdout })
        expect(all.requests()).toBe(1 + generations)
        // A plain call of the saver heals it.
        expect(await one.start().done).toMatchObject({ code: 0, stdout: newest.stdout })
        expect(await two.start(['refresh']).done).toMatchObject({ code: 0 })
        const outcome = await outcomeOf(all, [one, two])
        tally.count(`put back: ${generations} generations`, 'refresh', 0, outcome)
        expect(outcome).toEqual({ ...UNHARMED, requests: 2 + generations })
      }),
  )
})
