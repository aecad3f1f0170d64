// Tells how long ago a seat has asked the database, and whether its token may be handed out without asking again. Pure,
// and light enough for the warm path.
import type { ClockReading } from '../../core/clock.js'
import type { TokenSet } from '../../core/token-set.js'

/** Seconds for which an unreachable database is not asked again for a token that this seat can hand out. */
const UNREACHABLE_PAUSE = 10

/** The part of what a seat remembers that this is about. */
export interface Recent {
  /** The set as it was seen last, without its refresh tokens. */
  readonly set: TokenSet | undefined
  /** When the registry was last asked. */
  readonly checkedAt: ClockReading | null
  /** When it was last out of reach. */
  readonly unreachableAt: ClockReading | null
}

/** Seconds since an instant; infinite if no clock of this machine can tell. */
export function secondsSince(then: ClockReading, at: ClockReading): number {
  const isSameBoot = then.boot !== null && then.boot === at.boot
  const seconds = isSameBoot ? at.uptime - then.uptime : at.now - then.now
  return seconds >= 0 ? seconds : Infinity
}

/**
 * Whether the remembered set may be judged without a look: nothing is wrong with it, nobody renews it, and the last
 * look is recent.
 *
 * @param recheck Seconds.
 */
export function isRecent(known: Recent, at: ClockReading, recheck: number): boolean {
  return known.set?.intent === null && isChecked(known, at, recheck)
}

/** Whether the last look at a set that works is recent, by a tenth of the token's life too. */
export function isChecked({ set, checkedAt }: Recent, at: ClockReading, recheck: number): boolean {
  if (set === undefined || checkedAt === null || set.refusedAt !== null) return false
  return secondsSince(checkedAt, at) < Math.min(recheck, set.pair.lifetime / 10)
}

/** Whether the database was out of reach a moment ago. */
export function wasUnreachable({ unreachableAt }: Recent, at: ClockReading): boolean {
  return unreachableAt !== null && secondsSince(unreachableAt, at) < UNREACHABLE_PAUSE
}
