// Draws the circumstances of one schedule: hosts, delays, the server's rules, and which faults may come. Each schedule has
// some kinds of faults only, because a schedule with all of them seldom gets far.
import type { GrantRules } from './grants.js'
import type { Random } from './random.js'
import { FATES, type Fate } from './token-server.js'

/** What can be done to processes, machines, networks and stores. */
export const FAULTS = [
  'kills a process',
  'kills a process after its next step',
  'stops a process',
  'sends SIGTERM',
  'cuts the power of a host',
  'suspends a host',
  'sets a clock',
  'fills a disk',
  'removes a lock file',
] as const
export const LOCAL_FAULTS = ['puts an older store in place', 'removes the rescue file'] as const
export const SHARED_FAULTS = [
  'resets connections',
  'refuses connections',
  'silences a network',
  'restarts the database',
  'sets the database’s clock',
  'fails over',
  'restores a dump',
  'removes a seat',
] as const
export type Fault = (typeof FAULTS)[number] | (typeof LOCAL_FAULTS)[number] | (typeof SHARED_FAULTS)[number]

/** What can become of a statement of its own accord. */
export const STATEMENT_FATES = ['is lost', 'is done without a word', 'comes late'] as const
export type StatementFate = (typeof STATEMENT_FATES)[number]

export interface Plan {
  readonly isShared: boolean
  readonly hosts: number
  readonly grants: GrantRules
  /** Milliseconds that each of them takes at most. */
  readonly latency: { readonly disk: number; readonly database: number; readonly server: number }
  /** Seconds. */
  readonly lockWait: number
  readonly leaseMs: number
  readonly isSynchronous: boolean
  /** Whether the system has names for processes. */
  readonly hasNames: boolean
  /** Seconds that a host's clock may be off. */
  readonly clocksApart: number
  /** How often the token is renewed, at least. */
  readonly rounds: number
  readonly faults: readonly Fault[]
  /** The chance of a fault at each step. */
  readonly faultRate: number
  readonly mostFaults: number
  readonly fates: readonly Fate[]
  readonly fateRate: number
  readonly statementFates: readonly StatementFate[]
  readonly statementFateRate: number
  /** The share of logins and logouts among all that processes do. */
  readonly logins: number
}

/** An even seed is for one machine, an odd one for a fleet. */
export function planOf(seed: number, random: Random): Plan {
  const isShared = seed % 2 === 1
  const some = <T>(list: readonly T[], share: number): readonly T[] => list.filter(() => random.chance(share))
  const possible: readonly Fault[] = [...FAULTS, ...(isShared ? SHARED_FAULTS : LOCAL_FAULTS)]
  // What takes two faults of certain kinds at certain steps comes too seldom among all others.
  const faults = random.chance(0.4)
    ? [random.pick(possible), random.pick(possible)]
    : some(possible, random.between(0.1, 0.7))
  return {
    isShared,
    hosts: isShared ? Math.min(3, 1 + random.below(4)) : 1,
    grants: {
      lifetime: Math.round(random.scaled(300, 3600)),
      graceMs: random.chance(0.6) ? 0 : 60_000,
      repetition: random.pick(['same', 'another', 'replacing']),
    },
    latency: {
      disk: random.scaled(0.1, 50),
      database: random.scaled(1, 1000),
      server: random.scaled(50, 10_000),
    },
    lockWait: Math.round(random.scaled(5, 90)),
    leaseMs: random.chance(0.7) ? 20_000 : Math.round(random.scaled(10_000, 60_000)),
    isSynchronous: random.chance(0.2),
    hasNames: random.chance(0.7),
    clocksApart: random.chance(0.5) ? 0 : random.scaled(1, 86_400),
    rounds: 2 + random.below(4),
    faults,
    faultRate: random.scaled(0.001, 0.05),
    mostFaults: 1 + random.below(6),
    fates: some(FATES, 0.4),
    fateRate: random.chance(0.3) ? 0 : random.scaled(0.05, 0.6),
    statementFates: isShared ? some(STATEMENT_FATES, 0.5) : [],
    statementFateRate: random.chance(0.4) ? 0 : random.scaled(0.01, 0.2),
    logins: random.chance(0.7) ? 0 : random.between(0.1, 0.6),
  }
}
