/** What root does not do in other people's folders: `sudo -E` and an old `su` leave it with a user's HOME. */
import type { ErrorDetails } from '../core/errors.js'

/**
 * Why root makes nothing in a folder: what it makes in a user's home is closed to that user from then on.
 *
 * @param owner Of the folder.
 * @param instead How another place is named.
 * @param self The user that runs this program; `undefined` where there are none (Windows).
 * @returns The message and the hint; `undefined` where nothing stands against it.
 */
export function notForRoot(
  folder: string,
  owner: number,
  instead: string,
  self: number | undefined = process.geteuid?.(),
): [message: string, details: ErrorDetails] | undefined {
  if (self !== 0 || owner === 0) return undefined
  return [
    `${folder} belongs to another user (uid ${owner}), and this is root: nothing is made there`,
    {
      hint: `as that user: sudo -u '#${owner}' hq-token …; with root’s own home: sudo -H hq-token …; or name another place: ${instead}`,
    },
  ]
}
