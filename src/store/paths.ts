/** Names a store's files, and gives all spellings of a store's path one name. Opens nothing. */
import { lstatSync, readdirSync, realpathSync, type BigIntStats } from 'node:fs'
import { basename, dirname, join, parse, resolve, win32 } from 'node:path'
import { StoreUnusable } from '../core/errors.js'
import { windowsSpelling } from '../platform/windows-path.js'

/** The three files of a store, side by side in one folder. */
export interface StorePaths {
  readonly folder: string
  readonly database: string
  readonly rescue: string
  readonly lock: string
  /**
   * The second place where earlier versions may have kept answers of this store, beside `rescue`; `null` if there
   * is none.
   */
  readonly oldRescue: string | null
  /** True if the store `NAME.db` beside this one uses that rescue file now: it is read, and left as it is. */
  readonly isOldShared: boolean
  /**
   * The database's real path in its true case: the same for all spellings of one store, and different for any two
   * stores.
   */
  readonly place: string
  /** `place` as earlier versions computed it. */
  readonly oldPlace: string
}

/** Names of files beside a store: a store of such a name would share a file with another. */
const SIDE_FILE = /(?:\.(?:lock|rescue|new)|-(?:lock|rescue|journal|wal|shm))$/i

/**
 * The files of a store. `NAME.db` keeps the names that it has always had, so that earlier and later versions share
 * one lock. Any other name stays whole in the names beside it, as in SQLite's journal: `x` and `x.db` are two
 * stores.
 *
 * @throws {StoreUnusable} the name is one of another store's own files
 */
export function storePaths(path: string): StorePaths {
  const database = databasePath(path)
  const folder = dirname(database)
  const isCaseIgnored = ignoresCase(database)
  const name = isCaseIgnored ? trueName(folder, basename(database)) : basename(database)
  if (SIDE_FILE.test(name))
    throw new StoreUnusable(`${database} is named as a file beside a store, not as a store`, {
      hint: 'name another file in [store] path, such as token.db',
    })
  const places = {
    place: placeOf(folder, name, isCaseIgnored),
    oldPlace: join(realFolder(folder, realpathSync), basename(database)),
  }
  const isPlain = isCaseIgnored ? /\.db$/i.test(name) : name.endsWith('.db')
  // Cut from the whole path: for the name `.db`, `join` with the rest would be the folder, and name files beside
  // it.
  const stem = isPlain ? join(folder, name).slice(0, -'.db'.length) : join(folder, name)
  if (isPlain)
    return {
      ...{ folder, database, rescue: `${stem}.rescue`, lock: `${stem}.lock` },
      // If case is ignored, those versions knew the suffix in small letters only.
      oldRescue: isCaseIgnored ? join(folder, `${name}.rescue`) : null,
      isOldShared: false,
      ...places,
    }
  return {
    ...{ folder, database, rescue: `${stem}-rescue`, lock: `${stem}-lock` },
    ...{ oldRescue: `${stem}.rescue`, isOldShared: statsOf(`${stem}.db`) !== undefined, ...places },
  }
}

/**
 * The path of a database, whole. Node and SQLite open the same file by it.
 *
 * @throws {StoreUnusable} no file on Windows has this name
 */
export function databasePath(path: string, platform = process.platform): string {
  if (platform !== 'win32') return resolve(path)
  const spelling = windowsSpelling(win32.resolve(path), platform)
  if (typeof spelling === 'string') return spelling
  throw new StoreUnusable(`${path} ${spelling.problem}`, { hint: spelling.hint })
}

/** Stats of the file itself, not of a link's target; `undefined` if they cannot be read. */
function statsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true })
  } catch {
    return undefined
  }
}

/**
 * Whether the path in other letters leads to the same file. Tried on the path itself or on the nearest part that
 * exists.
 */
function ignoresCase(path: string): boolean {
  if (dirname(path) === path) return process.platform === 'win32' || process.platform === 'darwin'
  const here = isOneInOtherCase(path)
  if (here !== undefined) return here
  const beside = firstIn(dirname(path))
  return (beside === undefined ? undefined : isOneInOtherCase(beside)) ?? ignoresCase(dirname(path))
}

/** `undefined` if nothing can tell: nothing is there, or its name has no letters. */
function isOneInOtherCase(path: string): boolean | undefined {
  const name = basename(path)
  const flipped = name === name.toLowerCase() ? name.toUpperCase() : name.toLowerCase()
  const stats = statsOf(path)
  if (flipped === name || stats === undefined) return undefined
  const other = statsOf(join(dirname(path), flipped))
  return other !== undefined && other.ino === stats.ino && other.dev === stats.dev
}

/** Any entry whose name has letters. */
function firstIn(folder: string): string | undefined {
  const name = namesIn(folder).find((name) => name.toLowerCase() !== name.toUpperCase())
  return name === undefined ? undefined : join(folder, name)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Makes names equal that a file system which ignores case takes for one. */
function folded(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

/** The name as it stands in its folder if case is ignored; the name itself if nothing is there under it. */
function trueName(folder: string, name: string): string {
  const names = namesIn(folder)
  const found = names.includes(name) ? name : names.find((other) => folded(other) === folded(name))
  if (found !== undefined || process.platform !== 'win32') return found ?? name
  // Ask the system, because only it knows the file behind a short name (`LONGNA~1.DB`).
  const path = join(folder, name)
  const stats = statsOf(path)
  if (stats === undefined || stats.isSymbolicLink()) return name
  try {
    return basename(realpathSync.native(path))
  } catch {
    return name
  }
}

function placeOf(folder: string, name: string, isCaseIgnored: boolean): string {
  const real = realFolder(folder, realpathSync.native)
  if (!isCaseIgnored) return join(real, name)
  return join(process.platform === 'linux' ? trueFolder(real) : real, folded(name))
}

/** A folder with every link followed, as far as it exists and can be reached. */
function realFolder(folder: string, follow: (path: string) => string): string {
  try {
    return follow(folder)
  } catch {
    const parent = dirname(folder)
    return parent === folder ? folder : join(realFolder(parent, follow), basename(folder))
  }
}

/** The folder as Linux has it: follows links, and leaves the case of a name as written. */
function trueFolder(folder: string): string {
  if (folder === parse(folder).root) return folder
  const name =
    isOneInOtherCase(folder) === true ? trueName(dirname(folder), basename(folder)) : basename(folder)
  return join(trueFolder(dirname(folder)), name)
}
