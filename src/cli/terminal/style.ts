// Colours, widths and spans of time for people. Writes nothing itself.
import picocolors from 'picocolors'
import prettyMilliseconds from 'pretty-ms'
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

/** A span of time in words, never negative. */
export function span(seconds: number): string {
  return prettyMilliseconds(Math.max(0, seconds) * 1000, { unitCount: 2 })
}
