// Turns instants of a shared store from the database's time into this machine's, and back. Pure: hosts whose clocks
// differ would else take each other's new tokens for expired.
import type { ClockReading } from '../../core/clock.js'
import type { HistoryEntry, PendingLogin, Rescued } from '../../core/store-ports.js'
import type { Discovered } from '../../core/ports.js'
import type { TokenPair, TokenSet } from '../../core/token-set.js'
import type { Seen } from './registry.js'

/** The row as it was seen, with the set by this machine's clocks. */
export interface Look {
  readonly seen: Seen
  readonly set: TokenSet | undefined
  /** Seconds to add to an instant of the database. */
  readonly offset: number
  readonly at: ClockReading
}

/** Seconds of difference that count as none: both clocks are read in whole seconds, one after the other. */
const NO_DIFFERENCE = 2

/** Seconds to add to an instant of the database for this machine's. @param now The database's time, in seconds. */
export function offsetOf(at: ClockReading, now: number): number {
  const offset = at.now - Math.floor(now)
  return Math.abs(offset) < NO_DIFFERENCE ? 0 : offset
}

export function localized(seen: Seen, at: ClockReading): Look {
  const offset = offsetOf(at, seen.now)
  return { seen, set: seen.set && hereSet(seen.set, offset, at), offset, at }
}

/** A set that was read from the database, by this machine's clocks. @param at When it was read. */
export function hereSet(set: TokenSet, offset: number, at: ClockReading): TokenSet {
  const shifted = shiftSet(set, offset)
  return {
    ...shifted,
    pair: ofOwnUptime(shifted.pair, at),
    previous: shifted.previous && ofOwnUptime(shifted.previous, at),
  }
}

/** The same set as the database keeps it. */
export function thereSet(set: TokenSet, offset: number): TokenSet {
  return shiftSet(set, -offset)
}

/** An answer that was read from the database, by this machine's clocks. @param at When it was read. */
export function hereAnswer(record: Rescued, offset: number, at: ClockReading): Rescued {
  const { answer } = shiftAnswer(record, offset)
  return { ...record, answer: { ...answer, sentAt: byOwnUptime(answer.sentAt, at) } }
}

/** The same answer as the database keeps it. */
export function thereAnswer(record: Rescued, offset: number): Rescued {
  return shiftAnswer(record, -offset)
}

/** Another host that takes up an answer counts the life of its pair from when the request was sent. */
function shiftAnswer(record: Rescued, offset: number): Rescued {
  const { answer } = record
  const { sentAt } = answer
  return { ...record, answer: { ...answer, sentAt: { ...sentAt, now: sentAt.now + offset } } }
}

export function shiftLogin(login: PendingLogin, offset: number): PendingLogin {
  return { ...login, begunAt: login.begunAt + offset }
}

export function shiftDiscovered(discovered: Discovered, offset: number): Discovered {
  return { ...discovered, at: discovered.at + offset }
}

export function shiftEntry(entry: HistoryEntry, offset: number): HistoryEntry {
  return { ...entry, at: entry.at + offset }
}

function ofOwnUptime(pair: TokenPair, at: ClockReading): TokenPair {
  return { ...pair, obtained: byOwnUptime(pair.obtained, at) }
}

/**
 * An instant of another machine gets the uptime that this machine had then, so that a clock which jumps from now on is
 * noticed here too.
 */
function byOwnUptime(instant: ClockReading, at: ClockReading): ClockReading {
  if (at.boot !== null && instant.boot === at.boot) return instant
  // In the future: the database's clock was set back, and no clock tells the age.
  if (instant.now > at.now) return { ...instant, boot: null }
  return { ...instant, boot: at.boot, uptime: at.uptime - (at.now - instant.now) }
}

function shiftSet(set: TokenSet, offset: number): TokenSet {
  if (offset === 0) return set
  const shift = (instant: number | null): number | null => (instant === null ? null : instant + offset)
  const shiftPair = (pair: TokenPair): TokenPair => ({
    ...pair,
    obtained: { ...pair.obtained, now: pair.obtained.now + offset },
    refreshExpiresAt: shift(pair.refreshExpiresAt),
  })
  return {
    ...set,
    pair: shiftPair(set.pair),
    previous: set.previous && shiftPair(set.previous),
    lastRefreshAt: shift(set.lastRefreshAt),
    lastFailure: set.lastFailure && { ...set.lastFailure, at: set.lastFailure.at + offset },
    backoffUntil: shift(set.backoffUntil),
    notBefore: shift(set.notBefore),
    refusedAt: shift(set.refusedAt),
    bareSince: shift(set.bareSince),
    intent: set.intent && { ...set.intent, at: set.intent.at + offset },
    rejectedAt: shift(set.rejectedAt),
    cameFrom: set.cameFrom && { ...set.cameFrom, at: set.cameFrom.at + offset },
    seedFile: set.seedFile && { ...set.seedFile, spentAt: shift(set.seedFile.spentAt) },
  }
}
