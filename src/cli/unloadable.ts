// The words for a program that cannot be loaded whole. May need nothing that is not loaded yet.
import { writeSync } from 'node:fs'
import { StoreUnusable, type TokenError } from '../core/errors.js'

/** The error of a process or machine that may open no more files, wherever it comes up; `undefined` for all others. */
export function ofTheSystem(error: unknown): TokenError | undefined {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code !== 'EMFILE' && code !== 'ENFILE') return undefined
  const whose =
    code === 'EMFILE' ? 'this process may open no more files' : 'this machine has no more files to open'
  return new StoreUnusable(`${whose} (${code})`, {
    hint: code === 'EMFILE' ? 'ulimit -n 1024; in a unit of systemd: LimitNOFILE=1024' : 'sysctl fs.file-nr',
    cause: error,
  })
}

/**
 * Says why the program could not be loaded.
 *
 * @returns The exit code.
 */
export function unloadable(error: unknown, argv: readonly string[]): number {
  const known = ofTheSystem(error)
  const message = known?.message ?? `hq-token cannot be loaded: ${named(error)}`
  const hint = known?.hint ?? 'install it again: npm install -g hq-token'
  const isJson = /--log-format[= ]json/.test(argv.join(' '))
  const told = {
    time: new Date().toISOString(),
    level: 'error',
    ...(known !== undefined && { code: known.code }),
    message,
    hint,
  }
  try {
    writeSync(
      2,
      isJson ? `${JSON.stringify(told)}\n` : `hq-token: error: ${message}\nhq-token: hint: ${hint}\n`,
    )
  } catch {
    // The exit code tells, because nobody reads standard error.
  }
  return known?.exit ?? 1
}

/** Name and code only, because the message of a foreign error may quote what it choked on. */
function named(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  return 'code' in error ? `${error.name} (${String(error.code)})` : error.name
}
