/** The folder of a store where it is a link, and who has made the way to it. */
import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { StoreUnusable } from '../core/errors.js'
import { shellWord } from '../core/shell-quoting.js'

/**
 * What a link leads to that root has made, such as systemd's `StateDirectory=` of a dynamic user: nobody else can have
 * put anything on the way.
 *
 * @param stats Of the link itself.
 * @returns `undefined` where nothing is there.
 * @throws {StoreUnusable} of any other link.
 */
export function throughLink(folder: string, stats: Stats): Stats | undefined {
  const target = resolve(dirname(folder), readlinkSync(folder))
  const ways = [folder, target].flatMap((path) => [path, realNameOf(path)])
  if (!isTrusted(stats) || !ways.every(isTrustedWay))
    throw new StoreUnusable(`${folder} is a link to ${target}, which others than root could have made`, {
      hint: `name the folder itself: [store] path, or HQ_TOKEN_STORE=${shellWord(resolve(target, 'token.db'))}`,
    })
  const found = lstatSync(target, { throwIfNoEntry: false })
  if (found?.isSymbolicLink() === true)
    throw new StoreUnusable(`${folder} is a link to ${target}, which is a link too`, {
      hint: `name the folder itself: [store] path, or HQ_TOKEN_STORE=${shellWord(resolve(realpathSync(target), 'token.db'))}`,
    })
  return found && statSync(target)
}

/** With every link before its last name followed. */
function realNameOf(path: string): string {
  return resolve(realpathSync(dirname(path)), basename(path))
}

/** Whether nobody but root and ourselves can have a hand in any folder above a path. */
function isTrustedWay(path: string): boolean {
  const folder = dirname(path)
  const stats = lstatSync(folder, { throwIfNoEntry: false })
  if (stats === undefined || !isTrusted(stats)) return false
  // The mode of a link says nothing; where it leads to is looked at by its real name.
  if (!stats.isSymbolicLink() && (stats.mode & 0o022) !== 0) return false
  return folder === dirname(folder) || isTrustedWay(folder)
}

function isTrusted({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.()
}
