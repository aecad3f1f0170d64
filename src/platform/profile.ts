// Tells whether a path lies in this user's profile on Windows, where nobody else has rights. Changes nothing.
import { realpathSync } from 'node:fs'
import { win32 } from 'node:path'
import { variable } from './windows-programs.js'

/** The user, as far as places go. */
export interface Profile {
  readonly env: NodeJS.ProcessEnv
  /** `os.homedir` */
  readonly homedir: () => string
}

/**
 * Whether a path lies in the profile: below its folder, or below an %APPDATA% that is on a file server, where the rights are
 * those of the home share. Links and short names are followed, because a folder of the profile may be a junction.
 */
export function isInProfile(path: string, { env, homedir }: Profile): boolean {
  const place = realPath(path)
  const roaming = variable(env, 'APPDATA')
  const share = roaming === undefined ? '' : realPath(roaming)
  return (
    isWithin(place, realPath(homedir())) ||
    (/^\\\\[^?.\\]/.test(share) && (place === share || isWithin(place, share)))
  )
}

/**
 * The folders for files of a while that are this user's own. The fixed one comes first, because a server for remote desktops
 * gives each session a %TEMP% of its own: no other session looks there, and it is deleted at logoff.
 */
export function ownFolders(temporary: string, profile: Profile): readonly string[] {
  const local = variable(profile.env, 'LOCALAPPDATA') ?? ''
  const own = isInProfile(temporary, profile) ? [temporary] : []
  return [...new Set([...(win32.isAbsolute(local) ? [local] : []), ...own])]
}

/** Whether a path lies below a folder, by Windows' rules. */
export function isWithin(path: string, folder: string): boolean {
  const way = win32.relative(folder, path)
  return way !== '' && !/^\.\.(?:[/\\]|$)/.test(way) && !win32.isAbsolute(way)
}

/** The path with every link followed, as far as Windows tells where it leads: of a RAM disk, say, it does not. */
export function realPath(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    const parent = win32.dirname(path)
    return parent === path || parent === '.' ? path : win32.join(realPath(parent), win32.basename(path))
  }
}
