// Waits a moment for another program that holds a file open, which on Windows keeps everybody else from it, and words it. Opens
// a file only to ask, and only on Windows.
import { closeSync, constants, openSync } from 'node:fs'
import { HeldOpen } from '../core/errors.js'
import { hintsOf } from './hints.js'

/** Milliseconds that a scanner, a backup or a reader may hold a file before the user hears of it. */
export const HELD_MS = 1_500
const PAUSE_MS = 50

/** The codes of a refusal that may pass. Only the first says that another program holds the file; the others may say that a right is missing. */
const CODES = new Set(['EBUSY', 'EPERM', 'EACCES'])
/** Calls that need no right which the program has not just used: it has made the file, or one beside it. */
const MOVES = /^(?:rename|unlink|link|rmdir|rm)$/

export interface Patience {
  readonly platform?: NodeJS.Platform
  /** Blocks, because the callers must not be interrupted. */
  readonly pause?: (ms: number) => void
  /** The file is made: its name may still be that of one which is removed and held. */
  readonly creates?: boolean
}

/** Does something that another program can be in the way of: on Windows it is tried for a moment. */
export function whileHeld<T>(
  work: () => T,
  { platform = process.platform, pause = blocked, creates = false }: Patience = {},
): T {
  for (let left = HELD_MS / PAUSE_MS; ; left--) {
    try {
      return work()
    } catch (error) {
      if (left <= 0 || platform !== 'win32' || !mayPass(error, creates)) throw error
      pause(PAUSE_MS)
    }
  }
}

function mayPass(error: unknown, creates: boolean): boolean {
  const code = codeOf(error)
  return code === 'EBUSY' || (CODES.has(code) && (creates || isMove(error)))
}

function isMove(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && MOVES.test(String(error.syscall))
}

function blocked(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

export interface Asking {
  readonly platform?: NodeJS.Platform
  readonly open?: (path: string) => void
}

/**
 * The error for a file that another program holds open; `undefined` if the cause is another one.
 *
 * @param paths The file, and those beside it that the same work needs.
 */
export function heldOpen(
  paths: readonly string[],
  cause: unknown,
  { platform = process.platform, open = opened }: Asking = {},
): HeldOpen | undefined {
  if (cause instanceof HeldOpen) return cause
  if (platform !== 'win32') return undefined
  const told = codeOf(cause)
  if (told === 'EBUSY') return held(busyOne(paths, cause), cause, platform)
  const isRefusedMove = CODES.has(told) && isMove(cause)
  for (const path of paths) {
    const found = opening(path, open)
    if (found === 'EBUSY') return held(path, cause, platform)
    if (isRefusedMove && ['', 'ENOENT'].includes(found)) return refused(path, cause, platform)
  }
  return undefined
}

/** The file that the system names: one of ours, or another that was to be opened or removed, such as a last copy. */
function busyOne(paths: readonly string[], cause: unknown): string {
  const { path, dest } = cause as NodeJS.ErrnoException & { readonly dest?: string }
  const ours = paths.find((one) => one === path || one === dest)
  return ours ?? (dest === undefined ? path : undefined) ?? paths[0] ?? ''
}

function held(path: string, cause: unknown, platform: NodeJS.Platform): HeldOpen {
  return new HeldOpen(`another program holds ${path} open`, {
    hint: `run the same command again; to see which program: ${hintsOf(platform).holders(path)}`,
    cause,
  })
}

/** A program may let others write to a file and not replace it; a right to delete it may also be missing, and nothing tells which. */
function refused(path: string, cause: unknown, platform: NodeJS.Platform): HeldOpen {
  const { holders, rights } = hintsOf(platform)
  return new HeldOpen(
    `${path} cannot be replaced or removed: another program holds it open, or you may not delete it (${codeOf(cause)})`,
    {
      hint: `run the same command again; to see which program: ${holders(path)}; what you may: ${rights(path)}`,
      cause,
    },
  )
}

/** How opening it fails; empty if it does not. */
function opening(path: string, open: (path: string) => void): string {
  try {
    open(path)
    return ''
  } catch (error) {
    return codeOf(error)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Closing a handle drops no lock here: on Windows a lock belongs to its handle. */
function opened(path: string): void {
  closeSync(openSync(path, constants.O_RDWR))
}
