// Reads what one look at the registry finds from the database's row. Asks nothing.
import { StoreUnusable } from '../../core/errors.js'
import { fromDiscoveredRow, fromLoginRow, fromRow, type Row } from '../row.js'
import { noteFrom } from '../move-note.js'
import type { Seen } from './registry.js'

/** One row of an answer. */
export type Columns = Readonly<Record<string, unknown>>

/** @throws {StoreUnusable} a column is of another type */
export function seenFrom(row: Columns): Seen {
  // A profile that was never used has no row: all of its columns are NULL then.
  const counters = {
    generation: numberOrNull(row, 'generation') ?? 0,
    sequence: numberOrNull(row, 'sequence') ?? 0,
  }
  const timelineNow = textOrNull(row, 'timeline_now')
  return {
    registryId: text(row, 'registry_id'),
    ...counters,
    ...setFrom(row, counters),
    login: read(row, 'login', fromLoginRow),
    discovered: read(row, 'discovered', fromDiscoveredRow),
    lease: {
      seat: textOrNull(row, 'lease_seat'),
      host: textOrNull(row, 'lease_host'),
      term: numberOrNull(row, 'lease_term') ?? 0,
      beat: numberOrNull(row, 'lease_beat') ?? 0,
      ms: numberOrNull(row, 'lease_ms') ?? 0,
      at: numberOrNull(row, 'lease_at'),
    },
    timeline: textOrNull(row, 'timeline'),
    timelineNow,
    timelineSince: textOrNull(row, 'found_timeline') === timelineNow ? numberOrNull(row, 'found_at') : null,
    isSynchronous: row['is_synchronous'] === true,
    startedAt: number(row, 'started_at'),
    now: number(row, 'now'),
  }
}

/** The set, or the note of a move and the set that is closed away beside it. */
function setFrom(row: Columns, counters: Row): Pick<Seen, 'set' | 'move'> {
  const stored = (row['token_set'] ?? null) as Readonly<Record<string, unknown>> | null
  if (typeof stored !== 'object') throw damaged('token_set')
  const isClosed = stored !== null && 'move' in stored
  const columns = ((isClosed ? stored['moving'] : stored) ?? null) as Row | null
  return {
    set: columns === null ? undefined : fromRow({ ...columns, ...counters }),
    move: isClosed ? noteFrom(stored['move']) : undefined,
  }
}

function read<T>(row: Columns, column: string, from: (columns: Row) => T): T | undefined {
  const columns = row[column] ?? null
  return columns === null ? undefined : from(columns as Row)
}

export function number(row: Columns, column: string): number {
  const value = row[column]
  // A bigint that was read as text is a mistake of ours, not damage, and would be compared as text.
  if (typeof value !== 'number') throw damaged(column)
  return value
}

export function text(row: Columns, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw damaged(column)
  return value
}

function numberOrNull(row: Columns, column: string): number | null {
  return row[column] === null ? null : number(row, column)
}

function textOrNull(row: Columns, column: string): string | null {
  return row[column] === null ? null : text(row, column)
}

function damaged(column: string): StoreUnusable {
  return new StoreUnusable(`the store is damaged (column ${column})`)
}
