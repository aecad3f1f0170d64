// Reads what docs/monitoring.md shows, so that tests type and run that and nothing else.
import { readFileSync } from 'node:fs'

export const PAGE = readFileSync('docs/monitoring.md', 'utf8')

const fence = /^```(\w+)\n([^]*?)^```$/gm

/** All blocks of the page, in order. */
export const BLOCKS = [...PAGE.matchAll(fence)].map(([, language = '', text = '']) => ({ language, text }))

/**
 * The one block that has this text in it.
 *
 * @throws {Error} if there is none, or another one.
 */
export function shown(part: string): string {
  const [first, ...more] = BLOCKS.filter(({ text }) => text.includes(part))
  if (first === undefined || more.length > 0)
    throw new Error(`docs/monitoring.md shows ${part} in ${more.length + (first ? 1 : 0)} blocks`)
  return first.text
}
