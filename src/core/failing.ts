// Finds since when refreshes fail. Decides nothing, and has no words for people.
import type { HistoryEntry } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/**
 * Since when refreshes have failed without a success between; `null` if the last one has not failed. A history that
 * does not reach back so far gives its oldest failure.
 *
 * @param history Newest first.
 * @returns Epoch seconds.
 */
export function failingSince(
  { failures, lastFailure }: Pick<TokenSet, 'failures' | 'lastFailure'>,
  history: readonly HistoryEntry[],
): number | null {
  if (failures === 0 || lastFailure === null) return null
  const success = history.findIndex(({ event, outcome }) => event !== 'move' && outcome === 'done')
  const since = history
    .slice(0, success === -1 ? undefined : success)
    .filter(({ event, outcome }) => event === 'refresh' && outcome !== 'unfinished')
    .at(-1)
  return Math.min(since?.at ?? lastFailure.at, lastFailure.at)
}
