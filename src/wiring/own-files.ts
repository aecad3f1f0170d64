// Keeps what a command writes out of the files that hq-token lives by. Opens no file.
import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { loadConfig, type Config } from '../config/load.js'
import { locate } from '../config/locate.js'
import type { Surroundings } from '../config/paths.js'
import { UsageError } from '../core/errors.js'
import { storePaths } from '../store/files.js'
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
  const wanted = marks(path)
  for (const [own, why] of ownFiles(config))
    if (marks(own).some((mark) => wanted.includes(mark)))
      throw new UsageError(`${path} is ${why}, and nothing is written over it`, {
        hint: `name another file with ${option}`,
      })
}

/** Does the same before the configuration is read. One that cannot be read has its own error later. */
export function assertNotOwnOf(path: string, option: string, choice: Choice, around: Surroundings): void {
  let config
  try {
    config = loadConfig({ ...around, ...locate(choice, around) })
  } catch {
    return
  }
  assertNotOwn(path, option, config)
}

function ownFiles({ file, files, seedFile, store, shared }: Config): (readonly [path: string, why: Why])[] {
  const { database, rescue, lock, oldRescue } = storePaths(store.path)
  const beside = [`${database}-journal`, rescue, lock, ...(oldRescue === null ? [] : [oldRescue])]
  return [
    [database, shared === null ? 'the store of hq-token' : 'this host’s seat of the store'],
    ...beside.map((path) => [path, 'a file of the store of hq-token'] as const),
    ...(file === null ? [] : [[file, 'the configuration'] as const]),
    ...[...files(), ...(seedFile === null ? [] : [seedFile])].map(
      (path) => [path, 'a file that the configuration names'] as const,
    ),
  ]
}

/** The file itself behind all links, and its name, which may be free: names that differ in case only count as one. */
function marks(path: string): string[] {
  const folder = real(dirname(path))
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return [
    join(folder, basename(path)).toLowerCase(),
    ...(stats === undefined ? [] : [`${stats.dev}:${stats.ino}`]),
  ]
}

function real(folder: string): string {
  try {
    return realpathSync.native(folder)
  } catch {
    return folder
  }
}
