// Writes a look as gauges of Prometheus, which are valid OpenMetrics too. Decides nothing.
import { CHECK_EXIT, type CheckFinding, type CheckState, type Look } from '../../../core/check.js'
import { packageVersion } from '../../../version.js'

/** The state of one profile, and what its series are labelled by. */
export interface Measured {
  /** The profile's name, `default`, or the path of its config. */
  readonly profile: string
  readonly state: CheckState
  readonly look: Look
  readonly findings: readonly CheckFinding[]
}

/** Gives `null` where it is not known. */
type Gauge = (measured: Measured, now: number) => number | null

/** `null` without a set that could be read. */
function ofGrant(
  gauge: (grant: Extract<Look, { readonly kind: 'grant' }>) => number | null | undefined,
): Gauge {
  return (measured) =>
    isUp(measured) && measured.look.kind === 'grant' ? (gauge(measured.look) ?? null) : null
}

const LOST: ReadonlySet<CheckFinding['what']> = new Set([
  ...(['no-token-set', 'seed-unfit', 'refused', 'likely-dead', 'refresh-over'] as const),
])

/**
 * The help texts may never change: where two textfiles give one metric two of them, node_exporter drops it without a
 * word.
 */
const GAUGES: readonly (readonly [name: string, help: string, gauge: Gauge])[] = [
  [
    'check_status',
    'State of the check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.',
    ({ state }) => CHECK_EXIT[state],
  ],
  ['check_timestamp_seconds', 'When the check was made, in seconds since the epoch.', (_, now) => now],
  ['up', 'Whether the configuration and the store could be read.', (measured) => Number(isUp(measured))],
  [
    'login_required',
    'Whether a person must log in.',
    (measured) => (isUp(measured) ? Number(measured.findings.some(({ what }) => LOST.has(what))) : null),
  ],
  [
    'access_token_expiration_timestamp_seconds',
    'When the access token ends, in seconds since the epoch.',
    ofGrant(({ accessEndsAt }) => accessEndsAt),
  ],
  [
    'refresh_token_expiration_timestamp_seconds',
    'When the refresh token ends, in seconds since the epoch. Absent where the server does not tell.',
    ofGrant(({ refresh }) => refresh?.endsAt),
  ],
  [
    'last_success_timestamp_seconds',
    'When the last refresh succeeded, or else the tokens were obtained, in seconds since the epoch.',
    ofGrant(({ succeededAt }) => succeededAt),
  ],
  [
    'last_failure_timestamp_seconds',
    'When the last refresh failed, in seconds since the epoch. Absent where none has failed since the last success.',
    ofGrant(({ failure }) => failure?.at),
  ],
  [
    'consecutive_failures',
    'Refreshes that have failed since the last success.',
    ofGrant(({ failures }) => failures),
  ],
  [
    'unfinished_since_timestamp_seconds',
    'Since when an exchange is unfinished, in seconds since the epoch. Absent where none is.',
    ofGrant(({ unfinishedSince }) => unfinishedSince),
  ],
  [
    'generation',
    'Rises by one with each new pair of tokens.',
    (measured) => (isUp(measured) ? (measured.look.kind === 'grant' ? measured.look.generation : 0) : null),
  ],
  ['info', 'The version of hq-token.', (measured) => (isUp(measured) ? 1 : null)],
]

/** @param account The user of the system. */
export function metrics(all: readonly Measured[], now: number, account: string): string {
  const groups = GAUGES.map(([name, help, gauge]) => {
    const samples = all.flatMap((measured) => {
      const value = gauge(measured, now)
      const labels = {
        profile: measured.profile,
        account,
        ...(name === 'info' && { version: packageVersion() }),
      }
      return value === null || !Number.isFinite(value)
        ? []
        : [`hq_token_${name}{${labelled(labels)}} ${value}\n`]
    })
    const head = `# HELP hq_token_${name} ${help}\n# TYPE hq_token_${name} gauge\n`
    return samples.length === 0 ? '' : head + samples.join('')
  })
  return `${groups.join('')}# EOF\n`
}

function isUp({ look }: Measured): boolean {
  return look.kind !== 'unread' && !(look.kind === 'grant' && look.seen?.trouble != null)
}

function labelled(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
    .join(',')
}
