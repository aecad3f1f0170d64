import { loadConfig } from '../config/load.js'
import { locate, type Surroundings } from '../config/locate.js'
import type { Clock } from '../core/moment.js'
import type { Seen, Turn } from '../core/ports.js'
import { expiresAt, expiryPolicy, judge, type Verdict } from '../core/policy.js'
import { storePaths } from '../store/files.js'
import { peek } from '../store/peek.js'
import { EarlyLock, pauses } from '../store/turn.js'
import { formatted } from './formats.js'
import type { PlainGet } from './plain.js'

/**
 * The warm path: what `hq-token get` prints when the store already holds a fresh token. The configuration is read,
 * and the token judged and written, by the very functions of the full path.
 *
 * Where the token must be renewed, the lock is asked for here already: of many processes at one instant one loads the
 * rest of the program, and the others wait for what it gets with what little they have loaded.
 *
 * @returns Without a text: take the full path, and give it the turn where there is one. Nothing is written, reported
 *   or thrown.
 */
export function warmAnswer(plain: PlainGet, around: WarmSurroundings): Warm {
  if (plain.flags.rejected !== undefined) return {}
  const begun = performance.now()
  let lock: EarlyLock | undefined
  try {
    const { look, path, lockWait } = warmStore(plain, around)
    const found = look()
    if (found.verdict === 'fresh') return { text: found.text }
    lock = new EarlyLock(storePaths(path))
    for (const pause of pauses()) {
      const waitedMs = performance.now() - begun
      if (lock.take()) {
        // Once more: another process may have been quicker.
        const { verdict, text } = look()
        if (verdict !== 'fresh') return { turn: { release: lock.release, waitedMs, seen: found.seen } }
        lock.release()
        return { text }
      }
      // Somebody is renewing it already.
      const isGood = found.verdict === 'due'
      if (isGood || waitedMs >= lockWait * 1000) {
        lock.release()
        return isGood ? { text: found.text } : { turn: { waitedMs, seen: found.seen } }
      }
      sleepSync(pause)
    }
  } catch {
    lock?.release()
  }
  return {}
}

export interface Warm {
  /** What to print. */
  readonly text?: string
  readonly turn?: Turn
}

type WarmSurroundings = Surroundings & { readonly clock: Clock }

interface Found {
  readonly verdict: Verdict
  readonly text: string
  readonly seen: Seen
}

/** What the full path has something to say about. */
class Unclear extends Error {}

function warmStore({ options, flags }: PlainGet, { clock, ...around }: WarmSurroundings) {
  const { format, time, minValid = time } = flags
  const { store, refresh, notices } = loadConfig({ ...around, ...locate(options, around) })
  if (notices.length > 0) throw new Unclear()
  const policy = expiryPolicy(refresh.early, refresh.minValid)
  const look = (): Found => {
    const set = peek(store.path)
    if (set === undefined || set.refusedAt !== null || set.pair.tokenType.toLowerCase() !== 'bearer')
      throw new Unclear()
    const at = clock()
    const { verdict, left, hold } = judge(set, at, policy, minValid === undefined ? {} : { minValid })
    // A token that lives less long than was asked for is served with a warning.
    if (hold !== null || (verdict !== 'expired' && left < (minValid ?? 0))) throw new Unclear()
    const token = {
      secret: set.pair.accessToken,
      tokenType: 'Bearer',
      expiresAt: expiresAt(set.pair, at),
    } as const
    return { verdict, text: formatted(token, format, at.now), seen: set }
  }
  return { look, path: store.path, lockWait: refresh.lockWait }
}

/** Nothing else is to be done meanwhile, and a signal ends the process as it always does. */
function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
