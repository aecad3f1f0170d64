// Turns failures of the database and of the way to it into this program's errors. One table; asks nothing.
import {
  ConfigInvalid,
  StoreUnreachable,
  StoreUnusable,
  TokenError,
  type ErrorDetails,
} from '../../core/errors.js'
import { errnoOf, noMoreFiles } from '../../platform/errno.js'

/** `TokenError` by its code: SQLSTATE for what a server has said, else the code or the words of Node or pg. */
interface Rule {
  readonly code: RegExp
  readonly verdict: new (message: string, details?: ErrorDetails) => TokenError
  readonly told: (where: string, what: string) => string
  readonly hint: string
}

export const LATER = 'nothing was lost: run the same command again later; hq-token doctor says what it finds'
const said = (where: string, what: string): string => `${where}: ${what}`

/**
 * What a server has said, by SQLSTATE; the first that fits counts.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SAID: readonly Rule[] = [
  {
    code: /^53300/,
    verdict: StoreUnreachable,
    told: said,
    hint: `${LATER}; or let more connect (max_connections), or put pgbouncer before it`,
  },
  // Connection, transaction rolled back, resources, locks, shutdown and cancelled statements; and a replica.
  { code: /^(?:08|25006|40|53|55|57)/, verdict: StoreUnreachable, told: said, hint: LATER },
  {
    code: /^28/,
    verdict: ConfigInvalid,
    told: said,
    hint: 'check the user in [store] url and the password (url_password_file, url_password_command, PGPASSWORD, ~/.pgpass), then: hq-token doctor',
  },
  {
    code: /^3D000/,
    verdict: ConfigInvalid,
    told: said,
    hint: 'create the database, or name another in [store] url, then: hq-token doctor',
  },
  { code: /^/, verdict: StoreUnusable, told: said, hint: 'hq-token doctor' },
]

/** What went wrong on the way. */
const ON_THE_WAY: readonly Rule[] = [
  {
    code: /CERT|SIGNATURE|UNKNOWN_CA/,
    verdict: ConfigInvalid,
    told: (where, what) => `${where} and hq-token do not trust one another's certificates (${what})`,
    hint: 'the certificate must be for the name in [store] url; name an authority of your own in it: ?sslrootcert=FILE; then: hq-token doctor',
  },
  {
    code: /does not support SSL/,
    verdict: ConfigInvalid,
    told: (where) => `${where} speaks no TLS, so that everybody on the way could read the tokens`,
    hint: 'set ssl = on in the server’s postgresql.conf, with a certificate, then: hq-token doctor',
  },
  {
    code: /^/,
    verdict: StoreUnreachable,
    told: (where, what) => `no connection to ${where} (${what})`,
    hint: LATER,
  },
]

/**
 * The error for a failed connection or statement.
 *
 * @param error What pg has thrown.
 * @param where The store's name, and the host where there are several.
 */
export function faultOf(error: unknown, where: string): Error {
  if (error instanceof TokenError) return error
  // A bug, here or there.
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError)
    return error instanceof Error ? error : new Error(String(error))
  const state = stateOf(error)
  // A value that a type or a rule refuses is a bug too. The server quotes the value, so its words are left out.
  if (state !== undefined && /^2[23]/.test(state)) return new Error(`${where} refused a value (${state})`)
  if (state !== undefined) return worded(SAID, state, where, `${error.message} (${state})`)
  const code = errnoOf(error)
  const what = code === error.name ? error.message : code
  return noMoreFiles(error) ?? worded(ON_THE_WAY, what, where, what)
}

function worded(rules: readonly Rule[], code: string, where: string, what: string): Error {
  const rule = rules.find((one) => one.code.test(code))
  if (rule === undefined) throw new Error('the last rule fits all')
  return new rule.verdict(rule.told(where, what), { hint: rule.hint, cause: new Cause(code) })
}

/** The code alone, because a server's error quotes the row. */
class Cause extends Error {
  readonly code: string

  constructor(code: string) {
    super(code)
    this.code = code
  }
}

/** `undefined` if no server has said it. */
function stateOf(error: Error): string | undefined {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined ? code : undefined
}
