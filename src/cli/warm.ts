// The warm path: answers a plain `get` with next to nothing loaded. Reports nothing, and may load no package but
// `ini` and SQLite's addon.
import { loadConfig, namedClient, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import { type Surroundings } from '../config/paths.js'
import type { Clock, ClockReading } from '../core/clock.js'
import { mayUse } from '../core/ownership.js'
import type { Seen, Handover } from '../core/store-ports.js'
import { expiresAt, expiryPolicy, judge, type Verdict } from '../core/policy.js'
import type { TokenSet } from '../core/token-set.js'
import { isBearer } from '../core/token-type.js'
import { peekSeat, placeOf } from '../store/postgres/peek-seat.js'
import { isChecked, isRecent, wasUnreachable } from '../store/postgres/recency.js'
import { isBusy } from '../store/sqlite/addon.js'
import { storePaths } from '../store/files.js'
import { pauses } from '../store/pauses.js'
import { peek, touchedAt } from '../store/sqlite/peek.js'
import { AddonLock } from '../store/sqlite/early-lock.js'
import { formatted } from './commands/get/formats.js'
import type { PlainGet } from './plain.js'

/**
 * The text that `hq-token get` prints if the store already holds a fresh token. The functions of the full path read the
 * configuration, and judge and write the token.
 *
 * If the token must be renewed, the warm path already asks for the lock: of many processes at one instant one loads
 * the rest of the program, and the others wait for its token with what little they have loaded.
 *
 * @returns Without a text: take the full path, and give it the handover if there is one. Nothing is written,
 *   reported or thrown.
 */
export function warmAnswer(plain: PlainGet, around: WarmSurroundings): Warm {
  // With `-v` the full path tells of the refresh token.
  if (plain.flags.rejected !== undefined || plain.options.verbose === true) return {}
  const begun = elapsedMs()
  let handover: Omit<Handover, 'waitedMs'> | undefined
  const waitedMs = (): number => elapsedMs() - begun
  try {
    const { look, path, lockWait } = warmStore(plain, around)
    let touched = touchedAt(path)
    const { verdict, text, seen } = firstLook(look, () => waitedMs() < COMMIT)
    if (verdict === 'fresh') return { text }
    const lock = new AddonLock(storePaths(path))
    handover = { store: path, seen, lock }
    const answer = withEarlyLock(lock, () => {
      let nextTry = 0
      const tryPauses = pauses(10, LOCK_PAUSE)
      for (const pause of pauses(10, 100)) {
        const isTried = waitedMs() >= nextTry
        if (isTried) nextTry = waitedMs() + tryPauses.next().value
        if (isTried && lock.take()) {
          // Another process may have been quicker, so look again.
          const now = look()
          if (now.verdict === 'fresh') return now.text
          // If the other process failed, release before loading the program; else the waiters load it one after
          // another.
          return now.seen.failures > seen.failures ? undefined : KEEP
        }
        // Another process is renewing it already.
        if (verdict === 'due') return text
        if (waitedMs() >= lockWait * 1000) return undefined
        sleepSync(pause)
        const since = touchedAt(path)
        const now = since === touched ? undefined : unlessBusy(look)
        if (now === undefined) continue
        touched = since
        if (now.verdict === 'fresh') return now.text
      }
      return undefined
    })
    if (typeof answer === 'string') return { text: answer }
  } catch {
    // The full path finds out what is wrong, and says it.
  }
  return handover === undefined ? {} : { handover: { ...handover, waitedMs: waitedMs() } }
}

/**
 * The longest pause between two tries to take the lock, in milliseconds. A try finds a holder that has died. The date
 * of the database shows all else, and is read more often, because a try takes a hundred times as long.
 */
const LOCK_PAUSE = 100

/** Says that the full path gets the early lock. */
const KEEP = Symbol('keep')

/** Releases the early lock, unless the full path gets it. No other function of the warm path releases it. */
function withEarlyLock<T>(lock: AddonLock, body: () => T | typeof KEEP): T | typeof KEEP {
  let answer: T | typeof KEEP | undefined
  try {
    return (answer = body())
  } finally {
    if (answer !== KEEP) lock.release()
  }
}

/** The longest wait for a commit, in milliseconds. If a file is busy for longer, the full path waits, and says so. */
const COMMIT = 500

/** Waits for a commit of another process, because the full path would load the program for nothing. */
function firstLook<T>(look: () => T, mayWait: () => boolean): T {
  for (const pause of pauses(10, 100)) {
    const found = unlessBusy(look)
    if (found !== undefined) return found
    if (!mayWait()) break
    sleepSync(pause)
  }
  throw new NeedsFullPath()
}

/** Another process's commit takes a moment: then there is no answer yet. */
function unlessBusy<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (isBusy(error)) return undefined
    throw error
  }
}

export interface Warm {
  /** The text to print. */
  readonly text?: string
  readonly handover?: Handover
}

type WarmSurroundings = Surroundings & { readonly clock: Clock }

interface Found {
  readonly verdict: Verdict
  readonly text: string
  readonly seen: Seen
}

/** Leaves a case to the full path, which has something to say about it. */
class NeedsFullPath extends Error {}

function warmStore({ options, flags }: PlainGet, { clock, ...around }: WarmSurroundings) {
  const { format, time, minValid = time } = flags
  const config = loadConfig({ ...around, ...locate(options, around) })
  const { store, refresh, notices } = config
  if (notices.some(({ level }) => level === 'warning')) throw new NeedsFullPath()
  const policy = expiryPolicy(refresh.early, refresh.minValid)
  const named = namedClient(config)
  const look = (): Found => {
    const { set, verdictOn } = peeked(config)
    if (set === undefined || set.refusedAt !== null || !isBearer(set.pair.tokenType))
      throw new NeedsFullPath()
    if (!mayUse(set, named, config.apiUrl)) throw new NeedsFullPath()
    const at = clock()
    const { verdict, left, hold } = judge(set, at, policy, minValid === undefined ? {} : { minValid })
    // The full path serves a token that lives less long than was asked for, because it prints a warning.
    if (hold !== null || (verdict !== 'expired' && left < (minValid ?? 0))) throw new NeedsFullPath()
    const token = {
      secret: set.pair.accessToken,
      tokenType: 'Bearer',
      expiresAt: expiresAt(set.pair, at),
    } as const
    const { generation, failures } = set
    const text = formatted(token, format, at.now)
    return { verdict: verdictOn(verdict, at), text, seen: { generation, failures } }
  }
  return { look, path: store.path, lockWait: refresh.lockWait }
}

/** The set in the store, or in this host's seat of a store that hosts share. */
function peeked({ store, shared }: Config): {
  readonly set: TokenSet | undefined
  /** Turns the verdict on the set into the one that holds without a look at the database. */
  readonly verdictOn: (verdict: Verdict, at: ClockReading) => Verdict
} {
  if (shared === null) return { set: peek(store.path), verdictOn: (verdict) => verdict }
  const known = peekSeat(store.path, shared.name)
  if (known?.place !== placeOf(shared)) throw new NeedsFullPath()
  return {
    set: known.set,
    verdictOn: (verdict, at) => {
      // The full path says that the database is out of reach.
      if (wasUnreachable(known, at)) throw new NeedsFullPath()
      if (isRecent(known, at, shared.recheck)) return verdict
      // One process of this host asks the database, and the others wait for what it finds.
      if (verdict === 'expired' || known.set?.intent == null) return 'expired'
      // A renewal may last, and nobody waits for it while the token is good.
      if (!isChecked(known, at, shared.recheck)) throw new NeedsFullPath()
      return 'due'
    },
  }
}

/** Blocks the process, because it has nothing else to do, and a signal still ends it. */
function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** A clock that does not jump. Not `performance`, because it takes 1 to 2 % of the run to load. */
function elapsedMs(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
