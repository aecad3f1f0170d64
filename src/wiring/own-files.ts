// Keeps the output of a command out of the files that hq-token lives by. Asks a database what it is, and changes nothing.
import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { loadConfig, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import type { Surroundings } from '../config/paths.js'
import { UsageError } from '../core/errors.js'
import { storePaths } from '../store/files.js'
import { isStore } from '../store/sqlite/addon.js'
import type { Choice } from './open.js'

/** Why no output takes the place of a file; the words follow its name. */
type Why = string

/**
 * Refuses an output that would take the place of the store, the configuration or a file that it names.
 *
 * @param option How the output was named.
 * @throws {UsageError}
 */
export function assertNotOwn(path: string, option: string, config: Config): void {
  assertNoneOf(ownFiles(config), path, option)
  if (isSomeStore(path)) throw refused(path, 'the store of another profile', option)
}

function assertNoneOf(
  files: readonly (readonly [path: string, why: Why])[],
  path: string,
  option: string,
): void {
  const wanted = marks(path)
  for (const [own, why] of files)
    if (marks(own).some((mark) => wanted.includes(mark))) throw refused(path, why, option)
}

function refused(path: string, why: Why, option: string): UsageError {
  return new UsageError(`${path} is ${why}, and nothing is written over it`, {
    hint: `name another file with ${option}`,
  })
}

/** Does the same before the configuration is read. One that cannot be read has its own error later, and stays too. */
export function assertNotOwnOf(path: string, option: string, choice: Choice, around: Surroundings): void {
  const location = unlessRefused(() => locate(choice, around))
  if (location?.file !== undefined) assertNoneOf([[location.file.path, CONFIG]], path, option)
  const config = location && unlessRefused(() => loadConfig({ ...around, ...location }))
  if (config !== undefined) assertNotOwn(path, option, config)
  else if (isSomeStore(path)) throw refused(path, 'a store of hq-token', option)
}

function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

const CONFIG = 'the configuration'
/** Bytes. @see https://www.sqlite.org/fileformat.html */
const SMALLEST_PAGE = 512

/** Whether a file is some store of this program. One that is not there, or may not be read, is told by whoever writes it. */
function isSomeStore(path: string): boolean {
  const isFound = unlessRefused(() => {
    const stats = statSync(path)
    // SQLite writes whole pages, and no other file need be opened.
    return stats.isFile() && stats.size > 0 && stats.size % SMALLEST_PAGE === 0 && isStore(path)
  })
  return isFound === true
}

function ownFiles({ file, files, seedFile, store, shared }: Config): (readonly [path: string, why: Why])[] {
  const { database, rescue, lock, oldRescue } = storePaths(store.path)
  const beside = [`${database}-journal`, rescue, lock, ...(oldRescue === null ? [] : [oldRescue])]
  return [
    [database, shared === null ? 'the store of hq-token' : 'this host’s seat of the store'],
    ...beside.map((path) => [path, 'a file of the store of hq-token'] as const),
    ...(file === null ? [] : [[file, CONFIG] as const]),
    ...[...files(), ...(seedFile === null ? [] : [seedFile])].map(
      (path) => [path, 'a file that the configuration names'] as const,
    ),
  ]
}

/** The file itself behind all links, and its name, which may be free: names that differ in case only count as one. */
function marks(path: string): string[] {
  const folder = real(dirname(path))
  const name = join(folder, basename(path)).toLowerCase()
  try {
    const { dev, ino } = statSync(path, { bigint: true })
    return [name, `${dev}:${ino}`]
  } catch {
    // It is not there, or may not be looked at: whoever writes it says so.
    return [name]
  }
}

function real(folder: string): string {
  try {
    return realpathSync.native(folder)
  } catch {
    return folder
  }
}
