import { loadConfig, namedClient } from '../config/load.js'
import { locate, type Surroundings } from '../config/locate.js'
import type { Clock } from '../core/moment.js'
import { mayUse } from '../core/ownership.js'
import type { Seen, Turn } from '../core/ports.js'
import { expiresAt, expiryPolicy, judge, type Verdict } from '../core/policy.js'
import { isBearer } from '../core/token-type.js'
import { isBusy } from '../store/addon.js'
import { storePaths } from '../store/files.js'
import { peek, touchedAt } from '../store/peek.js'
import { AddonLock, pauses } from '../store/turn.js'
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
  let turn: Omit<Turn, 'waitedMs'> | undefined
  const waitedMs = (): number => performance.now() - begun
  try {
    const { look, path, lockWait } = warmStore(plain, around)
    let touched = touchedAt(path)
    const { verdict, text, seen } = look()
    if (verdict === 'fresh') return { text }
    const lock = new AddonLock(storePaths(path))
    turn = { store: path, seen, lock }
    for (const pause of pauses()) {
      if (lock.take()) {
        // Once more: another process may have been quicker.
        const now = look()
        // What only says that it failed is not to be loaded with the lock in hand, by one after the other.
        if (now.verdict === 'fresh' || now.seen.failures > seen.failures) lock.release()
        if (now.verdict === 'fresh') return { text: now.text }
        break
      }
      // Somebody is renewing it already.
      const isGood = verdict === 'due'
      if (isGood || waitedMs() >= lockWait * 1000) {
        lock.release()
        if (isGood) return { text }
        break
      }
      sleepSync(pause)
      const since = touchedAt(path)
      const now = since === touched ? undefined : unlessBusy(look)
      if (now === undefined) continue
      touched = since
      if (now.verdict !== 'fresh') continue
      lock.release()
      return { text: now.text }
    }
  } catch {
    turn?.lock.release()
  }
  return turn === undefined ? {} : { turn: { ...turn, waitedMs: waitedMs() } }
}

/** A commit of somebody else's takes a moment. */
function unlessBusy<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (isBusy(error)) return undefined
    throw error
  }
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
  const config = loadConfig({ ...around, ...locate(options, around) })
  const { store, refresh, notices } = config
  if (notices.some(({ level }) => level === 'warning' || options.verbose === true)) throw new Unclear()
  const policy = expiryPolicy(refresh.early, refresh.minValid)
  const named = namedClient(config)
  const look = (): Found => {
    const set = peek(store.path)
    if (set === undefined || set.refusedAt !== null || !isBearer(set.pair.tokenType)) throw new Unclear()
    if (!mayUse(set, named, config.apiUrl)) throw new Unclear()
    const at = clock()
    const { verdict, left, hold } = judge(set, at, policy, minValid === undefined ? {} : { minValid })
    // A token that lives less long than was asked for is served with a warning.
    if (hold !== null || (verdict !== 'expired' && left < (minValid ?? 0))) throw new Unclear()
    const token = {
      secret: set.pair.accessToken,
      tokenType: 'Bearer',
      expiresAt: expiresAt(set.pair, at),
    } as const
    const { generation, failures } = set
    return { verdict, text: formatted(token, format, at.now), seen: { generation, failures } }
  }
  return { look, path: store.path, lockWait: refresh.lockWait }
}

/** Nothing else is to be done meanwhile, and a signal ends the process as it always does. */
function sleepSync(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
