// Injects the faults of a schedule, and counts them.
import { STATEMENT_FATES, type Fault, type StatementFate } from './plan.js'
import type { Fate } from './token-server.js'
import type { Host, HostProcess, World } from './world.js'

export class Faults {
  /** How often each has been injected. */
  readonly counts = new Map<string, number>()
  /** From here on nothing more goes wrong. */
  isOver = false
  readonly #world: World
  #injected = 0
  /** Older contents of the database file, and whether the rescue file went with it. */
  readonly #backups: Host['disk']['row'][] = []

  constructor(world: World) {
    this.#world = world
  }

  /** Whether nothing has struck but what becomes of requests. */
  get areNone(): boolean {
    return this.#injected === 0 && STATEMENT_FATES.every((fate) => !this.counts.has(ofStatement(fate)))
  }

  /** Called before each step. */
  strike(): void {
    const { plan, random } = this.#world
    if (this.isOver || this.#injected >= plan.mostFaults || plan.faults.length === 0) return
    if (!random.chance(plan.faultRate)) return
    const fault = random.pick(plan.faults)
    if (!this.#inject(fault)) return
    this.#injected++
    this.#count(fault)
  }

  fateOf(isLogin: boolean): Fate | undefined {
    const { plan, random } = this.#world
    if (this.isOver || plan.fates.length === 0 || !random.chance(plan.fateRate)) return undefined
    const fate = random.pick(plan.fates)
    // From the broken answer to a code nothing is taken: the person who has logged in is there to do it again.
    const own = isLogin && fate === 'is cut off behind the refresh token' ? 'is cut off in its answer' : fate
    this.#count(ofRequest(own))
    return own
  }

  statementFate(): StatementFate | undefined {
    const { plan, random } = this.#world
    const { statementFates, statementFateRate } = plan
    if (this.isOver || statementFates.length === 0 || !random.chance(statementFateRate)) return undefined
    const fate = random.pick(statementFates)
    this.#count(ofStatement(fate))
    return fate
  }

  /** Everything works again, and goes on. */
  end(): void {
    const { hosts, network, scheduler } = this.#world
    this.isOver = true
    network.isUp = true
    scheduler.say('world', 'all faults are over')
    for (const host of hosts) {
      host.refusedUntil = host.silentUntil = 0
      host.disk.isFull = host.disk.isAllFull = false
      for (const process of host.processes) process.carryOn()
    }
  }

  /** A copy of the database file, as a backup takes it. */
  backUp(): void {
    const { row } = this.#world.hosts[0]?.disk ?? {}
    if (row !== undefined) this.#backups.push({ content: row.content })
  }

  /** @returns False if there is nothing that it could hit. */
  #inject(fault: Fault): boolean {
    const { random, hosts } = this.#world
    const host = random.pick(hosts)
    const processes = hosts.flatMap(({ processes }) => [...processes])
    switch (fault) {
      case 'kills a process':
      case 'kills a process after its next step':
      case 'stops a process':
      case 'sends SIGTERM':
        return processes.length > 0 && this.#hit(random.pick(processes), fault)
      case 'cuts the power of a host':
        return this.#cutPower(host)
      case 'suspends a host':
        return this.#suspend(host)
      case 'sets a clock':
      case 'sets the database’s clock':
        return this.#setClock(host, fault)
      case 'fills a disk':
        return this.#fill(host)
      case 'removes a lock file':
        return this.#removeLock(host)
      case 'puts an older store in place':
        return this.#putBackFile(host)
      case 'removes the rescue file':
        if (host.disk.rescue === undefined) return false
        this.#say(host.name, fault)
        host.disk.rescue = undefined
        return true
      case 'removes a seat':
        for (const process of host.processes) process.kill()
        host.disk.remove()
        this.#say(host.name, fault)
        return true
      case 'resets connections':
      case 'refuses connections':
      case 'silences a network':
        return this.#cutNetwork(host, fault)
      case 'restarts the database':
        return this.#restart(fault)
      case 'fails over':
        return this.#putBackDatabase(1 + random.below(4), true)
      case 'restores a dump':
        return this.#putBackDatabase(1 + random.below(30), random.chance(0.5))
    }
  }

  #hit(process: HostProcess, fault: Fault): boolean {
    const { random, scheduler } = this.#world
    process.say(`the scheduler ${fault}`)
    if (fault === 'kills a process') process.kill()
    else if (fault === 'kills a process after its next step') process.isDoomed = true
    else if (fault === 'sends SIGTERM') process.terminate()
    else {
      const ms = random.scaled(100, 150_000)
      process.stop()
      scheduler.after(ms, () => {
        process.say('goes on')
        process.carryOn()
      })
    }
    return true
  }

  #cutPower(host: Host): boolean {
    const { random, scheduler } = this.#world
    this.#say(host.name, 'loses power')
    this.#world.rules.losesPower(host)
    host.cutPower(scheduler.now + random.scaled(100, 60_000))
    return true
  }

  /** The machine sleeps: its processes stand still, and so does the clock that never jumps. */
  #suspend(host: Host): boolean {
    const { random, scheduler } = this.#world
    const ms = random.scaled(1000, 300_000)
    const processes = [...host.processes].filter(({ isStopped }) => !isStopped)
    if (processes.length === 0) return false
    this.#say(host.name, `sleeps for ${Math.round(ms / 1000)} s`)
    for (const process of processes) process.stop()
    const { boots } = host
    scheduler.after(ms, () => {
      this.#say(host.name, 'wakes')
      if (host.boots === boots) host.slept += ms
      for (const process of processes) process.carryOn()
    })
    return true
  }

  #setClock(host: Host, fault: Fault): boolean {
    const { random, rules } = this.#world
    const seconds = Math.round((random.chance(0.5) ? 1 : -1) * random.scaled(1, 86_400))
    if (fault === 'sets a clock') host.ahead += seconds
    else this.#world.databaseAhead += seconds
    this.#say(fault === 'sets a clock' ? host.name : 'database', `its clock is set by ${seconds} s`)
    rules.clockWasSet(seconds, fault === 'sets a clock' ? 'a host’s' : 'the database’s')
    return true
  }

  #fill(host: Host): boolean {
    const { random, scheduler } = this.#world
    const { disk } = host
    if (disk.isFull) return false
    disk.isFull = true
    disk.isAllFull = random.chance(0.3)
    disk.wasAllFull ||= disk.isAllFull
    this.#say(host.name, `its disk is full${disk.isAllFull ? ', and all others' : ''}`)
    scheduler.after(random.scaled(100, 120_000), () => {
      this.#say(host.name, 'its disk has room')
      disk.isFull = disk.isAllFull = false
    })
    return true
  }

  #removeLock(host: Host): boolean {
    if (host.disk.lock === undefined) return false
    host.disk.lock = undefined
    this.#say(host.name, 'token.lock is removed')
    this.#world.rules.lockWasRemoved(host)
    return true
  }

  #putBackFile(host: Host): boolean {
    const { random, rules } = this.#world
    if (this.#backups.length === 0) return false
    const backup = random.pick(this.#backups)
    this.#say(
      host.name,
      `an older token.db is put in place: generation ${backup?.content.set?.generation ?? 0}`,
    )
    rules.putsBack(host)
    // A file of its own, or the same one with other content.
    if (random.chance(0.5) || host.disk.row === undefined || backup === undefined)
      host.disk.row = backup && { ...backup }
    else host.disk.row.content = backup.content
    rules.wasPutBack(false)
    return true
  }

  #cutNetwork(host: Host, fault: Fault): boolean {
    const { random, scheduler, network } = this.#world
    const until = scheduler.now + random.scaled(500, 120_000)
    this.#say(host.name, fault)
    if (fault === 'silences a network') {
      host.silentUntil = until
      return true
    }
    if (fault === 'refuses connections') host.refusedUntil = until
    network.reset((one) => one === host)
    return true
  }

  #restart(what: string): boolean {
    const { random, scheduler, network, database } = this.#world
    if (!network.isUp) return false
    this.#say('database', what)
    network.isUp = false
    network.reset()
    scheduler.after(random.scaled(100, 60_000), () => {
      network.isUp = true
      database.startedAt = database.look().now
      this.#say('database', 'is up')
    })
    return true
  }

  #putBackDatabase(commits: number, isFailover: boolean): boolean {
    const { network, database, rules } = this.#world
    if (!network.isUp) return false
    const isLossless = isFailover && database.isSynchronous
    if (!this.#restart(isFailover ? 'fails over' : 'is restored from a dump')) return false
    database.putBack(isLossless ? 0 : commits, isFailover)
    this.#say(
      'database',
      `its newest commits are lost: ${isLossless ? 0 : commits}; generation ${database.row.generation}`,
    )
    if (!isLossless) rules.wasPutBack(isFailover)
    return true
  }

  #say(who: string, what: string): void {
    this.#world.scheduler.say(who, what)
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

/** What becomes of a request, as it is counted. */
export function ofRequest(fate: Fate): string {
  return `a request ${fate}`
}

export function ofStatement(fate: StatementFate): string {
  return `a statement ${fate}`
}
