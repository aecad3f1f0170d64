import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Postgres } from '../support/postgres.js'
import {
  fleet,
  fleetCluster,
  INTENT,
  isAfter,
  isUnheard,
  KEEP,
  LAND,
  LEASE,
  outcomeOf,
  STAGES,
  TAKE,
  type Fleet,
  type FleetHost,
  type Outcome,
  type Stage,
} from './fleet-stage.js'
import { full, report } from '../faults/figures.js'
import { Tally } from './fleet-tally.js'

// A host of a fleet is killed, stopped or cut off at each stage of an exchange, which is held until that is done and
// another host waits for its lease.

// All but waiting: for a lease to end.
vi.setConfig({ maxConcurrency: full ? 20 : 12, testTimeout: 300_000 })

const tally = new Tally()
afterAll(() => {
  report('fleet', tally.figures('faults'))
})

let postgres: Postgres
beforeAll(async () => {
  postgres = await fleetCluster({ config: { max_connections: '300' } })
})

/** All of them, or in the ordinary run every so manieth, another beginning for each fault. */
let begin = 0
const sampled = <T>(all: readonly T[], every: number): readonly T[] => {
  begin += 1
  return full ? all : all.filter((_, index) => (index + begin) % every === 0)
}
const GRACES = [0, 60_000]
const words = (graceMs: number): string => (graceMs === 0 ? 'without grace' : 'with 60 s of grace')

interface Hosts extends Fleet {
  readonly one: FleetHost
  readonly two: FleetHost
}

async function hosts(stage: Stage, graceMs: number, isEmpty = false): Promise<Hosts> {
  const config = `[refresh]\nlock_wait = ${3 * LEASE}s\n`
  const made = await fleet(postgres, { graceMs, isTls: stage === 'connecting', isEmpty, config })
  const [one, two] = [await made.host('one'), await made.host('two')]
  return { ...made, one, two }
}

/** One request, and nothing lost. */
const UNHARMED: Outcome = { requests: 1, isLost: false, faults: [] }

interface Killed {
  readonly stage: Stage
  readonly next: 'same' | 'other' | 'new'
  readonly graceMs: number
}
const NEXT = {
  same: 'the next call is on its seat',
  other: 'the next call is on another seat',
  new: 'its seat is gone and another takes over',
} as const

describe.concurrent('a host that is killed', () => {
  const cases: Killed[] = STAGES.flatMap((stage) =>
    (['same', 'other', 'new'] as const).flatMap((next) =>
      GRACES.map((graceMs) => ({ stage, next, graceMs })),
    ),
  )
  it.each(sampled(cases, 9).map((one) => [title(one), one] as const))(
    '%s',
    async (_title, { stage, next, graceMs }) => {
      const all = await hosts(stage, graceMs)
      const { one, two } = all
      const standing = await one.reach(stage)
      const waiting = next === 'same' ? undefined : await two.begin()
      await standing.kill()
      standing.letGo()
      if (next === 'new') one.remove()
      const served = await (waiting ?? one.start()).done
      const outcome = await outcomeOf(all, next === 'new' ? [two] : [one, two], [served])
      const isUnknown = isUnheard(stage) || (stage === 'kept' && next !== 'same')
      tally.count(`killed: ${next} seat`, stage, graceMs, outcome, isUnknown && graceMs === 0)
      if (!isUnknown) expect(outcome).toEqual(UNHARMED)
      else if (graceMs > 0) expect(outcome).toEqual({ ...UNHARMED, requests: 2 })
      // It is lost, and a harness that misses that would miss others too.
      else expect(outcome.isLost).toBe(true)
    },
  )

  function title({ stage, next, graceMs }: Killed): string {
    return `a host that is killed at ${stage} costs ${isUnheard(stage) || (stage === 'kept' && next !== 'same') ? (graceMs === 0 ? 'the grant, whose answer nobody else has' : 'one more request') : 'nothing'} where ${NEXT[next]}, ${words(graceMs)}`
  }
})

describe.concurrent('a host that is stopped', () => {
  const cases = STAGES.flatMap((stage) =>
    [0.5, 2].flatMap((leases) => GRACES.map((graceMs) => ({ stage, leases, graceMs }))),
  )
  it.each(sampled(cases, 11))(
    'a host that is stopped at $stage for $leases leases loses nothing that a server could forgive, grace $graceMs ms',
    async ({ stage, leases, graceMs }) => {
      const all = await hosts(stage, graceMs)
      const { one, two } = all
      const standing = await one.reach(stage)
      await standing.halt()
      const waiting = await two.begin()
      await sleep(leases * LEASE * 1000)
      standing.letGo()
      standing.goOn()
      const served = await Promise.all([standing.done, waiting.done])
      const outcome = await outcomeOf(all, [one, two], served)
      const isBeyond = leases > 1 && isAfter(stage, 'connecting') && isAfter('recorded', stage)
      tally.count(`stopped: ${leases} leases`, stage, graceMs, outcome, isBeyond && graceMs === 0)
      if (!isBeyond) expect(outcome).toEqual(UNHARMED)
      else if (graceMs > 0) expect(outcome).toEqual({ ...UNHARMED, requests: 2 })
      else expect(outcome.isLost).toBe(true)
    },
  )
})

interface Cut {
  readonly what: string
  readonly isLong?: boolean
  readonly cut: (host: FleetHost) => Promise<void>
}
const CUTS: readonly Cut[] = [
  {
    what: 'is reset',
    cut: ({ link }) => {
      link.reset()
      return Promise.resolve()
    },
  },
  {
    what: 'is reset, and refused for 5 s',
    cut: async ({ link }) => {
      link.refuse()
      link.reset()
      await sleep(5000)
      await link.allow()
    },
  },
  {
    what: 'is silent for 2 s',
    cut: async ({ link }) => {
      link.silence()
      await sleep(2000)
      await link.allow()
    },
  },
  {
    what: 'is silent for ever',
    isLong: true,
    cut: ({ link }) => {
      link.silence()
      return Promise.resolve()
    },
  },
]

describe.concurrent('a host whose way to the database', () => {
  const cases = CUTS.flatMap((cut) =>
    STAGES.flatMap((stage) =>
      (cut.isLong === true ? GRACES : [0]).map((graceMs) => ({ ...cut, stage, graceMs })),
    ),
  ).filter(({ isLong, stage }) => full || isLong !== true || isAfter('connecting', stage))
  it.each(sampled(cases, 7))(
    'a host whose way to the database $what at $stage loses nothing, grace $graceMs ms',
    async ({ what, isLong = false, cut, stage, graceMs }) => {
      const all = await hosts(stage, graceMs)
      const { one, two } = all
      const standing = await one.reach(stage)
      const waiting = await two.begin()
      await cut(one)
      standing.letGo()
      const [own, others] = await Promise.all([standing.done, waiting.done])
      await one.link.allow()
      // It could not begin: that is no loss.
      const isUnsent = isLong && isAfter('connecting', stage)
      const served = isUnsent && own.code === 75 ? [others] : [own, others]
      const outcome = await outcomeOf(all, [one, two], served)
      const isBeyond = isLong && !isUnsent && isAfter('recorded', stage)
      tally.count(`cut off: ${what}`, stage, graceMs, outcome, isBeyond && graceMs === 0)
      if (!isBeyond) expect(outcome).toEqual(UNHARMED)
      else if (graceMs > 0) expect(outcome).toEqual({ ...UNHARMED, requests: 2 })
    },
  )
})

describe.concurrent('a word of the database', () => {
  it.each([
    ['take', TAKE],
    ['note', INTENT],
    ['keep', KEEP],
    ['land', LAND],
  ])('a word of the database that is lost at %s costs nothing', async (what, statement) => {
    const all = await hosts('sent', 0)
    const { one, two } = all
    const swallowed = one.link.swallowAnswerTo(statement)
    const running = one.start()
    await swallowed
    const waiting = await two.begin()
    const outcome = await outcomeOf(all, [one, two], await Promise.all([running.done, waiting.done]))
    tally.count('a word lost: of the database', what, 0, outcome)
    expect(outcome).toEqual(UNHARMED)
  })
})

describe.concurrent('a login', () => {
  /** What gets a token in the end: a plain `get`, the same login once more, or another one. */
  type Way = 'served' | 'completed' | 'anew'

  async function wayOut(all: Fleet, host: FleetHost, answer: string): Promise<Way> {
    if ((await host.start().done).code === 0) return 'served'
    if ((await host.start(['login', '--complete', answer]).done).code === 0) return 'completed'
    const again = await host.tell(['login', '--complete', await all.allowed(host)])
    expect(again).toMatchObject({ code: 0 })
    return 'anew'
  }

  const cases = STAGES.flatMap((stage) => (['same', 'other'] as const).map((next) => ({ stage, next })))
  it.each(sampled(cases, 7))(
    'a login whose process is killed at $stage is finished, or can be begun anew, where the next call is on the $next seat',
    async ({ stage, next }) => {
      const all = await hosts(stage, 0, true)
      const { one, two } = all
      const answer = await all.allowed(one)
      const standing = await one.reach(stage, ['login', '--complete', answer])
      await standing.kill()
      standing.letGo()
      const way = await wayOut(all, next === 'same' ? one : two, answer)
      const outcome = await outcomeOf(all, [one, two])
      tally.count(`in a login: killed, ${next} seat`, stage, 0, outcome)
      expect(outcome).toMatchObject({ isLost: false, faults: [] })
      const isHeard = isAfter(stage, 'kept') || (stage === 'kept' && next === 'same')
      expect(way).toBe(isHeard ? 'served' : isAfter(stage, 'taken') ? 'anew' : 'completed')
    },
  )

  const shorter = CUTS.filter(({ isLong }) => isLong !== true)
  it.each(
    sampled(
      shorter.flatMap((cut) => STAGES.map((stage) => ({ ...cut, stage }))),
      8,
    ),
  )(
    'a login whose way to the database $what at $stage is completed by one request',
    async ({ what, cut, stage }) => {
      const all = await hosts(stage, 0, true)
      const { one, two } = all
      const standing = await one.reach(stage, ['login', '--complete', await all.allowed(one)])
      await cut(one)
      standing.letGo()
      expect(await standing.done).toMatchObject({ code: 0 })
      const outcome = await outcomeOf(all, [one, two])
      tally.count(`in a login: ${what}`, stage, 0, outcome)
      expect(outcome).toEqual(UNHARMED)
    },
  )

  it.each(sampled(STAGES, 5))(
    'a login whose process is stopped at %s for two leases never sends a code that another host has sent',
    async (stage) => {
      const all = await hosts(stage, 0, true)
      const { one, two } = all
      const answer = await all.allowed(one)
      const standing = await one.reach(stage, ['login', '--complete', answer])
      await standing.halt()
      const waiting = await two.begin(['login', '--complete', answer])
      await sleep(2 * LEASE * 1000)
      standing.letGo()
      standing.goOn()
      const ended = await Promise.all([standing.done, waiting.done])
      if (!ended.some(({ code }) => code === 0)) await wayOut(all, two, answer)
      const outcome = await outcomeOf(all, [one, two])
      tally.count('in a login: stopped, 2 leases', stage, 0, outcome)
      expect(outcome).toMatchObject({ isLost: false, faults: [] })
    },
  )
})
