import { describe, expect, it } from 'vitest'
import { instant, lifetimeOf, LONGEST_ACCESS } from '../../src/core/lifetime.js'
import { rfc3339 } from '../../src/core/clock.js'
import { ISSUED } from '../support/token-sets.js'

describe('instant', () => {
  it.each([
    ['0', 0],
    ['1800000000.9', ISSUED],
    ['2027-01-15T08:00:00Z', ISSUED],
    ['2027-01-15T08:00:00.999-00:00', ISSUED],
    ['2028-02-29T00:00:00Z', 1_835_395_200],
  ])('instant reads %s', (text, expected) => {
    expect(instant(text)).toBe(expected)
  })

  it.each([
    '',
    '-1',
    '1e9',
    '2027-01-15',
    '2027-01-15T08:00Z',
    '2027-01-15T25:00:00Z',
    '2027-13-15T08:00:00Z',
    '2027-02-29T00:00:00Z',
  ])('instant takes %j for none', (text) => {
    expect(instant(text)).toBeUndefined()
  })
})

describe('a lifetime', () => {
  it.each<[string, unknown, number | undefined]>([
    ['seconds', 3600, 3600],
    ['seconds in a string', ' 3600 ', 3600],
    ['a fraction', '3600.7', 3600],
    ['seconds with their unit', '3600s', 3600],
    ['a year', LONGEST_ACCESS, LONGEST_ACCESS],
    ['more than a year', LONGEST_ACCESS + 1, undefined],
    ['41 days in milliseconds', 3_600_000_000, undefined],
    ['epoch seconds', ISSUED + 600, 600],
    ['epoch seconds in a string', String(ISSUED + 600), 600],
    ['epoch milliseconds', (ISSUED + 600) * 1000, 600],
    ['an instant that is past', ISSUED - 1, undefined],
    ['RFC 3339', rfc3339(ISSUED + 600), 600],
    ['RFC 3339 with an offset', '2027-01-15T10:10:00+02:00', 600],
    ['a date of HTTP', new Date((ISSUED + 600) * 1000).toUTCString(), 600],
    ['a date without an offset', '2027-01-15T08:10:00', undefined],
    ['nothing', 0, undefined],
    ['less than nothing', -5, undefined],
    ['a word', 'soon', undefined],
    ['no number', NaN, undefined],
    ['true', true, undefined],
    ['an object', {}, undefined],
  ])('a lifetime: %s: %j', (_what, value, seconds) => {
    expect(lifetimeOf(value, ISSUED, LONGEST_ACCESS)).toBe(seconds)
  })
})
