// The output of `hq-token status --all --json`. May touch zod only.
import { z } from 'zod'
import { formatVersion } from './parts.js'
import { statusSchema } from './status.js'

/**
 * The output of `hq-token status --all --json`.
 *
 * @category Start here
 */
export const statusAllSchema = z
  .object({
    format_version: formatVersion(),
    profiles: z
      .array(
        z.object({
          profile: z
            .string()
            .describe(
              'The name of the profile: default for the configuration without one, profiles/default for a profile that is called default; the path of a folder of profiles that cannot be read.',
            ),
          status: statusSchema
            .nullable()
            .describe('As `hq-token status --json` prints it; null where it could not be read.'),
          error: z
            .object({
              code: z.string().describe('The code of the error, as in docs/exit-codes.md.'),
              message: z.string().describe('For people; holds no secret.'),
            })
            .nullable()
            .describe('Why it could not be read; null where it could.'),
        }),
      )
      .describe('The configuration without a profile first, if there is one, then the profiles by name.'),
  })
  .meta({
    title: 'hq-token status --all --json',
    description: 'How the token sets of all profiles stand.',
  })

/**
 * The value that `statusAllSchema` reads.
 *
 * @category Start here
 */
export type StatusAllReport = z.infer<typeof statusAllSchema>
