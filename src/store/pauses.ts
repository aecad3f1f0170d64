// The pauses between two looks at what another process may have changed. Touches nothing.

/**
 * Milliseconds until each next look, from `first` to `most` on average. They are random, so that many that wait do
 * not look at one instant.
 */
export function* pauses(first: number, most: number, growth = 1.5): Generator<number, never> {
  for (let pause = first; ; pause = Math.min(pause * growth, most)) yield pause * (0.5 + Math.random())
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
