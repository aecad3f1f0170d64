// What `hq-token doctor --json` prints. May touch zod and the exit codes only.
import { z } from 'zod'
import { Exit } from '../core/errors.js'
import { formatVersion } from './parts.js'

const check = z.object({
  name: z.string().describe('What was looked at: a word or two.'),
  status: z
    .enum(['ok', 'warn', 'fail', 'skip'])
    .describe('skip: not looked at, because there is none, or because what it needs has failed.'),
  message: z.string().describe('For people; holds no secret.'),
  hint: z
    .string()
    .nullable()
    .describe('The next command to type, or what to look at; null where there is nothing to do.'),
  exit: z
    .literal(Object.values(Exit))
    .nullable()
    .describe('The exit code that hq-token ends with for this reason; null for all but a fail.'),
})

/**
 * What `hq-token doctor --json` prints on standard output.
 *
 * @category Start here
 */
export const doctorSchema = z
  .object({
    format_version: formatVersion(),
    checks: z
      .array(check)
      .describe('In the order in which they were looked at; the first fail gives the exit code.'),
  })
  .meta({
    title: 'hq-token doctor --json',
    description: 'What was found out about the configuration, the store, the grant and the server.',
  })

/**
 * What `doctorSchema` reads.
 *
 * @category Start here
 */
export type DoctorReport = z.infer<typeof doctorSchema>
