// Holds the chart of the benchmark against tables that are made for it: each figure comes from the table, and none is left out.
import { readFileSync } from 'node:fs'
import { XMLParser } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import { chart } from '../../bench/chart.js'
import { expectHarmless, wordsOf } from '../support/svg.js'

const RESULTS = readFileSync('bench/results.md', 'utf8')

/** The table of the project with other figures in it, so that none of them can come from anywhere else. */
function withRatio(measured: string, beside: string, ratio: string, verdict = 'met'): string {
  const row = RESULTS.split('\n').find((line) => {
    const cells = line.split(' | ').map((cell) => cell.replace(/^\| /, '').trim())
    return cells[0] === measured && cells[2] === beside
  })
  if (row === undefined) throw new Error(`there is no row ${measured} | ${beside}`)
  const cells = row.split(' | ')
  return RESULTS.replace(row, [...cells.slice(0, 4), ratio, cells[5], `${verdict} |`].join(' | '))
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

describe('the chart of `npm run bench`', () => {
  it('the chart of `npm run bench` has one bar for each of its rows, and the figure of the table beside it', () => {
    const svg = chart(RESULTS)
    const figures = wordsOf(svg).flatMap((line) => /^([\d.]+) (?:not )?met$/.exec(line)?.[1] ?? [])
    expect(figures).toHaveLength(13)
    expect(barsOf(svg)).toHaveLength(13)
    const ratios = RESULTS.split('\n').map((line) => line.split(' | ')[4]?.trim())
    for (const figure of figures) expect(ratios).toContain(figure)
    expectHarmless(svg)
  })

  it.each([
    ['3.00', 'met', 'green', '2', '4'],
    ['6.00', '**not met**', 'yellow', '4', '8'],
  ])(
    'the chart of `npm run bench` draws %s, %s, in %s between the lines of %s and %s',
    (ratio, verdict, colour, less, more) => {
      const svg = chart(withRatio(...REFRESH, ratio, verdict))
      const bar = barsOf(svg)[REFRESH_BAR]
      expect(bar?.colour).toBe(colour)
      expect(bar?.from).toBe(lineAt(svg, '1'))
      expect(bar?.to).toBeGreaterThan(lineAt(svg, less))
      expect(bar?.to).toBeLessThan(lineAt(svg, more))
      expect(wordsOf(svg)).toContain(`${ratio} ${verdict.replaceAll('*', '')}`)
    },
  )

  it('the chart of `npm run bench` draws what costs less to the left, as far as the line of its figure', () => {
    const svg = chart(withRatio(...REFRESH, '0.50'))
    const bar = barsOf(svg)[REFRESH_BAR]
    expect(bar?.from).toBeCloseTo(lineAt(svg, '0.5'), 0)
    expect(bar?.to).toBeCloseTo(lineAt(svg, '1'), 0)
  })

  it('the chart of `npm run bench` stretches its scale to the largest figure', () => {
    const svg = chart(withRatio(...REFRESH, '100.00'))
    expect(lineAt(svg, '128')).toBeGreaterThan(Number(barsOf(svg)[REFRESH_BAR]?.to))
  })

  it('the chart of `npm run bench` says of a row without a figure that it was not measured, and draws no bar', () => {
    const svg = chart(withRatio(...REFRESH, '', 'not measured: there is no such program'))
    expect(barsOf(svg)).toHaveLength(12)
    expect(wordsOf(svg)).toContain('not measured')
  })

  it('the chart of `npm run bench` is refused where the table has no such row, or no number in it', () => {
    expect(() => chart(RESULTS.replaceAll('`gh auth token`', '`gh`'))).toThrow(
      'the table has no row "warm `get`, cpu | `gh auth token`"',
    )
    expect(() => chart(withRatio(...REFRESH, 'much'))).toThrow('is no number: much')
  })

  it('the chart of `npm run bench` says when and where it was measured, and every figure in words too', () => {
    const svg = chart(withRatio(...REFRESH, '3.21'))
    const [, printed = ''] = /^Printed by `npm run bench` (.*)$/m.exec(RESULTS) ?? []
    expect(printed).toMatch(/^on 20\d\d-/)
    expect(wordsOf(svg)).toContain(`Printed by npm run bench ${printed}`)
    expect(svg).toMatch(
      /<desc[^>]*>.*beside one process with a bare https\.request: 3\.21 times \(goal met\)/,
    )
  })
})
