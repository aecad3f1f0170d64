// The rescue file with the steps of `src/store/rescue/rescue-file.ts`, on a simulated disk.
import { StoreUnusable } from '../../src/core/errors.js'
import type { RescueFile, Rescued } from '../../src/core/store-ports.js'
import type { AnswerFile, Disk } from './disk.js'
import type { Actor } from './seat.js'

export class SimulatedRescue implements RescueFile {
  readonly #disk: Disk
  readonly #actor: Actor
  readonly #file: AnswerFile
  /** The records as they stood when the file was opened, and those that were written since. */
  #placed: readonly Rescued[]

  constructor(disk: Disk, actor: Actor) {
    this.#disk = disk
    this.#actor = actor
    if (disk.rescue === undefined) {
      disk.assertWritable()
      disk.rescue = { records: [], synced: [] }
    }
    this.#file = disk.rescue
    this.#placed = this.#file.records
  }

  records(): Promise<readonly Rescued[]> {
    return this.#actor.step('read the rescue file', () => [...this.#file.records, ...this.#disk.lastCopies])
  }

  async keep(record: Rescued): Promise<void> {
    const file = this.#file
    const placed = [...this.#placed, record]
    const isWritten = await this.#actor.step('write to the rescue file', () => {
      if (this.#disk.isFull) return false
      const before = file.records
      // It is written behind the records that this process knows of.
      file.records = this.#placed = placed
      // In a file that was removed nobody finds it.
      if (this.#disk.rescue === file) this.#actor.keeps(record)
      this.#actor.replaces(before, placed)
      return true
    })
    if (!isWritten) return this.#keepElsewhere(record)
    const isInPlace = await this.#actor.step('sync the rescue file', () => {
      file.synced = file.records
      return this.#disk.rescue === file
    })
    if (!isInPlace) await this.#keepElsewhere(record)
  }

  drop(isSettled: (record: Rescued) => boolean): Promise<void> {
    return this.#actor.step('drop answers', () => {
      const before = this.#disk.lastCopies
      const copies = (this.#disk.lastCopies = before.filter((copy) => !isSettled(copy)))
      this.#actor.replaces(before, copies)
      const last = this.#placed.findLastIndex((record) => !isSettled(record))
      if (!this.#disk.isFull) this.#cutBehind(last + 1)
    })
  }

  erase(): void {
    this.#disk.lastCopies = []
    this.#disk.assertWritable()
    this.#cutBehind(0, true)
  }

  close(): void {
    // Nothing is held.
  }

  #keepElsewhere(record: Rescued): Promise<void> {
    return this.#actor.step('write a last copy', () => {
      if (this.#disk.isAllFull) throw new StoreUnusable('no place takes the answer')
      this.#disk.lastCopies = [...this.#disk.lastCopies, record]
      this.#actor.keeps(record)
    })
  }

  #cutBehind(count: number, isMeant = false): void {
    const before = this.#file.records
    const kept = this.#placed.slice(0, count)
    this.#file.records = this.#file.synced = this.#placed = kept
    if (!isMeant) this.#actor.replaces(before, kept)
  }
}
