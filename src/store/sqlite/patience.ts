// Waits for other processes' reads and commits, which take a few milliseconds. Reads and writes nothing itself.
import { HeldOpen, StoreBusy, StoreUnusable } from '../../core/errors.js'
import { HELD_MS } from '../../platform/held-files.js'
import { hints } from '../../platform/hints.js'
import type { FileKind, StorePaths } from '../files.js'
import { isBusy, isSqlite } from './addon.js'
import { asUnusable } from './database.js'
import { sleep } from '../pauses.js'

const BUSY_WAIT_MS = 10_000

/**
 * Repeats `work` while the file is busy. Waits here, because SQLite's own waiting would block the event loop, and no
 * signal could end it.
 *
 * @throws {StoreBusy | StoreUnusable}
 */
export async function patiently<T>(
  paths: Pick<StorePaths, 'folder' | 'database'>,
  work: () => T,
  kind?: FileKind,
): Promise<T> {
  const held = new HeldWait()
  for (const deadline = performance.now() + BUSY_WAIT_MS; ;) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error)) {
        const told = asUnusable(paths, error, kind)
        if (!held.mayPass(told)) throw told
        await sleep(50)
        continue
      }
      held.isOver()
      if (performance.now() >= deadline)
        throw new StoreBusy(`${paths.database} stayed busy for ${BUSY_WAIT_MS / 1000} s`, {
          hint: `run the same command again later; to see who holds it: ${hints.holders(paths.database)}`,
          cause: error,
        })
      await sleep(5 + Math.random() * 20)
    }
  }
}

/** How long another program holds the file already: it counts anew after each try that did not meet it. */
export class HeldWait {
  #until: number | undefined
  readonly #platform: NodeJS.Platform

  constructor(platform = process.platform) {
    this.#platform = platform
  }

  mayPass(error: unknown): boolean {
    if (!mayPass(error, this.#platform)) return false
    this.#until ??= performance.now() + HELD_MS
    return performance.now() < this.#until
  }

  isOver(): void {
    this.#until = undefined
  }
}

/**
 * Whether a failure may be that of a file which another program holds open for a moment. It may have let go before it could
 * be asked for, so on Windows SQLite's own codes count.
 */
export function mayPass(error: unknown, platform = process.platform): boolean {
  if (error instanceof HeldOpen) return true
  const cause = error instanceof StoreUnusable ? error.cause : undefined
  return platform === 'win32' && isSqlite(cause) && /^SQLITE_(?:CANTOPEN|READONLY|IOERR)/.test(cause.code)
}
