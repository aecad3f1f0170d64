// Sends a test message by each configured way to people. Touches no token; where all ways work, the store forgets that one did
// not.
import { testNotification } from '../../../core/alert-messages.js'
import { ConfigInvalid, Exit, type ExitCode } from '../../../core/errors.js'
import { deliver } from '../../../wiring/deliver.js'
import { allWork, hookEnv, grantPlace } from '../../../wiring/notify.js'
import type { Session } from '../../session.js'
import { printable, writeReport } from '../../terminal/output.js'

/**
 * Tries the notification, and says what came of each way.
 *
 * @returns 78 if one of them failed.
 * @throws {ConfigInvalid} none is configured
 */
export async function notify(session: Session): Promise<ExitCode> {
  const { config, store, world, agent } = session
  if (config.notify === null)
    throw new ConfigInvalid('no notification is configured', {
      hint: `add to ${config.file ?? 'the configuration'}: [notify] and below it command = mail -s "$HQ_TOKEN_EVENT_SUBJECT" you@example.com (or url = https://…)`,
    })
  // The message names the user of the grant, where the store can be read.
  const set = await store.read().catch(() => undefined)
  const place = grantPlace(session, set)
  const message = testNotification(place, world.clock().now)
  const deliveries = await deliver(message, place, config.notify, { env: hookEnv(session), agent })
  const lines = deliveries.map(
    ({ where, problem }) =>
      `${printable(where)}: ${problem === null ? 'the message was taken' : printable(problem)}\n`,
  )
  await writeReport(world, lines.join(''))
  if (deliveries.some(({ problem }) => problem !== null)) return Exit.config
  await allWork(session, world.clock().now)
  return Exit.ok
}
