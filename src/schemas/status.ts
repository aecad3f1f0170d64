// What `hq-token status --json` prints. May touch zod only.
import { z } from 'zod'
import { fingerprint, formatVersion, instant, instantOrNull } from './parts.js'

const access = z
  .object({
    fingerprint: fingerprint('access'),
    obtained_at: instant('When the token was asked for'),
    expires_at: instant('When the token ends'),
    expires_in: z.int().describe('Seconds until the token ends; negative when it is over.'),
    token_type: z
      .string()
      .describe('The type as the server wrote it: bearer, in any case of letters, is what works.'),
  })
  .nullable()
  .describe('The access token in the store; null where there is no token set.')

const refresh = z
  .object({
    fingerprint: fingerprint('refresh'),
    expires_at: instantOrNull('When the token ends; null where the server does not say'),
    expires_in: z
      .int()
      .nullable()
      .describe(
        'Seconds until the token ends; negative when it is over, null where the server does not say.',
      ),
  })
  .nullable()
  .describe('The refresh token in the store; null where there is no token set.')

const lastError = z
  .object({
    at: instant('When the refresh failed'),
    code: z
      .string()
      .describe('The code of the error, as in docs/exit-codes.md: HQ_SERVER_UNAVAILABLE and others.'),
    message: z.string().describe('For people; holds no secret.'),
  })
  .nullable()
  .describe('Why the last refresh failed; null where the last one did not fail, or there was none.')

const client = z
  .object({
    token_url: z.string().nullable().describe('The token endpoint; null where only the issuer is known.'),
    issuer: z.string().nullable().describe('The issuer; null where the configuration names none.'),
    client_id: z.string().describe('The client id.'),
  })
  .nullable()
  .describe(
    'The client that the grant belongs to; null until the first refresh, where the tokens were imported without a client.',
  )

/**
 * What `hq-token status --json` prints on standard output.
 *
 * @category Start here
 */
export const statusSchema = z
  .object({
    format_version: formatVersion(),
    state: z
      .enum(['fresh', 'due', 'expired', 'login_required', 'empty', 'other_client'])
      .describe(
        'fresh: `get` prints the stored token. due: `get` renews it, and prints it if that fails. expired: `get` must renew it. login_required: the server has refused the refresh token. empty: there is no token set. other_client: the stored set belongs to another client than the configured one.',
      ),
    instance: z
      .string()
      .nullable()
      .describe(
        'The address of the configured instance, else the issuer, else the token endpoint; null where none is configured.',
      ),
    user: z
      .string()
      .nullable()
      .describe('The user, as the server or the seed file names one; null where neither does.'),
    access,
    lifetime_guessed: z
      .boolean()
      .nullable()
      .describe(
        'True where nobody said how long the access token lives, so that its end rests on default_lifetime; null where there is no token set.',
      ),
    refresh,
    last_refresh_at: instantOrNull('When the last refresh succeeded; null where none has yet'),
    last_error: lastError,
    unfinished_since: instantOrNull(
      'Since when a refresh has been under way, or broken off; null where none is',
    ),
    likely_dead_since: instantOrNull(
      'Since when the server has answered nothing but a bare 400 or 401, where that has probably ended the grant; null elsewhere',
    ),
    generation: z
      .int()
      .min(0)
      .describe('Rises by one with each new token pair; 0 where there is no token set.'),
    client,
    store: z
      .enum(['sqlite', 'postgres'])
      .describe('sqlite: a file of this machine. postgres: a database that hosts share.'),
    holder: z
      .object({
        host: z.string().describe('The name of the host.'),
        seen_at: instant('When the database last heard of it'),
      })
      .nullable()
      .describe(
        'The host that is refreshing at this moment; null where none is, and where the store is not shared or out of reach.',
      ),
    last_saver: z
      .string()
      .nullable()
      .describe('The host that saved the newest tokens; null where the store is not shared or out of reach.'),
  })
  .meta({
    title: 'hq-token status --json',
    description: 'How the token set in the store stands.',
  })

/**
 * What `statusSchema` reads.
 *
 * @category Start here
 */
export type StatusReport = z.infer<typeof statusSchema>
