// Reads durations as people write them, and writes them short. Pure.
/** Each unit in seconds, the largest first. */
export const SECONDS = { w: 604_800, d: 86_400, h: 3_600, m: 60, s: 1 }

/**
 * Reads a duration. A plain number is seconds; `90s`, `30m`, `5h`, `10d` and `2w` name their unit; `1h30m` combines
 * units, the largest first. No signs, decimals or spaces.
 *
 * @returns Seconds; `undefined` if the text is no duration.
 */
export function seconds(text: string): number | undefined {
  const united = /^\d+$/.test(text) ? `${text}s` : text
  if (!/^(?=\d)(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+s)?$/.test(united)) return undefined
  let total = 0
  for (const [part] of united.matchAll(/\d+[wdhms]/g))
    total += parseInt(part, 10) * SECONDS[part.slice(-1) as keyof typeof SECONDS]
  return Number.isSafeInteger(total) ? total : undefined
}

/** Seconds in their largest unit up to days, rounded down: `12d`, `52m`, `0s`. */
export function short(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const unit = (['d', 'h', 'm'] as const).find((unit) => whole >= SECONDS[unit]) ?? 's'
  return `${Math.floor(whole / SECONDS[unit])}${unit}`
}
