// Converts between the memory of an alert and the columns of the table `notice`. Reads and writes no file.
import type { AlertKind, AlertRecord } from '../core/alerts.js'
import type { Row } from './row.js'

const KINDS: readonly string[] = ['login_required', 'failing', 'ending', 'recovered'] satisfies AlertKind[]

/** Characters of a failure that are kept; enough for a person. */
const FAILURE_LENGTH = 200

export function toAlertRow(record: AlertRecord): Row {
  return {
    kind: record.kind,
    since: record.since,
    told: record.told,
    told_at: record.toldAt,
    due_at: record.dueAt,
    claimed_at: record.claimedAt,
    failed_at: record.failedAt,
    failure: record.failure?.slice(0, FAILURE_LENGTH) ?? null,
  }
}

/** Leaves out a record that cannot be read. */
export function fromAlertRows(rows: readonly Row[]): AlertRecord[] {
  return rows.flatMap((row) => {
    const [kind, failure] = [row['kind'], row['failure'] ?? null]
    const [since, told, dueAt] = [row['since'], row['told'], row['due_at']].map(integer)
    const [toldAt = null, claimedAt = null, failedAt = null] = [
      row['told_at'],
      row['claimed_at'],
      row['failed_at'],
    ].map(integer)
    const isWhole = since !== undefined && told !== undefined && dueAt !== undefined
    if (!isWhole || !isKind(kind) || typeof failure === 'number') return []
    return [{ kind, since, told, toldAt, dueAt, claimedAt, failedAt, failure }]
  })
}

function isKind(kind: unknown): kind is AlertKind {
  return typeof kind === 'string' && KINDS.includes(kind)
}

function integer(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : undefined
}
