// Turns failures of the database and of the way to it into this program's errors. One table; asks nothing.
import {
  ConfigInvalid,
  StoreUnreachable,
  StoreUnusable,
  TokenError,
  type ErrorDetails,
} from '../../core/errors.js'
import { errnoOf, noMoreFiles } from '../../platform/errno.js'
import { hints } from '../../platform/hints.js'

interface Verdict {
  readonly Fault: new (message: string, details?: ErrorDetails) => TokenError
  readonly told: (where: string, what: string) => string
  readonly hint: string
}

type Rule = Verdict & { readonly code: RegExp }

export const LATER = 'nothing was lost: run the same command again later; hq-token doctor says what it finds'
const said = (where: string, what: string): string => `${where}: ${what}`

/**
 * What a server has said, by SQLSTATE and message; the first that fits counts.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const SAID: readonly Rule[] = [
  {
    code: /^53300/,
    Fault: StoreUnreachable,
    told: said,
    hint: `${LATER}; or let more connect (max_connections), or put pgbouncer before it`,
  },
  {
    // pgbouncer has one code for all that it refuses.
    code: /^(?:28|08P01 .*(?:no such user|authentication failed))/,
    Fault: ConfigInvalid,
    told: said,
    hint: `check the user in [store] url and the password (url_password_file, url_password_command, PGPASSWORD, ${hints.passwords}), then: hq-token doctor`,
  },
  {
    code: /^(?:3D000|08P01 .*(?:no such database|does not exist))/,
    Fault: ConfigInvalid,
    told: said,
    hint: 'create the database, or name another in [store] url, then: hq-token doctor',
  },
  // Connection, transaction rolled back, resources, locks, shutdown and cancelled statements; and a replica.
  { code: /^(?:08|25006|40|53|55|57)/, Fault: StoreUnreachable, told: said, hint: LATER },
]

const REFUSED: Verdict = { Fault: StoreUnusable, told: said, hint: 'hq-token doctor' }

/** What went wrong on the way, by the code that Node gives or, for want of one, pg's words. */
const ON_THE_WAY: readonly Rule[] = [
  {
    code: /CERT|SIGNATURE|UNKNOWN_CA/,
    Fault: ConfigInvalid,
    told: (where, what) => `${where} and hq-token do not trust one another's certificates (${what})`,
    hint: 'the certificate must be for the name in [store] url; name an authority of your own in it: ?sslrootcert=FILE; then: hq-token doctor',
  },
  {
    code: /does not support SSL/,
    Fault: ConfigInvalid,
    told: (where) => `${where} speaks no TLS, so that everybody on the way could read the tokens`,
    hint: 'set ssl = on in the server’s postgresql.conf, with a certificate, then: hq-token doctor',
  },
  {
    code: /^Unknown authenticationOk|^SASL: Only mechanism/,
    Fault: ConfigInvalid,
    told: (where) => `${where} wants this user to log in by a way that the package pg does not know`,
    hint: 'let the user log in by scram-sha-256 or a certificate (pg_hba.conf), then: hq-token doctor',
  },
]

const UNREACHED: Verdict = {
  Fault: StoreUnreachable,
  told: (where, what) => `no connection to ${where} (${what})`,
  hint: LATER,
}

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
  if (state === undefined) {
    const code = errnoOf(error)
    const what = code === error.name ? error.message : code
    const { Fault, told, hint } = verdictOn(what, ON_THE_WAY) ?? UNREACHED
    return noMoreFiles(error) ?? new Fault(told(where, what), { hint })
  }
  // The server's error has details, which quote values: only its code goes on.
  const cause = Object.assign(new Error(`SQLSTATE ${state}`), { code: state })
  // A value that a type or a rule refuses is a bug too, and the message quotes the value.
  if (/^2[23]/.test(state)) return new Error(`${where} refused a value (${state})`, { cause })
  const { Fault, told, hint } = verdictOn(`${state} ${error.message}`, SAID) ?? REFUSED
  return new Fault(told(where, `${error.message} (${state})`), { hint, cause })
}

function verdictOn(code: string, rules: readonly Rule[]): Verdict | undefined {
  return rules.find((rule) => rule.code.test(code))
}

/** `undefined` if no server has said it. */
function stateOf(error: Error): string | undefined {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && severity !== undefined ? code : undefined
}
