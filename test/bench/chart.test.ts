// Holds the chart of the benchmark against tables that are made for it: each figure comes from the table, and none is left out.
import { readFileSync } from 'node:fs'
import { XMLParser } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import { chart } from '../../bench/chart.js'
import { inShort } from '../../bench/in-short.js'
import { MAJORS } from '../../scripts/nodes.js'
import { expectHarmless, wordsOf } from '../support/svg.js'

const RESULTS = readFileSync('bench/results.md', 'utf8')

/**
 * The tables of the project with other figures in a row of the first, so that none of them can come from anywhere else.
 *
 * @param ratios Of the Nodes, in the order of their columns.
 */
function withRatios(measured: string, beside: string, ratios: readonly string[], verdict = 'met'): string {
  const line = RESULTS.split('\n').find((one) => {
    const cells = one.split('|').map((cell) => cell.trim())
    return cells[1] === measured && cells[2] === beside
  })
  if (line === undefined) throw new Error(`there is no row ${measured} | ${beside}`)
  const cells = MAJORS.map((_, at) => (ratios[at] === undefined ? '' : `${ratios[at]} (5.0 ms)`))
  return RESULTS.replace(line, `| ${[measured, beside, ...cells, 'a goal', verdict].join(' | ')} |`)
}

interface Bar {
  readonly from: number
  readonly to: number
  readonly colour: string
}

function barsOf(svg: string): Bar[] {
  const { svg: root } = new XMLParser({ ignoreAttributes: false }).parse(svg) as {
    svg: { rect: Record<string, string>[] }
  }
  return root.rect.slice(1).map((rect) => ({
    from: Number(rect['@_x']),
    to: Number(rect['@_x']) + Number(rect['@_width']),
    colour: String(rect['@_class']),
  }))
}

/** Where the line of a multiple stands. */
function lineAt(svg: string, tick: string): number {
  return Number(new RegExp(`<text x="([\\d.]+)" [^>]*middle">${tick}<`).exec(svg)?.[1])
}

const REFRESH = ['`get` that refreshes, wall', 'one process with a bare `https.request`'] as const
const REFRESH_BAR = 5
/** With what is written beside a bar. */
const FIGURE = /^([\d.]+)(?: to ([\d.]+))? (?:not )?met$/

describe('the summary of `npm run bench`', () => {
  it('the summary of `npm run bench` has the figures of the table, from the best Node to the worst', () => {
    expect(inShort(withRatios(...REFRESH, ['2.22', '4.44', '3.33']))).toContain(
      ' 2.22 to 4.44 times as long,',
    )
    expect(inShort(withRatios(...REFRESH, ['2.22']))).toContain(' 2.22 times as long,')
  })

  it('the summary of `npm run bench` on the page on performance is that of the tables below it', () => {
    const page = readFileSync('docs/performance.md', 'utf8')
    expect(page).toContain(inShort(RESULTS))
    expect(page).toContain(RESULTS.slice(RESULTS.indexOf('## ')))
  })
})

describe('the chart of `npm run bench`', () => {
  it('the chart of `npm run bench` has one bar for each of its rows, and the figure of the table beside it', () => {
    const svg = chart(RESULTS)
    const figures = wordsOf(svg).flatMap((line): (string | undefined)[] => FIGURE.exec(line)?.slice(1) ?? [])
    expect(figures).toHaveLength(2 * 13)
    expect(barsOf(svg)).toHaveLength(13)
    const ratios = RESULTS.split('|').map((cell) => cell.trim().split(' ')[0])
    for (const figure of figures) if (figure !== undefined) expect(ratios).toContain(figure)
    expectHarmless(svg)
  })

  it.each([
    [['3.00'], 'met', 'green', '2', '4', '3.00 met'],
    [['5.00', '6.00', '1.50'], '**not met** on Node 20, Node 22', 'yellow', '4', '8', '1.50 to 6.00 not met'],
  ])(
    'the chart of `npm run bench` draws %j, %s, in %s between the lines of %s and %s',
    (ratios, verdict, colour, less, more, words) => {
      const svg = chart(withRatios(...REFRESH, ratios, verdict))
      const bar = barsOf(svg)[REFRESH_BAR]
      expect(bar?.colour).toBe(colour)
      expect(bar?.from).toBe(lineAt(svg, '1'))
      expect(bar?.to).toBeGreaterThan(lineAt(svg, less))
      expect(bar?.to).toBeLessThan(lineAt(svg, more))
      expect(wordsOf(svg)).toContain(words)
    },
  )

  it('the chart of `npm run bench` draws what costs less to the left, as far as the line of its figure', () => {
    const svg = chart(withRatios(...REFRESH, ['0.50']))
    const bar = barsOf(svg)[REFRESH_BAR]
    expect(bar?.from).toBeCloseTo(lineAt(svg, '0.5'), 0)
    expect(bar?.to).toBeCloseTo(lineAt(svg, '1'), 0)
  })

  it('the chart of `npm run bench` stretches its scale to the largest figure', () => {
    const svg = chart(withRatios(...REFRESH, ['100.00']))
    expect(lineAt(svg, '128')).toBeGreaterThan(Number(barsOf(svg)[REFRESH_BAR]?.to))
  })

  it('the chart of `npm run bench` says of a row without a figure that it was not measured, and draws no bar', () => {
    const svg = chart(withRatios(...REFRESH, [], 'not measured: there is no such program'))
    expect(barsOf(svg)).toHaveLength(12)
    expect(wordsOf(svg)).toContain('not measured')
  })

  it('the chart of `npm run bench` is refused where the table has no such row, or no number in it', () => {
    expect(() => chart(RESULTS.replaceAll('`gh auth token`', '`gh`'))).toThrow(
      'the table has no row "warm `get`, cpu | `gh auth token`"',
    )
    expect(() => chart(withRatios(...REFRESH, ['much']))).toThrow('is no number: much')
  })

  it('the chart of `npm run bench` says when and where it was measured, and every figure in words too', () => {
    const svg = chart(withRatios(...REFRESH, ['3.21']))
    const [, printed = ''] = /^Printed by `npm run bench` (.*)$/m.exec(RESULTS) ?? []
    expect(printed).toMatch(/^on 20\d\d-/)
    expect(wordsOf(svg)).toContain(`Printed by npm run bench ${printed}`)
    expect(svg).toMatch(
      /<desc[^>]*>.*beside one process with a bare https\.request: 3\.21 times \(goal met\)/,
    )
  })
})
