import type { Session } from '../context.js'
import { rfc3339 } from '../../core/moment.js'
import { expiresAt } from '../../core/policy.js'

export interface RefreshOptions {
  /** Seconds. */
  readonly ifOlder?: number
}

/** Refreshes now; standard output stays empty, so that a cron job can discard nothing. */
export async function refresh({ world, guard, voice }: Session, { ifOlder }: RefreshOptions): Promise<void> {
  const { set, renewed } = await guard.refresh(ifOlder === undefined ? {} : { ifOlder })
  const until = rfc3339(expiresAt(set.pair, world.clock()))
  voice.notice({
    level: 'info',
    message: renewed
      ? `refreshed; the access token is good until ${until}`
      : `not refreshed: the last one is recent enough; the access token is good until ${until}`,
  })
}
