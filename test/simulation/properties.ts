// What must hold in every schedule, whatever goes wrong.
//
// A refresh token may be sent by a process if all of this is true:
// 1. The lease in the registry is its own; or it was until the database was put back, or until a process that had been
//    out of reach for longer than its lease landed a pair.
// 2. No pair that the server gave for this token had come whole into the registry before the process took the lease, or
//    onto the process's own host before it took the host's lock, or to the process itself at any time. A pair that
//    only another host has cannot be known, and neither can one that the database has forgotten or a lost disk held.
// 3. The process's host has seen no later generation of the same grant before it took the host's lock.
// The lease may be taken if it is free; by a process of the holder's host once the holder is dead or has let the
// host's lock go; and by another host once the registry has heard nothing of the holder for the length of the lease.
// An authorization code is sent once. A `get` refreshes a token only in the last tenth of its life, unless a refresh of
// it was begun before.
//
// Whoever has received a pair brings it to a disk before anything else, and goes on for a minute to bring it into the
// registry, because another host that follows it would spend the same token.
//
// So a family may end only where these rules were kept: the answer was lost on its way, its process died with it, its
// holder was away for too long, or the database forgot it.
import type { AuthorizationServer, Family } from './authorization-server.js'
import type { Process } from './host.js'
import type { Database, State, Statements } from './registry.js'
import type { Scheduler } from './scheduler.js'
import type { Sent } from './token-requests.js'

/** What the rules must know of a process. */
interface Stand {
  /** True time at which it took its host's lock; `undefined` outside a section. */
  entered: number | undefined
  /** Of the lease that it took last. */
  term: number
  takenAt: number
  restores: number
}

/** Seconds by which instants are rounded in all. */
const ROUNDING = 5
/** Seconds for which a pair is offered to a database that is out of reach, at least. */
const GOES_ON = 55

export class SharedProperties {
  readonly #scheduler: Scheduler
  readonly #server: AuthorizationServer
  readonly #database: Database
  readonly #stands = new Map<Process, Stand>()
  readonly #codes = new Set<string>()
  /** Who took the lease that stands in the registry. */
  #holder: Process | undefined
  /** True time of its last sign of life. */
  #sign = 0
  /** Who landed last. */
  #lander: Process | undefined
  #restores = 0
  readonly #sent: Sent[] = []
  /** The refresh tokens whose use was begun, and by whom. */
  readonly #begun = new Map<string, Process>()
  requests = 0
  /** The family of the pair that was landed last. */
  newest: Family | undefined

  readonly #skew: () => number

  /** @param skew Seconds by which all clocks have jumped in all. */
  constructor(scheduler: Scheduler, server: AuthorizationServer, database: Database, skew: () => number) {
    this.#scheduler = scheduler
    this.#server = server
    this.#database = database
    this.#skew = skew
  }

  entered(process: Process, isInside: boolean): void {
    this.#of(process).entered = isInside ? this.#scheduler.now : undefined
  }

  executes(process: Process, name: keyof Statements, values: readonly unknown[]): void {
    this.#noticeRestore()
    if (name !== 'take') return
    const [seen, { seat }] = values as Parameters<Statements['take']>
    const { lease } = this.#database.state
    if (lease.seat === null || lease.term !== seen.term || lease.beat !== seen.beat) return
    const silentMs = this.#scheduler.now - this.#sign
    if (lease.seat !== seat && silentMs < lease.ms)
      this.#scheduler.fail(
        `${process.name} takes the lease of ${lease.seat}, which gave a sign of life ${Math.round(silentMs)} ms ago`,
      )
  }

  executed(process: Process, name: keyof Statements, result: unknown): void {
    const { state, restores } = this.#database
    if (name === 'take' && result !== undefined) {
      this.#holder = process
      this.#sign = this.#scheduler.now
      Object.assign(this.#of(process), { term: state.lease.term, takenAt: this.#scheduler.now, restores })
    }
    if (result !== true) return
    if (name === 'note' && state.set?.intent != null && !this.#begun.has(tokenIn(state)))
      this.#begun.set(tokenIn(state), process)
    if (name === 'land') {
      this.#lander = process
      this.newest = this.#server.find(tokenIn(state))?.family
    } else this.#sign = this.#scheduler.now
  }

  sent(process: Process, token: string): Sent {
    this.requests++
    if (token.startsWith('code')) this.#checkCode(token)
    else {
      this.#checkSend(process, token)
      this.#checkLife(process, token)
    }
    const sent = { process, token, isOver: false, receivedAt: undefined }
    this.#sent.push(sent)
    return sent
  }

  #checkCode(code: string): void {
    if (this.#codes.has(code)) this.#scheduler.fail(`${code} is sent twice`)
    this.#codes.add(code)
  }

  #checkSend(process: Process, token: string): void {
    this.#noticeRestore()
    const { state, restores } = this.#database
    const stand = this.#of(process)
    const wasLanded = state.lease.seat === null && this.#lander !== process
    const isOurs = state.lease.term === stand.term && (this.#holder === process || wasLanded)
    if (!isOurs && stand.restores === restores)
      this.#scheduler.fail(`${process.name} sends ${token} without the lease`)
    const twin = this.#sent.find(
      (sent) =>
        sent.token === token && !sent.isOver && sent.process.isAlive && sent.process.host === process.host,
    )
    if (twin !== undefined)
      this.#scheduler.fail(`${process.name} sends ${token} while ${twin.process.name} waits for its answer`)
    const { seen } = process.host.disk
    const isLater = seen?.grant === state.set?.grant && (seen?.generation ?? 0) > state.generation
    if (isLater && (seen?.at ?? 0) < (stand.entered ?? 0))
      this.#scheduler.fail(
        `${process.name} sends ${token}, and its host has seen generation ${seen?.generation}`,
      )
    for (const { refresh } of this.#server.find(token)?.successors ?? []) {
      const there = state.ever.find((kept) => kept.refresh === refresh)
      const here = process.host.disk.ever.find((kept) => kept.refresh === refresh)
      if (there !== undefined && there.at < stand.takenAt)
        this.#scheduler.fail(`${process.name} sends ${token}, and the registry has had ${refresh}`)
      if (here !== undefined && (here.by === process || here.at < (stand.entered ?? 0)))
        this.#scheduler.fail(`${process.name} sends ${token}, and its host has had ${refresh}`)
    }
  }

  /** One refresh for each life of a token. */
  #checkLife(process: Process, token: string): void {
    const issued = this.#server.find(token)
    const begun = this.#begun.get(token)
    const wasBegun = begun !== undefined && begun !== process
    // A clock that has gone back by more than a minute is a reason to refresh.
    if (this.#skew() > 60) return
    if (issued === undefined || wasBegun || !['get', 'service'].includes(process.command)) return
    const age = (this.#scheduler.now - issued.askedAt) / 1000
    if (age + ROUNDING + this.#skew() + process.stood / 1000 < this.#server.lifetime * 0.9)
      this.#scheduler.fail(`${process.name} refreshes ${token}, whose access token is ${age} s old`)
  }

  /** A process has ended by itself. */
  ended(process: Process): void {
    const { state, restores } = this.#database
    const last = this.#sent.findLast((sent) => sent.process === process)
    if (last?.receivedAt === undefined || tokenIn(state) !== last.token) return
    if (restores !== this.#of(process).restores) return
    const seconds = (this.#scheduler.now - last.receivedAt) / 1000
    if (seconds < GOES_ON)
      this.#scheduler.fail(`${process.name} gives up ${seconds} s after it has received a pair`)
  }

  #noticeRestore(): void {
    if (this.#restores === this.#database.restores) return
    this.#restores = this.#database.restores
    this.#holder = undefined
    this.#sign = this.#scheduler.now
  }

  #of(process: Process): Stand {
    let stand = this.#stands.get(process)
    if (stand === undefined) {
      stand = { entered: undefined, term: -1, takenAt: -1, restores: -1 }
      this.#stands.set(process, stand)
    }
    return stand
  }
}

function tokenIn({ set }: State): string {
  return set?.pair.refreshToken.reveal() ?? ''
}
