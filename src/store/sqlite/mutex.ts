/** One mutex for each store in this process, shared by all loaded copies and versions of hq-token. Opens no file. */

/**
 * The key of the protocol that every version keeps: `globalThis` has under it a `Set` of the places
 * (`StorePaths.place`) of the stores whose lock file a copy in this process has open. While a store is in the set,
 * nobody else may open its lock file in any way, because a POSIX lock belongs to the process: closing any other
 * handle of the file would drop it.
 */
const KEY = Symbol.for('hq-token.locks')

const shared = globalThis as { [KEY]?: Set<string> | undefined }

/**
 * Takes a store's mutex if it is free. Each worker thread has a `globalThis` of its own, and so mutexes of its own.
 *
 * @returns The function that releases it; `undefined` if another holds it.
 */
export function takeMutex(place: string): (() => void) | undefined {
  const places = (shared[KEY] ??= new Set())
  if (places.has(place)) return undefined
  places.add(place)
  return () => {
    places.delete(place)
  }
}
