// The breaks that the simulation must find by itself, in seeds that were not chosen for them: see breaks-table.js.
import { tests } from './tests.js'

const shared = tests('simulation/shared')

export default [
  {
    name: 'simulation: the lease is not looked at right before the request',
    file: 'src/store/postgres/held-row.ts',
    find: 'this.#parts.turn.lock.isInPlace() && this.#lease.lasts(ms) && this.#noted === what',
    replace: 'ms > 0 && this.#noted === what',
    by: shared,
  },
  {
    name: 'simulation: an intent is noted without the lease',
    file: 'test/simulation/registry.ts',
    find: 'if (lease.term !== term || lease.seat !== seat) return false',
    replace: 'if (lease.term < term && lease.seat !== seat) return false',
    by: shared,
  },
  {
    name: 'simulation: a lease is followed without having been observed',
    file: 'src/store/postgres/remembered.ts',
    find: 'return Number.isFinite(seconds) && seconds * 1000 >= ms + 1000',
    replace: 'return Number.isFinite(seconds) && ms > 0',
    by: shared,
  },
  {
    name: 'simulation: a sign of life does not begin the observation anew',
    file: 'src/store/postgres/remembered.ts',
    find: '    observed.beat === lease.beat &&\n',
    replace: '',
    by: shared,
  },
  {
    name: 'simulation: a clock that jumps ends an observation',
    file: 'src/store/postgres/postgres-store.ts',
    find: 'if (at.boot !== null) return at\n',
    replace: 'if (at.now > 0) return at\n',
    by: shared,
  },
  {
    name: 'simulation: a pair is offered once to a database that is out of reach',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (elapsed() >= giveUp) {',
    replace: 'if (elapsed() < giveUp) {',
    by: shared,
  },
  {
    name: 'simulation: a host never looks again while its token lives',
    file: 'src/store/postgres/recency.ts',
    find: 'return secondsSince(checkedAt, at) < Math.min(recheck, set.pair.lifetime / 10)',
    replace: 'return secondsSince(checkedAt, at) + recheck < Infinity',
    by: shared,
  },
  {
    name: 'simulation: there is no second look under the lock',
    file: 'src/core/guard.ts',
    find: 'if (isFresh || (how.rebind !== true && this.#serves(set, seen, ask))) return set',
    replace: 'if (isFresh && how.rebind !== undefined) return set',
    by: shared,
  },
  {
    name: 'simulation: a host spends what a database holds that was put back',
    file: 'src/store/postgres/held-row.ts',
    find: 'if (isPutBack(known, seen, set))\n      throw',
    replace: 'if (isPutBack(known, seen, set) && set === undefined)\n      throw',
    by: shared,
  },
  {
    name: 'simulation: a seat forgets that the database was put back',
    file: 'src/store/postgres/remembered.ts',
    find: 'if (isStale || isPutBack(known, seen, set)) return before',
    replace: 'if (isStale) return before',
    by: shared,
  },
  {
    name: 'simulation: an answer in the database counts by the clock of its host',
    file: 'src/store/postgres/database-time.ts',
    find: 'sentAt: { ...sentAt, now: sentAt.now + offset }',
    replace: 'sentAt: { ...sentAt, now: sentAt.now + 0 * offset }',
    by: shared,
  },
  {
    name: 'simulation: an answer is read before it is kept',
    file: 'src/core/refresh-exchange.ts',
    find: `      const kept = await this.#persistence.keep(record)
      const read = withoutEcho(await this.#persistence.read(answer), spent)
`,
    replace: `      const read = withoutEcho(await this.#persistence.read(answer), spent)
      const kept = await this.#persistence.keep(record)
`,
    by: shared,
  },
  {
    name: 'simulation: what a dead process received is not taken up',
    file: 'src/core/refresh-exchange.ts',
    find: '(await this.#held.rescue.records()).toSorted(newestFirst)',
    replace: '(await this.#held.rescue.records()).slice(0, 0)',
    by: shared,
  },
  {
    name: 'simulation: a pair replaces a later one',
    file: 'src/core/landing.ts',
    find: "if (generation > after) return 'overtaken'",
    replace: "if (generation > after + 9) return 'overtaken'",
    by: shared,
  },
  {
    name: 'simulation: a pair that came second is never tried',
    file: 'src/core/spares.ts',
    find: 'kept.generation === set.generation - 1 &&',
    replace: 'kept.generation === set.generation - 9 &&',
    by: shared,
  },
  {
    name: 'simulation: a late login replaces a later one',
    file: 'src/core/code-exchange.ts',
    find: '(await this.#held.login())?.grant !== record.grant',
    replace: '(await this.#held.login())?.grant === 0 + String(record.grant)',
    by: shared,
  },
]
