import type { Marking, SeedMarks } from '../../src/core/ports.js'
import type { SpentSeed } from '../../src/core/token-set.js'

/** Seed files, by the fingerprints of their refresh tokens, and the marks beside them. */
export class FakeMarks implements SeedMarks {
  readonly files = new Map<string, string>()
  readonly marks = new Map<string, SpentSeed>()
  readonly configured: string | null
  /** Why no mark can be put; `undefined` where it can. */
  failure: string | undefined
  /** Runs before a mark is put. */
  beforePut: () => void = () => undefined
  /** How often a mark was asked for. */
  puts = 0

  constructor(configured: string | null, fingerprint?: string) {
    this.configured = configured
    if (configured !== null && fingerprint !== undefined) this.files.set(configured, fingerprint)
  }

  spentAt(path: string, fingerprint: string): Promise<number | null> {
    const mark = this.marks.get(path)
    return Promise.resolve(mark?.fingerprint === fingerprint ? mark.spentAt : null)
  }

  put(path: string, spent: SpentSeed): Promise<Marking> {
    this.puts++
    this.beforePut()
    if (this.files.get(path) !== spent.fingerprint) return Promise.resolve('gone')
    if (this.marks.get(path)?.fingerprint === spent.fingerprint) return Promise.resolve('there')
    if (this.failure !== undefined) return Promise.resolve({ failure: this.failure })
    this.marks.set(path, spent)
    return Promise.resolve('put')
  }
}
