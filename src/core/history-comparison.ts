// Compares the histories of two stores: whether one grant is in both, and which of them has used it since. Pure.
import type { HistoryEntry } from './store-ports.js'

/** The part of an entry that is compared. */
export type Compared = Pick<
  HistoryEntry,
  'sequence' | 'at' | 'event' | 'outcome' | 'access' | 'refresh' | 'grant'
>

/** The history of one store since the entry that both have. */
export interface Branch {
  /** The sequence of the common entry in this history; `null` if none is left. */
  readonly sequence: number | null
  /** Token pairs that a refresh has brought since. */
  readonly refreshes: number
  /** The first request that may have spent the common refresh token; `null` if there was none. */
  readonly spent: Pick<Compared, 'at' | 'outcome'> | null
  /** The event that put another grant, or none, into this store; `null` if the store has the common one. */
  readonly left: Pick<Compared, 'at' | 'event'> | null
}

/**
 * `unrelated`: no grant is in both. `prefix`: one store at most has used the grant since the common entry. `forked`: both
 * have, or it cannot be told any more.
 */
export interface Comparison {
  readonly relation: 'unrelated' | 'prefix' | 'forked'
  /** The newest pair that both stores had, by this store's entry; `null` if no such entry is left. */
  readonly common: Pick<Compared, 'sequence' | 'at' | 'refresh'> | null
  readonly here: Branch
  readonly other: Branch
}

/**
 * Outcomes after which the server may have replaced the refresh token, or has refused it. Any other failure leaves the token
 * as it was.
 */
const USES: readonly string[] = ['done', 'unfinished', 'HQ_OUTCOME_UNKNOWN', 'HQ_LOGIN_REQUIRED']

/**
 * Finds where two histories part, by the tokens and not by the sequence: two stores with the same seed count alike, and a
 * move counts on from the new store's number.
 *
 * @param here Entries in any order.
 * @param other Entries in any order.
 */
export function compareHistories(here: readonly Compared[], other: readonly Compared[]): Comparison {
  const [mine, theirs] = [oldestFirst(here), oldestFirst(other)]
  const common = newestCommon(mine, theirs)
  if (common === undefined) {
    const grants = new Set(mine.map(({ grant }) => grant))
    const isSameGrant = theirs.some(({ grant }) => grant !== null && grants.has(grant))
    const unknown: Branch = { sequence: null, refreshes: 0, spent: null, left: null }
    const relation = isSameGrant ? 'forked' : 'unrelated'
    return { relation, common: null, here: unknown, other: unknown }
  }
  const [ours, its] = [branch(mine, common[0], theirs), branch(theirs, common[1], mine)]
  const { sequence, at, refresh } = common[0]
  return {
    relation: ours.isUsed && its.isUsed ? 'forked' : 'prefix',
    common: { sequence, at, refresh },
    here: ours.branch,
    other: its.branch,
  }
}

function oldestFirst(entries: readonly Compared[]): readonly Compared[] {
  return entries.toSorted((one, next) => one.sequence - next.sequence)
}

/**
 * The newest pair that is in both. A server that does not replace the refresh token tells pairs apart by the access token;
 * a refresh token alone is compared for a seed that was made of another store's token.
 */
function newestCommon(
  mine: readonly Compared[],
  theirs: readonly Compared[],
): readonly [Compared, Compared] | undefined {
  const common = [pairOf, refreshOf].flatMap((key) => {
    const known = firsts(theirs, key)
    return [...firsts(mine, key)].flatMap(([name, entry]) => {
      const same = known.get(name)
      return same === undefined ? [] : [[entry, same] as const]
    })
  })
  return common.toSorted(([one], [next]) => next.sequence - one.sequence)[0]
}

const pairOf = ({ access, refresh }: Compared): string => `${access} ${refresh}`
const refreshOf = ({ refresh }: Compared): string => refresh

/** The first entry of each pair: a failure repeats the pair that stays, and `seed --force` may bring one back. */
function firsts(
  entries: readonly Compared[],
  key: (entry: Compared) => string,
): ReadonlyMap<string, Compared> {
  const found = new Map<string, Compared>()
  for (const entry of entries) if (!found.has(key(entry))) found.set(key(entry), entry)
  return found
}

function branch(
  entries: readonly Compared[],
  common: Compared,
  others: readonly Compared[],
): { readonly branch: Branch; readonly isUsed: boolean } {
  const copied = new Set(others.map(sameness))
  const since = entries.slice(entries.indexOf(common) + 1).filter((entry) => !copied.has(sameness(entry)))
  const firstEntries = new Set(firsts(entries, refreshOf).values())
  const end = since.findIndex((entry) => endsGrant(entry, firstEntries))
  const left = since[end]
  const uses = since
    .slice(0, end === -1 ? since.length : end)
    .filter(({ event, outcome }) => event === 'refresh' && USES.includes(outcome))
  const known = new Set(entries.slice(0, entries.indexOf(common) + 1).map(pairOf))
  const brought = uses.filter(({ outcome }) => outcome === 'done').map(pairOf)
  // A pair with the same refresh token has spent nothing: this server does not replace it.
  const spent = uses.find(({ outcome, refresh }) => outcome !== 'done' || refresh !== common.refresh)
  return {
    isUsed: uses.length > 0,
    branch: {
      sequence: common.sequence,
      refreshes: new Set(brought.filter((pair) => !known.has(pair))).size,
      spent: spent === undefined ? null : { at: spent.at, outcome: spent.outcome },
      left: left === undefined ? null : { at: left.at, event: left.event },
    },
  }
}

/**
 * Names an entry. An entry that both stores have was copied: a failure from before the copy is no use of the token in
 * either since then.
 */
function sameness({ event, at, outcome, access, refresh }: Compared): string {
  return [event, at, outcome, access, refresh].join(' ')
}

/** A login or a seed brings another grant, unless its token was here before: `seed --force` may bring one back. */
function endsGrant(entry: Compared, firstEntries: ReadonlySet<Compared>): boolean {
  const { event, outcome } = entry
  if (outcome !== 'done') return false
  return event === 'logout' || ((event === 'login' || event === 'seed') && firstEntries.has(entry))
}
