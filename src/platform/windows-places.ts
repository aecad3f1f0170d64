// Tells a path on Windows by where it leads: to a share, into a profile that roams, or into one that is gone at logoff; and a folder of
// many programs. Pure.
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

/** The variables that name a folder of Windows, of many programs or of many files. */
const OF_MANY =
  /^(?:windir|ProgramData|ALLUSERSPROFILE|(?:Common)?Program(?:Files(?:\(x86\))?|W6432)|PUBLIC|USERPROFILE|(?:LOCAL)?APPDATA|TEMP|TMP)$/i

/** Whether a folder is that of Windows, a user or many programs, or holds one: others lose what they need if it is closed. */
export function isForMany(folder: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const own = variable(env, 'USERPROFILE')
  const windows = variable(env, 'SystemRoot')
  // The profiles of the system's own accounts lie there.
  const isOwn = own !== undefined && isWithin(folder, own)
  const isWindows = windows !== undefined && (isSame(folder, windows) || isWithin(folder, windows))
  if (win32.dirname(folder) === folder || (isWindows && !isOwn)) return true
  return Object.entries(env).some(
    ([name, place = '']) =>
      OF_MANY.test(name) && win32.isAbsolute(place) && (isSame(place, folder) || isWithin(place, folder)),
  )
}

function isSame(one: string, other: string): boolean {
  return win32.relative(one, other) === ''
}
