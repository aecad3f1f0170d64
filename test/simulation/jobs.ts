// What processes on the hosts do: get a token, log in, log out, import a seed. Each in a process of its own.
import { TokenError } from '../../src/core/errors.js'
import { TokenGuard } from '../../src/core/guard.js'
import type { TokenGuardOptions } from '../../src/core/guard-options.js'
import { Logins } from '../../src/core/logins.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { Secret } from '../../src/core/secret.js'
import type { Seed } from '../../src/core/token-set.js'
import { TokenServer } from './token-server.js'
import type { Host, HostProcess, World } from './world.js'

/** What a process does. */
type Job = (options: TokenGuardOptions, process: HostProcess) => Promise<void>

/** Starts a process. @returns Its error, once it has ended; `undefined` also if it has died. */
function start(world: World, host: Host, name: string, job: Job): Promise<TokenError | undefined> {
  const process = world.process(host, name)
  const options: TokenGuardOptions = {
    store: world.storeOf(process),
    server: new TokenServer(world, process),
    clock: host.clock,
    policy: expiryPolicy({ percent: 10 }, 60),
    lockWait: world.plan.lockWait,
    defaultLifetime: world.plan.grants.lifetime,
    uninterrupted: process.uninterrupted,
    sleep: (ms) => process.sleep(ms),
  }
  return new Promise((resolve) => {
    process.atDeath.add(() => {
      process.say('is dead')
      resolve(undefined)
    })
    world.scheduler.after(0, () => {
      process.deliver(() => {
        job(options, process).then(
          () => {
            exit(process, 'ends')
            resolve(undefined)
          },
          (error: unknown) => {
            exit(process, String(error))
            if (error instanceof TokenError) resolve(error)
            else
              world.rules.failed(
                `${process.name}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
              )
          },
        )
      })
    })
  })
}

function exit(process: HostProcess, how: string): void {
  process.say(how)
  process.isAlive = false
  process.host.processes.delete(process)
}

/** Gets a token, as each script does. @param got Is told of it. */
export function get(
  world: World,
  host: Host,
  { rejected, got }: { rejected?: Secret; got?: (access: string) => void } = {},
): Promise<TokenError | undefined> {
  const asked = world.scheduler.now
  return start(world, host, 'get', async (options, process) => {
    process.insists = rejected !== undefined
    const { secret } = await new TokenGuard(options).token(rejected === undefined ? {} : { rejected })
    world.rules.handedOut(process, secret.reveal(), asked)
    got?.(secret.reveal())
  })
}

/** Imports a first token set that the server has just issued. */
export function seed(world: World, host: Host): Promise<TokenError | undefined> {
  const { refresh, access } = world.grants.first(world.scheduler.now)
  const first: Seed = {
    pair: {
      ...{ accessToken: new Secret(access), refreshToken: new Secret(refresh) },
      ...{ tokenType: 'Bearer', scope: null, obtained: host.clock(), isLifetimeGuessed: false },
      ...{ lifetime: world.plan.grants.lifetime, refreshExpiresAt: null },
    },
    ...{ user: null, source: 'seed.ini' },
  }
  return start(world, host, 'seed', async (options) => {
    await new TokenGuard(options).adopt(first)
  })
}

/** A person logs in at a browser; the login may be finished on another host than it was begun on. */
export async function login(
  world: World,
  first: Host,
  second: Host,
  thinks: number,
): Promise<TokenError | undefined> {
  const state = new Secret(`state-${world.scheduler.now}`)
  const failure = await start(world, first, 'login', async (options) => {
    await new Logins(options).begin({
      state,
      verifier: new Secret('verifier'),
      redirectUri: 'http://127.0.0.1/',
    })
  })
  if (failure !== undefined) return failure
  await pause(world, thinks)
  const code = new Secret(world.grants.authorize())
  return start(world, second, 'login', async (options) => {
    await new Logins(options).finish(code, state)
  })
}

export function pause({ scheduler }: World, ms: number): Promise<void> {
  return new Promise((resolve) => {
    scheduler.after(ms, resolve)
  })
}

/** One of the things that hosts do all day. */
export function someJob(world: World, host: Host): void {
  const { random, plan, hosts } = world
  if (random.chance(plan.logins)) {
    const job = random.chance(0.2)
      ? logout(world, host)
      : login(world, host, random.pick(hosts), random.scaled(100, 60_000))
    void job
    return
  }
  const { newest } = world.grants
  const kind = random.next()
  if (kind < 0.05 && newest !== undefined) void get(world, host, { rejected: new Secret(newest.access) })
  else if (kind < 0.1)
    void start(world, host, 'refresh', async (options, process) => {
      process.insists = true
      await new TokenGuard(options).refresh()
    })
  else void get(world, host)
}

function logout(world: World, host: Host): Promise<TokenError | undefined> {
  return start(world, host, 'logout', async (options) => {
    await new Logins(options).logout((token) => {
      world.grants.revoke(token.reveal())
      return Promise.resolve()
    })
  })
}
