// Writes a draft beside a file, and puts it in the file's place when it is whole. Throws the system's errors.
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { syncName } from './files.js'
import { whileHeld } from './held-files.js'
import { fateOf, MARK, processMark } from './processes.js'

const NAME = new RegExp(`^\\.hq-token-(${MARK})-[0-9a-f]{12}$`)
/** Milliseconds after which no process still writes a draft, because a transfer that stalls is given up sooner. */
const GIVEN_UP = 86_400_000

/**
 * A draft is 0600 from its first instant, whatever mode the file gets: a user who may not read the file must not
 * read half of it. The constructor removes the drafts that killed processes have left beside it.
 */
export class Draft {
  readonly fd: number
  readonly path: string
  readonly #target: string
  #isOpen = true

  constructor(target: string) {
    const folder = dirname(target)
    removeLeftDrafts(folder)
    this.#target = target
    this.path = newName(folder)
    this.fd = whileHeld(() => openSync(this.path, 'wx', 0o600))
    try {
      // Under umask 777, for example, it would be 000.
      this.#setMode(0o600)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** Writes the whole content, and syncs it to the disk. @param mode Default: 0600. */
  fill(content: string | Uint8Array, mode?: number): void {
    writeFileSync(this.fd, content)
    if (mode !== undefined) this.#setMode(mode)
    this.close()
  }

  /** Syncs what was written to the disk, and closes the handle. */
  close(): void {
    if (!this.#isOpen) return
    fsyncSync(this.fd)
    this.forget()
    closeSync(this.fd)
  }

  /** Call this if another owner has closed the handle, or is about to. */
  forget(): void {
    this.#isOpen = false
  }

  /** @param mode Default: 0600. */
  takePlace(mode?: number): void {
    if (mode !== undefined) this.#setMode(mode)
    this.close()
    whileHeld(() => {
      renameSync(this.path, this.#target)
    })
    syncName(dirname(this.#target))
  }

  remove(): void {
    if (this.#isOpen) {
      this.forget()
      closeSync(this.fd)
    }
    try {
      whileHeld(() => {
        unlinkSync(this.path)
      })
    } catch {
      // The draft has already taken the file's place.
    }
  }

  /**
   * The mode that a new file gets here, by the umask or by what the folder hands down. It makes a file to see,
   * because Node has no safe way to ask for the umask.
   */
  usualMode(): number {
    const probe = newName(dirname(this.path))
    try {
      const fd = openSync(probe, 'wx', 0o666)
      try {
        return fstatSync(fd).mode & 0o777
      } finally {
        closeSync(fd)
        unlinkSync(probe)
      }
    } catch {
      return 0o600
    }
  }

  /** Sets the mode by the handle, because in a folder of others the name may already lead to another file. */
  #setMode(mode: number): void {
    if (process.platform !== 'win32') fchmodSync(this.fd, mode)
  }
}

function newName(folder: string): string {
  return join(folder, `.hq-token-${processMark()}-${randomBytes(6).toString('hex')}`)
}

/** Removes the drafts that killed processes of this user have left in a folder. Never throws. */
function removeLeftDrafts(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, mark] = NAME.exec(name) ?? []
      if (mark !== undefined) removeIfLeft(join(folder, name), mark)
    }
  } catch {
    // The folder may be written but not listed.
  }
}

function removeIfLeft(path: string, mark: string): void {
  try {
    const fate = fateOf(mark)
    if (fate === 'alive') return
    const stats = lstatSync(path)
    // Check, because anybody may give such a name to something in a shared folder.
    if (!stats.isFile() || stats.uid !== (process.geteuid?.() ?? stats.uid)) return
    if (fate === 'dead' || Date.now() - stats.mtimeMs > GIVEN_UP) unlinkSync(path)
  } catch {
    // Another process was faster.
  }
}
