// The file beside a file that is to be written: it takes its place when it is whole.
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
import { fateOf, MARK, processMark } from './processes.js'

const NAME = new RegExp(`^\\.hq-token-(${MARK})-[0-9a-f]{12}$`)
/** Milliseconds after which a draft is no longer being written, by whoever it was: transfers that stall are given up. */
const GIVEN_UP = 86_400_000

/**
 * 0600 from its first instant, whatever becomes of it: who may read a half is who may read it when it is there.
 * Removes what killed processes have left beside it.
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
    this.fd = openSync(this.path, 'wx', 0o600)
    try {
      // Under umask 777, say.
      this.#setMode(0o600)
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** The whole content, on the disk. */
  fill(content: string | Uint8Array): void {
    writeFileSync(this.fd, content)
    this.close()
  }

  /** What was written is on the disk then. */
  close(): void {
    if (!this.#isOpen) return
    fsyncSync(this.fd)
    this.forget()
    closeSync(this.fd)
  }

  /** Somebody else has closed the handle, or is about to. */
  forget(): void {
    this.#isOpen = false
  }

  /** @param mode Default: 0600. */
  takePlace(mode?: number): void {
    if (mode !== undefined) this.#setMode(mode)
    this.close()
    renameSync(this.path, this.#target)
    syncName(dirname(this.#target))
  }

  remove(): void {
    if (this.#isOpen) {
      this.forget()
      closeSync(this.fd)
    }
    try {
      unlinkSync(this.path)
    } catch {
      // It has taken its place.
    }
  }

  /** What a new file has here, by the umask or what the folder hands down: Node has no safe way to ask for the first. */
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

  /** By the handle: in a folder of others the name may be another file’s by now. */
  #setMode(mode: number): void {
    if (process.platform !== 'win32') fchmodSync(this.fd, mode)
  }
}

function newName(folder: string): string {
  return join(folder, `.hq-token-${processMark()}-${randomBytes(6).toString('hex')}`)
}

/** Takes away what processes of this user that were killed have left in a folder. Never throws. */
function removeLeftDrafts(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, mark] = NAME.exec(name) ?? []
      if (mark !== undefined) removeIfLeft(join(folder, name), mark)
    }
  } catch {
    // A folder that may be written and not listed.
  }
}

function removeIfLeft(path: string, mark: string): void {
  try {
    const fate = fateOf(mark)
    if (fate === 'alive') return
    const stats = lstatSync(path)
    // Anybody may give such a name to something in a shared folder.
    if (!stats.isFile() || stats.uid !== (process.geteuid?.() ?? stats.uid)) return
    if (fate === 'dead' || Date.now() - stats.mtimeMs > GIVEN_UP) unlinkSync(path)
  } catch {
    // Another process was faster.
  }
}
