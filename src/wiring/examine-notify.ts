// Looks at the notification for `doctor`: whether there is one, and how the last telling went. Runs and sends nothing.
import type { NotifyConfig } from '../config/notify.js'
import { TROUBLES, untoldOf, type AlertMemory, type AlertStore } from '../core/alerts.js'
import { rfc3339 } from '../core/clock.js'
import { TokenError } from '../core/errors.js'
import { ok, skip, warn, type Finding } from '../core/finding.js'

const NAME = 'notify'

/** @param store `undefined` if it cannot be read. */
export async function inspectNotify(
  config: NotifyConfig | null,
  store: AlertStore | undefined,
): Promise<Finding> {
  if (config === null) return skip(NAME, 'nobody is told of trouble: the configuration has no [notify]')
  const ways = [config.command, config.url].flatMap((way) => (way === null ? [] : [way.where])).join(' and ')
  if (store === undefined) return ok(NAME, `people are told by ${ways}`, TRY)
  try {
    return toldOf(await store.alerts(), ways)
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return warn(NAME, `people are told by ${ways}; when last is not known: ${error.message}`)
  }
}

const TRY = 'hq-token notify --test tries it'

function toldOf(memory: AlertMemory, ways: string): Finding {
  const { records, offset } = memory
  const untold = untoldOf(memory)
  if (untold !== null)
    return warn(
      NAME,
      `a notification could not be delivered since ${rfc3339(untold.since)}: ${untold.failure}`,
      'hq-token notify --test',
    )
  const told = TROUBLES.flatMap(
    (kind) => records.find((one) => one.kind === kind && one.toldAt !== null) ?? [],
  )
  const last = told.map(
    ({ kind, toldAt }) => `told of ${kind.replace('_', ' ')} at ${rfc3339((toldAt ?? 0) + offset)}`,
  )
  return ok(NAME, [`people are told by ${ways}`, ...last].join('; '), last.length === 0 ? TRY : undefined)
}
