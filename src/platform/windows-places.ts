// Tells a path on Windows by where it leads: to a share, into a profile that roams, or into one that is gone at logoff. Pure.
import { win32 } from 'node:path'
import { isWithin } from './profile.js'
import { variable } from './windows-programs.js'

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
 * @param home The folder of the user's profile, wherever the profiles are.
 * @see https://learn.microsoft.com/dotnet/standard/io/file-path-formats
 */
export function windowsPlace(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  home = 'C:\\Users',
): Place {
  const place = win32.normalize(path)
  // `\\?\C:\…` and `\\.\…` are paths of this machine; the redirector of shares has a name there, too.
  if (/^\\\\(?:[^?.\\]|[?.]\\(?:GLOBALROOT\\Device\\(?:Mup|LanmanRedirector)|UNC)\\)/i.test(place))
    return 'network'
  // Windows writes it so; a user may be called temp.
  const isTemporaryHome = /^TEMP(?:\.|$)/.test(win32.basename(home)) && isWithin(place, home)
  if (isTemporaryHome || /^(?:\\\\\?\\)?[A-Za-z]:\\Users\\TEMP(?:\.[^\\]*)?\\/.test(place)) return 'temporary'
  const roaming = variable(env, 'APPDATA')
  const isRoaming = /\\AppData\\Roaming\\/i.test(place) || (roaming !== undefined && isWithin(place, roaming))
  return isRoaming ? 'roaming' : 'local'
}
