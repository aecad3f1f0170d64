// Converts between the memory of an alert and the columns of the table `notice`. Reads and writes no file.
import { FAILURE_LENGTH, KINDS, NEVER, type AlertRecord } from '../core/alerts.js'
import type { Row } from './row.js'

export function toAlertRow(record: AlertRecord): Row {
  return {
    kind: record.kind,
    since: record.since,
    told: record.told,
    told_at: record.toldAt,
    due_at: record.dueAt,
    claimed_at: record.claimedAt,
    tries: record.tries,
    failed_at: record.failedAt,
    failure: record.failure?.slice(0, FAILURE_LENGTH) ?? null,
  }
}

/** Leaves out a record that cannot be read: it counts as idle, and the next change replaces it. */
export function fromAlertRows(rows: readonly Row[]): AlertRecord[] {
  return rows.flatMap((row) => {
    const kind = KINDS.find((one) => one === row['kind'])
    const [since, told, dueAt, tries] = ['since', 'told', 'due_at', 'tries'].map((name) => number(row[name]))
    const [toldAt, claimedAt, failedAt] = ['told_at', 'claimed_at', 'failed_at'].map((name) =>
      row[name] === null ? null : number(row[name]),
    )
    const failure = row['failure']
    if (kind === undefined || since === undefined || told === undefined || dueAt === undefined) return []
    if (tries === undefined || toldAt === undefined || claimedAt === undefined || failedAt === undefined)
      return []
    if (failure !== null && typeof failure !== 'string') return []
    return [{ kind, since, told, toldAt, dueAt, claimedAt, tries, failedAt, failure }]
  })
}

function number(value: unknown): number | undefined {
  const isOne = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= NEVER
  return isOne ? value : undefined
}
