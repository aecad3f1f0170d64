// Colours, widths and spans of time for people. Writes nothing itself.
import picocolors from 'picocolors'
import type { Screen, World } from '../world.js'

/** Whether standard output is a terminal that shows colours. */
export function isColourful({ stdout, env }: World): boolean {
  return stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}

/** Colours for a terminal; else functions that leave the text as it is. */
export function palette(world: World): ReturnType<typeof picocolors.createColors> {
  return picocolors.createColors(isColourful(world))
}

/** The width of a terminal; `undefined` for anything else, and for a terminal that does not tell and says 0. */
export function columnsOf({ isTTY, columns = 0 }: Screen): number | undefined {
  return isTTY === true && columns > 0 ? columns : undefined
}

/** Puts seconds into words. */
export type Span = (seconds: number) => string

/**
 * Loads the function that puts a span of time into words, never negative. It uses `import()`, because Node 22.0 cannot
 * `require` an ES module.
 */
export async function spans(): Promise<Span> {
  const { default: prettyMilliseconds } = await import('pretty-ms')
  return (seconds) => prettyMilliseconds(Math.max(0, seconds) * 1000, { unitCount: 2 })
}
