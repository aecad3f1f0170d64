// Draws what a terminal shows as an SVG: text in a monospace font, in the colours of a light and of a dark page. It runs nothing.
//
// The terminal is xterm's, without a screen, so that lines wrap and escapes act as they do for a person. The drawing is our
// own: the packages that draw (ansi-to-svg, svg-term) have had no release for years and know one colour scheme.
import xterm from '@xterm/headless'
import { escaped, framed } from './svg.js'

/** Pixels. A glyph of most monospace fonts is 0.6 of its size wide; `textLength` makes the others fit. */
const [CELL, LINE, PADDING] = [8.4, 20, 18]

/** The colours that hq-token uses, by their numbers in a terminal. Another one is an error, not a guess. */
const COLOURS = { 1: 'red', 2: 'green', 3: 'yellow' }

/**
 * @param output As it comes from a terminal, escapes and all.
 * @param words.title What the picture is called.
 * @param words.description What it shows, for who does not see it.
 * @returns The same text for the same output, so that a test can compare it.
 */
export async function terminalSvg(output, columns, words) {
  const lines = (await cellsOf(output, columns)).map(runsOf)
  const text = lines
    .map((runs, row) => {
      const y = PADDING + LINE * row + 14
      return runs.length === 0 ? '' : `<text y="${y}">${runs.map(drawn).join('')}</text>\n`
    })
    .join('')
  return framed(text, {
    ...words,
    width: Math.ceil(columns * CELL + 2 * PADDING),
    height: lines.length * LINE + 2 * PADDING,
  })
}

async function cellsOf(output, columns) {
  const terminal = new xterm.Terminal({ cols: columns, rows: 24, scrollback: 1000, allowProposedApi: true })
  await new Promise((done) => terminal.write(output, done))
  const { active } = terminal.buffer
  const lines = Array.from({ length: active.length }, (_, row) => {
    const line = active.getLine(row)
    return Array.from({ length: columns }, (_, column) => line.getCell(column))
  })
  const isBlank = (cells) => cells.every((cell) => cell.getChars().trim() === '')
  return lines.slice(0, lines.findLastIndex((cells) => !isBlank(cells)) + 1)
}

function styleOf(cell) {
  if (!cell.isBgDefault() || cell.isInverse() || cell.isFgRGB())
    throw new Error('there is no drawing for such a cell')
  const colour = cell.isFgPalette() ? COLOURS[cell.getFgColor()] : ''
  if (colour === undefined) throw new Error(`there is no colour for the terminal's ${cell.getFgColor()}`)
  return [cell.isBold() ? 'bold' : '', cell.isDim() ? 'dim' : '', colour].filter(Boolean).join(' ')
}

/** A run of text in one style. Two spaces end it, because the next run has a place of its own. */
function runsOf(cells) {
  const runs = []
  for (const [column, cell] of cells.entries()) {
    const style = styleOf(cell)
    const last = runs.at(-1)
    if (last?.style === style) last.text += cell.getChars() || ' '
    else runs.push({ column, style, text: cell.getChars() || ' ' })
  }
  return runs.flatMap(({ column, style, text }) =>
    [...text.matchAll(/\S+(?: \S+)*/g)].map((match) => ({
      column: column + match.index,
      style,
      text: match[0],
    })),
  )
}

function drawn({ column, style, text }) {
  const x = rounded(PADDING + column * CELL)
  const look = style === '' ? '' : ` class="${style}"`
  return `<tspan x="${x}" textLength="${rounded(text.length * CELL)}" lengthAdjust="spacingAndGlyphs"${look}>${escaped(text)}</tspan>`
}

function rounded(pixels) {
  return Number(pixels.toFixed(1))
}
