// Writes a draft beside a file, and puts it in the file's place when it is whole. Throws the system's errors.
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { eachLeftDraft, newDraftName } from './draft-names.js'
import { syncName } from './files.js'
import { whileHeld } from './held-files.js'

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
    this.path = newDraftName(folder)
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
    const probe = newDraftName(dirname(this.path))
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

/** Removes the drafts that killed processes of this user have left in a folder. Never throws. */
function removeLeftDrafts(folder: string): void {
  eachLeftDraft(folder, (path, fate) => {
    try {
      const stats = lstatSync(path)
      // Check, because anybody may give such a name to something in a shared folder.
      if (!stats.isFile() || stats.uid !== (process.geteuid?.() ?? stats.uid)) return
      if (fate === 'dead' || Date.now() - stats.mtimeMs > GIVEN_UP) unlinkSync(path)
    } catch {
      // Another process was faster.
    }
  })
}
