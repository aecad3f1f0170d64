/** Where an answer goes when the store's own disk fails, and how it is called there. */
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'

/** @param place Of the store, however the way to it is written. */
export function prefixFor(place: string): string {
  const store = createHash('sha256').update(place).digest('hex').slice(0, 16)
  return `hq-token-${process.geteuid?.() ?? 0}-${store}-`
}

/**
 * The folders for last copies, those of this system only: on Windows `/var/tmp` would be a folder of the current drive,
 * which anybody may make.
 */
export function lastCopyFolders(
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
  temporary = tmpdir(),
): readonly string[] {
  const uid = process.geteuid?.() ?? 0
  const known = {
    win32: [temporary, env['LOCALAPPDATA']],
    // The same for a login shell and for cron, which has no XDG_RUNTIME_DIR; that one goes at logout.
    linux: ['/var/tmp', '/dev/shm', temporary, `/run/user/${uid}`, env['XDG_RUNTIME_DIR']],
    other: ['/var/tmp', temporary, env['XDG_RUNTIME_DIR']],
  }[platform === 'win32' || platform === 'linux' ? platform : 'other']
  return [...new Set(known)].flatMap((folder) => (folder === undefined || folder === '' ? [] : [folder]))
}
