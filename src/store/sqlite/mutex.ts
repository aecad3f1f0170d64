/** One mutex for each store in this process, whichever copies and versions of hq-token are loaded in it. */

/**
 * The protocol, which every version keeps: under this key `globalThis` has a `Set` of the places (`StorePaths.place`)
 * of the stores whose lock file a copy in this process has open. Who finds a store in it opens that lock file in no
 * way, because a POSIX lock belongs to the process: closing any other handle of the file would drop it.
 */
const KEY = Symbol.for('hq-token.locks')

const shared = globalThis as { [KEY]?: Set<string> | undefined }

/**
 * Takes a store's mutex, if it is free. Worker threads have a `globalThis` each.
 *
 * @returns The way to let go; `undefined` where another holds it.
 */
export function takeMutex(place: string): (() => void) | undefined {
  const places = (shared[KEY] ??= new Set())
  if (places.has(place)) return undefined
  places.add(place)
  return () => {
    places.delete(place)
  }
}
