// The table: everything in it is a cost, so less is better.

const scaled = (factor, digits, name) => (value) => `${(value * factor).toFixed(digits)} ${name}`
export const seconds = scaled(1, 2, 's')
export const ms = scaled(1e3, 1, 'ms')
export const ns = scaled(1e9, 0, 'ns')
export const MB = scaled(1e-6, 1, 'MB')
export const kB = scaled(1e-3, 0, 'kB')

/**
 * @param most What `ours` may be at most: in its own unit, or as a multiple of `theirs` where there is that.
 * @param target The same in words.
 */
export function row({ what, unit = String, ours, beside, theirs, most, target }) {
  const value = theirs === undefined ? ours : ours / theirs
  return {
    what,
    ours: unit(ours),
    beside,
    theirs: theirs === undefined ? '' : unit(theirs),
    ratio: theirs === undefined ? '' : value.toFixed(2),
    target,
    verdict: most === undefined ? '' : value <= most ? 'met' : '**not met**',
  }
}

/** What could not be measured, and why. */
export function missing(what, beside, target, error) {
  return { what, beside, target, verdict: `not measured: ${error.message.split('\n')[0]}` }
}

const COLUMNS = {
  what: 'measured',
  ours: 'hq-token',
  beside: 'beside',
  theirs: 'that',
  ratio: 'ratio',
  target: 'to reach',
  verdict: 'reached',
}

/** In Markdown, and legible as it is. */
export function table(rows) {
  const lines = [COLUMNS, ...rows].map((one) => Object.keys(COLUMNS).map((name) => one[name] ?? ''))
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const [head, ...body] = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |\n`,
  )
  return `${head}| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n${body.join('')}`
}
