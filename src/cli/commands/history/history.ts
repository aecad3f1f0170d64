// Shows what happened to the token set. Reads only.
import type { HistoryFlags } from './command.js'
import { seconds } from '../../../core/duration.js'
import { UsageError } from '../../../core/errors.js'
import { instant } from '../../../core/lifetime.js'
import { rfc3339 } from '../../../core/clock.js'
import type { HistoryEntry } from '../../../core/store-ports.js'
import type { HistoryReport } from '../../../schemas/history.js'
import type { Session } from '../../session.js'
import { printable, writeJson, writeReport } from '../../terminal/output.js'
import { columnsOf, palette } from '../../terminal/style.js'
import { cutTo, widthOf } from '../../terminal/width.js'
import type { World } from '../../world.js'

/** Shows the events of the token set, newest first. Reads only: takes no lock and makes nothing. */
export async function history(session: Session, { limit, since, json }: HistoryFlags): Promise<void> {
  const { world, store, voice } = session
  const first = since === undefined ? -Infinity : earliest(since, world.clock().now)
  const all = await store.history()
  const entries = all.filter(({ at }) => at >= first).slice(0, limit === 0 ? all.length : limit)
  if (json === true) {
    await writeJson(world, reportOn(session, entries))
  } else if (entries.length > 0) await writeReport(world, table(entries, store.isShared, world))
  else
    voice.tell({
      level: 'info',
      message: all.length === 0 ? 'no history yet' : `no history since ${rfc3339(first)}`,
    })
}

/** @throws {UsageError} */
function earliest(text: string, now: number): number {
  // A plain number is an instant here, as `seed --issued-at` takes it; a duration names its unit.
  const time = instant(text)
  if (time !== undefined) return time
  const span = seconds(text)
  if (span !== undefined && !/^\d+$/.test(text)) return now - span
  throw new UsageError('--since takes a duration, a time as in RFC 3339, or seconds since 1970', {
    hint: 'hq-token history --since 7d, or: hq-token history --since 2026-11-01T09:30:00Z',
  })
}

export function reportOn({ store, world }: Session, entries: readonly HistoryEntry[]): HistoryReport {
  return {
    format_version: 1,
    store: store.name,
    host: world.host().name,
    entries: entries.map(({ at, sequence, event, outcome, generation, access, refresh, note, ...more }) => ({
      ...{ sequence, at: rfc3339(at), event, outcome, generation, access, refresh, note },
      grant: more.grant,
      host: more.host ?? null,
    })),
  }
}

/** Columns that a note must have beside the others; else it goes below its line. */
const NOTE_ROOM = 24
const GAP = '  '

interface Column {
  readonly name: string
  readonly of: (entry: HistoryEntry) => string
  readonly isNumber?: true
  readonly isShared?: true
}

const COLUMNS: readonly Column[] = [
  { name: 'TIME', of: ({ at }) => rfc3339(at) },
  { name: 'EVENT', of: ({ event }) => event },
  { name: 'OUTCOME', of: ({ outcome }) => outcome },
  { name: 'GEN', of: ({ generation }) => String(generation), isNumber: true },
  { name: 'ACCESS', of: ({ access }) => access },
  { name: 'REFRESH', of: ({ refresh }) => refresh },
  { name: 'HOST', of: ({ host }) => host ?? '', isShared: true },
]

function table(entries: readonly HistoryEntry[], isShared: boolean, world: World): string {
  const { dim, green, yellow, red } = palette(world)
  const tone = (outcome: string): ((text: string) => string) =>
    outcome === 'done' ? green : outcome === 'unfinished' ? yellow : red
  const all = COLUMNS.filter((column) => isShared || column.isShared !== true).map((column) => {
    const cells = entries.map((entry) => printable(column.of(entry)))
    return { ...column, cells, width: Math.max(...[column.name, ...cells].map(widthOf)) }
  })
  const screen = columnsOf(world.stdout)
  const widthOfAll = (some: typeof all): number =>
    some.reduce((sum, { width }) => sum + width + GAP.length, 0)
  // The refresh token tells one pair from the next, so a narrow terminal can do without the other.
  const isNarrow = screen !== undefined && widthOfAll(all) - GAP.length > screen
  const columns = all.filter(({ name }) => !isNarrow || name !== 'ACCESS')
  const used = widthOfAll(columns)
  const padded = ({ width, isNumber }: (typeof all)[number], text: string): string => {
    const blanks = ' '.repeat(width - widthOf(text))
    return isNumber === true ? blanks + text : text + blanks
  }
  const isBelow = screen !== undefined && screen - used < NOTE_ROOM
  const room = screen === undefined ? Infinity : screen - (isBelow ? GAP.length : used)
  const line = ({ outcome, note }: HistoryEntry, row: number): string => {
    const cells = columns.map((column) => {
      const text = padded(column, column.cells[row] ?? '')
      return column.name === 'OUTCOME' ? tone(outcome)(text) : text
    })
    const said = note === null ? '' : cutTo(printable(note), room)
    if (!isBelow || said === '') return [...cells, said].join(GAP).trimEnd()
    return `${cells.join(GAP).trimEnd()}\n${GAP}${dim(said)}`
  }
  const names = [...columns.map((column) => padded(column, column.name)), ...(isBelow ? [] : ['NOTE'])]
  return [dim(names.join(GAP).trimEnd()), ...entries.map(line)].map((text) => `${text}\n`).join('')
}
