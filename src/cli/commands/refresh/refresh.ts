// Refreshes now, for a keep-alive job. Prints no token.
import type { RefreshFlags } from './options.js'
import type { Session } from '../../session.js'
import type { Client } from '../../../core/client.js'
import { rfc3339 } from '../../../core/clock.js'
import { expiresAt } from '../../../core/policy.js'

/** Refreshes now. Standard output stays empty, so that a cron job has nothing to discard. */
export async function refresh(session: Session, { ifOlder, rebind }: RefreshFlags): Promise<void> {
  const { world, guard, voice } = session
  const { set, renewed, rebound } = await guard.refresh({
    ...(ifOlder !== undefined && { ifOlder }),
    ...(rebind === true && { rebind }),
  })
  const until = rfc3339(expiresAt(set.pair, world.clock()))
  if (rebind === true)
    voice.tell({
      level: 'info',
      message:
        rebound === null
          ? 'nothing had to be rebound: the configuration names the address that the grant is bound to'
          : `the grant was bound to ${addressOf(rebound.from)}, and is bound to ${addressOf(rebound.to)} now`,
    })
  // A person sees what was done. A job that went well says nothing.
  const say = world.stderr.isTTY === true ? voice.tell : voice.notice
  say({
    level: 'info',
    message: renewed
      ? `refreshed; the access token is good until ${until}`
      : `not refreshed: the last refresh is recent enough; the access token is good until ${until}`,
  })
}

function addressOf({ tokenUrl, issuer }: Client): string {
  return tokenUrl ?? issuer ?? 'an address that is not known'
}
