// Keeps answers in two places before anybody reads them: in the rescue file of this seat, and in the database by its
// own time. One of them is enough. Interprets no answer.
import type { RescueFile, Rescued } from '../../core/store-ports.js'
import { recordsIn, serialize } from '../rescue/records.js'
import { hereAnswer, thereAnswer, type Look } from './database-time.js'
import type { KeptAnswer, Registry } from './registry.js'
import type { Memory } from './seat-memory.js'

/** Milliseconds for the copy in the database: the answer waits to be read. */
const KEEP_MS = 2000

export class SharedRescue implements RescueFile {
  readonly #file: RescueFile
  readonly #registry: Registry
  readonly #memory: Memory
  readonly #seat: string
  readonly #latest: () => Look
  /** The answers that were kept or found in this section … */
  #known: readonly Rescued[] = []
  /** … and those of them that the database has. */
  #there: readonly KeptAnswer[] = []
  /** The generation whose answers stay in the database, because one of them may hold a pair that came second. */
  #spent: number | undefined
  /** Whether the seat has taken the newest answer. */
  #isInSeat = true

  /** @param latest The last look at the row: it tells how the two clocks differ. */
  constructor(file: RescueFile, registry: Registry, memory: Memory, seat: string, latest: () => Look) {
    this.#file = file
    this.#registry = registry
    this.#memory = memory
    this.#seat = seat
    this.#latest = latest
  }

  async records(): Promise<readonly Rescued[]> {
    const here = await this.#file.records()
    const { answers } = await this.#memory.load()
    this.#there = await this.#registry.answers()
    const { offset, at } = this.#latest()
    const there = this.#there.flatMap(recordsOf).map((record) => hereAnswer(record, offset, at))
    this.#known = [...here, ...answers, ...there]
    return this.#known
  }

  async keep(record: Rescued): Promise<void> {
    this.#known = [...this.#known, record]
    const { generation, attempt } = record
    const bytes = serialize(thereAnswer(record, this.#latest().offset))
    const answer: KeptAnswer = { generation, attempt, seat: this.#seat, bytes }
    const here = await this.#file.keep(record).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    try {
      await this.#registry.keep(answer, KEEP_MS)
      this.#there = [...this.#there, answer]
    } catch {
      if (here !== undefined) throw here.error
    }
  }

  /**
   * After a pair has landed: the seat keeps the answer that brought it, because a fail-over of the database can lose
   * a commit, until the next generation is seen.
   *
   * @param spent The generation that was spent.
   * @param remember Writes what the seat has seen.
   */
  async landed(spent: number, remember: () => Promise<void>): Promise<void> {
    this.#spent = spent
    const answers = this.#known.filter(({ generation }) => generation === spent)
    await remember()
    await this.#memory
      .change((known) => ({ ...known, answers }))
      .catch(() => {
        this.#isInSeat = false
      })
  }

  async drop(isSettled: (record: Rescued) => boolean): Promise<void> {
    // Else the rescue file is its only copy on this host.
    if (this.#isInSeat) await this.#file.drop(isSettled)
    const settled = this.#there.filter(
      (answer) => answer.generation !== this.#spent && recordsOf(answer).every(isSettled),
    )
    this.#there = this.#there.filter((answer) => !settled.includes(answer))
    // An answer that stays is recognised as old.
    if (settled.length > 0)
      await this.#registry.drop(settled, this.#latest().seen.generation).catch(() => undefined)
  }
}

function recordsOf({ bytes }: KeptAnswer): Rescued[] {
  return recordsIn(Buffer.from(bytes))
}
