import { homedir } from 'node:os'
import { locate } from '../config/locate.js'
import { storeSettings } from '../config/settings.js'
import { expiryPolicy, judge } from '../core/policy.js'
import type { Clock } from '../core/moment.js'
import { peek } from '../store/peek.js'

/**
 * The warm path: `hq-token get` when the store already holds a fresh token.
 *
 * It answers a token or `undefined`, and `undefined` only means "take the full path". It never
 * writes, waits, reports or fails, and it skips the settings that a fresh token does not need. It
 * must not reach commander, zod, undici or pg; the import gate checks that.
 */
export function warmToken(argv: readonly string[], env: NodeJS.ProcessEnv, clock: Clock): string | undefined {
  if (argv.length !== 1 || argv[0] !== 'get') return undefined
  try {
    const around = { env, platform: process.platform, homedir }
    const settings = storeSettings({ ...around, ...locate({}, around) })
    if (settings.notices.length > 0) return undefined
    const set = peek(settings.store.path)
    if (set === undefined || set.refusedAt !== null || set.pair.tokenType.toLowerCase() !== 'bearer')
      return undefined
    const policy = expiryPolicy(settings.early, settings.minValid)
    return judge(set, clock(), policy).verdict === 'fresh' ? set.pair.accessToken.reveal() : undefined
  } catch {
    return undefined
  }
}
