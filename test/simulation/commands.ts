// What people and scripts do on simulated hosts: each command is a process, and what it hands out is checked.
import { Exit, TokenError } from '../../src/core/errors.js'
import { TokenGuard } from '../../src/core/guard.js'
import type { TokenGuardOptions } from '../../src/core/guard-options.js'
import { Logins } from '../../src/core/logins.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenStore } from '../../src/core/store-ports.js'
import { ServerUnavailable } from '../../src/core/errors.js'
import type { AuthorizationServer, Family } from './authorization-server.js'
import { Process, type Host, type Mischief } from './host.js'
import type { Scheduler } from './scheduler.js'
import { TokenRequests, type Uplink } from './token-requests.js'

const POLICY = expiryPolicy({ percent: 10 }, 5)
/** Seconds by which rounding and the way of an answer may make a token look younger. */
const ROUNDING = 5
/** Seconds for which a host may hand out a token without a look at the store. */
export const RECHECK = 60

export const COMMANDS = [
  ...(['get', 'get --min-valid', 'get --rejected', 'refresh', 'refresh --if-older'] as const),
  ...(['service', 'status', 'login', 'logout'] as const),
]
export type Command = (typeof COMMANDS)[number]

/** A login that a person has finished. */
interface Login {
  readonly family: Family
  readonly begun: number
  readonly ended: number
}

export interface Scene {
  readonly scheduler: Scheduler
  readonly server: AuthorizationServer
  readonly mischief: Mischief
  readonly uplink: Uplink
  /** The store as a process opens it. */
  open(process: Process): TokenStore
  /** Seconds by which all clocks have jumped in all. */
  skew(): number
  /** Whether nothing could tell this process of a logout. */
  isExcused(process: Process, family: Family): boolean
  /** A process has ended by itself. */
  ended(process: Process): void
}

export class Commands {
  readonly logins: Login[] = []
  logouts = 0
  readonly #scene: Scene
  readonly #running = new Set<Process>()
  #count = 0

  constructor(scene: Scene) {
    this.#scene = scene
  }

  /** Whether no process is at work. */
  get areOver(): boolean {
    return [...this.#running].every(({ isAlive }) => !isAlive)
  }

  /** The processes that are still at work. */
  get left(): readonly string[] {
    return [...this.#running].filter(({ isAlive }) => isAlive).map(({ name }) => name)
  }

  /** @param told Hears the family of the token that a `get` has brought, or why there is none. */
  start(host: Host, command: Command, told: (result: Family | TokenError) => void = () => undefined): void {
    const { scheduler, mischief } = this.#scene
    const process = new Process(`${host.name}.${++this.#count}`, host, scheduler, mischief)
    process.command = command
    this.#running.add(process)
    scheduler.after(0, `begins ${command}`, process, () => {
      this.#run(process, command).then(
        (family) => {
          this.#end(process, 'done')
          if (family !== undefined) told(family)
        },
        (error: unknown) => {
          const { name, message, stack } = error as Error
          this.#end(process, `${name}: ${message}`)
          if (error instanceof TokenError && error.exit !== Exit.bug) told(error)
          else scheduler.fail(`${command} failed: ${stack ?? message}`)
        },
      )
    })
  }

  #end(process: Process, how: string): void {
    this.#scene.scheduler.note(`ends: ${how}`, process)
    this.#scene.ended(process)
    this.#running.delete(process)
    process.isAlive = false
  }

  async #run(process: Process, command: Command): Promise<Family | undefined> {
    const { server, scheduler, uplink } = this.#scene
    const options: TokenGuardOptions = {
      store: this.#scene.open(process),
      server: new TokenRequests(process, uplink),
      clock: process.host.clocks.read,
      policy: POLICY,
      sleep: process.sleep,
      host: { name: process.host.name, id: process.host.name, boot: process.host.clocks.boot },
    }
    const guard = new TokenGuard(options)
    const token = async (ask = {}): Promise<{ secret: Secret; family: Family }> => {
      const { secret } = await guard.token(ask)
      return { secret, family: this.#checked(process, secret) }
    }
    switch (command) {
      case 'get':
        return (await token()).family
      case 'get --min-valid':
        return (await token({ minValid: server.lifetime / 2 })).family
      case 'get --rejected': {
        const { secret } = await token()
        return (await token({ rejected: secret })).family
      }
      case 'service':
        for (let calls = 0; calls < 2; calls++) {
          await token()
          await process.sleep((server.lifetime * 1000) / 2)
        }
        return (await token()).family
      case 'refresh':
        await guard.refresh()
        return undefined
      case 'refresh --if-older':
        await guard.refresh({ ifOlder: 10 })
        return undefined
      case 'status':
        await options.store.read()
        await options.store.history()
        return undefined
      case 'login':
        await this.#login(process, new Logins(options))
        return undefined
      case 'logout':
        this.logouts++
        await new Logins(options).logout(async (refresh) => {
          await process.sleep(process.takes('network', uplink.slow))
          if (scheduler.chance(0.1)) throw new ServerUnavailable('no answer')
          server.revoke(refresh.reveal())
        })
        return undefined
    }
  }

  async #login(process: Process, logins: Logins): Promise<void> {
    const { server, scheduler } = this.#scene
    const [state, verifier] = [new Secret(`state of ${process.name}`), new Secret('verifier')]
    await logins.begin({ state, verifier, redirectUri: 'http://127.0.0.1/callback' })
    await process.sleep(scheduler.between(100, 30_000))
    const begun = scheduler.now
    const set = await logins.finish(new Secret(server.authorize()), state)
    const family = server.familyOf(set.pair.accessToken.reveal())
    if (family !== undefined) this.logins.push({ family, begun, ended: scheduler.now })
  }

  /** Nobody is handed a token that is over by more than the clocks err. */
  #checked(process: Process, secret: Secret): Family {
    const { server, scheduler } = this.#scene
    const family = server.familyOf(secret.reveal())
    const end = server.endOf(secret.reveal())
    if (family === undefined || end === undefined) throw new Error(`${process.name} hands out no token`)
    const slack = this.#scene.skew() + process.stood / 1000 + ROUNDING
    const over = (scheduler.now - end) / 1000
    if (over > slack)
      scheduler.fail(
        `${process.name} hands out a token that is over for ${over} s, and clocks err by ${slack} s`,
      )
    const revoked = (scheduler.now - (family.revokedAt ?? Infinity)) / 1000
    if (revoked > RECHECK + slack && !this.#scene.isExcused(process, family))
      scheduler.fail(`${process.name} hands out a token that a logout ended ${revoked} s ago`)
    return family
  }
}
