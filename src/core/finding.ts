import { TokenError, type ExitCode } from './errors.js'

/** What was found out about one thing. Holds no secret. */
export interface Finding {
  /** What was looked at: a word or two. */
  readonly name: string
  /** `skip`: not looked at, because there is none, or because what it needs has failed. */
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  readonly message: string
  /** The next command to type, or what to look at. */
  readonly hint?: string
  /** Of a `fail` only: what the program would end with for this reason. */
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

/** @throws What is no expected failure. */
export function fail(name: string, error: unknown): Finding {
  if (!(error instanceof TokenError)) throw error
  const { message, hint, exit } = error
  return { name, status: 'fail', message, exit, ...(hint !== undefined && { hint }) }
}
