// The token endpoint, as one process reaches it over a network that loses, delays and cuts off.
import type { ClockReading } from '../../src/core/clock.js'
import type {
  AuthorizationServer,
  CodeGrant,
  RawAnswer,
  Reading,
  RequestLimits,
} from '../../src/core/ports.js'
import type { Secret } from '../../src/core/secret.js'
import {
  cutOff,
  granted,
  html,
  invalidGrant,
  notSent,
  reading,
  silence,
  status,
  type Said,
} from '../support/fake-server.js'
import type { Issued } from './grants.js'
import type { HostProcess, World } from './world.js'

export const NAMED = { tokenUrl: 'https://auth.example.com/token', issuer: null, clientId: '1012' }

/** What can become of a request. */
export const FATES = [
  'is refused a connection',
  'is lost',
  'comes late',
  'is lost on its way back',
  'is answered with 500',
  'is answered with 500 by a proxy',
  'is answered with 503',
  'is answered with a page',
  'is cut off in its answer',
  'is cut off behind the refresh token',
] as const
export type Fate = (typeof FATES)[number]

interface Asking {
  /** Called when the request leaves. */
  readonly leaves: () => void
  /** What the server does with it. */
  readonly answer: (now: number) => Issued | undefined
  readonly isLogin?: boolean
}

/** The endpoint for one process. */
export class TokenServer implements AuthorizationServer {
  readonly host = 'auth.example.com'
  readonly #world: World
  readonly #process: HostProcess
  readonly #clock: () => ClockReading

  constructor(world: World, process: HostProcess) {
    this.#world = world
    this.#process = process
    this.#clock = process.host.clock
  }

  client(): Promise<typeof NAMED> {
    return Promise.resolve(NAMED)
  }

  prepare(): Promise<void> {
    return Promise.resolve()
  }

  refresh(refreshToken: Secret, limits: RequestLimits): Promise<RawAnswer> {
    const token = refreshToken.reveal()
    const { grants, rules } = this.#world
    return this.#ask(`refresh with ${token}`, limits, {
      leaves: () => {
        rules.sent(this.#process, token)
      },
      answer: (now) => grants.refresh(token, now),
    })
  }

  redeem({ code }: CodeGrant, limits: RequestLimits): Promise<RawAnswer> {
    const { grants, rules } = this.#world
    return this.#ask(`redeem ${code.reveal()}`, limits, {
      leaves: () => {
        rules.codeSent(this.#process, code.reveal())
      },
      answer: (now) => grants.redeem(code.reveal(), now),
      isLogin: true,
    })
  }

  read({ body }: RawAnswer): Promise<Reading> {
    this.#world.rules.read(this.#process, body)
    return Promise.resolve(reading(body))
  }

  async #ask(
    what: string,
    { timeoutMs, lastLook }: RequestLimits,
    { leaves, answer, isLogin = false }: Asking,
  ): Promise<RawAnswer> {
    const world = this.#world
    const { scheduler, latency } = world
    const fate = world.faults.fateOf(isLogin)
    const began = scheduler.now
    const sentAt = this.#clock()
    await this.#process.step('connect', latency('server') / 4, () => undefined)
    if (fate === 'is refused a connection') return { sentAt, ...notSent('ECONNREFUSED') }
    const why = lastLook?.() ?? null
    if (why !== null) {
      this.#process.say(`${what}: stopped by the last look (${why})`)
      return { sentAt, ...notSent(why) }
    }
    leaves()
    world.requests++
    this.#process.say(`${what}${fate === undefined ? '' : `, which ${fate}`}`)
    const said = await this.#arrival(fate, began + timeoutMs, (now) =>
      said200(answer(now), world.grants.rules.lifetime),
    )
    return { sentAt, ...said }
  }

  /** @param latest When the client gives up. @returns What the client gets. */
  #arrival(fate: Fate | undefined, latest: number, answer: (now: number) => Said): Promise<Said> {
    const { scheduler, latency, random } = this.#world
    return new Promise((resolve) => {
      let isOver = false
      const back = (said: Said, ms: number): void => {
        const isInTime = scheduler.now + ms < latest
        const got = isInTime ? said : silence()
        scheduler.after(isInTime ? ms : Math.max(0, latest - scheduler.now), () => {
          this.#process.deliver(() => {
            if (isOver) return
            isOver = true
            this.#process.say(`gets ${describe(got)}`)
            resolve(got)
          })
        })
      }
      const lost = (): void => {
        // A reset connection is noticed at once, a silent one when the time is over.
        const reset = random.chance(0.5)
        back(silence(reset ? 'ECONNRESET' : undefined), reset ? latency('server') : Infinity)
      }
      if (fate === 'is lost') {
        lost()
        return
      }
      if (
        fate === 'is answered with 503' ||
        fate === 'is answered with 500 by a proxy' ||
        fate === 'is answered with a page'
      ) {
        const turnedAway =
          fate === 'is answered with a page' ? html(502) : status(fate === 'is answered with 503' ? 503 : 500)
        back(turnedAway, latency('server'))
        return
      }
      const ms = fate === 'comes late' ? random.scaled(1000, 60_000) : latency('server')
      if (scheduler.now + ms > latest) back(silence(), Infinity)
      scheduler.after(ms, () => {
        const said = answer(scheduler.now)
        scheduler.say('server', describe(said))
        if (fate === 'is lost on its way back') lost()
        else back(spoiled(said, fate), latency('server'))
      })
    })
  }
}

function said200(pair: Issued | undefined, lifetime: number): Said {
  return pair === undefined ? invalidGrant() : granted(pair.access, pair.refresh, { expiresIn: lifetime })
}

function spoiled(said: Said, fate: Fate | undefined): Said {
  if (said.status !== 200) return said
  if (fate === 'is answered with 500') return status(500)
  if (fate === 'is cut off in its answer') return cutOff()
  return fate === 'is cut off behind the refresh token' ? cutOff(refreshTokenIn(said.body) ?? null) : said
}

/** The refresh token in a body of this server, also in one that was cut off behind it. */
export function refreshTokenIn(body: Uint8Array): string | undefined {
  return /"(?:refreshToken|salvaged)":"([^"]+)"/.exec(Buffer.from(body).toString())?.[1]
}

/** Whether the body of this server was cut off. */
export function isBroken(body: Uint8Array): boolean {
  return Buffer.from(body).includes('"unreadable"')
}

function describe({ status, failure, body }: Said): string {
  const token = refreshTokenIn(body)
  return `${status ?? failure ?? 'nothing'}${token === undefined ? '' : ` with ${token}`}`
}
