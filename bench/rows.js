// The tables, written and read: everything in them is a cost, so less is better.

const scaled = (factor, digits, name) => (value) => `${(value * factor).toFixed(digits)} ${name}`
export const seconds = scaled(1, 2, 's')
export const ms = scaled(1e3, 1, 'ms')
export const ns = scaled(1e9, 0, 'ns')
export const MB = scaled(1e-6, 1, 'MB')
export const kB = scaled(1e-3, 0, 'kB')

const MET = 'met'

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
    verdict: most === undefined ? '' : value <= most ? MET : '**not met**',
  }
}

/** What could not be measured, and why. */
export function missing(what, beside, target, error) {
  return { what, beside, target, verdict: `not measured: ${error.message.split('\n')[0]}` }
}

/**
 * The same rows on each Node in one: of each its ratio, and in brackets what hq-token costs.
 *
 * @param found For each Node, in one order, its `rows`, or the `error` that ended them.
 * @param name What it was, where no Node has rows.
 */
export function across(found, name) {
  const measured = found.find(({ rows }) => rows !== undefined)
  if (measured === undefined) return [missing(name, '', '', found[0].error)]
  return measured.rows.map(({ what, beside, target }, at) => {
    const each = found.map(({ major, rows, error }) => [
      nameOf(major),
      rows?.[at] ?? missing(what, beside, target, error),
    ])
    const cells = each.map(([node, { ratio, ours = '' }]) => [node, ratio ? `${ratio} (${ours})` : ours])
    return { what, beside, target, ...Object.fromEntries(cells), verdict: verdictOf(each) }
  })
}

const nameOf = (major) => `Node ${major}`

/** One verdict of all Nodes: it names those that differ. */
function verdictOf(each) {
  const verdicts = new Set(each.map(([, { verdict }]) => verdict))
  if (verdicts.size === 1) return each[0][1].verdict
  verdicts.delete(MET)
  const nodesWith = (one) => each.filter(([, { verdict }]) => verdict === one).map(([node]) => node)
  return [...verdicts].map((verdict) => `${verdict} on ${nodesWith(verdict).join(', ')}`).join('; ')
}

/** The columns of what is measured on the Node that runs the benchmark alone. */
const HERE = {
  what: 'measured',
  ours: 'hq-token',
  beside: 'beside',
  theirs: 'that',
  ratio: 'ratio',
  target: 'to reach',
  verdict: 'reached',
}

/** The columns of what is measured on each Node. */
const onEach = (majors) => ({
  what: 'measured',
  beside: 'beside',
  ...Object.fromEntries(majors.map((major) => [nameOf(major), nameOf(major)])),
  target: 'to reach',
  verdict: 'reached',
})

/** In Markdown, and legible as it is. */
export function table(rows, majors) {
  const columns = majors === undefined ? HERE : onEach(majors)
  const lines = [columns, ...rows].map((one) => Object.keys(columns).map((name) => one[name] ?? ''))
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const [head, ...body] = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |\n`,
  )
  return `${head}| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |\n${body.join('')}`
}

/**
 * The row of a table in `text`, by its first two columns.
 *
 * @returns Its cells by their heads, and its `ratios`, one for each Node that was measured.
 * @throws where there is none, or where a ratio is no number.
 */
export function rowIn(text, measured, beside) {
  const name = `${measured} | ${beside}`
  for (const [table] of text.matchAll(/(?:^\|.*\n)+/gm)) {
    const [heads, , ...rows] = table.split('\n').map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    const cells = rows
      .map((row) => Object.fromEntries(heads.map((head, column) => [head, row[column]])))
      .find((row) => row.measured === measured && row.beside === beside)
    if (cells === undefined) continue
    const figures = heads
      .filter((head) => head === 'ratio' || head.startsWith('Node '))
      .map((head) => cells[head])
    const ratios = figures.filter((figure) => figure !== '').map((figure) => Number(figure.split(' ')[0]))
    if (!ratios.every((ratio) => ratio > 0))
      throw new Error(`a ratio of "${name}" is no number: ${figures.join()}`)
    return { ...cells, ratios }
  }
  throw new Error(`the table has no row "${name}"`)
}
