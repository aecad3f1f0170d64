// The errors and exit codes that callers may rely on. Reads nothing and prints nothing.
/**
 * Exit codes of the program: from `sysexits.h` where it has one, and 126 and 127 as shells use them.
 *
 * @category Errors
 */
export const Exit = {
  ok: 0,
  bug: 1,
  usage: 2,
  login: 4,
  api: 22,
  seed: 65,
  store: 74,
  later: 75,
  config: 78,
  notExecutable: 126,
  notFound: 127,
} as const
/**
 * One of the exit codes in `Exit`.
 *
 * @category Errors
 */
export type ExitCode = (typeof Exit)[keyof typeof Exit]

/**
 * The codes of all expected failures. The list is closed, so that a `switch` can cover it. The last four come from
 * the command line only.
 *
 * @category Errors
 */
export type ErrorCode =
  | 'HQ_USAGE'
  | 'HQ_LOGIN_REQUIRED'
  | 'HQ_SEED_INVALID'
  | 'HQ_STORE_UNUSABLE'
  | 'HQ_LOCK_TIMEOUT'
  | 'HQ_STORE_BUSY'
  | 'HQ_STORE_UNREACHABLE'
  | 'HQ_SERVER_UNAVAILABLE'
  | 'HQ_OUTCOME_UNKNOWN'
  | 'HQ_CONFIG_INVALID'
  | 'HQ_OTHER_CLIENT'
  | 'HQ_CLIENT_REFUSED'
  | 'HQ_OUTPUT_FAILED'
  | 'HQ_API_REFUSED'
  | 'HQ_COMMAND_NOT_FOUND'
  | 'HQ_COMMAND_NOT_EXECUTABLE'

/**
 * The details of an error beside its message.
 *
 * @category Errors
 */
export interface ErrorDetails {
  /** The next command to type, written as `hq-token …`, or what to look at. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * The base of all expected failures. Any other error is a bug.
 *
 * @category Errors
 */
export abstract class TokenError extends Error {
  /** Stable: a script may switch on it. */
  abstract readonly code: ErrorCode
  /** The exit code of the command line, for programs that want to exit likewise. */
  abstract readonly exit: ExitCode
  /** True if the same call may succeed later without a person. */
  abstract readonly transient: boolean
  /** The next command to type, or what to look at. */
  readonly hint: string | undefined

  /** @hidden */
  constructor(message: string, { hint, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.hint = hint
  }
}

/**
 * The command line cannot be understood.
 *
 * @category Errors
 */
export class UsageError extends TokenError {
  readonly code = 'HQ_USAGE'
  readonly exit = Exit.usage
  readonly transient = false

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: 'hq-token --help', ...details })
  }
}

/** The hint that leads to a new grant. */
export const LOGIN_HINT = 'hq-token login; or put a new token into a seed file, then: hq-token seed FILE'

/**
 * A person is needed: there is no token set, or the server refused the refresh token.
 *
 * @see RFC 6749 section 5.2, `invalid_grant`
 * @category Errors
 */
export class LoginRequired extends TokenError {
  readonly code = 'HQ_LOGIN_REQUIRED'
  readonly exit = Exit.login
  readonly transient = false

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: LOGIN_HINT, ...details })
  }
}

/**
 * The seed file cannot be used. The message names file, line and key, never a value.
 *
 * @category Errors
 */
export class SeedInvalid extends TokenError {
  readonly code = 'HQ_SEED_INVALID'
  readonly exit = Exit.seed
  readonly transient = false

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: 'fix the file, then: hq-token seed FILE', ...details })
  }
}

/**
 * The store cannot be read or written: a disk, a permission, a damaged or newer file.
 *
 * @category Errors
 */
export class StoreUnusable extends TokenError {
  readonly code = 'HQ_STORE_UNUSABLE'
  readonly exit = Exit.store
  readonly transient = false
}

/** The file can never be read as it is: it is damaged, of a newer version, or no store. Its permissions are right. */
export class StoreUnfit extends StoreUnusable {}

/** The output could not be written, to standard output or to the named file. */
export class OutputFailed extends TokenError {
  readonly code = 'HQ_OUTPUT_FAILED'
  readonly exit = Exit.store
  readonly transient = false
}

/**
 * Another process held the lock for longer than `lock_wait`.
 *
 * @category Errors
 */
export class LockTimeout extends TokenError {
  readonly code = 'HQ_LOCK_TIMEOUT'
  readonly exit = Exit.later
  readonly transient = true
}

/**
 * Something other than a refresh keeps the store's file busy, such as a backup or a stopped process.
 *
 * @category Errors
 */
export class StoreBusy extends TokenError {
  readonly code = 'HQ_STORE_BUSY'
  readonly exit = Exit.later
  readonly transient = true
}

/** Another program holds a file open, which on Windows keeps everybody else from it. It passes, so nobody need look at the disk. */
export class HeldOpen extends StoreBusy {}

/**
 * A store that many hosts share is out of reach. Nothing was lost, and nothing is spent without it.
 *
 * @category Errors
 */
export class StoreUnreachable extends TokenError {
  readonly code = 'HQ_STORE_UNREACHABLE'
  readonly exit = Exit.later
  readonly transient = true
}

/**
 * Another process has begun an exchange although this one held the lock. Nothing was sent, so the same call can
 * simply be made again.
 */
export class Overtaken extends StoreBusy {
  /** @hidden */
  constructor(message = 'another process has taken over the store', details: ErrorDetails = {}) {
    super(message, { hint: 'run the same command again', ...details })
  }
}

/**
 * The server could not be reached, or gave no verdict on the grant. Nothing was lost.
 *
 * @category Errors
 */
export class ServerUnavailable extends TokenError {
  readonly code = 'HQ_SERVER_UNAVAILABLE'
  readonly exit = Exit.later
  readonly transient = true

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: 'nothing was lost; run the same command again later', ...details })
  }
}

/**
 * The request left, and no usable answer came back, so the server may have rotated the refresh token. The intent
 * stays in the store; the next call sends the same refresh token again.
 *
 * @category Errors
 */
export class OutcomeUnknown extends TokenError {
  readonly code = 'HQ_OUTCOME_UNKNOWN'
  readonly exit = Exit.later
  readonly transient = true

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: 'nothing is given up; run the same command again soon', ...details })
  }
}

/** `exec` found no command by that name: exit code 127, as in shells. */
export class CommandNotFound extends TokenError {
  readonly code = 'HQ_COMMAND_NOT_FOUND'
  readonly exit = Exit.notFound
  readonly transient = false
}

/** `exec` could not start the command that it found: exit code 126, as in shells. */
export class CommandNotExecutable extends TokenError {
  readonly code = 'HQ_COMMAND_NOT_EXECUTABLE'
  readonly exit = Exit.notExecutable
  readonly transient = false
}

/** The API answered without success. Its answer is on standard output. */
export class ApiRefused extends TokenError {
  readonly code = 'HQ_API_REFUSED'
  readonly exit = Exit.api
  readonly transient = false
}

/**
 * The configuration is wrong. The message names file, line and key.
 *
 * @category Errors
 */
export class ConfigInvalid extends TokenError {
  readonly code = 'HQ_CONFIG_INVALID'
  readonly exit = Exit.config
  readonly transient = false

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { hint: 'fix the configuration, then check it with: hq-token doctor', ...details })
  }
}

/**
 * The token set in the store belongs to another client: the configuration names another client, or another server.
 *
 * @category Errors
 */
export class OtherClient extends TokenError {
  readonly code = 'HQ_OTHER_CLIENT'
  readonly exit = Exit.config
  readonly transient = false
}

/**
 * The server refused the client or the request, not the grant.
 *
 * @see RFC 6749 section 5.2, `invalid_client`, `unauthorized_client`, `invalid_scope`, …
 * @category Errors
 */
export class ClientRefused extends TokenError {
  readonly code = 'HQ_CLIENT_REFUSED'
  readonly exit = Exit.config
  readonly transient = false

  /** @hidden */
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, {
      hint: 'check client_id, client_secret and auth_method in the configuration, then: hq-token refresh',
      ...details,
    })
  }
}

/** The hint for a client that the server does not know; empty if nothing points to a cause. */
export function clientHint(
  server: { readonly clientHint?: string | null },
  what: string,
  next: string,
): Pick<ErrorDetails, 'hint'> {
  const hint = /^(?:invalid_client|unauthorized_client|incorrect_client_credentials)\b/.test(what)
    ? (server.clientHint ?? null)
    : null
  return hint === null ? {} : { hint: `${hint}, then: ${next}` }
}

/** The same failure with another hint. */
export function hinted(error: TokenError, hint: string): TokenError {
  const Class = error.constructor as new (message: string, details: ErrorDetails) => TokenError
  return new Class(error.message, { hint, cause: error })
}

/** A failure that another process has recorded in the store. */
export function recalled({ code, message }: { readonly code: string; readonly message: string }): TokenError {
  const Class = [LoginRequired, ClientRefused, ConfigInvalid, OutcomeUnknown].find(
    (known) => new known('').code === code,
  )
  return new (Class ?? ServerUnavailable)(message)
}
