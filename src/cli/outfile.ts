import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { OutputFailed } from '../core/errors.js'
import { shellWord } from '../core/shell.js'
import { uninterrupted } from '../signals.js'

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
      replaceNow(followed(path), text)
    })
  } catch (error) {
    const why = error instanceof Unfit ? error.message : `cannot be written (${reason(error)})`
    throw new OutputFailed(`${path} ${why}`, {
      hint: `ls -ld ${shellWord(dirname(path))} ${shellWord(path)}; df ${shellWord(dirname(path))}`,
      cause: error,
    })
  }
}

function reason(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** What is not to be replaced; the message goes on after the file's name. */
class Unfit extends Error {}

/** The file itself, behind its links; it need not exist. */
function followed(path: string, links = 0): string {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined || stats.isFile()) return path
  if (stats.isDirectory()) throw new Unfit('is a folder')
  // A device would be replaced by a file: /dev/null, for root.
  if (!stats.isSymbolicLink()) throw new Unfit('is not a regular file')
  if (links === MOST_LINKS) throw new Unfit('is a link that leads round in a circle')
  const me = process.geteuid?.()
  if (me !== undefined && stats.uid !== me && stats.uid !== 0)
    throw new Unfit(`is a link that another user has put there (uid ${stats.uid})`)
  const target = readlinkSync(path)
  // Joined as text: the system resolves a `..` behind a linked folder, and `resolve` would do it before.
  return followed(isAbsolute(target) ? target : `${dirname(path)}/${target}`, links + 1)
}

function replaceNow(path: string, text: string | Uint8Array): void {
  const folder = dirname(path)
  const draft = join(folder, `.hq-token-${randomBytes(6).toString('hex')}`)
  const fd = openSync(draft, 'wx', 0o600)
  try {
    try {
      if (process.platform !== 'win32') fchmodSync(fd, 0o600)
      writeFileSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
  syncName(folder)
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
