// Says for `doctor`, by Windows' own lists, who else may use the files of a configuration. Reads none of them but the seed.
import { win32 } from 'node:path'
import { ConfigInvalid } from '../core/errors.js'
import type { Finding } from '../core/finding.js'
import { accessFindings } from '../platform/access.js'
import { accessLists } from '../platform/access-control.js'
import { isThere } from './file.js'
import type { Config } from './load.js'
import type { Surroundings } from './paths.js'
import { seedIn } from './seed-file.js'

/** Judges the config file with its folder, because no file is judged there before it is read; its secrets, and its seed. */
export function inspectRights(
  { file, seedFile }: Pick<Config, 'file' | 'seedFile'>,
  secrets: readonly string[],
  { accessLists: ask = accessLists }: Pick<Surroundings, 'accessLists'>,
): readonly Finding[] {
  const own = file === null ? [] : [file]
  const seed = seedFile === null || seedIn(seedFile) === undefined ? [] : [seedFile]
  const guarded = [
    ...[...own, ...secrets.filter(isThere), ...seed].map((path) => ({ path, kind: 'file' }) as const),
    ...own.map((path) => ({ path: win32.dirname(path), kind: 'folder' }) as const),
    ...own.map((path) => ({ path: win32.dirname(win32.dirname(path)), kind: 'above' }) as const),
  ]
  if (guarded.length === 0) return []
  return accessFindings({
    ...{ name: 'permissions', files: guarded, lists: ask(guarded.map(({ path }) => path)) },
    ...{ problem: (message, details) => new ConfigInvalid(message, details), isReadingMild: true },
  })
}
