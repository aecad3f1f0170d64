/** Takes back the permissions that a Kubernetes volume with `fsGroup` gives to a group. Reads no token. */
import { chmodSync, closeSync, constants, fchmodSync, fstatSync, openSync, type Stats } from 'node:fs'
import { basename } from 'node:path'
import type { Notice } from '../core/ports.js'
import { isStore } from './sqlite/addon.js'
import { NO_FOLLOW } from '../platform/files.js'
import { lstatOf, type StorePaths } from './files.js'

/** A file or folder of a store that its group may use. */
export interface Shared {
  readonly path: string
  readonly stats: Stats
}

/**
 * The files of a store that Kubernetes has opened to a group: at each mount of a volume with `fsGroup` it makes
 * every folder 2770 and every file g+rw. Whatever is ours and open only to a group of our own counts as that.
 *
 * @returns The folder first; nothing if the file is no store of this program.
 * @throws As `isStore`.
 */
export function sharedByVolume(paths: StorePaths): Shared[] {
  const { folder, database, rescue, oldRescue, isOldShared, lock } = paths

  const around = lstatOf(folder)
  if (around?.isDirectory() !== true) return []
  const names = [
    database,
    `${database}-journal`,
    rescue,
    lock,
    ...(oldRescue === null || isOldShared ? [] : [oldRescue]),
  ]
  const files = names.flatMap((path) => {
    const stats = lstatOf(path)
    return stats !== undefined && isGroupsAlone(stats, 0o077) ? [{ path, stats }] : []
  })
  const all = [...(isGroupsAlone(around, 0o022) ? [{ path: folder, stats: around }] : []), ...files]
  if (all.length === 0) return []
  const stored = lstatOf(database)
  const isOurs = stored?.isFile() === true && stored.uid === process.geteuid?.() && stored.nlink === 1
  return isOurs && isStore(database) ? all : []
}

/** @param bits Permissions that a private file or folder does not have. */
function isGroupsAlone(stats: Stats, bits: number): boolean {
  if (stats.uid !== process.geteuid?.()) return false
  const isPlain = stats.isFile() ? stats.nlink === 1 : stats.isDirectory()
  const extra = stats.mode & bits
  return isPlain && extra !== 0 && (extra & 0o007) === 0 && ownGroups().includes(stats.gid)
}

function ownGroups(): readonly (number | undefined)[] {
  return [process.getegid?.(), ...(process.getgroups?.() ?? [])]
}

/**
 * Removes the permissions that `sharedByVolume` found. It closes the folder first and then checks each file again,
 * because until then a member of the group could have replaced a file.
 *
 * @throws As `isStore`. If the system refuses the change, a later check reports it.
 */
export function takeFromGroup(paths: StorePaths, notify: (notice: Notice) => void): void {
  const shared = sharedByVolume(paths)
  if (shared.length === 0) return
  const taken: Shared[] = []
  try {
    for (const one of shared) {
      if (one.stats.isDirectory()) closeFolder(one)
      else if (!isUnchanged(one)) continue
      else chmodSync(one.path, 0o600)
      taken.push(one)
    }
  } catch {
    // The volume may be read-only: a later check refuses the file.
  }
  if (taken.length === 0) return
  notify({
    level: 'warning',
    message: `took the group’s permissions away from ${named(taken)}`,
    hint: 'a volume with fsGroup gives them at each mount, unless the pod has fsGroupChangePolicy: OnRootMismatch',
  })
}

/** Lists them with their modes: the folder by its path, files by their names. */
export function named(shared: readonly Shared[]): string {
  return shared
    .map(({ path, stats }) => {
      const mode = (stats.mode & 0o7777).toString(8)
      return `${stats.isDirectory() || path === shared[0]?.path ? path : basename(path)} (mode ${mode})`
    })
    .join(', ')
}

/** Uses a handle, because the folder's name lies in a folder that the group may be able to write. */
function closeFolder({ path, stats: { dev, ino } }: Shared): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | NO_FOLLOW)
  try {
    const now = fstatSync(fd)
    if (now.dev !== dev || now.ino !== ino) throw new Error('another folder')
    fchmodSync(fd, 0o700)
  } finally {
    closeSync(fd)
  }
}

function isUnchanged({ path, stats: { dev, ino } }: Shared): boolean {
  const now = lstatOf(path)
  return now?.dev === dev && now.ino === ino && isGroupsAlone(now, 0o077)
}
