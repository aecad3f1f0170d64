// Runs one schedule from its seed: hosts get tokens and people log in while faults strike, then all faults end.
import { ending } from './ending.js'
import { pause, seed, someJob } from './jobs.js'
import { planOf } from './plan.js'
import { Random } from './random.js'
import { inVirtualTime } from './virtual-time.js'
import { World } from './world.js'

/** Steps after which a schedule goes round in circles. */
const MOST_STEPS = 60_000

export interface Ended {
  readonly seed: number
  /** The rules that were broken. */
  readonly violations: readonly string[]
  readonly steps: number
  readonly requests: number
  readonly faults: ReadonlyMap<string, number>
}

/** @param trace Gets a line for each step. */
export async function schedule(number: number, trace?: (line: string) => void): Promise<Ended> {
  const random = new Random(number)
  const world = new World(planOf(number, random), random, trace)
  trace?.(JSON.stringify(world.plan))
  const { scheduler, rules, faults } = world
  scheduler.before = () => {
    if (scheduler.steps > MOST_STEPS) rules.failed('it goes on for ever')
    if (rules.violations.length > 0) return true
    faults.strike()
    return false
  }
  await inVirtualTime(scheduler, world.elapsed, async () => {
    begin(world)
    await scheduler.run().catch((error: unknown) => {
      rules.failed(String(error))
    })
  })
  const { requests } = world
  return {
    seed: number,
    violations: rules.violations,
    steps: scheduler.steps,
    requests,
    faults: faults.counts,
  }
}

/** A first token set is there; then come the rounds, and the end. */
function begin(world: World): void {
  const { random, hosts, faults, plan } = world
  const [host] = hosts
  if (host === undefined) return
  const story = async (): Promise<void> => {
    faults.isOver = true
    await seed(world, host)
    faults.isOver = false
    for (let left = plan.rounds; left > 0; left--) await round(world)
    await pause(world, random.scaled(1000, 300_000))
    faults.end()
    await ending(world)
  }
  void story()
}

/** Waits until the token is due or over, or not at all; then lets processes loose on it. */
async function round(world: World): Promise<void> {
  const { scheduler, random, grants, hosts, plan, faults } = world
  const { newest } = grants
  const isSoon = newest === undefined || random.chance(0.4)
  const due = isSoon ? 0 : newest.at + plan.grants.lifetime * 1000 * random.between(0.85, 1.1) - scheduler.now
  await pause(world, Math.max(due, random.scaled(10, 60_000)))
  if (random.chance(0.5)) faults.backUp()
  const within = random.scaled(10, 60_000)
  const many = 1 + random.below(5)
  for (let index = 0; index < many; index++) {
    const host = random.pick(hosts)
    scheduler.after(random.next() * within, () => {
      if (scheduler.now < host.downUntil) return
      someJob(world, host)
    })
  }
  await pause(world, within + random.scaled(10, 30_000))
}
