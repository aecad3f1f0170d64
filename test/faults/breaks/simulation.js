// The breaks that the simulation must find by itself, in seeds that were not chosen for them: see breaks-table.js, and
// `npm run test:simulate -- --guards`, which tells how many schedules each of them takes.
import { tests } from './tests.js'

/** For a store in a file even seeds, for one that hosts share odd ones. */
const STORES = {
  file: { first: 2, by: tests('simulation/simulation', 'a store in a file') },
  shared: { first: 1, by: tests('simulation/simulation', 'a store that hosts share') },
}

/** Guards in code that both protocols run unchanged. */
const BOTH = [
  {
    name: 'an intent before the request',
    file: 'src/core/refresh-exchange.ts',
    find: "      await this.#held.note(next, next.generation, entry(next, 'refresh', 'unfinished', at))\n",
    replace: '',
  },
  {
    name: 'an answer is kept before it is read',
    file: 'src/core/refresh-exchange.ts',
    find: `      const kept = await this.#persistence.keep(record)
      const read = withoutEcho(await this.#persistence.read(answer), spent)
`,
    replace: `      const read = withoutEcho(await this.#persistence.read(answer), spent)
      const kept = await this.#persistence.keep(record)
`,
  },
  {
    name: 'a login’s answer is kept before it is read',
    file: 'src/core/code-exchange.ts',
    find: `      const kept = await this.#persistence.keep(record)
      const outcome = await this.#persistence.read(answer)
`,
    replace: `      const outcome = await this.#persistence.read(answer)
      const kept = await this.#persistence.keep(record)
`,
  },
  {
    name: 'what a dead process received is taken up',
    file: 'src/core/refresh-exchange.ts',
    find: '(await this.#held.rescue.records()).toSorted(newestFirst)',
    replace: '(await this.#held.rescue.records()).slice(0, 0)',
  },
  {
    name: 'what a dead login received is taken up',
    file: 'src/core/code-exchange.ts',
    find: "if (typeof pending?.spent !== 'string') return this.#set",
    replace: "if (typeof pending?.spent !== 'string' || pending.spent !== '') return this.#set",
  },
  {
    name: 'a second look under the lock',
    file: 'src/core/guard.ts',
    find: 'if (isFresh || (how.rebind !== true && this.#serves(set, seen, ask))) return set',
    replace: 'if (isFresh && how.rebind !== undefined) return set',
  },
  {
    name: 'an answer of another grant is not taken up',
    file: 'src/core/ownership.ts',
    find: '  return grant === set.grant\n',
    replace: '  return grant === set.grant || grant !== undefined\n',
    // A guard behind it.
    and: [
      {
        file: 'src/core/landing.ts',
        find: 'stored.grant === null ? generation === after : stored.grant === next.grant',
        replace: 'stored.grant === null ? generation === after : generation <= after',
      },
    ],
  },
  {
    name: 'a pair does not replace a later one',
    file: 'src/core/landing.ts',
    find: "if (generation > after) return 'overtaken'",
    replace: "if (generation > after + 9) return 'overtaken'",
  },
  {
    name: 'a pair lands in a store that was put back',
    file: 'src/core/refresh-exchange.ts',
    find: 'kept.generation < generation || !belongs(kept, this.#set)',
    replace: 'kept.generation !== generation || !belongs(kept, this.#set)',
  },
  {
    name: 'a pair that came second is kept',
    file: 'src/core/persist-answer.ts',
    find: "drops && typeof landed === 'string'",
    replace: 'drops',
  },
  {
    name: 'a pair that came second is tried',
    file: 'src/core/spares.ts',
    find: 'kept.generation === set.generation - 1 &&',
    replace: 'kept.generation === set.generation - 9 &&',
  },
  {
    name: 'a late login does not replace a later one',
    file: 'src/core/code-exchange.ts',
    find: '(await this.#held.login())?.grant !== record.grant',
    replace: "(await this.#held.login())?.grant === '' + String(record.grant)",
  },
  {
    name: 'answers are dropped once their pair is saved only',
    file: 'src/core/persist-answer.ts',
    find: '    for (const giveUp = performance.now() + CLING_MS; ;) {\n',
    replace:
      '    await this.#held.rescue.drop(() => true)\n    for (const giveUp = performance.now() + CLING_MS; ;) {\n',
  },
  {
    name: 'the lock',
    file: 'test/simulation/seat.ts',
    find: 'file.owner !== undefined || this.#disk.lock !== file',
    replace: 'this.#disk.lock !== file',
  },
  {
    name: 'an answer is synced',
    file: 'test/simulation/rescue.ts',
    find: '      file.synced = file.records\n',
    replace: '',
  },
  {
    name: 'an answer is kept elsewhere where the disk is full',
    file: 'test/simulation/rescue.ts',
    find: 'if (!isWritten) return this.#keepElsewhere(record)',
    replace: 'if (!isWritten) return',
  },
]

const FILE = [
  {
    name: 'an answer is kept elsewhere where the rescue file was removed',
    file: 'test/simulation/rescue.ts',
    find: 'if (!isInPlace) await this.#keepElsewhere(record)\n',
    replace: '',
  },
  {
    name: 'the last look',
    file: 'test/simulation/local-store.ts',
    find: "if (typeof what === 'string') return login?.spent === what && isMine(login.holder)\n",
    replace: 'return login !== undefined || isMine(undefined)\n',
    and: [
      {
        file: 'test/simulation/local-store.ts',
        find: 'if (!this.#isInPlace || !this.#turn.lock.isInPlace()) return false\n',
        replace: '',
      },
    ],
  },
  {
    name: 'the last look at the lock file',
    file: 'test/simulation/local-store.ts',
    find: 'if (!this.#isInPlace || !this.#turn.lock.isInPlace()) return false',
    replace: 'if (!this.#isInPlace) return false',
  },
  {
    name: 'the last look at the database’s file',
    file: 'test/simulation/local-store.ts',
    find: 'if (!this.#isInPlace || !this.#turn.lock.isInPlace()) return false',
    replace: 'if (!this.#turn.lock.isInPlace()) return false',
  },
  {
    name: 'the holder of an exchange is waited for',
    file: 'test/simulation/local-store.ts',
    find: 'holder !== undefined && this.#names.isOtherAlive(holder)',
    replace: 'holder !== undefined && false',
  },
  {
    name: 'a note compares the generation',
    file: 'test/simulation/local-store.ts',
    find: 'if ((set?.generation ?? 0) !== after) throw bypassed()\n',
    replace: '',
  },
  {
    name: 'a note compares the sequence',
    file: 'test/simulation/local-store.ts',
    find: 'if (this.#known !== undefined && set?.sequence !== this.#known) throw new Overtaken()\n',
    replace: '',
  },
  {
    name: 'a save into a file that was replaced does not count',
    file: 'test/simulation/local-store.ts',
    find: "if (!this.#isInPlace) throw new StoreUnusable('the database was replaced')\n",
    replace: '',
  },
]

const SHARED = [
  {
    name: 'the last look',
    file: 'src/store/postgres/held-row.ts',
    find: 'this.#parts.turn.lock.isInPlace() && this.#lease.lasts(ms) && this.#noted === what',
    replace: 'ms > 0 && this.#noted === what',
  },
  {
    name: 'the last look at the lock file',
    file: 'src/store/postgres/held-row.ts',
    find: 'this.#parts.turn.lock.isInPlace() && this.#lease.lasts(ms) &&',
    replace: 'this.#lease.lasts(ms) &&',
  },
  {
    name: 'the last look at the lease',
    file: 'src/store/postgres/held-row.ts',
    find: 'this.#parts.turn.lock.isInPlace() && this.#lease.lasts(ms) &&',
    replace: 'this.#parts.turn.lock.isInPlace() && ms > 0 &&',
  },
  {
    name: 'a lease ends while the machine sleeps',
    file: 'src/store/postgres/lease.ts',
    find: 'return Math.max(now.elapsed - elapsed, uptime * 1000, wall * 1000)',
    replace: 'return Math.max(now.elapsed - elapsed, 0 * uptime * wall)',
  },
  {
    name: 'signs of life',
    file: 'src/store/postgres/lease.ts',
    find: 'if (isBeating || this.#isOver) return',
    replace: 'if (isBeating || this.#isOver || this.#ms > 0) return',
  },
  {
    name: 'the fence: a statement needs the lease',
    file: 'test/simulation/database.ts',
    find: 'return lease.term === term && lease.seat === seat',
    replace: 'return lease.term >= term || lease.seat === seat',
  },
  {
    name: 'the fence: a pair lands on the generation that was seen',
    file: 'test/simulation/database.ts',
    find: 'if (generation !== seen.generation || set?.grant !== seen.grant) return false',
    replace: 'if (set?.grant !== seen.grant) return false',
  },
  {
    name: 'the fence: a pair lands on the grant that was seen',
    file: 'test/simulation/database.ts',
    find: 'if (generation !== seen.generation || set?.grant !== seen.grant) return false',
    replace: 'if (generation !== seen.generation) return false',
  },
  {
    name: 'the fence: a note needs the generation',
    file: 'test/simulation/database.ts',
    find: 'if (!this.#isHeld(holding) || row.generation !== generation || isLate) return false',
    replace: 'if (!this.#isHeld(holding) || isLate) return false',
  },
  {
    name: 'the fence: a pair that lands ends the lease',
    file: 'test/simulation/database.ts',
    find: 'timeline: this.timeline, lease: { ...row.lease, seat: null }',
    replace: 'timeline: this.timeline, lease: row.lease',
  },
  {
    name: 'the fence: answers stay in a database that was put back',
    file: 'test/simulation/database.ts',
    find: '    if (this.row.generation >= generation)\n',
    replace: '    if (generation >= 0)\n',
  },
  {
    name: 'the fence: the answers to the generation before stay',
    file: 'test/simulation/database.ts',
    find: 'answers: row.answers.filter((answer) => answer.generation >= next.generation - 1)',
    replace: 'answers: []',
  },
  {
    name: 'a note that was refused begins the section anew',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (!isNoted) throw new Overtaken()\n',
    replace: '',
  },
  {
    name: 'a lease is followed once it was observed only',
    file: 'src/store/postgres/remembered.ts',
    find: 'return Number.isFinite(seconds) && seconds * 1000 >= ms + 1000',
    replace: 'return Number.isFinite(seconds) && ms > 0',
  },
  {
    name: 'a sign of life begins the observation anew',
    file: 'src/store/postgres/remembered.ts',
    find: '    observed.beat === lease.beat &&\n',
    replace: '',
  },
  {
    name: 'a new holder begins the observation anew',
    file: 'src/store/postgres/remembered.ts',
    find: '    observed.term === lease.term &&\n    observed.beat === lease.beat &&\n',
    replace: '',
  },
  {
    name: 'a restart of this machine begins the observation anew',
    file: 'src/store/postgres/remembered.ts',
    find: '    observed.last.boot === at.boot &&\n',
    replace: '',
  },
  {
    name: 'a restart of the database begins the observation anew',
    file: 'src/store/postgres/remembered.ts',
    find: '    Math.abs(observed.startedAt - startedAt) < 1\n',
    replace: '    startedAt > 0\n',
  },
  {
    name: 'time in which nobody looked does not count',
    file: 'src/store/postgres/remembered.ts',
    find: 'const isUnbroken = set?.intent == null || unseen * 1000 <= lease.ms',
    replace: 'const isUnbroken = set?.intent == null || unseen >= 0',
  },
  {
    name: 'an observation ends while the database is out of reach',
    file: 'src/store/postgres/looks.ts',
    find: 'await this.remember((known) => ({ ...known, observed: null }))\n',
    replace: '',
  },
  {
    name: 'a clock that was set does not lengthen an observation',
    file: 'src/store/postgres/recency.ts',
    find: 'const seconds = isSameBoot ? at.uptime - then.uptime : at.now - then.now',
    replace: 'const seconds = isSameBoot && at.now === 0 ? 0 : at.now - then.now',
  },
  {
    name: 'a lease is not taken without the lock file',
    file: 'src/store/postgres/postgres-store.ts',
    find: 'if (!turn.lock.isInPlace()) throw new Overtaken()\n',
    replace: '',
  },
  {
    name: 'a lease is not taken again without the lock file',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (!turn.lock.isInPlace()) throw new Overtaken()\n',
    replace: '',
  },
  {
    name: 'a lease is taken again on the same row only',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (seen?.generation !== generation || seen.sequence !== sequence) throw new Overtaken()',
    replace: 'if (seen === undefined || generation + sequence < 0) throw new Overtaken()',
  },
  {
    name: 'a lease is taken again where it is free only',
    file: 'src/store/postgres/held-row.ts',
    find: 'const isFree = lease.seat === null || lease.seat === seat\n    const seen = isFree ?',
    replace:
      'const isFree = lease.seat === null || lease.seat === seat\n    const seen = isFree || seat !== "" ?',
  },
  {
    name: 'a pair is offered again to a database that is out of reach',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (elapsed() >= giveUp) {',
    replace: 'if (elapsed() < giveUp) {',
  },
  {
    name: 'a host looks again while its token lives',
    file: 'src/store/postgres/recency.ts',
    find: 'return secondsSince(checkedAt, at) < Math.min(recheck, set.pair.lifetime / 10)',
    replace: 'return secondsSince(checkedAt, at) + recheck < Infinity',
  },
  {
    name: 'nothing is spent in a database that was put back',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (isPutBack(known, seen, set))\n      throw',
    replace: 'if (isPutBack(known, seen, set) && set === undefined)\n      throw',
  },
  {
    name: 'a seat remembers more than a database that was put back',
    file: 'src/store/postgres/remembered.ts',
    find: 'if (isStale || isPutBack(known, seen, set)) return before',
    replace: 'if (isStale) return before',
  },
  {
    name: 'nothing is spent right after a fail-over',
    file: 'src/store/postgres/remembered.ts',
    find: 'timeline === timelineNow || isSynchronous) return 0',
    replace: 'timeline !== timelineNow || isSynchronous) return 0',
  },
  {
    name: 'a host with the newer answer heals a database that was put back',
    file: 'src/store/postgres/remembered.ts',
    find: 'return isOurs && isPutBack(known, seen, set)',
    replace: 'return isOurs && isPutBack(known, seen, set) && known.generation < 0',
  },
  {
    name: 'a host keeps the answer that brought its pair',
    file: 'src/store/postgres/shared-rescue.ts',
    find: '.change((known) => ({ ...known, answers }))',
    replace: '.change((known) => ({ ...known, answers: answers.slice(0, 0) }))',
  },
  {
    name: 'an answer is kept in the database',
    file: 'src/store/postgres/shared-rescue.ts',
    find: '      await this.#registry.keep(answer, KEEP_MS)\n',
    replace: '',
  },
  {
    name: 'an answer is kept on this host',
    file: 'src/store/postgres/shared-rescue.ts',
    find: 'const here = await this.#file.keep(record).then(',
    replace: 'const here = await Promise.resolve().then(',
  },
  {
    name: 'an answer on this disk is saved before the lease of its dead process has ended',
    file: 'src/store/postgres/postgres-store.ts',
    find: 'if (entry.hasSearched || set === undefined) return false',
    replace: 'if (entry.hasSearched || set === undefined || set.generation > 0) return false',
  },
  {
    name: 'an answer without a pair is tried once only without the lease',
    file: 'src/store/postgres/postgres-store.ts',
    find: '(entry.hasHealed = true)',
    replace: '(entry.hasSearched ||= true)',
  },
  {
    name: 'a set counts by the clock of its host',
    file: 'src/store/postgres/database-time.ts',
    find: 'obtained: { ...pair.obtained, now: pair.obtained.now + offset }',
    replace: 'obtained: { ...pair.obtained, now: pair.obtained.now + 0 * offset }',
  },
  {
    name: 'an answer in the database counts by the clock of its host',
    file: 'src/store/postgres/database-time.ts',
    find: 'sentAt: { ...sentAt, now: sentAt.now + offset }',
    replace: 'sentAt: { ...sentAt, now: sentAt.now + 0 * offset }',
  },
  {
    name: 'an instant of another host gets this host’s uptime',
    file: 'src/store/postgres/database-time.ts',
    find: 'return { ...instant, boot: at.boot, uptime: at.uptime - (at.now - instant.now) }',
    replace: 'return instant',
  },
  {
    name: 'a database whose clock was set back makes no pair younger',
    file: 'src/store/postgres/remembered.ts',
    find: 'if (!isSame || pair.obtained.now >= set.pair.obtained.now) return set',
    replace: 'if (!isSame || pair.obtained.now >= 0) return set',
  },
  {
    name: 'a look that took long is made again',
    file: 'src/store/postgres/looks.ts',
    find: 'while (secondsSince(sent, at) > PROMPT) {',
    replace: 'while (secondsSince(sent, at) < -PROMPT) {',
  },
  {
    name: 'a token that is refused or unfinished is looked at anew',
    file: 'src/store/postgres/recency.ts',
    find: 'return known.set?.intent === null && isChecked(known, at, recheck)',
    replace: 'return known.set !== undefined && isChecked(known, at, recheck)',
  },
]

/**
 * Guards whose removal schedules find too rarely for a test of thousands, or not at all, because another guard behind
 * them holds. Only `npm run test:simulate -- --guards` looks for these, and says what it found.
 */
export const RARE = new Set([
  'a store in a file: a save into a file that was replaced does not count',
  'a shared store: a lease ends while the machine sleeps',
  'a shared store: a lease is not taken without the lock file',
  'a shared store: a pair is offered again to a database that is out of reach',
  'a shared store: a host keeps the answer that brought its pair',
  'a store in a file: a pair does not replace a later one',
  'a store in a file: a late login does not replace a later one',
  'a store in a file: the last look at the database’s file',
  'a store in a file: a note compares the sequence',
  'a shared store: what a dead login received is taken up',
  'a shared store: a pair does not replace a later one',
  'a shared store: a late login does not replace a later one',
  'a shared store: the fence: a pair lands on the generation that was seen',
  'a shared store: the fence: a pair lands on the grant that was seen',
  'a shared store: the fence: a note needs the generation',
  'a shared store: the fence: a pair that lands ends the lease',
  'a shared store: the fence: answers stay in a database that was put back',
  'a shared store: a note that was refused begins the section anew',
  'a shared store: a restart of this machine begins the observation anew',
  'a shared store: a restart of the database begins the observation anew',
  'a shared store: time in which nobody looked does not count',
  'a shared store: an observation ends while the database is out of reach',
  'a shared store: a lease is taken again on the same row only',
  'a shared store: a seat remembers more than a database that was put back',
  'a shared store: a host with the newer answer heals a database that was put back',
  'a shared store: an answer is kept in the database',
  'a shared store: an answer on this disk is saved before the lease of its dead process has ended',
  'a shared store: an answer without a pair is tried once only without the lease',
  'a shared store: an answer in the database counts by the clock of its host',
  'a shared store: an instant of another host gets this host’s uptime',
  'a shared store: a database whose clock was set back makes no pair younger',
  'a shared store: a look that took long is made again',
  'a shared store: a token that is refused or unfinished is looked at anew',
])

export const GUARDS = [
  ...[...BOTH, ...FILE].map((guard) => ({ ...guard, name: `a store in a file: ${guard.name}`, first: 2 })),
  ...[...BOTH, ...SHARED].map((guard) => ({ ...guard, name: `a shared store: ${guard.name}`, first: 1 })),
]

export default GUARDS.filter(({ name }) => !RARE.has(name)).map(({ first, name, ...guard }) => ({
  ...guard,
  name: `simulation: ${name}`,
  by: (first === 2 ? STORES.file : STORES.shared).by,
}))
