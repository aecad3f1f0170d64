import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seconds } from '../../src/core/duration.js'

describe('seconds', () => {
  it.each([
    ['0', 0],
    ['90', 90],
    ['90s', 90],
    ['30m', 1800],
    ['5h', 18_000],
    ['10d', 864_000],
    ['2w', 1_209_600],
    ['1h30m', 5400],
    ['1w1d1h1m1s', 694_861],
  ])('seconds reads %s as %i', (text, expected) => {
    expect(seconds(text)).toBe(expected)
  })

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '1.5h',
    '1e3',
    '5 h',
    '5H',
    '5min',
    '1m1h',
    '1h1h',
    '1h30',
    's',
    '٣',
    'Infinity',
    '9007199254740992',
    '20000000000w',
  ])('seconds takes %j for no duration', (text) => {
    expect(seconds(text)).toBeUndefined()
  })

  it('seconds never answers a number that a calculation would lose digits of', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^\d{1,400}[wdhms]?$/), (text) => {
        const value = seconds(text)
        expect(value === undefined || (Number.isSafeInteger(value) && value >= 0)).toBe(true)
      }),
    )
  })
})
