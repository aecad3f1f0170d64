// The configured seed file and the marks at spent ones, for a guard and for `doctor`. Loads the parser of seed
// files with the first that is read.
import { fail, ok, warn, type Finding } from '../core/finding.js'
import { rfc3339 } from '../core/clock.js'
import type { Notice, SeedMarks, SeedSource } from '../core/ports.js'
import { REMOVE_HINT, seedIsSpent, seedPaths, spentSeed } from '../core/seeding.js'
import type { TokenSet } from '../core/token-set.js'
import type { SeedOptions } from './seed-file.js'
import { barrierToMark, lastingPath, markedAt, putMark } from './seed-mark.js'

/** Reads the configured seed file each time the guard asks for a first token set. */
export function seedSource(path: string, options: SeedOptions, notify: (notice: Notice) => void): SeedSource {
  return async () => {
    const { seedIfThere } = await import('./seed-file.js')
    const found = await seedIfThere(path, options)
    if (found === undefined)
      notify({ level: 'warning', message: `the seed file ${path} of [seed] file does not exist` })
    // For a spent seed the other notices do not matter.
    if (found?.seed.spentAt === null) for (const notice of found.notices) notify(notice)
    return found?.seed
  }
}

/** @param configured The path of `[seed] file`, if it is set. */
export function seedMarks(configured: string | null): SeedMarks {
  return {
    configured: configured === null ? null : lastingPath(configured),
    spentAt: (path, fingerprint) => Promise.resolve(markedAt(path, fingerprint)),
    put: async (path, spent) => ((await holds(path, spent.fingerprint)) ? putMark(path, spent) : 'gone'),
  }
}

/** Whether a file still is the seed of this refresh token: a person may have put another one there, or removed it. */
async function holds(path: string, fingerprint: string): Promise<boolean> {
  const { seedIn } = await import('./seed-file.js')
  return seedIn(path) === fingerprint
}

/**
 * Compares the configured seed file with the store.
 *
 * @param set `undefined`: the store is empty.
 * @param store The name of the store.
 * @returns `undefined` if there is nothing to say.
 */
export async function inspectSeed(
  configured: string | null,
  set: TokenSet | undefined,
  store: string,
  options: SeedOptions,
): Promise<Finding | undefined> {
  if (set !== undefined) return inspectSpent(set, configured)
  if (configured === null) return undefined
  const { seedIfThere } = await import('./seed-file.js')
  try {
    const found = await seedIfThere(configured, options)
    if (found === undefined) return warn('seed', `the seed file ${configured} of [seed] file does not exist`)
    const { source, spentAt } = found.seed
    return typeof spentAt === 'number'
      ? fail('seed', seedIsSpent(source, spentAt, store))
      : ok('seed', `${configured}: the next \`get\` imports it`)
  } catch (error) {
    return fail('seed', error)
  }
}

async function inspectSpent(set: TokenSet, configured: string | null): Promise<Finding | undefined> {
  const spent = spentSeed(set)
  if (spent === undefined) return undefined
  const lasting = configured === null ? null : lastingPath(configured)
  let marked: string | undefined
  for (const path of seedPaths(set, lasting)) {
    if (!(await holds(path, spent.fingerprint))) continue
    if (markedAt(path, spent.fingerprint) === null) return unmarked(path, spent.spentAt)
    marked ??= path
  }
  return marked === undefined
    ? undefined
    : ok(
        'seed',
        `${marked} was spent on ${rfc3339(spent.spentAt)}, and is marked as spent: it can be removed`,
      )
}

function unmarked(path: string, spentAt: number): Finding {
  const barrier = barrierToMark(path)
  const why = barrier === undefined ? 'the next refresh tries to mark it' : `it cannot be marked: ${barrier}`
  return warn(
    'seed',
    `${path} was spent on ${rfc3339(spentAt)}, and is not marked as spent (${why}): with an empty store it would be imported again, and the server may end the grant`,
    REMOVE_HINT,
  )
}
