/**
 * What must never happen, whatever the scheduler does. In words:
 *
 * 1. A request leaves only from a section that has its lock: the lock file is in place, and nobody has followed its lease.
 * 2. A lease of another seat is followed only after its holder has given no sign of life for its whole length, by true
 *    time, unless the follower was restarted and its clock set meanwhile: only clocks that were set tell it the time then.
 * 3. A refresh token is sent by one section. Another one may send it again
 *    a. after the first is over, if no place that the sender can reach (its own disk, the database) has kept a pair bought
 *       with it since before the sender's section began: then nobody there can know the outcome;
 *    b. while the first goes on, only if its holder was away: its lease was followed as of rule 2, or its lock was taken
 *       from it (the lock file was removed where the system has no names for processes, the time that it had given itself
 *       was over), or the store was put back to before one of the two.
 *    The section that sent it may send it again after an unknown outcome.
 * 4. Nothing is spent in a store that is older than what this host had seen when it took the lease, nor for a minute after
 *    a fail-over that may have lost a commit, by the database's clock.
 * 5. A code is sent once. An answer is read once it is kept, unless no disk takes it.
 * 6. The last kept copy of a refresh token that works is not given up. A login, a seed or a logout may do so, and a fault.
 * 7. Nobody gets an access token that was over when it was asked for, by more than the clocks were set since it was issued.
 * 8. Nobody renews a token that another process has renewed while he waited, unless the store was put back meanwhile.
 * 9. Once all faults are over: if a refresh token that works is kept, every host is served within an hour by a grant that
 *    lives. If none is, then a person who logs in makes it so.
 * 10. An answer that was read survives a power cut, unless it is on a file system that a restart empties.
 * 11. Nobody follows the lease of a holder that works, while nothing has struck a machine, the network or the database.
 * 12. No token of a grant is sent that a person has replaced before, and a login does not replace a later one.
 *
 * `ending.ts` checks the ninth.
 */
import type { Rescued } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import type { KeptAnswer, SeenLease } from '../../src/store/postgres/registry.js'
import type { LockFile } from './disk.js'
import { isLaterThan, type Family, type Issued } from './grants.js'
import type { Host, HostProcess, World } from './world.js'
import { isBroken, refreshTokenIn } from './token-server.js'

/** Seconds by which clocks that are read in whole seconds may differ. */
const ROUNDING = 8
/** Milliseconds after a fail-over in which nobody spends. */
const SETTLE_MS = 60_000

/** A critical section: from the lock to its release. */
interface Section {
  readonly process: HostProcess
  readonly lock: LockFile
  readonly began: number
  isOver: boolean
  /** The term of its lease on a shared store. */
  term: number | undefined
  /** Somebody has followed its lease, or it was given back. */
  isFollowed: boolean
  /** Its lock file was removed … */
  hasLostLock: boolean
  /** … and nothing else tells other processes of it. */
  isLockless: boolean
  /** When the time that it has given itself is over. */
  until: number
  /** The store was put back, so nobody can know of this section. */
  isForgotten: boolean
  /** What its host had seen of a shared store when it took the lease. */
  seen: Issued | undefined
}

export class Rules {
  readonly violations: string[] = []
  readonly #world: World
  readonly #sections = new Map<HostProcess, Section>()
  readonly #sent = new Map<string, Section[]>()
  readonly #codes = new Set<string>()
  /** When a pair first came to a place. */
  readonly #since = new Map<Issued, Map<Host | 'database', number>>()
  /** When the holder of the lease last gave a sign of life. */
  #sign = 0
  #failover: number | undefined
  /** Milliseconds by which the database's clock was set ahead since. */
  #aheadSince = 0
  /** When the store was last put back. */
  #putBack = -Infinity
  readonly #destroyed = new Set<string>()
  /** Refresh tokens whose answer another process of the host may write over. */
  readonly #exposed = new Set<string>()
  /** Grants that have been in a row. */
  readonly #landed = new Set<Family>()
  /** Refresh tokens that came in a broken answer. */
  readonly #broken = new Set<string>()
  /** Grants that a person has replaced or ended, and when. */
  readonly #abandoned = new Map<Family, number>()
  /** Who has kept a pair's answer on a disk. */
  readonly #keepers = new Map<Issued, HostProcess>()
  /** Pairs whose answers were read by their keepers. */
  readonly #read = new Set<Issued>()
  readonly #clocks: { readonly at: number; readonly seconds: number }[] = []

  constructor(world: World) {
    this.#world = world
  }

  // What happens.

  begins(process: HostProcess, lock: LockFile): () => void {
    const section: Section = {
      ...{ process, lock, began: this.#now, isOver: false, term: undefined, isFollowed: false },
      // Two that believe to have the lock write over each other's name.
      ...{
        until: this.#isTwofold(process.host) ? this.#now : Infinity,
        isForgotten: false,
        hasLostLock: false,
        isLockless: false,
        seen: undefined,
      },
    }
    this.#sections.set(process, section)
    const end = (): void => {
      section.isOver = true
    }
    process.atDeath.add(end)
    return () => {
      end()
      process.atDeath.delete(end)
    }
  }

  /** The section has told the system how long its exchange lasts at most. */
  lasts(process: HostProcess, ms: number): void {
    const section = this.#sections.get(process)
    // Once that is over others may have begun.
    if (section?.isLockless === false && this.#now < section.until) section.until = this.#now + ms
  }

  /** @param before The lease that it follows. */
  tookLease(process: HostProcess, before: SeenLease, { seat, term }: SeenLease): void {
    const mine = this.#sections.get(process)
    if (mine !== undefined) {
      mine.term = term
      const seen = process.host.disk.memory?.set?.pair.accessToken.reveal()
      mine.seen = seen === undefined ? undefined : this.#world.grants.withAccess(seen)
      mine.isFollowed = false
    }
    const isOthers = before.seat !== null && before.seat !== seat
    const away = this.#now - this.#sign
    if (isOthers && away < before.ms && !this.#wasRestarted(process.host))
      this.#violated(
        `${process.name} followed the lease of ${before.host ?? ''} after ${Math.round(away)} ms`,
      )
    const others = [...this.#sections.values()].filter((section) => section !== mine)
    if (
      isOthers &&
      this.#world.faults.areNone &&
      others.some((one) => !one.isOver && one.term === before.term)
    )
      this.#violated(`${process.name} followed the lease of ${before.host ?? ''}, which is at work`)
    // A lease that a pair has ended is free: its holder cannot know, and rule 3 judges what it sends.
    for (const section of others)
      if (before.seat !== null && section.term === before.term) section.isFollowed = true
    this.#sign = this.#now
  }

  /** Perhaps without having heard so yet. */
  gaveBackLease(process: HostProcess): void {
    const mine = this.#sections.get(process)
    if (mine !== undefined) mine.isFollowed = true
  }

  gaveSign(): void {
    this.#sign = this.#now
  }

  /** The file of a store gives way to an older one: a pair that was in it is lost by that, whatever comes. */
  putsBack(host: Host): void {
    const { row } = host.disk
    for (const token of row === undefined ? [] : tokensOf(row.content)) this.#destroyed.add(token)
  }

  /**
   * A broken answer is of use by the note of its request only, and so is an answer to a token that was found in one; a
   * login's is by the note of the login. A store that was put back may have none of these notes, and neither may one in
   * which another process was at it too.
   */
  #forgetIfLoose({ answer, login }: Rescued): void {
    const token = refreshTokenIn(answer.body)
    if (token === undefined) return
    const parent = this.#world.grants.withRefresh(token)?.parent
    const isLoose = login === true || isBroken(answer.body) || this.#broken.has(parent?.refresh ?? '')
    if (isLoose) this.#destroyed.add(token)
  }

  /** The store is as it was some time ago. */
  wasPutBack(isFailover: boolean): void {
    for (const section of this.#sections.values())
      if (!section.isOver) {
        section.isForgotten = true
        this.#judgeLock(section)
      }
    this.#putBack = this.#now
    if (isFailover && !this.#world.plan.isSynchronous) {
      this.#failover = this.#now
      this.#aheadSince = 0
    }
    for (const { disk } of this.#world.hosts) for (const record of disk.answers) this.#forgetIfLoose(record)
    // What a person has begun since is gone as well.
    const { plan, database, hosts } = this.#world
    const left = plan.isShared ? tokensOf(database.row) : []
    for (const [pair, since] of this.#since) if (!left.includes(pair.refresh)) since.delete('database')
    this.#abandonOthers(plan.isShared ? database.row.set : hosts[0]?.disk.row?.content.set)
  }

  lockWasRemoved(host: Host): void {
    for (const section of this.#sections.values())
      if (section.process.host === host && !section.isOver) {
        section.hasLostLock = true
        this.#judgeLock(section)
      }
  }

  /** Without its lock file a section is known by the name in its row only, if the system has names and the row was not put back. */
  #judgeLock(section: Section): void {
    const { hasNames, isShared } = this.#world.plan
    if (!section.hasLostLock || (hasNames && !isShared && !section.isForgotten)) return
    section.until = this.#now
    section.isLockless = true
  }

  clockWasSet(seconds: number, whose: 'a host’s' | 'the database’s'): void {
    if (whose === 'the database’s') this.#aheadSince += 1000 * Math.max(0, seconds)
    this.#clocks.push({ at: this.#now, seconds: Math.abs(seconds) })
  }

  keptOnDisk(process: HostProcess, record: Rescued): void {
    const token = refreshTokenIn(record.answer.body)
    this.#kept(token, process.host)
    const pair = token === undefined ? undefined : this.#world.grants.withRefresh(token)
    if (pair !== undefined) this.#keepers.set(pair, process)
    if (token !== undefined && isBroken(record.answer.body)) this.#broken.add(token)
    const section = this.#sections.get(process)
    const { plan, database } = this.#world
    const set = plan.isShared ? database.row.set : process.host.disk.row?.content.set
    const isLate = set !== undefined && set.generation > record.generation
    if (isLate || (section !== undefined && !this.#isAtIt(section))) this.#forgetIfLoose(record)
    // Two processes that both believe to have the lock write over each other's answers.
    const isLoose =
      (section?.isLockless === true || this.#isTwofold(process.host)) &&
      !this.#tokensInRow(process.host).includes(token ?? '')
    if (token !== undefined && isLoose) this.#exposed.add(token)
  }

  /** Right before all is gone that was not synced. */
  losesPower({ name, disk: { rescue, row } }: Host): void {
    const left = [...tokensOf(row?.content), ...(rescue?.synced.map(tokenIn) ?? [])]
    for (const token of rescue?.records.map(tokenIn) ?? []) {
      const pair = token === undefined ? undefined : this.#world.grants.withRefresh(token)
      if (pair !== undefined && this.#read.has(pair) && !left.includes(token))
        this.#violated(`${name} lost ${pair.refresh} in a power cut, after it was read`)
    }
  }

  keptInDatabase(): void {
    const { row } = this.#world.database
    for (const token of tokensOf(row)) this.#kept(token, 'database')
    for (const { bytes } of row.answers) if (isBroken(bytes)) this.#broken.add(refreshTokenIn(bytes) ?? '')
  }

  // What is checked.

  sent(process: HostProcess, token: string): void {
    const mine = this.#sections.get(process)
    const pair = this.#world.grants.withRefresh(token)
    if (mine === undefined || mine.isOver || pair === undefined) {
      this.#violated(`${process.name} sent ${token} outside of a section`)
      return
    }
    this.#assertLocked(mine, token)
    this.#assertMaySpend(mine, pair)
    this.#assertNeeded(mine, pair)
    if ((this.#abandoned.get(pair.family) ?? Infinity) < mine.began && !mine.isForgotten)
      this.#violated(`${process.name} sent ${token}, although a person had replaced its grant`)
    const before = this.#sent.get(token) ?? []
    const rival = before.find((section) => section !== mine && this.#isAtIt(section))
    if (rival !== undefined && !mine.isForgotten)
      this.#violated(`${process.name} sent ${token} while ${rival.process.name} was at it`)
    const later = this.keptAlive().find((one) => isLaterThan(one, pair) && this.#knows(mine, one))
    if (later !== undefined && !mine.isForgotten)
      this.#violated(`${process.name} sent ${token} although ${later.refresh} was kept within its reach`)
    this.#sent.set(token, [...before, mine])
  }

  codeSent(process: HostProcess, code: string): void {
    const mine = this.#sections.get(process)
    if (mine !== undefined) this.#assertLocked(mine, code)
    if (this.#codes.has(code) && mine?.isForgotten !== true)
      this.#violated(`${process.name} sent ${code} again`)
    this.#codes.add(code)
  }

  read(process: HostProcess, body: Uint8Array): void {
    const { name, host } = process
    const token = refreshTokenIn(body)
    const pair = token === undefined ? undefined : this.#world.grants.withRefresh(token)
    if (pair !== undefined && this.#keepers.get(pair) === process) this.#read.add(pair)
    if (token !== undefined && isBroken(body)) this.#broken.add(token)
    if (pair === undefined || host.disk.wasAllFull || this.#since.has(pair)) return
    this.#violated(`${name} read the answer with ${pair.refresh} before it was kept`)
  }

  /** One state of the row gave way to another. */
  saved(process: HostProcess, before: Saved, after: Saved): void {
    const place = this.#world.plan.isShared ? 'database' : process.host
    const [old, now] = [tokensOf(before), tokensOf(after)]
    for (const token of now) {
      this.#kept(token, place)
      this.#exposed.delete(token)
    }
    const landed = this.#familyOf(setOf(after))
    if (landed !== undefined) this.#landed.add(landed)
    const [was, is] = [setOf(before), setOf(after)]
    if (was?.grant === is?.grant) this.#assertNoneLost(process, old, now)
    else {
      this.#assertNoLater(process, was, is)
      this.#abandonOthers(is)
    }
  }

  /** Answers on a disk gave way to others. */
  replaced(process: HostProcess, before: readonly Rescued[], after: readonly Rescued[]): void {
    // A look or a login replaces what was before it, also where the database has forgotten it in that very instant.
    if (before.length === 0 || this.#sections.get(process)?.isForgotten === true) return
    const tokens = (records: readonly Rescued[]): string[] =>
      records.flatMap((record) => tokenIn(record) ?? [])
    this.#assertNoneLost(process, tokens(before), tokens(after))
  }

  /** @param asked When it was asked for. */
  handedOut(process: HostProcess, token: string, asked: number): void {
    const pair = this.#world.grants.withAccess(token)
    if (pair === undefined) {
      this.#violated(`${process.name} got ${token}, which nobody has issued`)
      return
    }
    const recent = this.#clocks.filter(({ at }) => at > pair.at - 300_000)
    const error = ROUNDING + recent.reduce((sum, { seconds }) => sum + seconds, 0)
    const late = (asked - this.#world.grants.endOf(pair)) / 1000
    if (late > error)
      this.#violated(
        `${process.name} got ${token}, which was over for ${Math.round(late)} s when it was asked for`,
      )
  }

  failed(what: string): void {
    this.#violated(what)
  }

  cameBroken({ refresh }: Issued): boolean {
    return this.#broken.has(refresh)
  }

  /** The refresh tokens that work, and are kept where a host finds them. */
  keptAlive(): Issued[] {
    return this.#keptPairs().filter(
      (pair) => this.#world.grants.isLive(pair) && !this.#isForlorn(pair.refresh),
    )
  }

  /** Whether a host keeps a refresh token that works. */
  keepsAlive(host: Host): boolean {
    const { grants } = this.#world
    return this.#tokensAt(host).some((token) => {
      const pair = grants.withRefresh(token)
      return pair !== undefined && grants.isLive(pair)
    })
  }

  #assertLocked({ process, lock, isFollowed, isForgotten }: Section, what: string): void {
    if (process.host.disk.lock !== lock) this.#violated(`${process.name} sent ${what} without its lock`)
    if (isFollowed && !isForgotten)
      this.#violated(`${process.name} sent ${what} although its lease was followed`)
  }

  #isTwofold(host: Host): boolean {
    return [...this.#sections.values()].some(
      ({ process, isOver, isLockless }) => process.host === host && isLockless && !isOver,
    )
  }

  #abandonOthers(set: TokenSet | undefined): void {
    const { grants } = this.#world
    const present = this.#familyOf(set)
    for (const family of grants.families)
      this.#abandoned.set(family, this.#abandoned.get(family) ?? this.#now)
    if (present !== undefined) this.#abandoned.delete(present)
  }

  #familyOf(set: TokenSet | undefined): Family | undefined {
    return set && this.#world.grants.withRefresh(set.pair.refreshToken.reveal())?.family
  }

  #assertNoLater(process: HostProcess, before: TokenSet | undefined, after: TokenSet | undefined): void {
    const [was, is] = [this.#familyOf(before), this.#familyOf(after)]
    if (was === undefined || is === undefined || is.id > was.id) return
    if (this.#sections.get(process)?.isForgotten !== true)
      this.#violated(`${process.name} replaced a later login`)
  }

  #assertMaySpend({ process, began, isForgotten, seen }: Section, pair: Issued): void {
    const { plan, database } = this.#world
    if (!plan.isShared || isForgotten) return
    const since = seen && Math.min(...(this.#since.get(seen)?.values() ?? []))
    if (seen !== undefined && since !== undefined && since < began && isLaterThan(seen, pair))
      this.#violated(`${process.name} sent ${pair.refresh} although its host had seen ${seen.refresh}`)
    const failover = this.#failover
    const isSettling =
      failover !== undefined && began > failover && this.#now + this.#aheadSince - failover < SETTLE_MS
    if (isSettling && database.row.timeline !== database.timeline)
      this.#violated(`${process.name} sent ${pair.refresh} right after a fail-over`)
  }

  #assertNeeded({ process }: Section, pair: Issued): void {
    const { grants } = this.#world
    const isYoung = this.#now - pair.at < 500 * grants.rules.lifetime
    const isNew = pair.at > process.began && isYoung && grants.isLive(pair)
    if (!isNew || process.insists || this.#broken.has(pair.refresh)) return
    if (this.#putBack > process.began) return
    if (this.#clocks.some(({ at }) => at > process.began - SETTLE_MS)) return
    this.#violated(`${process.name} sent ${pair.refresh}, which came while it waited`)
  }

  /** Whether a section may still be at its exchange, as far as anybody can know. */
  #isAtIt({ process, isOver, isFollowed, isForgotten, until }: Section): boolean {
    return process.isAlive && !isOver && !isFollowed && !isForgotten && this.#now < until
  }

  /** Whether a pair was kept within reach of a section before it began. */
  #knows({ process, began }: Section, pair: Issued): boolean {
    const { host } = process
    const places: (Host | 'database')[] = this.#world.plan.isShared ? [host, 'database'] : [host]
    const since = this.#since.get(pair)
    return places.some(
      (place) => (since?.get(place) ?? Infinity) < began && this.#tokensAt(place).includes(pair.refresh),
    )
  }

  #assertNoneLost(process: HostProcess, before: readonly string[], after: readonly string[]): void {
    const { grants } = this.#world
    for (const token of before) {
      const pair = after.includes(token) ? undefined : grants.withRefresh(token)
      if (pair === undefined || this.#isForlorn(token) || !grants.isLive(pair)) continue
      if (this.#abandoned.has(pair.family) || !this.#since.has(pair)) continue
      // A login that has not landed has told nobody that it was done.
      const least = this.#landed.has(pair.family) ? pair.family.id : 0
      const isKept = this.keptAlive().some(({ family }) => family.id >= least)
      if (!isKept) this.#violated(`${process.name} gave up ${token}, the last that works`)
    }
  }

  /** Whether a refresh token is lost whatever anybody does. */
  #isForlorn(token: string): boolean {
    return this.#destroyed.has(token) || this.#exposed.has(token)
  }

  #kept(token: string | undefined, place: Host | 'database'): void {
    const pair = token === undefined ? undefined : this.#world.grants.withRefresh(token)
    if (pair === undefined) return
    const since = this.#since.get(pair) ?? new Map<Host | 'database', number>()
    if (!since.has(place)) since.set(place, this.#now)
    this.#since.set(pair, since)
  }

  /** All pairs that are kept. */
  #keptPairs(): Issued[] {
    const { hosts, plan, grants } = this.#world
    const places = plan.isShared ? ([...hosts, 'database'] as const) : hosts
    return places
      .flatMap((place) => this.#tokensAt(place))
      .flatMap((token) => grants.withRefresh(token) ?? [])
  }

  #tokensInRow({ disk }: Host): string[] {
    return tokensOf(this.#world.plan.isShared ? this.#world.database.row : disk.row?.content)
  }

  #tokensAt(place: Host | 'database'): string[] {
    if (place === 'database') return tokensOf(this.#world.database.row)
    const { answers, row } = place.disk
    const kept = answers.flatMap((record) => tokenIn(record) ?? [])
    return row === undefined ? kept : [...kept, ...tokensOf(row.content)]
  }

  #wasRestarted({ boots }: Host): boolean {
    return boots > 1 && this.#clocks.length > 0
  }

  #violated(what: string): void {
    this.violations.push(what)
    this.#world.scheduler.say('RULE BROKEN', what)
  }

  get #now(): number {
    return this.#world.scheduler.now
  }
}

/** A set, or a row with one and perhaps with answers. */
type Saved =
  TokenSet | { readonly set: TokenSet | undefined; readonly answers?: readonly KeptAnswer[] } | undefined

function setOf(saved: Saved): TokenSet | undefined {
  return saved === undefined || 'pair' in saved ? saved : saved.set
}

function tokenIn({ answer }: Rescued): string | undefined {
  return refreshTokenIn(answer.body)
}

/** The refresh tokens that buy a pair, as far as a place knows them. */
function tokensOf(saved: Saved): string[] {
  const set = setOf(saved)
  const own = set === undefined ? [] : [set.pair.refreshToken, set.intent?.salvaged ?? undefined]
  const answers = saved !== undefined && 'answers' in saved ? (saved.answers ?? []) : []
  return [
    ...own.flatMap((secret) => (secret === undefined ? [] : [secret.reveal()])),
    ...answers.flatMap(({ bytes }) => refreshTokenIn(bytes) ?? []),
  ]
}
