// Keeps the token of `exec --token-file` in a file while the command runs, and removes what killed processes left.
// Reads no token.
import { chmodSync, existsSync, lstatSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { OutputFailed } from '../../../core/errors.js'
import type { Notice } from '../../../core/ports.js'
import type { Secret } from '../../../core/secret.js'
import { errnoOf } from '../../../platform/errno.js'
import { isTmpfs } from '../../../platform/file-systems.js'
import { whileHeld } from '../../../platform/held-files.js'
import { fateOf, MARK, processMark } from '../../../platform/processes.js'
import { ownFolders, type Profile } from '../../../platform/profile.js'
import { replaceFile } from '../../terminal/output-file.js'

const NAME = 'token'

/** A token as a file, for as long as a command runs: 0600 in a folder of 0700, on Windows in the user’s profile. */
export class TokenFile {
  readonly path: string
  /** Whether the file lies in memory, and never on a disk. */
  readonly inMemory: boolean
  readonly #folder: string

  /**
   * Makes the folder.
   *
   * @param runtimeDir `$XDG_RUNTIME_DIR`
   * @throws {OutputFailed} if it can be made nowhere.
   */
  constructor(runtimeDir: string | undefined) {
    const { folder, inMemory } = makeFolder(runtimeDir)
    this.#folder = folder
    this.inMemory = inMemory
    this.path = join(folder, NAME)
    process.once('exit', this.remove)
  }

  /** Writes no newline, because programs put the file's content into a header as it is. */
  async write(token: Secret): Promise<void> {
    await replaceFile(this.path, token.reveal())
  }

  /**
   * Removes it, once. Never throws: something that the command has left behind may hold the file or stand in its folder.
   *
   * @returns A warning if it stays.
   */
  readonly remove = (): Notice | undefined => {
    process.off('exit', this.remove)
    try {
      whileHeld(() => {
        removeFolder(this.#folder)
      })
      return undefined
    } catch (error) {
      const left = existsSync(this.path) ? `the token file ${this.path}` : `the folder ${this.#folder}`
      const message = `${left} could not be removed (${errnoOf(error)}): the next \`hq-token exec\` removes it`
      return { level: 'warning', message }
    }
  }
}

/** Removes the token first, because it may be free where its folder is not. */
function removeFolder(folder: string): void {
  rmSync(join(folder, NAME), { force: true })
  rmSync(folder, { recursive: true, force: true })
}

/** Removes the folders that killed processes have left. Never throws. */
export function removeLeftovers(runtimeDir: string | undefined): void {
  for (const base of new Set([...inMemory(runtimeDir), ...foldersOnDisk()])) {
    try {
      for (const name of readdirSync(base)) removeIfLeft(join(base, name), FOLDER.exec(name)?.[1])
    } catch {
      // The folder is missing, or we may not read it.
    }
  }
}

const FOLDER = new RegExp(`^hq-token-exec-(${MARK})-[^-]+$`)

/** Leaves the folder of a process in another container alone, because that process cannot be seen here. */
function removeIfLeft(path: string, mark: string | undefined): void {
  if (mark === undefined || !['dead', 'rebooted'].includes(fateOf(mark))) return
  try {
    const stats = lstatSync(path)
    if (stats.isDirectory() && stats.uid === (process.geteuid?.() ?? stats.uid)) removeFolder(path)
  } catch {
    // Another process was faster.
  }
}

function makeFolder(runtimeDir: string | undefined): { folder: string; inMemory: boolean } {
  let failure: unknown
  const onDisk = foldersOnDisk()
  for (const base of [...inMemory(runtimeDir), ...onDisk]) {
    try {
      const folder = mkdtempSync(join(base, `hq-token-exec-${processMark()}-`))
      chmodSync(folder, 0o700)
      return { folder, inMemory: !onDisk.includes(base) || isTmpfs(base) }
    } catch (error) {
      failure = error
    }
  }
  throw new OutputFailed(`the token file cannot be written to any folder, not even to ${tmpdir()}`, {
    hint: `set ${process.platform === 'win32' ? 'TEMP' : 'TMPDIR'} to a folder of your own`,
    cause: failure,
  })
}

/** The folders of this user alone, because on Windows no mode closes a folder, and %TEMP% may be open to all. */
export function foldersOnDisk(
  platform = process.platform,
  temporary = tmpdir(),
  profile: Profile = { env: process.env, homedir },
): readonly string[] {
  return platform === 'win32' ? ownFolders(temporary, profile) : [temporary]
}

/** Folders whose files are gone with the power. */
function inMemory(runtimeDir: string | undefined): readonly string[] {
  const own = runtimeDir !== undefined && isOwn(runtimeDir) ? [runtimeDir] : []
  return [...own, '/dev/shm'].filter(isTmpfs)
}

/** After `su` the variable may name the folder of another user, who could put a file in the place of ours. */
function isOwn(folder: string): boolean {
  try {
    return statSync(folder).uid === process.geteuid?.()
  } catch {
    return false
  }
}
