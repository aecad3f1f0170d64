// Draws the main ratios of the tables in bench/results.md as bars. It measures nothing: every figure is one of the tables. A row
// with several Nodes has one bar, as long as the largest ratio.
import { rowIn } from './rows.js'
import { escaped, framed } from '../scripts/pictures/svg.js'

/** Names the rows to draw by a table's first two columns. A row that no table has is an error. */
const GROUPS = [
  {
    title: 'A get of a fresh token, CPU time',
    bars: [
      'warm `get`, cpu | `node -e 0`',
      'warm `get`, cpu | a script with simple-oauth2 and a JSON file',
      'warm `get`, cpu | `gh auth token`',
      'warm `get`, cpu | a Python script with sqlite3',
      'warm `get`, cpu | `oidc-token`, its agent running',
    ],
  },
  {
    title: 'A get that refreshes, time',
    bars: ['`get` that refreshes, wall | one process with a bare `https.request`'],
  },
  {
    title: 'Many gets at once at expiry, time',
    bars: [2, 10, 60, 200].map(
      (jobs) => `${jobs} \`get\`s at once at expiry, wall | as many \`node -e 0\`, and one exchange`,
    ),
  },
  {
    title: 'In one process, time',
    bars: [
      'fresh `guard.token()` | a fresh token of google-auth-library',
      'fresh `guard.token()` | a fresh token of simple-oauth2',
      '1000 requests at once through the interceptor, wall | undici with an interceptor that does nothing',
    ],
  },
]

/** Pixels. */
const [WIDTH, LINE, PADDING, LEFT, RIGHT] = [1000, 22, 18, 420, 780]
const TITLE = 'What hq-token costs, as a multiple of what it stands beside'
const NOTE =
  'Less is better; 1 is as much. The scale doubles from line to line. Two figures: the best Node and the worst.'

/** @param results The text of bench/results.md. */
export function chart(results) {
  const groups = GROUPS.map(({ title, bars }) => ({ title, bars: bars.map((name) => barOf(results, name)) }))
  const ratios = groups.flatMap(({ bars }) => bars.flatMap(({ ratios }) => ratios))
  const axis = axisOf(ratios)
  const top = PADDING + 3 * LINE

  let y = top
  let content = ''
  for (const { title, bars } of groups) {
    content += text(PADDING, y + 15, title, 'bold')
    for (const bar of bars) content += drawn(bar, (y += LINE), axis)
    y += 1.5 * LINE
  }
  const [, printed = ''] = /^Printed by (.*)$/m.exec(results) ?? []
  const footer = `Printed by ${plain(printed)}`
  const head = text(PADDING, PADDING + 14, TITLE, 'bold') + text(PADDING, PADDING + 14 + LINE, NOTE, 'dim')
  return framed(
    `${head}${grid(axis, top, y - LINE / 2)}${content}${text(PADDING, y + 15, footer, 'dim small')}`,
    {
      title: TITLE,
      description: described(groups, footer),
      width: WIDTH,
      height: y + LINE + PADDING,
    },
  )
}

function barOf(results, name) {
  const [measured, beside] = name.split(' | ')
  const { ratios, reached } = rowIn(results, measured, beside)
  const jobs = /^\d+(?= `get`s)/.exec(measured)?.[0]
  const label = jobs === undefined ? beside : `${jobs}, beside ${jobs} node -e 0 and an exchange`
  const [least, most] = [Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2)]
  return {
    ...{ label: plain(label), measured: plain(measured), beside: plain(beside), ratios },
    figure: least === most ? most : `${least} to ${most}`,
    verdict: /^(?:not )?met/.exec(plain(reached))?.[0] ?? '',
  }
}

/** From one power of two to another, with 1 between them. */
function axisOf(ratios) {
  const from = Math.floor(Math.log2(Math.min(1, ...ratios)))
  const to = Math.ceil(Math.log2(Math.max(2, ...ratios)))
  const at = (ratio) => LEFT + ((Math.log2(ratio) - from) / (to - from)) * (RIGHT - LEFT)
  return { at, ticks: Array.from({ length: to - from + 1 }, (_, step) => 2 ** (from + step)) }
}

function grid({ at, ticks }, top, bottom) {
  return ticks
    .map((tick) => {
      const x = rounded(at(tick))
      const line = `<line class="${tick === 1 ? 'axis' : 'line'}" x1="${x}" x2="${x}" y1="${top - 4}" y2="${bottom}"/>\n`
      return `${line}${text(x, top - 8, String(tick), 'dim small middle')}`
    })
    .join('')
}

function drawn({ label, ratios, figure, verdict }, y, { at }) {
  const name = text(PADDING + LINE, y + 15, label)
  if (ratios.length === 0) return `${name}${text(LEFT + 4, y + 15, 'not measured', 'dim')}`
  const [x, end] = [at(1), at(Math.max(...ratios))].sort((a, b) => a - b)
  const colour = { met: 'green', 'not met': 'yellow' }[verdict] ?? 'blue'
  const bar = `<rect class="${colour}" x="${rounded(x)}" y="${y + 4}" width="${rounded(Math.max(1, end - x))}" height="14" rx="2"/>\n`
  return `${name}${bar}${text(RIGHT + 12, y + 15, `${figure} ${verdict}`)}`
}

function described(groups, footer) {
  const said = groups.map(({ title, bars }) => {
    const parts = bars.map(({ measured, beside, ratios, figure, verdict }) =>
      ratios.length === 0
        ? `${measured}, beside ${beside}: not measured`
        : `${measured}, beside ${beside}: ${figure} times${verdict === '' ? '' : ` (goal ${verdict})`}`,
    )
    return `${title}: ${parts.join('; ')}.`
  })
  return `${said.join(' ')} ${footer}`
}

function text(x, y, words, look = '') {
  return `<text x="${x}" y="${y}"${look === '' ? '' : ` class="${look}"`}>${escaped(words)}</text>\n`
}

/** Without Markdown's marks. */
function plain(words) {
  return words.replaceAll(/[`*]/g, '')
}

function rounded(pixels) {
  return Number(pixels.toFixed(1))
}
