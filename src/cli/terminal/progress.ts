// Draws how far a transfer has come. Draws only on a terminal.
import type { Screen } from '../world.js'

/** Milliseconds before the first line, because a transfer that is over by then needs none. */
const PATIENCE_MS = 1_000
const BETWEEN_MS = 200

/** How far a transfer has come, in one line of a terminal. */
export interface Progress {
  readonly add: (bytes: number) => void
  readonly end: () => void
}

const bytes = new Intl.NumberFormat('en', { maximumFractionDigits: 1, minimumFractionDigits: 1 })

/**
 * Draws on a terminal only.
 *
 * @param whole Bytes in all; `null` if that is not known.
 */
export function progress(screen: Screen, label: string, whole: number | null): Progress {
  if (screen.isTTY !== true) return { add: () => undefined, end: () => undefined }
  const begin = performance.now()
  let done = 0
  let isDrawn = false
  const draw = (): void => {
    isDrawn = true
    const share =
      whole === null || whole === 0 ? '' : ` of ${megabytes(whole)} (${Math.floor((100 * done) / whole)} %)`
    const speed = done / ((performance.now() - begin) / 1000)
    screen.write(`\r\u001b[K${label} ${megabytes(done)}${share}, ${megabytes(speed)}/s`)
  }
  let timer: NodeJS.Timeout | undefined = setTimeout(() => {
    draw()
    timer = setInterval(draw, BETWEEN_MS)
  }, PATIENCE_MS)
  return {
    add: (more) => {
      done += more
    },
    end: () => {
      clearTimeout(timer)
      clearInterval(timer)
      timer = undefined
      if (isDrawn) screen.write('\r\u001b[K')
    },
  }
}

function megabytes(count: number): string {
  return `${bytes.format(count / 1e6)} MB`
}
