// Puts the config file in place: whole, private, over no other file, and only if it can be read back.
import { linkSync, lstatSync, readFileSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { isMachines } from '../../../config/locate.js'
import { configText, readBack, type Texts } from '../../../config/write.js'
import { OutputFailed, TokenError, UsageError } from '../../../core/errors.js'
import { Draft } from '../../../platform/draft.js'
import { errnoOf } from '../../../platform/errno.js'
import { heldOpen, whileHeld } from '../../../platform/held-files.js'
import { ensureOwnFolder, rightsHint, syncName } from '../../../platform/files.js'
import { uninterrupted } from '../../../platform/signals.js'
import type { Voice } from '../../terminal/output.js'
import { replaceFile } from '../../terminal/output-file.js'
import type { World } from '../../world.js'

/**
 * Puts the file in place, whole or not at all, after it was read back as it was meant.
 *
 * @param tell Receives the warning that the file is only as private as its folder.
 * @throws {UsageError} if there is a file that is not to be replaced.
 * @throws {OutputFailed}
 */
export async function write(
  path: string,
  texts: Texts,
  { world, tell, force }: { readonly world: World; readonly tell: Voice['tell']; readonly force: boolean },
): Promise<void> {
  const content = `; Written by hq-token init. config.example.ini of the package has every key.\n${configText(texts)}`
  const folder = dirname(path)
  try {
    // Not Node's own recursive `mkdir`, because that loops for good within /proc.
    ensureOwnFolder(folder, tell, { isReadingMeant: isMachines(path, world) })
  } catch (error) {
    throw unwritable(path, error)
  }
  // Hold signals, because one would leave the draft behind with the secret in it.
  await uninterrupted(async () => {
    const draft = drafted(path, content)
    try {
      readBack(draft.path, texts, world)
      if (force) await replaceKeeping(path, content)
      else put(draft.path, path)
    } finally {
      draft.remove()
    }
  })
}

/** @throws {OutputFailed} */
function drafted(path: string, content: string): Draft {
  let draft: Draft | undefined
  try {
    draft = new Draft(path)
    draft.fill(content)
    return draft
  } catch (error) {
    draft?.remove()
    throw unwritable(path, error)
  }
}

/** Replaces no other file, because one may have come since the last look. */
function put(draft: string, path: string): void {
  try {
    whileHeld(() => {
      linkSync(draft, path)
    })
  } catch (error) {
    if (isTaken(path)) throw taken(path)
    // The disk has hard links, but a program holds the draft. A rename would replace a file that has come meanwhile.
    if (process.platform === 'win32' && errnoOf(error) === 'EBUSY') throw unwritable(path, error)
    try {
      // The file system has no hard links.
      whileHeld(() => {
        renameSync(draft, path)
      })
    } catch {
      throw unwritable(path, error)
    }
  }
  syncName(dirname(path))
}

async function replaceKeeping(path: string, content: string): Promise<void> {
  let old: Uint8Array | undefined
  try {
    old = readFileSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw unwritable(path, error)
  }
  if (old !== undefined) await replaceFile(free(`${path}.bak`), old)
  await replaceFile(path, content)
}

/** Finds a free name for the old file, because a copy that was kept before may be one that somebody wrote by hand. */
function free(path: string): string {
  for (let nth = 1; ; nth++) {
    const name = nth === 1 ? path : `${path}.${nth}`
    if (!isTaken(name)) return name
  }
}

/** A link that leads nowhere counts as a file, too, because somebody has put it there. */
export function isTaken(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch {
    // A path that cannot be looked at cannot be written either; writing says so.
    return false
  }
}

export function taken(path: string): UsageError {
  return new UsageError(`${path} is there already and stays as it is`, {
    hint: 'hq-token init --force replaces the file, and keeps the old one as FILE.bak',
  })
}

function unwritable(path: string, cause: unknown): TokenError {
  const told = cause instanceof TokenError ? cause : heldOpen([path], cause)
  if (told !== undefined) return told
  return new OutputFailed(`${path} cannot be written (${errnoOf(cause)})`, { hint: rightsHint(path), cause })
}
