// A finding of `doctor` about one thing. Pure: looks at nothing itself.
import { TokenError, type ExitCode } from './errors.js'

/** The result of one examination. Holds no secret. */
export interface Finding {
  /** The thing that was examined, in a word or two. */
  readonly name: string
  /** `skip`: not examined, because there is no such thing, or because what it needs has failed. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  readonly message: string
  /** The next command to type, or what to look at. */
  readonly hint?: string
  /** Only with `fail`: the exit code of the program for this reason. */
  readonly exit?: ExitCode
}

export function ok(name: string, message: string, hint?: string): Finding {
  return { name, status: 'ok', message, ...(hint !== undefined && { hint }) }
}

export function warn(name: string, message: string, hint?: string): Finding {
  return { name, status: 'warn', message, ...(hint !== undefined && { hint }) }
}

export function skip(name: string, message: string): Finding {
  return { name, status: 'skip', message }
}

/** @throws The error itself, unless it is an expected failure. */
export function fail(name: string, error: unknown): Finding {
  if (!(error instanceof TokenError)) throw error
  const { message, hint, exit } = error
  return { name, status: 'fail', message, exit, ...(hint !== undefined && { hint }) }
}
