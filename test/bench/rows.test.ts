// Holds the tables of the benchmark: what one row says of several Nodes, and that a figure is read as it was written.
import { describe, expect, it } from 'vitest'
import { across, missing, row, rowIn, table, type Row } from '../../bench/rows.js'

const measured = (theirs: number): Row[] => [
  row({ what: 'a get', ours: 3, beside: 'nothing', theirs, most: 2, target: 'at most 2' }),
  row({ what: 'files', ours: 3, most: 4, target: 'at most 4' }),
]
const absent = [new Error('no strace')].flatMap((error) => [
  missing('a get', 'nothing', 'at most 2', error),
  missing('files', '', 'at most 4', error),
])

describe('a row of `npm run bench` on several Nodes', () => {
  it('a row of `npm run bench` has the ratio and the cost on each Node, and a count where nothing is beside it', () => {
    const [get, files] = across(
      [
        { major: 20, rows: measured(2) },
        { major: 24, rows: measured(3) },
      ],
      'part',
    )
    expect(get).toMatchObject({ 'Node 20': '1.50 (3)', 'Node 24': '1.00 (3)', verdict: 'met' })
    expect(files).toMatchObject({ 'Node 20': '3', 'Node 24': '3', verdict: 'met' })
  })

  it('a row of `npm run bench` names the Nodes that miss the goal', () => {
    const found = [1, 2, 1].map((theirs, at) => ({ major: 20 + 2 * at, rows: measured(theirs) }))
    expect(across(found, 'part')[0]?.verdict).toBe('**not met** on Node 20, Node 24')
    expect(across(found.slice(0, 1), 'part')[0]?.verdict).toBe('**not met**')
  })

  it('a row of `npm run bench` says on which Node it could not be measured, and why', () => {
    const [get] = across(
      [
        { major: 20, rows: measured(2) },
        { major: 22, error: new Error('it fell over') },
        { major: 24, rows: absent },
      ],
      'part',
    )
    expect(get?.['Node 22']).toBe('')
    expect(get?.verdict).toBe('not measured: it fell over on Node 22; not measured: no strace on Node 24')
    expect(across([{ major: 22, error: new Error('it fell over') }], 'part')).toEqual([
      missing('part', '', '', new Error('it fell over')),
    ])
  })

  it('a row of `npm run bench` is read from its table as it was written', () => {
    const found = [2, 3].map((theirs, at) => ({ major: 20 + 2 * at, rows: measured(theirs) }))
    const text = `## One\n\n${table(across(found, 'part'), [20, 22])}\n## Two\n\n${table(measured(1))}`
    expect(rowIn(text, 'a get', 'nothing')).toMatchObject({ ratios: [1.5, 1], reached: 'met' })
    expect(rowIn(text.slice(text.indexOf('## Two')), 'a get', 'nothing')).toMatchObject({
      ratios: [3],
      reached: '**not met**',
    })
  })
})
