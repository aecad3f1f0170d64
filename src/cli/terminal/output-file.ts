// Writes the file of `get --outfile` and `api -o`: whole or not at all, and not over another user's. Prints
// nothing.
import {
  constants,
  createWriteStream,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  type Stats,
} from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import type { Writable } from 'node:stream'
import { OutputFailed, type TokenError } from '../../core/errors.js'
import { hints } from '../../platform/hints.js'
import { beforeSignalsEnd, uninterrupted } from '../../platform/signals.js'
import { Draft } from '../../platform/draft.js'
import { heldOpen } from '../../platform/held-files.js'

/** As many links as Linux follows. */
const MOST_LINKS = 40

/** Whether an option names a file, and not standard output. */
export function namesFile(option: string | undefined): option is string {
  return option !== undefined && option !== '-'
}

/**
 * Puts `text` in the place of a file, whole or not at all: a reader sees the old one or the new one. The mode does not
 * depend on the umask. A link is followed, as shells and curl do, unless another user has put it there. Another
 * user's file is not replaced.
 *
 * @param mode Default: 0600.
 * @throws {OutputFailed | HeldOpen} and then the file is as it was.
 */
export async function replaceFile(path: string, text: string | Uint8Array, mode?: number): Promise<void> {
  try {
    // A signal between the two would leave a file behind that holds a token.
    // eslint-disable-next-line @typescript-eslint/require-await -- nothing in it may wait
    await uninterrupted(async () => {
      const draft = new Draft(followed(path).file)
      try {
        draft.fill(text, mode)
        draft.takePlace()
      } catch (error) {
        draft.remove()
        throw error
      }
    })
  } catch (error) {
    throw notWritten(path, error)
  }
}

/** An answer that comes in parts, and takes the place of a file when all of it has come. */
export interface Replacement {
  readonly stream: Writable
  /** Call it when the stream has finished. @throws {OutputFailed} */
  readonly takePlace: () => void
  readonly discard: () => void
}

/**
 * Does the same for an answer that comes in parts. The file is 0600 while it comes. Then it takes the mode of the
 * file that it replaces if that is ours; a new file takes the mode that the umask leaves.
 *
 * @throws {OutputFailed}
 */
export function replacement(path: string): Replacement {
  try {
    const { file, stats } = followed(path)
    const draft = new Draft(file)
    // Keep the handle open, because `takePlace` sets the mode by it.
    const stream = createWriteStream('', { fd: draft.fd, autoClose: false })
    const release = beforeSignalsEnd(() => {
      draft.remove()
    })
    return {
      stream,
      takePlace: () => {
        try {
          draft.takePlace(modeAfter(stats, draft))
        } catch (error) {
          draft.remove()
          throw notWritten(path, error)
        } finally {
          release()
        }
      },
      discard: () => {
        draft.forget()
        stream.destroy()
        draft.remove()
        release()
      },
    }
  } catch (error) {
    throw notWritten(path, error)
  }
}

/** @param before The file that is replaced. */
function modeAfter(before: Stats | undefined, draft: Draft): number {
  if (before === undefined) return draft.usualMode()
  const isOurs = before.uid === (process.geteuid?.() ?? before.uid)
  return before.mode & (isOurs ? 0o777 : draft.usualMode())
}

/**
 * A device or a pipe, which is written into as the answer comes; `undefined` if the path is neither.
 *
 * @throws {OutputFailed} for another user's pipe, or one behind another user's link.
 */
export function outputStream(path: string): Pick<Replacement, 'stream' | 'discard'> | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || stats.isFile() || stats.isDirectory()) return undefined
  } catch {
    return undefined
  }
  try {
    // A descriptor that is open already was handed over by the user who runs this.
    const { isDescriptor } = endOf(path)
    const refuse = (stats: Stats): void => {
      if (stats.isFIFO() && !isDescriptor && isStranger(stats))
        throw new NotReplaceable(`is a pipe of another user (uid ${stats.uid})`)
    }
    // Check before opening, because opening a pipe waits for its reader.
    refuse(statSync(path))
    const fd = openSync(path, constants.O_WRONLY)
    const stream = createWriteStream('', { fd })
    try {
      refuse(fstatSync(fd))
    } catch (error) {
      stream.destroy()
      throw error
    }
    return { stream, discard: () => stream.destroy() }
  } catch (error) {
    throw notWritten(path, error)
  }
}

/** Words the failure of a file that does not take an answer. */
export function notWritten(path: string, error: unknown): TokenError {
  const held = error instanceof NotReplaceable ? undefined : heldOpen([path], error)
  if (held !== undefined) return held
  const [why, hint] =
    error instanceof NotReplaceable
      ? [error.message, error.hint]
      : [
          `cannot be written (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`,
        ]
  return new OutputFailed(`${path} ${why}`, {
    hint: hint ?? hints.inTurn(hints.rights(dirname(path), path), hints.room(dirname(path))),
    cause: error,
  })
}

/** Says why a file is not replaced; the message follows the file's name. */
class NotReplaceable extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The file itself, behind its links; it need not exist. */
function followed(path: string): { readonly file: string; readonly stats: Stats | undefined } {
  const end = endOf(path)
  assertFile(end)
  const { file, stats } = end
  if (stats !== undefined && isStranger(stats))
    throw new NotReplaceable(`belongs to another user (uid ${stats.uid})`)
  return { file, stats }
}

/**
 * Says why no file may take the place of a path, where a link itself is replaced; the words follow the path.
 *
 * @returns `undefined` if nothing stands against it.
 */
export function whyNoFile(path: string): string | undefined {
  try {
    assertFile(endOf(path, () => true))
    return undefined
  } catch (error) {
    if (!(error instanceof NotReplaceable)) throw error
    return [error.message, ...(error.hint === undefined ? [] : [error.hint])].join(': ')
  }
}

/** @throws {NotReplaceable} */
function assertFile({ stats, isDescriptor }: End): void {
  // A descriptor is open already, perhaps for appending, so it cannot be replaced.
  if (isDescriptor)
    throw new NotReplaceable('is a descriptor, not a file', 'for standard output write - in its place')
  if (stats?.isDirectory() === true) throw new NotReplaceable('is a folder')
  // As root, a file would take the place of a device such as /dev/null.
  if (stats?.isFile() === false) throw new NotReplaceable('is not a regular file')
}

interface End {
  readonly file: string
  readonly stats: Stats | undefined
  readonly isDescriptor: boolean
}

/**
 * Follows a path's links to their end.
 *
 * @param isTrusted Default: a link of another user is not.
 * @throws {NotReplaceable} for a link that is not trusted.
 */
function endOf(path: string, isTrusted = (link: Stats) => !isStranger(link), links = 0): End {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats?.isSymbolicLink() !== true) return { file: path, stats, isDescriptor: false }
  if (links === MOST_LINKS) throw new NotReplaceable('is a link that leads round in a circle')
  if (/^\/(?:proc\/.*|dev)\/fd$/.test(realpathSync(dirname(path))))
    return { file: path, stats, isDescriptor: true }
  if (!isTrusted(stats))
    throw new NotReplaceable(`is a link that another user has put there (uid ${stats.uid})`)
  const target = readlinkSync(path)
  // Join as text, because the system resolves a `..` behind a linked folder, and `resolve` would do it before.
  return endOf(isAbsolute(target) ? target : `${dirname(path)}/${target}`, isTrusted, links + 1)
}

function isStranger({ uid }: Stats): boolean {
  const me = process.geteuid?.()
  return me !== undefined && uid !== me && uid !== 0
}
