// Reads the ranges by which a monitoring plugin alerts, as its command line has them. Pure.
import { SECONDS, seconds } from './duration.js'

/** Alerts for values outside of it, both ends included in it; for values inside where the range says so. */
export interface Range {
  /** `-Infinity` for `~`. */
  readonly start: number
  /** `Infinity` where there is none. */
  readonly end: number
  /** Whether it alerts for values inside. */
  readonly isInside: boolean
}

const NUMBER = String.raw`[-+]?(?:\d[\w.]*|\.\d\w*)`
const RANGE = new RegExp(`^(@?)(?:(~|${NUMBER})?(:))?(${NUMBER})?$`)

/**
 * Reads `[@]START:END`: without `START:` it begins at 0, without END it has none, and `~` is minus infinity. Numbers
 * are seconds, or durations such as `14d` and `1h30m`.
 *
 * @returns `undefined` if the text is no range.
 * @see https://www.monitoring-plugins.org/doc/guidelines.html#THRESHOLDFORMAT
 */
export function range(text: string): Range | undefined {
  const [, inside, first, colon, last] = RANGE.exec(text) ?? []
  if (first === undefined && last === undefined) return undefined
  const start = first === '~' ? -Infinity : number(first ?? '0')
  const end = last === undefined ? (colon === undefined ? undefined : Infinity) : number(last)
  if (start === undefined || end === undefined || start > end) return undefined
  return { start, end, isInside: inside === '@' }
}

export function alerts({ start, end, isInside }: Range, value: number): boolean {
  return (value >= start && value <= end) === isInside
}

/** The range in seconds, as performance data has it. */
export function rangeText({ start, end, isInside }: Range): string {
  const from = start === -Infinity ? '~:' : start === 0 && end !== Infinity ? '' : `${plain(start)}:`
  return `${isInside ? '@' : ''}${from}${end === Infinity ? '' : plain(end)}`
}

/** Readers of performance data know no exponents. */
function plain(number: number): string {
  const text = String(number)
  return text.includes('e') ? number.toFixed(20).replace(/\.?0+$/, '') : text
}

/** Seconds, perhaps with a sign and decimals; a duration of several units has no decimals. */
function number(text: string): number | undefined {
  const [, sign, digits = ''] = /^([-+]?)(.*)$/.exec(text) ?? []
  const [, decimal, unit = 's'] = /^(\d*\.?\d+|\d+\.)([wdhms]?)$/.exec(digits) ?? []
  const size =
    decimal === undefined ? seconds(digits) : Number(decimal) * SECONDS[(unit || 's') as keyof typeof SECONDS]
  if (size === undefined || size > Number.MAX_SAFE_INTEGER) return undefined
  return sign === '-' && size !== 0 ? -size : size
}
