// Finds the known name that a misspelt one most likely means. Knows no names of its own.
import { closest, distance } from 'fastest-levenshtein'

export type Suggest = (name: string, known: readonly string[]) => string | undefined

/** The known name that a misspelt one most likely stands for, if any is close. */
export function suggestion(name: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined
  const best = closest(name, known)
  return distance(name, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined
}
