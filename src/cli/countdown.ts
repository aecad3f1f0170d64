import type { Screen } from './world.js'

/** A time limit that a person can see. */
export interface Countdown {
  /** Resolves when the time is over. */
  readonly over: Promise<undefined>
  readonly end: () => void
}

/** Draws on a terminal, and nowhere else. */
export function countdown(screen: Screen, seconds: number): Countdown {
  const deadline = performance.now() + seconds * 1000
  let finish: (nothing: undefined) => void = () => undefined
  const over = new Promise<undefined>((resolve) => (finish = resolve))
  const timer = setTimeout(finish, seconds * 1000, undefined)
  const draw = (): void => {
    const left = Math.max(0, Math.ceil((deadline - performance.now()) / 1000))
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
    screen.write(`\r\u001b[KWaiting for the browser: ${clock} left (Ctrl-C ends it)`)
  }
  const isSeen = screen.isTTY === true
  if (isSeen) draw()
  const drawing = isSeen ? setInterval(draw, 1000) : undefined
  return {
    over,
    end: () => {
      clearTimeout(timer)
      clearInterval(drawing)
      if (isSeen) screen.write('\r\u001b[K')
    },
  }
}
