// One line of standard error under `--log-format json`. May touch zod and the types of the core only.
import { z } from 'zod'
import type { ErrorCode } from '../core/errors.js'
import type { Notice } from '../core/ports.js'

/** The compiler wants every code here, and no other. */
const codes = {
  HQ_USAGE: 'HQ_USAGE',
  HQ_LOGIN_REQUIRED: 'HQ_LOGIN_REQUIRED',
  HQ_SEED_INVALID: 'HQ_SEED_INVALID',
  HQ_STORE_UNUSABLE: 'HQ_STORE_UNUSABLE',
  HQ_LOCK_TIMEOUT: 'HQ_LOCK_TIMEOUT',
  HQ_STORE_BUSY: 'HQ_STORE_BUSY',
  HQ_STORE_UNREACHABLE: 'HQ_STORE_UNREACHABLE',
  HQ_SERVER_UNAVAILABLE: 'HQ_SERVER_UNAVAILABLE',
  HQ_OUTCOME_UNKNOWN: 'HQ_OUTCOME_UNKNOWN',
  HQ_CONFIG_INVALID: 'HQ_CONFIG_INVALID',
  HQ_OTHER_CLIENT: 'HQ_OTHER_CLIENT',
  HQ_CLIENT_REFUSED: 'HQ_CLIENT_REFUSED',
  HQ_OUTPUT_FAILED: 'HQ_OUTPUT_FAILED',
  HQ_API_REFUSED: 'HQ_API_REFUSED',
  HQ_COMMAND_NOT_FOUND: 'HQ_COMMAND_NOT_FOUND',
  HQ_COMMAND_NOT_EXECUTABLE: 'HQ_COMMAND_NOT_EXECUTABLE',
} as const satisfies { readonly [Code in ErrorCode]: Code }

const events = {
  seed_imported: 'seed_imported',
  seed_disregarded: 'seed_disregarded',
} as const satisfies { readonly [Event in NonNullable<Notice['event']>]: Event }

/**
 * One line of what any command writes to standard error under `--log-format json`. Keys that do not apply are missing.
 *
 * @category Start here
 */
export const logLineSchema = z
  .object({
    time: z.iso.datetime().describe('When the line was written. UTC, as in RFC 3339, with milliseconds.'),
    level: z.enum(['error', 'warning', 'info']).describe('error: the command ends with another code than 0.'),
    code: z
      .enum(codes)
      .describe(
        'The code of an error, as in docs/exit-codes.md; missing for warnings, information, and a bug in hq-token.',
      )
      .exactOptional(),
    message: z.string().describe('For people; holds no secret.'),
    event: z.enum(events).describe('What `seed` has done with the file; missing elsewhere.').exactOptional(),
    address: z
      .string()
      .describe('For a person to open in a browser; missing where there is none.')
      .exactOptional(),
    hint: z
      .string()
      .describe('The next command to type, or what to look at; missing where there is nothing to do.')
      .exactOptional(),
  })
  .meta({
    title: 'hq-token --log-format json',
    description: 'One error, warning or piece of information; one JSON object a line on standard error.',
  })

/**
 * What `logLineSchema` reads.
 *
 * @category Start here
 */
export type LogLine = z.infer<typeof logLineSchema>
