// What `hq-token get --format json` prints. May touch zod only.
import { z } from 'zod'
import { formatVersion, instant, token } from './parts.js'

/**
 * What `hq-token get --format json` prints on standard output.
 *
 * @category Start here
 */
export const getSchema = z
  .object({
    format_version: formatVersion(),
    access_token: token(),
    token_type: z.string().describe('The type as the server wrote it: bearer, in any case of letters.'),
    expires_at: instant('When the access token ends'),
    expires_on: z.int().min(0).describe('When the access token ends, in seconds since 1970-01-01 UTC.'),
    expires_in: z.int().min(0).describe('Seconds until the access token ends; 0 where that has passed.'),
  })
  .meta({
    title: 'hq-token get --format json',
    description: 'An access token that works, and how long it lives.',
  })

/**
 * What `getSchema` reads.
 *
 * @category Start here
 */
export type GetOutput = z.infer<typeof getSchema>
