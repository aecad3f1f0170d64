// Tells a path on Windows by where it leads: to a share, into a profile that roams, or into one that is gone at logoff. Pure.
import { win32 } from 'node:path'
import { isWithin } from './access-control.js'

export type Place =
  /** On another machine. */
  | 'network'
  /** Windows copies it to the user's other machines. */
  | 'roaming'
  /** Windows made it because it could not load the user's own, and deletes it at logoff. */
  | 'temporary'
  | 'local'

/**
 * The kind of a path's place.
 *
 * @param path With every link and mapped drive followed, as `realpathSync.native` gives it.
 * @see https://learn.microsoft.com/dotnet/standard/io/file-path-formats
 */
export function windowsPlace(path: string, env: Readonly<Record<string, string | undefined>>): Place {
  const place = win32.normalize(path)
  // `\\?\C:\…` and `\\.\…` are paths of this machine.
  if (/^\\\\(?:[^?.\\]|[?.]\\UNC\\)/i.test(place)) return 'network'
  // Windows writes it so; a user may be called temp.
  if (/^(?:\\\\\?\\)?[A-Za-z]:\\Users\\TEMP(?:\.[^\\]*)?\\/.test(place)) return 'temporary'
  const roaming = env['APPDATA']
  const isRoaming = /\\AppData\\Roaming\\/i.test(place) || (roaming !== undefined && isWithin(place, roaming))
  return isRoaming ? 'roaming' : 'local'
}
