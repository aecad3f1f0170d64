// The output of `hq-token history --json`. May touch zod only.
import { z } from 'zod'
import { fingerprint, formatVersion, instant, instantOrNull } from './parts.js'

const entry = z.object({
  sequence: z
    .int()
    .min(0)
    .describe('Numbers the events of this store; a move goes on from the number of the new one.'),
  at: instant('When it happened'),
  event: z.string().describe('seed, login, refresh, logout or move; a later version may have other events.'),
  outcome: z
    .string()
    .describe(
      'done; unfinished: under way, or broken off; else the code of the error, as in docs/exit-codes.md.',
    ),
  generation: z.int().min(0).describe('Rises by one with each new token pair.'),
  access: fingerprint('access'),
  refresh: fingerprint('refresh'),
  note: z
    .string()
    .nullable()
    .describe('For people; may quote the server, and holds no secret; null where there is none.'),
  grant: z
    .string()
    .nullable()
    .describe('Names the grant: a login or a seed begins another; null in an entry of an older version.'),
  host: z.string().nullable().describe('The host that made the entry; null where the store is not shared.'),
})

/**
 * The output of `hq-token history --json`.
 *
 * @category Start here
 */
export const historySchema = z
  .object({
    format_version: formatVersion(),
    store: z.string().describe('The place of the store: a file, or a database and the name of its row.'),
    host: z.string().describe('The host that the command ran on.'),
    entries: z.array(entry).describe('Newest first; none where nothing has happened yet.'),
  })
  .meta({
    title: 'hq-token history --json',
    description: 'What happened to the token set, by fingerprints.',
  })

/**
 * The value that `historySchema` reads.
 *
 * @category Start here
 */
export type HistoryReport = z.infer<typeof historySchema>

const branch = z.object({
  store: z.string().describe('The place of the store.'),
  host: z.string().describe('The host that its history was printed on.'),
  sequence: z.int().min(0).nullable().describe('The common entry in this history; null where there is none.'),
  refreshes: z.int().min(0).describe('Token pairs that this store has got since, by refreshes.'),
  spent_at: instantOrNull(
    'When this store first sent the common refresh token since, so that the server may have replaced it or has refused it; null where it has not',
  ),
  spent_outcome: z
    .string()
    .nullable()
    .describe('What came of that: an outcome as in history --json; null where it has not sent it.'),
  left_at: instantOrNull(
    'When a login or a seed brought another grant here, or a logout ended this one; null where the store has it still',
  ),
})

/**
 * The output of `hq-token history --compare FILE --json`.
 *
 * @category Start here
 */
export const historyComparisonSchema = z
  .object({
    format_version: formatVersion(),
    relation: z
      .enum(['unrelated', 'prefix', 'forked'])
      .describe(
        'unrelated: no token is in both histories. prefix: one of the two at most has used the grant since the common entry. forked: both have; or common_sequence is null, and it cannot be told any more.',
      ),
    common_sequence: z
      .int()
      .min(0)
      .nullable()
      .describe('The newest entry that both had, in the history of this store; null where there is none.'),
    common_refresh: fingerprint('refresh')
      .nullable()
      .describe('The fingerprint of the refresh token of that entry; null where there is none.'),
    common_at: instantOrNull('When that entry was made; null where there is none'),
    here: branch.describe('This store.'),
    other: branch.describe('The store of the file that was read.'),
  })
  .meta({
    title: 'hq-token history --compare FILE --json',
    description: 'Whether two stores had one grant, where they parted, and which of them has used it since.',
  })

/**
 * The value that `historyComparisonSchema` reads.
 *
 * @category Start here
 */
export type HistoryComparison = z.infer<typeof historyComparisonSchema>
