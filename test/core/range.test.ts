import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alerts, range, rangeText } from '../../src/core/range.js'

describe('range', () => {
  it.each<[string, string, number[], number[]]>([
    ['10', '10', [-1, 11], [0, 5, 10]],
    ['10:', '10:', [9, -1], [10, 1e9]],
    [':10', '10', [-1, 11], [0, 10]],
    ['~:10', '~:10', [11], [-1e9, 10]],
    ['10:20', '10:20', [9, 21], [10, 20]],
    ['@10:20', '@10:20', [10, 15, 20], [9, 21]],
    ['@~:10', '@~:10', [-1e9, 10], [11]],
    ['14d:', '1209600:', [1_209_599], [1_209_600]],
    ['@0:3d', '@259200', [0, 259_200], [259_201, -1]],
    ['1h30m:2h', '5400:7200', [5399, 7201], [5400]],
    ['1.5d:', '129600:', [129_599], [129_600]],
    ['.5:1.25', '0.5:1.25', [0.4, 1.3], [0.5, 1.25]],
    ['-10:-5', '-10:-5', [-11, -4], [-10, -5]],
    ['+5:', '5:', [4], [5]],
    ['0:', '0:', [-1], [0, 1e9]],
    ['~:', '~:', [], [-1e9, 0, 1e9]],
    ['0', '0', [-1, 1], [0]],
  ])('range reads %s as %s', (text, seconds, outside, inside) => {
    const found = range(text)
    expect(found && rangeText(found)).toBe(seconds)
    for (const value of outside) expect([value, found && alerts(found, value)]).toEqual([value, true])
    for (const value of inside) expect([value, found && alerts(found, value)]).toEqual([value, false])
  })

  it.each([
    '',
    ' ',
    ':',
    '@',
    '@:',
    '~',
    'x',
    '5:1',
    '1:2:3',
    '10 :',
    '1:~',
    '5min:',
    '1..2:',
    '-',
    '--1:',
    '1e400:',
    'NaN:',
    '99999999999999999999:',
  ])('range refuses %j', (text) => {
    expect(range(text)).toBeUndefined()
  })

  const bound = fc.option(fc.integer({ min: -1e9, max: 1e9 }), { nil: undefined })

  it('range alerts outside of both ends, or inside, by the letter of the guidelines', () => {
    fc.assert(
      fc.property(
        bound,
        bound,
        fc.boolean(),
        fc.integer({ min: -2e9, max: 2e9 }),
        (low, high, inside, value) => {
          const text = `${inside ? '@' : ''}${low ?? '~'}:${high ?? ''}`
          const [start, end] = [low ?? -Infinity, high ?? Infinity]
          const found = range(text)
          if (start > end) expect(found).toBeUndefined()
          else expect(found && alerts(found, value)).toBe((value < start || value > end) !== inside)
        },
      ),
    )
  })

  it('range reads back what performance data says of it', () => {
    fc.assert(
      fc.property(bound, bound, fc.boolean(), (low, high, inside) => {
        const found = range(`${inside ? '@' : ''}${low ?? '~'}:${high ?? ''}`)
        if (found !== undefined) expect(range(rangeText(found))).toEqual(found)
      }),
    )
  })

  it('range never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^@?[~:0-9.dhms+-]{0,9}$/)), (text) => {
        const found = range(text)
        if (found !== undefined) expect(rangeText(found)).toMatch(/^@?(?:~:|[-\d.e+]+:)?[-\d.e+]*$/)
      }),
    )
  })
})

it('no exponent is written, which readers of performance data do not know', () => {
  const written = (text: string): string => rangeText(range(text) ?? { start: 0, end: 0, isInside: false })
  expect(['0.0000001:', '@0.00000025:0.5', '-0.0000001:'].map(written)).toEqual([
    '0.0000001:',
    '@0.00000025:0.5',
    '-0.0000001:',
  ])
})
