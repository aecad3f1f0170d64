import { loadConfig } from '../config/load.js'
import { locate, type Surroundings } from '../config/locate.js'
import type { Clock } from '../core/moment.js'
import { expiresAt, expiryPolicy, judge } from '../core/policy.js'
import { peek } from '../store/peek.js'
import { formatted } from './formats.js'
import type { PlainGet } from './plain.js'

/**
 * The warm path: what `hq-token get` prints when the store already holds a fresh token. The configuration is read,
 * and the token judged and written, by the very functions of the full path.
 *
 * @returns `undefined` only means "take the full path": nothing is written, waited for, reported or thrown.
 */
export function warmAnswer(
  { options, flags }: PlainGet,
  { clock, ...around }: Surroundings & { readonly clock: Clock },
): string | undefined {
  const { rejected, format, time, minValid = time } = flags
  if (rejected !== undefined) return undefined
  try {
    const { store, refresh, notices } = loadConfig({ ...around, ...locate(options, around) })
    if (notices.length > 0) return undefined
    const set = peek(store.path)
    if (set === undefined || set.refusedAt !== null || set.pair.tokenType.toLowerCase() !== 'bearer')
      return undefined
    const at = clock()
    const policy = expiryPolicy(refresh.early, refresh.minValid)
    const { verdict, left } = judge(set, at, policy, minValid === undefined ? {} : { minValid })
    // A token that lives less long than was asked for is served with a warning.
    if (verdict !== 'fresh' || left < (minValid ?? 0)) return undefined
    const token = {
      secret: set.pair.accessToken,
      tokenType: 'Bearer',
      expiresAt: expiresAt(set.pair, at),
    } as const
    return formatted(token, format, at.now)
  } catch {
    return undefined
  }
}
