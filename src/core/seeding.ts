// Decides when a set's seed file is spent, when it is marked, and what is said about it. No I/O except through its
// ports.
import { LOGIN_HINT, LoginRequired } from './errors.js'
import { rfc3339, type Clock } from './clock.js'
import type { Notice, SeedMarks } from './ports.js'
import type { TokenStore } from './store-ports.js'
import { shellWord } from './shell-quoting.js'
import { STANDARD_INPUT, type Seed, type SeedFile, type SpentSeed, type TokenSet } from './token-set.js'
import { entry, seedFingerprint } from './transitions.js'

/** The hint for a spent seed file that cannot be marked. */
export const REMOVE_HINT = 'remove the file, or take [seed] file out of the configuration'

/** The error for a seed whose mark says that it is spent, while the store is empty. */
export function seedIsSpent(source: string, spentAt: number, store: string): LoginRequired {
  const typed = source === STANDARD_INPUT ? '-' : shellWord(source)
  return new LoginRequired(
    `${source} was spent on ${rfc3339(spentAt)}, and there is no token set in ${store}: is the store’s volume mounted?`,
    {
      hint: `mount it, then run the same command again; if the store is lost: ${LOGIN_HINT} (to import the spent file anyway, which may end the grant if another store holds it: hq-token seed --force ${typed})`,
    },
  )
}

/** The seed with its mark: the one beside its own file, or beside the configured one. */
export async function withMark(seed: Seed, marks: SeedMarks | undefined): Promise<Seed> {
  if (typeof seed.spentAt === 'number' || !marks?.configured) return seed
  return { ...seed, spentAt: await marks.spentAt(marks.configured, seedFingerprint(seed)) }
}

/** @throws {LoginRequired} a mark says that this seed is spent */
export function assertUnspent({ source, spentAt }: Seed, store: string): void {
  if (typeof spentAt === 'number') throw seedIsSpent(source, spentAt, store)
}

/**
 * The seed of this set, once its refresh token was replaced; `undefined` while it is alive, or if there was no
 * seed.
 */
export function spentSeed({ seed, seedFile, pair, lastRefreshAt }: TokenSet): SpentSeed | undefined {
  if (seed === null) return undefined
  if (seedFile !== null)
    return seedFile.spentAt === null ? undefined : { fingerprint: seed, spentAt: seedFile.spentAt }
  // The seed came from standard input or from an older version, so its path is unknown; the configured file may
  // hold the same token.
  const isReplaced = lastRefreshAt !== null && pair.refreshToken.fingerprint !== seed
  return isReplaced ? { fingerprint: seed, spentAt: lastRefreshAt } : undefined
}

/**
 * The seed of a set that a logout has forgotten, if that seed is useless now.
 *
 * @param isRevoked The server has ended the grant of the set's refresh token.
 */
export function endedSeed(set: TokenSet, isRevoked: boolean, now: number): SpentSeed | undefined {
  const spent = spentSeed(set)
  if (spent !== undefined || set.seed === null) return spent
  const isEnded = isRevoked && set.pair.refreshToken.fingerprint === set.seed
  return isEnded ? { fingerprint: set.seed, spentAt: now } : undefined
}

/** The paths where the seed file of a set may lie: the one that was given, and the configured one. */
export function seedPaths(
  { seedFile }: Pick<TokenSet, 'seedFile'>,
  configured: string | null,
): readonly string[] {
  const paths = [seedFile?.path ?? null, configured].filter((path) => path !== null)
  return [...new Set(paths)]
}

export interface SeedMarkingParts {
  readonly store: TokenStore
  readonly clock: Clock
  readonly seedMarks?: SeedMarks
  readonly notify?: (notice: Notice) => void
}

/**
 * Marks the seed file of a set once its refresh token is spent, after the lock is released and the caller has the
 * token. A failure here costs nobody a token: the next refresh tries again.
 */
export class SeedMarking {
  readonly #parts: SeedMarkingParts
  #noted: TokenSet | undefined
  #done: Promise<void> = Promise.resolve()

  constructor(parts: SeedMarkingParts) {
    this.#parts = parts
  }

  /** Under the lock: this process has got this set, and saved it if the exchange says so. */
  note(set: TokenSet, { isSaved }: { readonly isSaved: boolean }): TokenSet {
    if (isSaved && set.seedFile?.isMarked !== true && spentSeed(set) !== undefined) this.#noted = set
    return set
  }

  /** Starts marking, without the lock and without making the caller wait. */
  begin(): void {
    const set = this.#noted
    const { seedMarks } = this.#parts
    this.#noted = undefined
    if (set === undefined || seedMarks === undefined) return
    const turn = new Promise<void>((resolve) => setImmediate(resolve))
    this.#done = Promise.all([turn, this.#done])
      .then(() => this.#settle(set, seedMarks))
      .catch(() => undefined)
  }

  /** Resolves when the marking is done. Never rejects. */
  settled(): Promise<void> {
    return this.#done
  }

  async #settle(set: TokenSet, marks: SeedMarks): Promise<void> {
    const spent = spentSeed(set)
    if (spent === undefined) return
    let remembered: SeedFile | undefined
    for (const path of seedPaths(set, marks.configured)) {
      const marking = await marks.put(path, spent)
      if (marking === 'gone') continue
      const isMarked = marking === 'put' || marking === 'there'
      remembered ??= { path, spentAt: spent.spentAt, isMarked }
      if (marking === 'put') this.#sayRemovable(path)
      else if (!isMarked && isNews(set)) this.#sayUnmarked(path, marking.failure)
    }
    if (remembered !== undefined && !isSame(remembered, set.seedFile)) await this.#remember(set, remembered)
  }

  /**
   * Records the mark in the store. If another process has the lock or a newer set, the next refresh finds the mark.
   */
  async #remember(set: TokenSet, seedFile: SeedFile): Promise<void> {
    await this.#parts.store.exclusive(
      // Recovers nothing: it keeps a note beside the set, and leaves alone what is not as it was.
      async (held) => {
        const current = await held.read()
        if (current?.generation !== set.generation || current.sequence !== set.sequence) return
        const next = { ...current, seedFile }
        await held.note(next, next.generation, entry(next, 'refresh', 'done', this.#parts.clock()))
      },
      { waitMs: 0 },
    )
  }

  #sayRemovable(path: string): void {
    this.#parts.notify?.({
      level: 'info',
      isNews: true,
      message: `the seed file ${path} can be removed now: its refresh token is spent, and ${this.#parts.store.name} holds the newer one`,
    })
  }

  #sayUnmarked(path: string, failure: string): void {
    this.#parts.notify?.({
      level: 'warning',
      message: `the seed file ${path} can be removed now: its refresh token is spent. It could not be marked as spent (${failure}): with an empty store it would be imported again, and the server may end the grant`,
      hint: REMOVE_HINT,
    })
  }
}

/**
 * Whether this refresh spent the seed or was the first to learn of its file: a failure to mark is reported only
 * then.
 */
function isNews({ seed, seedFile, previous }: TokenSet): boolean {
  return seedFile === null || previous?.refreshToken.fingerprint === seed
}

function isSame(one: SeedFile, other: SeedFile | null): boolean {
  return one.path === other?.path && one.spentAt === other.spentAt && one.isMarked === other.isMarked
}
