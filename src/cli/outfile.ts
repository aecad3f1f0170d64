import { randomBytes } from 'node:crypto'
import {
  closeSync,
  createWriteStream,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import type { Writable } from 'node:stream'
import { OutputFailed } from '../core/errors.js'
import { shellWord } from '../core/shell.js'
import { beforeSignalsEnd, uninterrupted } from '../signals.js'

/** As many as Linux follows. */
const MOST_LINKS = 40

/**
 * Puts `text` in the place of a file, whole or not at all: a reader sees the old one or the new one. 0600
 * whatever the umask. A link is followed, as shells and curl do, unless another user has put it there.
 *
 * @throws {OutputFailed} and then the file is as it was.
 */
export async function replaceFile(path: string, text: string | Uint8Array): Promise<void> {
  try {
    // A signal between the two would leave a file behind that holds a token.
    // eslint-disable-next-line @typescript-eslint/require-await -- nothing in it may wait
    await uninterrupted(async () => {
      const draft = new Draft(followed(path), 0o600)
      try {
        try {
          writeFileSync(draft.fd, text)
          fsyncSync(draft.fd)
        } finally {
          closeSync(draft.fd)
        }
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

/** What comes in parts, and takes the place of a file when all of it has come. */
export interface Replacement {
  readonly stream: Writable
  /** To be called when the stream has closed. @throws {OutputFailed} */
  readonly takePlace: () => void
  readonly discard: () => void
}

/**
 * The same for what comes in parts; the file keeps its mode, and a new one has what the umask leaves.
 *
 * @throws {OutputFailed}
 */
export function replacement(path: string): Replacement {
  try {
    const file = followed(path)
    const draft = new Draft(file, statSync(file, { throwIfNoEntry: false })?.mode)
    const stream = createWriteStream('', { fd: draft.fd, flush: true })
    const release = beforeSignalsEnd(() => {
      draft.remove()
    })
    return {
      stream,
      takePlace: () => {
        try {
          draft.takePlace()
        } catch (error) {
          draft.remove()
          throw notWritten(path, error)
        } finally {
          release()
        }
      },
      discard: () => {
        stream.destroy()
        draft.remove()
        release()
      },
    }
  } catch (error) {
    throw notWritten(path, error)
  }
}

/** What becomes of an answer that a file does not take. */
export function notWritten(path: string, error: unknown): OutputFailed {
  const [why, hint] =
    error instanceof Unfit
      ? [error.message, error.hint]
      : [
          `cannot be written (${error instanceof Error && 'code' in error ? String(error.code) : String(error)})`,
        ]
  return new OutputFailed(`${path} ${why}`, {
    hint: hint ?? `ls -ld ${shellWord(dirname(path))} ${shellWord(path)}; df ${shellWord(dirname(path))}`,
    cause: error,
  })
}

/** What is not to be replaced; the message goes on after the file's name. */
class Unfit extends Error {
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}

/** The file itself, behind its links; it need not exist. */
function followed(path: string, links = 0): string {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || stats.isFile()) return path
  if (stats.isDirectory()) throw new Unfit('is a folder')
  // A device would be replaced by a file: /dev/null, for root.
  if (!stats.isSymbolicLink()) throw new Unfit('is not a regular file')
  if (links === MOST_LINKS) throw new Unfit('is a link that leads round in a circle')
  // What is behind it is open already: to be added to, perhaps, and not to be replaced.
  if (/^\/(?:proc\/.*|dev)\/fd$/.test(realpathSync(dirname(path))))
    throw new Unfit('is a descriptor, not a file', 'for standard output write - in its place')
  const me = process.geteuid?.()
  if (me !== undefined && stats.uid !== me && stats.uid !== 0)
    throw new Unfit(`is a link that another user has put there (uid ${stats.uid})`)
  const target = readlinkSync(path)
  // Joined as text: the system resolves a `..` behind a linked folder, and `resolve` would do it before.
  return followed(isAbsolute(target) ? target : `${dirname(path)}/${target}`, links + 1)
}

/** A file beside another, under a name that nobody else has. */
class Draft {
  readonly fd: number
  readonly #path: string
  readonly #target: string

  /** @param mode Without one the umask decides. */
  constructor(target: string, mode?: number) {
    this.#target = target
    this.#path = join(dirname(target), `.hq-token-${randomBytes(6).toString('hex')}`)
    this.fd = openSync(this.#path, 'wx', mode === undefined ? 0o666 : mode & 0o777)
    if (mode === undefined || process.platform === 'win32') return
    try {
      fchmodSync(this.fd, mode & 0o777)
    } catch (error) {
      closeSync(this.fd)
      this.remove()
      throw error
    }
  }

  /** All of it must be on the disk. */
  takePlace(): void {
    renameSync(this.#path, this.#target)
    syncName(dirname(this.#target))
  }

  remove(): void {
    rmSync(this.#path, { force: true })
  }
}

/** The new file is in place: where its name cannot be made durable, that is no failure any more. */
export function syncName(folder: string): void {
  try {
    const fd = openSync(folder, 'r')
    try {
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  } catch {
    // A folder that may not be read, a file system that has no such thing, Windows.
  }
}
