/** Accepts a store's folder that is a link, if only root or we can have made the way to it. Changes nothing. */
import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { StoreUnusable } from '../core/errors.js'
import { shellWord } from '../core/shell-quoting.js'

/**
 * The target of a link that root has made, such as systemd's `StateDirectory=` of a dynamic user: nobody else can
 * have put anything on the way.
 *
 * @param stats The link's own.
 * @returns `undefined` if the target is missing.
 * @throws {StoreUnusable} it is any other link
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

/** The path with every link before its last name followed. */
function realNameOf(path: string): string {
  return resolve(realpathSync(dirname(path)), basename(path))
}

/** Whether only root and we can change any folder above a path. */
function isTrustedWay(path: string): boolean {
  const folder = dirname(path)
  const stats = lstatSync(folder, { throwIfNoEntry: false })
  if (stats === undefined || !isTrusted(stats)) return false
  // Ignore the mode of a link, because it says nothing; its target is checked under its real name.
  if (!stats.isSymbolicLink() && (stats.mode & 0o022) !== 0) return false
  return folder === dirname(folder) || isTrustedWay(folder)
}

function isTrusted({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.()
}
