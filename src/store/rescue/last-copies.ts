/** Names the folders and files for answers if the store's own disk fails. Writes nothing. */
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'

/** @param place The store's real path, the same for all spellings. */
export function prefixFor(place: string): string {
  const store = createHash('sha256').update(place).digest('hex').slice(0, 16)
  return `hq-token-${process.geteuid?.() ?? 0}-${store}-`
}

/**
 * The folders for last copies, of this system only: on Windows `/var/tmp` would be a folder of the current drive,
 * which anybody may create.
 */
export function lastCopyFolders(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
  temporary = tmpdir(),
): readonly string[] {
  const uid = process.geteuid?.() ?? 0
  const known = {
    win32: [temporary, env['LOCALAPPDATA']],
    // The fixed names come first, because a login shell and cron share them; cron has no XDG_RUNTIME_DIR, which
    // is removed at logout.
    linux: ['/var/tmp', '/dev/shm', temporary, `/run/user/${uid}`, env['XDG_RUNTIME_DIR']],
    other: ['/var/tmp', temporary, env['XDG_RUNTIME_DIR']],
  }[platform === 'win32' || platform === 'linux' ? platform : 'other']
  return [...new Set(known)].flatMap((folder) => (folder === undefined || folder === '' ? [] : [folder]))
}
