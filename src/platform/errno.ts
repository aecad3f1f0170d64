// Names the system's failures by their codes. Shows no message of the system.
import { ConfigInvalid, StoreUnusable, TokenError } from '../core/errors.js'
import { hintsOf } from './hints.js'

/**
 * The system's code of a failure (`ENOENT`, `ECONNREFUSED`), or the kind of error; not its message, which may quote
 * data.
 */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Words the error of a process or machine that may open no more files; `undefined` for all other errors. */
export function noMoreFiles(error: unknown, platform = process.platform): TokenError | undefined {
  const code = errnoOf(error)
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined
  const whose =
    code === 'EMFILE' ? 'this process may open no more files' : 'this machine has no more files to open'
  return new StoreUnusable(`${whose} (${code})`, {
    hint: hintsOf(platform).moreFiles(code === 'EMFILE' ? 'process' : 'machine'),
    cause: error,
  })
}

/** The error as one of ours; `undefined` for one that nobody foresaw. */
export function foreseen(error: unknown): TokenError | undefined {
  return error instanceof TokenError ? error : (noMoreFiles(error) ?? noWorkingFolder(error))
}

/** A relative path leads nowhere then. */
function noWorkingFolder(error: unknown): TokenError | undefined {
  if ((error as NodeJS.ErrnoException | undefined)?.syscall !== 'uv_cwd') return undefined
  return new ConfigInvalid('the working folder of this process is gone', {
    hint: 'cd to a folder that is there, or name files by their whole paths',
    cause: error,
  })
}
