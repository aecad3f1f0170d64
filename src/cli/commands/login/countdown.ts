// Draws how long a login still waits. Draws only on a terminal.
import { columnsOf } from '../../terminal/style.js'
import type { Screen } from '../../world.js'

/** A time limit that a person can see. */
export interface Countdown {
  /** Resolves when the time is over. */
  readonly over: Promise<undefined>
  /** Takes the line away while `say` writes other lines. */
  readonly aside: (say: () => void) => void
  readonly end: () => void
}

/** Counts down, and draws if there is a canvas. */
export function countdown(canvas: Screen | undefined, seconds: number): Countdown {
  const deadline = performance.now() + seconds * 1000
  let finish: (nothing: undefined) => void = () => undefined
  const over = new Promise<undefined>((resolve) => (finish = resolve))
  const timer = setTimeout(finish, seconds * 1000, undefined)
  const draw = (): void => {
    const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000))
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    const line = `${clock} left to log in with the browser (Ctrl-C ends it)`
    // Cut the line to the terminal's width, because a line that is broken in two cannot be taken back.
    canvas?.write(`\r\u001b[K${line.slice(0, (columnsOf(canvas) ?? 80) - 1)}`)
  }
  const clear = (): void => {
    canvas?.write('\r\u001b[K')
  }
  draw()
  const drawing = setInterval(draw, 1000)
  return {
    over,
    aside: (say) => {
      clear()
      say()
      draw()
    },
    end: () => {
      clearTimeout(timer)
      clearInterval(drawing)
      clear()
    },
  }
}
