// Hosts that share a token set through a registry, as src/store/postgres does it, in a simulated world.
import { seeded } from '../../src/core/transitions.js'
import { Secret } from '../../src/core/secret.js'
import { PostgresStore } from '../../src/store/postgres/postgres-store.js'
import { AuthorizationServer } from './authorization-server.js'
import { SimulatedRegistry, type Wire } from './connection.js'
import { RECHECK } from './commands.js'
import { Faults } from './faults.js'
import { Clocks, Host } from './host.js'
import { SharedProperties } from './properties.js'
import { Database } from './registry.js'
import type { Outcome, WorldOptions } from './run.js'
import { Scheduler } from './scheduler.js'
import { SimulatedMemory, SimulatedSeat } from './seat.js'
import { REPETITIONS, World, type Protocol } from './world.js'

const LEASE_MS = 20_000
/** Milliseconds after which a host has asked a database again that was out of its reach. */
const UNTROUBLED_MS = 90_000

export async function runShared(seed: number, options: WorldOptions = {}): Promise<Outcome> {
  const scheduler = new Scheduler(seed, options.isTraced ?? false)
  const faults = new Faults(scheduler, options)
  const server = new AuthorizationServer(scheduler, {
    lifetime: scheduler.pick([300, 900, 3600]),
    graceMs: scheduler.pick([0, 0, 60_000]),
    repetition: scheduler.pick(REPETITIONS),
  })
  const clock = new Clocks(scheduler, null, 0)
  const database = new Database(scheduler, clock.wall)
  const hosts = Array.from({ length: scheduler.pick([1, 2, 2, 3, 4]) }, (_, index) =>
    hostOf(scheduler, index + 1),
  )
  const skew = (): number =>
    [clock, ...hosts.map(({ clocks }) => clocks)].reduce((sum, { error }) => sum + error, 0)
  const properties = new SharedProperties(scheduler, server, database, skew)
  const slow = scheduler.pick([0, 0, 0.02, 0.1])
  const slowNetwork = scheduler.pick([0, 0, 0.05, 0.3])

  const wire: Wire = {
    ...{ database, slow, flying: new Map() },
    reach: ({ host }) => {
      if (database.downUntil > scheduler.now) return 'refused'
      if (host.cut.database <= scheduler.now) return 'open'
      return host.isSilent ? 'silent' : 'refused'
    },
    executes: (process, name, values) => {
      properties.executes(process, name, values)
    },
    executed: (process, name, result) => {
      properties.executed(process, name, result)
    },
  }
  faults.around = {
    ...{ scheduler, hosts, server, database, databaseClock: clock },
    cutStatements: (of) => {
      for (const [fail, { host }] of wire.flying)
        if (of === undefined || host === of) fail('the connection was cut')
    },
  }
  const protocol: Protocol = {
    hosts,
    open: (process) =>
      new PostgresStore(
        new SimulatedSeat(process, (isInside) => {
          properties.entered(process, isInside)
        }),
        new SimulatedMemory(process),
        new SimulatedRegistry(process, wire),
        {
          ...{ host: process.host.name, leaseMs: LEASE_MS, recheck: RECHECK, time: process.time },
          address: { url: 'postgres://db.example/hq', name: 'default' },
          notify: ({ message }) => {
            scheduler.note(`warns: ${message}`, process)
          },
        },
      ),
    sent: (process, token) => properties.sent(process, token),
    has: (refresh) =>
      [database.state, ...hosts.map(({ disk }) => disk)].some(({ ever }) =>
        ever.some((kept) => kept.refresh === refresh),
      ),
    stored: () => database.state.set?.pair.refreshToken.reveal(),
    newest: () => properties.newest ?? server.families[0],
    skew,
    restoredAt: () => database.restoredAt,
    ended: (process) => {
      properties.ended(process)
    },
    isExcused: ({ host }, { revokedAt = 0 }) =>
      database.restoredAt > revokedAt || scheduler.now - host.troubledAt < UNTROUBLED_MS,
  }
  seedDatabase(database, server, clock)
  const violation = await new World(scheduler, server, faults, protocol, slowNetwork).run()
  const { steps, trace } = scheduler
  return { seed, violation, steps, requests: properties.requests, faults: faults.counts, trace }
}

function hostOf(scheduler: Scheduler, number: number): Host {
  const boot = scheduler.chance(0.9) ? `boot-${number}` : null
  const ahead = scheduler.chance(0.7) ? 0 : Math.round(scheduler.between(1, 100_000)) - 300
  return new Host(`host${number}`, new Clocks(scheduler, boot, ahead))
}

/** A first pair, imported a moment ago. */
function seedDatabase(database: Database, server: AuthorizationServer, clock: Clocks): void {
  const { access, refresh } = server.begin()
  const pair = {
    ...{
      accessToken: new Secret(access),
      refreshToken: new Secret(refresh),
      tokenType: 'Bearer',
      scope: null,
    },
    ...{
      obtained: clock.read(),
      lifetime: server.lifetime,
      isLifetimeGuessed: false,
      refreshExpiresAt: null,
    },
  }
  const client = { tokenUrl: 'https://id.example/token', issuer: null, clientId: '1012' }
  const seed = { pair, user: null, source: 'token.ini' }
  database.begin(seeded(seed, undefined, { generation: 0, sequence: 0 }, null, { grant: 'grant-1', client }))
}
