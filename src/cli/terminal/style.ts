import picocolors from 'picocolors'
import prettyMilliseconds from 'pretty-ms'
import type { Screen, World } from '../world.js'

/** Whether standard output is a terminal that may be painted on. */
export function isColourful({ stdout, env }: World): boolean {
  return stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}

/** Colours where there is somebody to see them; else the text as it is. */
export function palette(world: World): ReturnType<typeof picocolors.createColors> {
  return picocolors.createColors(isColourful(world))
}

/** How wide a terminal is; `undefined` for what is none, and for one that does not tell: it says 0. */
export function columnsOf({ isTTY, columns = 0 }: Screen): number | undefined {
  return isTTY === true && columns > 0 ? columns : undefined
}

/** A span of time in words, never negative. */
export function span(seconds: number): string {
  return prettyMilliseconds(Math.max(0, seconds) * 1000, { unitCount: 2 })
}
