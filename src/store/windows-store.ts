// Judges the place of a store on Windows, before a new one is made there and for `doctor`. Opens no file.
import { ConfigInvalid, StoreUnusable } from '../core/errors.js'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import type { Notice } from '../core/ports.js'
import { thisSystem } from '../platform/access-control.js'
import { assertClosed } from '../platform/closed-folder.js'
import { windowsPlace, type Place } from '../platform/windows-places.js'
import { lstatOf } from './files.js'
import type { StorePaths } from './paths.js'

type Environment = Readonly<Record<string, string | undefined>>

const FLAWS: Readonly<Record<Exclude<Place, 'local'>, readonly [what: string, hint: string]>> = {
  network: [
    'is on a network share, whose locks cannot be relied on',
    'name a [store] path on a disk of this machine, such as %LOCALAPPDATA%\\hq-token\\token.db; many machines share a store by [store] url',
  ],
  roaming: [
    'is in a profile that roams: Windows copies it to other machines, and one grant on two machines ends',
    'name a [store] path outside of it, such as %LOCALAPPDATA%\\hq-token\\token.db',
  ],
  temporary: [
    'is in a temporary profile, because Windows could not load the user’s own: it is deleted at logoff',
    'log off and on again; if it stays so, the profile must be repaired; or name a [store] path outside of it',
  ],
}

/**
 * Refuses to make a store on a network share or in a folder that others may use, and warns of other places where it would not
 * last. A store that is there already is used.
 *
 * @throws {ConfigInvalid | StoreUnusable}
 */
export function assertNewPlace(
  { database, place: real, folder }: Pick<StorePaths, 'database' | 'place' | 'folder'>,
  env: Environment,
  tell: (notice: Notice) => void,
  system = thisSystem,
): void {
  const place = windowsPlace(real, env, system.homedir())
  if (place !== 'local') {
    const [what, hint] = FLAWS[place]
    if (place === 'network') throw new ConfigInvalid(`${database} ${what}: no store is made there`, { hint })
    tell({ level: 'warning', message: `${database} ${what}`, hint })
  }
  const warning = lstatOf(folder) === undefined ? undefined : assertClosed(folder, system)
  if (warning !== undefined) tell(warning)
}

/** @param real The folder, or the nearest one above it that exists, with every link followed; `undefined` if Windows does not tell. */
export function placeFinding(
  folder: string,
  real: string | undefined,
  env: Environment,
  home = thisSystem.homedir(),
): Finding {
  const name = 'file system'
  if (real === undefined) return skip(name, 'Windows does not tell where the folder is')
  // The last separator, because the folder itself may be the profile's.
  const place = windowsPlace(`${real}\\`, env, home)
  if (place === 'local') return ok(name, 'local')
  const [what, hint] = FLAWS[place]
  const message = `${folder} ${what}`
  return place === 'temporary' ? fail(name, new StoreUnusable(message, { hint })) : warn(name, message, hint)
}
