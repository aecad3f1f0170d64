// The end of a schedule: once all faults are over, every host is served by a grant that lives. Rule 9 of `rules.ts`.
import { LoginRequired, type TokenError } from '../../src/core/errors.js'
import { get, login, pause } from './jobs.js'
import { isLaterThan, type Issued } from './grants.js'
import type { Host, World } from './world.js'

/** Milliseconds in which every host must have been served: longer than any pause that the core makes. */
const MOST_MS = 2 * 3_600_000

export async function ending(world: World): Promise<void> {
  const { rules, scheduler, plan } = world
  // Longer than an exchange that was begun, and than the pause after a fail-over.
  await pause(world, 400_000)
  const alive = worksAndIsKept(world)
  // A host that keeps what a database has forgotten can only heal it if it comes in time.
  const hosts = [...world.hosts].sort(
    (one, other) => Number(rules.keepsAlive(other)) - Number(rules.keepsAlive(one)),
  )
  let began = scheduler.now
  let hasLoggedIn = false
  for (let turn = 0; ; turn++) {
    const { failures, isAlive } = await everyone(world, hosts)
    // Once beyond the life of the token that was there, so that it was renewed.
    if (isAlive && turn > 0) return
    const said = failures.map(({ message }) => message).join('; ')
    const isLate = scheduler.now - began > MOST_MS
    if (alive.length > 0 && isLate) {
      rules.failed(`${alive.map(({ refresh }) => refresh).join(', ')} works and is kept, but: ${said}`)
      return
    }
    if (alive.length === 0 && (isLate || failures.some((failure) => failure instanceof LoginRequired))) {
      const failure = hasLoggedIn ? undefined : await loginInTime(world)
      if (hasLoggedIn || failure !== undefined) {
        rules.failed(`although a person has logged in: ${failure?.message ?? said}`)
        return
      }
      hasLoggedIn = true
      began = scheduler.now
    } else
      await pause(
        world,
        failures.length === 0 ? plan.grants.lifetime * 1000 : Math.min(turn + 1, 10) * 60_000,
      )
  }
}

/** A person logs in, and tries again where the lock or the lease of a dead process is not free at once. */
async function loginInTime(world: World): Promise<TokenError | undefined> {
  for (let tries = 40; ; tries--) {
    const host = world.random.pick(world.hosts)
    const failure = await login(world, host, host, 1000)
    if (failure?.transient !== true || tries === 0) return failure
    await pause(world, 1000)
  }
}

/** Every host gets a token, one after the other. @returns Whether all of these work. */
async function everyone(
  world: World,
  hosts: readonly Host[],
): Promise<{ failures: TokenError[]; isAlive: boolean }> {
  const { grants, scheduler } = world
  const failures: TokenError[] = []
  let isAlive = true
  for (const host of hosts) {
    const failure = await get(world, host, {
      got: (access) => {
        const pair = grants.withAccess(access)
        isAlive &&=
          pair !== undefined && pair.family.ended === undefined && scheduler.now < grants.endOf(pair)
      },
    })
    if (failure === undefined) continue
    failures.push(failure)
    isAlive = false
  }
  return { failures, isAlive }
}

/** The refresh tokens of the present grant that work, and are kept where a host can find them. */
function worksAndIsKept({ rules, hosts, plan, database, grants }: World): Issued[] {
  const set = plan.isShared ? database.row.set : hosts[0]?.disk.row?.content.set
  const own = set && grants.withRefresh(set.pair.refreshToken.reveal())
  // A database that was put back to before a login needs a person, unless the login's own host has kept its answer.
  const isOlder = hosts.some(
    ({ disk: { memory } }) =>
      plan.isShared &&
      memory != null &&
      memory.generation > database.row.generation &&
      memory.set?.grant !== set?.grant,
  )
  if (set === undefined || own === undefined || isOlder) return []
  // What a broken answer held is of use while the note of its request stands.
  const isNoted = (pair: Issued): boolean => set.intent !== null || !rules.cameBroken(pair)
  // Where its answer was lost, a refresh token is sent again, and that may end all others of the grant.
  return rules
    .keptAlive()
    .filter(isNoted)
    .filter((pair) => (own.usedAt === undefined ? pair.family === own.family : isLaterThan(pair, own)))
}
