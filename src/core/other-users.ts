// Finds who else may have used a grant that the server has refused. Does no I/O except through its ports.
import type { SeedMarks } from './ports.js'
import type { TokenSet } from './token-set.js'

export interface OtherUsersParts {
  /** The hosts that saved the last pairs; missing where one machine has the store to itself. */
  readonly savers?: () => Promise<readonly string[]>
  /** The sequence of the event that brought a refresh token, by its fingerprint; `undefined` if unknown. */
  readonly broughtBy?: (fingerprint: string) => Promise<number | undefined>
  /** Tells whether another store has spent the seed of this one. */
  readonly seedMarks?: SeedMarks
}

export interface OtherUsers {
  /** Epoch seconds: when another store spent the seed that this store still holds; `null` if no mark says so. */
  readonly spentElsewhere: number | null
  /** The hosts that share the store and saved the last pairs; missing if one machine has the store to itself. */
  readonly savers?: readonly string[]
}

export const NOBODY_ELSE: OtherUsers = { spentElsewhere: null }

export async function otherUsers(set: TokenSet, parts: OtherUsersParts): Promise<OtherUsers> {
  const savers = await parts.savers?.()
  return { spentElsewhere: await seedMark(set, parts), ...(savers && { savers }) }
}

/** The history's note of a refusal. It names the event since which the token was not spent here first, because a store cuts long notes. */
export async function refusalNote(
  what: string,
  { pair }: TokenSet,
  { broughtBy }: OtherUsersParts,
): Promise<string> {
  const event = await broughtBy?.(pair.refreshToken.fingerprint)
  return event === undefined ? what : `not spent here since ${event}: ${what}`
}

/** Looked up only while this store holds the seed's own refresh token, because marks know no later one. */
async function seedMark(set: TokenSet, { seedMarks }: OtherUsersParts): Promise<number | null> {
  const { seed, seedFile, pair } = set
  if (seedFile === null || pair.refreshToken.fingerprint !== seed) return null
  return (await seedMarks?.spentAt(seedFile.path, seed)) ?? null
}
