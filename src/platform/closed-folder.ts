// Makes a folder on Windows that is closed to others from its first instant, and judges one that is there. Knows not what it is for.
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Notice } from '../core/ports.js'
import { judged, openTo, remedy } from './access.js'
import { accessLists, closeFolder, NotClosed, type WindowsSystem } from './access-control.js'
import { eachLeftDraft, newDraftName } from './draft-names.js'
import { whileHeld } from './held-files.js'
import { hintsOf } from './hints.js'
import { isInProfile, realPath } from './profile.js'

type Tell = ((notice: Notice) => void) | undefined

/** The folder in the draft that takes the name. */
const INNER = 'closed'

/**
 * Makes the folder, and those above it that are missing, closed from their first instant: under another name, which takes
 * the place of the topmost when it is closed. The rest is made in it and inherits its rights.
 *
 * @throws {NotClosed}
 */
export function makeClosed(folder: string, tell: Tell, system: WindowsSystem): void {
  const top = topmostMissing(folder)
  eachLeftDraft(dirname(top), (path, fate) => {
    if (fate === 'dead') removeDraft(path)
  })
  const draft = newDraftName(dirname(top))
  mkdirSync(draft)
  try {
    const warning = isInProfile(top, system)
      ? putClosed(draft, top, system)
      : putWhereOthersAre(draft, top, system)
    if (warning !== undefined) tell?.(warning)
  } finally {
    removeDraft(draft)
  }
  mkdirSync(folder, { recursive: true })
}

/** Closes the draft, and gives it its name. Another process may be faster. */
function putClosed(draft: string, top: string, system: WindowsSystem): Notice | undefined {
  const warning = closeFolder(draft, top, system)
  // Until it was closed, others may have been able to put something into it.
  if (readdirSync(draft).length > 0)
    throw new NotClosed(`others have put something into ${top}, which was not made`, {
      hint: 'run the same command again',
    })
  whileHeld(() => {
    if (!isThere(top)) renameSync(draft, top)
  })
  return warning
}

/**
 * Others may have rights in the folder above: they could open the draft, or put their own in its place, before it is closed. So
 * one that is made in the closed draft takes the name, and is judged then, whoever has made it.
 */
function putWhereOthersAre(draft: string, top: string, system: WindowsSystem): Notice | undefined {
  const inner = join(draft, INNER)
  closeFolder(draft, top, system)
  mkdirSync(inner)
  putClosed(inner, top, system)
  return assertClosed(top, system)
}

/**
 * Judges a folder before secrets are put into it: outside of the profile nobody but the user and the administrators may use it.
 *
 * @param isReadingMeant Others may read what it gets, as the accounts that a machine's configuration is for.
 * @returns A warning of those, and where Windows does not tell.
 * @throws {NotClosed} with the command that closes it
 */
export function assertClosed(
  folder: string,
  system: WindowsSystem,
  isReadingMeant = false,
): Notice | undefined {
  const path = realPath(folder)
  // The rights of a link say nothing of those of its target, and others may let it lead elsewhere later.
  const isLink = lstatSync(folder).isSymbolicLink()
  if (isLink && !isInProfile(join(dirname(folder), INNER), system))
    throw new NotClosed(`${folder} is a link: no secret is put there`, {
      hint: `name the folder itself, if it is yours: ${path}`,
    })
  if (isInProfile(path, system)) return undefined
  const lists = accessLists([path], system)
  const [found] = judged([{ path, kind: 'folder' }], lists)
  if (found?.others === undefined)
    return {
      level: 'warning',
      message: `${folder} was not looked at, because Windows did not tell who may use it`,
      hint: `to see it: ${hintsOf('win32').rights(path)}`,
    }
  if (found.others.read.length === 0 && found.others.change.length === 0) return undefined
  if (isReadingMeant && found.others.change.length === 0)
    return {
      level: 'warning',
      message: openTo(found),
      hint: `see that they are the accounts that run the jobs: ${hintsOf('win32').rights(path)}`,
    }
  throw new NotClosed(`${openTo(found)}: no secret is put there`, {
    hint: remedy(found, lists.self, system.env),
  })
}

/** Removes empty folders only: what is in them others have put there, and a folder of theirs may be a link by now. */
function removeDraft(draft: string): void {
  for (const path of [join(draft, INNER), draft])
    try {
      rmdirSync(path)
    } catch {
      // It has its name now, or others have put something into it.
    }
}

function topmostMissing(folder: string): string {
  const parent = dirname(folder)
  return parent === folder || isThere(parent) ? folder : topmostMissing(parent)
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}
