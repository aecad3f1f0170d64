import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutputFailed } from '../../../core/errors.js'
import type { Secret } from '../../../core/secret.js'
import { isTmpfs } from '../../../platform/file-systems.js'
import { fateOf, MARK, processMark } from '../../../platform/processes.js'
import { replaceFile } from '../../terminal/output-file.js'

/** A token as a file of its own, 0600 in a folder of 0700, for as long as a command runs. */
export class TokenFile {
  readonly path: string
  /** Whether it lies in memory, and never on a disk. */
  readonly inMemory: boolean
  readonly #folder: string

  /**
   * @param runtimeDir `$XDG_RUNTIME_DIR`
   * @throws {OutputFailed} where no folder takes it.
   */
  constructor(runtimeDir: string | undefined) {
    const { folder, inMemory } = makeFolder(runtimeDir)
    this.#folder = folder
    this.inMemory = inMemory
    this.path = join(folder, 'token')
    process.once('exit', () => {
      this.remove()
    })
  }

  /** Without a newline at its end: programs put what they read into a header as it is. */
  async write(token: Secret): Promise<void> {
    await replaceFile(this.path, token.reveal())
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Takes away what processes that were killed have left. Never throws. */
export function removeLeftovers(runtimeDir: string | undefined): void {
  for (const base of new Set([...inMemory(runtimeDir), tmpdir()])) {
    try {
      for (const name of readdirSync(base)) removeIfLeft(join(base, name), NAME.exec(name)?.[1])
    } catch {
      // Not there, not ours to read.
    }
  }
}

const NAME = new RegExp(`^hq-token-exec-(${MARK})-[^-]+$`)

/** What lives in another container is not ours to judge. */
function removeIfLeft(path: string, mark: string | undefined): void {
  if (mark === undefined || !['dead', 'rebooted'].includes(fateOf(mark))) return
  try {
    const stats = lstatSync(path)
    if (stats.isDirectory() && stats.uid === (process.geteuid?.() ?? stats.uid))
      rmSync(path, { recursive: true })
  } catch {
    // Another process was faster.
  }
}

function makeFolder(runtimeDir: string | undefined): { folder: string; inMemory: boolean } {
  let failure: unknown
  for (const base of [...inMemory(runtimeDir), tmpdir()]) {
    try {
      const folder = mkdtempSync(join(base, `hq-token-exec-${processMark()}-`))
      chmodSync(folder, 0o700)
      return { folder, inMemory: base !== tmpdir() || isTmpfs(base) }
    } catch (error) {
      failure = error
    }
  }
  throw new OutputFailed(`no folder takes the token file, ${tmpdir()} neither`, {
    hint: 'set TMPDIR to a folder of your own',
    cause: failure,
  })
}

/** Folders whose files are gone with the power. */
function inMemory(runtimeDir: string | undefined): readonly string[] {
  const own = runtimeDir !== undefined && isOwn(runtimeDir) ? [runtimeDir] : []
  return [...own, '/dev/shm'].filter(isTmpfs)
}

/** After `su` the variable may name another user's, who could put a file of theirs in the place of ours. */
function isOwn(folder: string): boolean {
  try {
    return statSync(folder).uid === process.geteuid?.()
  } catch {
    return false
  }
}
