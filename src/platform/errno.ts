// Names the system's failures by their codes. Shows no message of the system.
/**
 * The system's code of a failure (`ENOENT`, `ECONNREFUSED`), or the kind of error; not its message, which may quote
 * data.
 */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
