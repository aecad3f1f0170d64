// Names the system's failures by their codes. Shows no message of the system.
import { StoreUnusable, type TokenError } from '../core/errors.js'

/**
 * The system's code of a failure (`ENOENT`, `ECONNREFUSED`), or the kind of error; not its message, which may quote
 * data.
 */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}

/** Words the error of a process or machine that may open no more files; `undefined` for all other errors. */
export function noMoreFiles(error: unknown): TokenError | undefined {
  const code = errnoOf(error)
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined
  const whose =
    code === 'EMFILE' ? 'this process may open no more files' : 'this machine has no more files to open'
  return new StoreUnusable(`${whose} (${code})`, {
    hint: code === 'EMFILE' ? 'ulimit -n 1024; in a unit of systemd: LimitNOFILE=1024' : 'sysctl fs.file-nr',
    cause: error,
  })
}
