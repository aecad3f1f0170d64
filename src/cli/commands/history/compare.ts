// Compares this store's history with another's, which `hq-token history --json` has printed. Reads only.
import { createReadStream } from 'node:fs'
import { instant } from '../../../core/lifetime.js'
import { rfc3339 } from '../../../core/clock.js'
import { textOf } from '../../../core/encoding.js'
import { UsageError } from '../../../core/errors.js'
import {
  compareHistories,
  type Branch,
  type Compared,
  type Comparison,
} from '../../../core/history-comparison.js'
import { hints } from '../../../platform/hints.js'
import type { HistoryComparison, HistoryReport } from '../../../schemas/history.js'
import type { Session } from '../../session.js'
import { readAll } from '../../terminal/input.js'
import { printable, writeJson, writeReport } from '../../terminal/output.js'
import { reportOn } from './history.js'

const COMPARE = 'hq-token history --compare -'
/** Without the name of the program: a hint adds the options of this run to it, and this is for another host. */
const WHOLE = 'history --json --limit 0'
/** Entries that a store keeps. */
const RING = 512

/** Tells whether two stores had one grant, and which of them has used it since. Reads only. */
export async function compare(session: Session, file: string, json: boolean): Promise<void> {
  const { world, store } = session
  const other = await reportIn(session, file)
  const here = reportOn(session, await store.history())
  const found = compareHistories(entriesOf(here), entriesOf(other))
  if (json) await writeJson(world, comparisonOn(found, here, other))
  else await writeReport(world, `${described(found, here, other).map(printable).join('\n')}\n`)
}

/** @throws {UsageError} what is read is not what `history --json` prints; nothing of it is quoted */
async function reportIn({ world }: Session, file: string): Promise<HistoryReport> {
  if (file === '') throw new UsageError('--compare is given an empty name', { hint: hints.fed(COMPARE) })
  const from = file === '-' ? 'standard input' : file
  const bytes = await bytesOf(world.stdin, file)
  if (bytes.length === 0)
    throw new UsageError(`${from} is empty`, {
      hint: `it must hold what the other hq-token prints for: ${WHOLE}`,
    })
  const { historySchema } = await import('../../../schemas/history.js')
  const read = historySchema.safeParse(parsed(textOf(bytes)))
  if (read.success) return read.data
  const [issue] = read.error.issues
  const key = issue?.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
  const wrong =
    key === undefined || key === ''
      ? 'it is no JSON object'
      : `${key.replace(/^\./, '')} is missing, or is not as it should be`
  throw new UsageError(`${from} is not what hq-token history --json prints: ${wrong}`, {
    hint: `print it anew where the other store is: ${WHOLE}`,
  })
}

async function bytesOf(stdin: Session['world']['stdin'], file: string): Promise<Buffer> {
  if (file === '-') return readAll(stdin, 'the other history', COMPARE)
  const stream = createReadStream(file)
  try {
    return await readAll(stream, 'the other history', COMPARE)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new UsageError(`${file} cannot be read (${code})`, {
      hint: 'hq-token history --compare FILE, or - for standard input',
      cause: error,
    })
  } finally {
    stream.destroy()
  }
}

/** `undefined` for what is no JSON: a parser's error quotes the text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function entriesOf({ entries }: HistoryReport): Compared[] {
  return entries.map(({ at, event, ...entry }) => ({
    ...entry,
    // The schema has seen the instant; a word of a later version is none of those that are compared.
    at: instant(at) ?? 0,
    event: event as Compared['event'],
  }))
}

function comparisonOn(
  { relation, common, here, other }: Comparison,
  { store, host }: HistoryReport,
  theirs: HistoryReport,
): HistoryComparison {
  const at = (event: { readonly at: number } | null): string | null => event && rfc3339(event.at)
  const branch = ({
    sequence,
    refreshes,
    spent,
    left,
  }: Branch): Omit<HistoryComparison['here'], 'store' | 'host'> => ({
    ...{ sequence, refreshes, spent_at: at(spent), spent_outcome: spent?.outcome ?? null },
    left_at: at(left),
  })
  return {
    format_version: 1,
    relation,
    common_sequence: common?.sequence ?? null,
    common_refresh: common?.refresh ?? null,
    common_at: at(common),
    here: { store, host, ...branch(here) },
    other: { store: theirs.store, host: theirs.host, ...branch(other) },
  }
}

type Side = 'here' | 'other'

const NAMES = { here: 'this store', other: 'the other' } as const
const OPPOSITE = { here: 'other', other: 'here' } as const

/** The comparison for people, a line for each thing to know. */
function described(found: Comparison, here: HistoryReport, other: HistoryReport): readonly string[] {
  const { relation, common } = found
  if (common === null) return [...withoutCommon(relation, here, other), ...partial(other)]
  const where = `${rfc3339(common.at)} (sequence ${common.sequence}, refresh ${common.refresh})`
  const [ours, its] = [found.here.refreshes, found.other.refreshes]
  const isUsed = ours > 0 || its > 0 || found.here.spent !== null || found.other.spent !== null
  const first = isUsed
    ? `same until ${where}; then this store: ${ours === 0 ? 'no' : ours} ${ours === 1 ? 'refresh' : 'refreshes'}, the other: ${its === 0 ? 'none' : its}`
    : `the same history until ${where}`
  const lefts = (['here', 'other'] as const).flatMap((side) => leaving(side, found[side]))
  if (relation === 'forked') return [first, conflict(found, common.refresh, lefts.length === 0), ...lefts]
  return isUsed && lefts.length === 0 ? [first, copy(found, here, other)] : [first, ...lefts]
}

function withoutCommon(
  relation: Comparison['relation'],
  here: HistoryReport,
  other: HistoryReport,
): readonly string[] {
  if (relation === 'unrelated') return ['not the same grant: no token is in both histories']
  const span = ({ entries }: HistoryReport): string =>
    `${entries.at(-1)?.at ?? ''} to ${entries[0]?.at ?? ''}`
  return [
    `the same grant, but no common entry is left: this history is from ${span(here)}, the other from ${span(other)}`,
    'whether both have used it cannot be told: stop one of the two',
  ]
}

/** A history that is not whole may lack the common entry. */
function partial({ entries }: HistoryReport): readonly string[] {
  const oldest = entries.at(-1)?.sequence ?? 1
  return oldest > 1 && entries.length < RING
    ? [`the other history is a part only; all of it: hq-token ${WHOLE}`]
    : []
}

function leaving(side: Side, { left }: Branch): readonly string[] {
  if (left === null) return []
  const what =
    left.event === 'logout' ? 'ended this grant by a logout' : `has had another grant since a ${left.event}`
  return [`${NAMES[side]} ${what} at ${rfc3339(left.at)}: it does not use this one any more`]
}

/** @param isGoingOn Whether both still have the grant that both have used. */
function conflict(found: Comparison, refresh: string, isGoingOn: boolean): string {
  const { here, other } = found
  if (here.spent === null && other.spent === null)
    return 'the server has not replaced the refresh token: neither ends the grant of the other'
  const last = wasLast(here.spent, other.spent) ? 'here' : 'other'
  const { at = 0, outcome = '' } = found[last].spent ?? {}
  const came =
    outcome === 'done' ? '' : outcome === 'HQ_LOGIN_REQUIRED' ? ', and was refused' : ` (${outcome})`
  const advice = isGoingOn ? ': stop one of the two' : ''
  return `${NAMES[last]} ${outcome === 'done' ? 'spent' : 'sent'} ${refresh} last, at ${rfc3339(at)}${came}${advice}`
}

/** By the clocks of two hosts; but a store that was refused came after the one that got a pair, whatever they say. */
function wasLast(one: Branch['spent'], other: Branch['spent']): boolean {
  if (one === null || other === null) return one !== null
  const [isDone, isOtherDone] = [one.outcome === 'done', other.outcome === 'done']
  return isDone === isOtherDone ? one.at > other.at : isOtherDone
}

/** One of the two has used the grant alone. */
function copy({ here, other }: Comparison, ours: HistoryReport, theirs: HistoryReport): string {
  const unused: Side = here.refreshes > 0 || here.spent !== null ? 'other' : 'here'
  if (unused === 'other' && ours.store === theirs.store && ours.host === theirs.host)
    return 'the other is this very store, as it was then: there is no copy'
  const [name, user] = [NAMES[unused], NAMES[OPPOSITE[unused]]]
  const { refreshes, spent } = unused === 'here' ? other : here
  if (refreshes === 0 && spent?.outcome === 'HQ_LOGIN_REQUIRED')
    return `${user} was refused at ${rfc3339(spent.at)}, and not because of ${name}, which was not used since`
  const what = `${name} is a copy that was not used since`
  return spent === null ? what : `${what}; used again, it ends the grant of ${user}`
}
