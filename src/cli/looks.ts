import picocolors from 'picocolors'
import prettyMilliseconds from 'pretty-ms'
import type { World } from './world.js'

/** Whether standard output is a terminal that may be painted on. */
export function isColourful({ stdout, env }: World): boolean {
  return stdout.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb'
}

/** Colours where there is somebody to see them; else the text as it is. */
export function palette(world: World): ReturnType<typeof picocolors.createColors> {
  return picocolors.createColors(isColourful(world))
}

/** A span of time in words, never negative. */
export function span(seconds: number): string {
  return prettyMilliseconds(Math.max(0, seconds) * 1000, { unitCount: 2 })
}
