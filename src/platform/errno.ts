/** The system's code of a failure (`ENOENT`, `ECONNREFUSED`), or the kind of error. Never its message: that may quote data. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
