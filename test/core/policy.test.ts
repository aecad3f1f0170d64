import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import type { ClockReading } from '../../src/core/clock.js'
import {
  backoff,
  expiresAt,
  expiryPolicy,
  judge,
  type Ask,
  type ExpiryPolicy,
} from '../../src/core/policy.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenPair, TokenSet } from '../../src/core/token-set.js'
import { ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'

const HOUR = 3600
const DAY = 86_400
const policy = expiryPolicy({ percent: 10 }, 60)

/** How a pair is judged at an age of so many seconds, both clocks running. */
function verdictAt(age: number, changes: Partial<TokenPair> = {}, ask: Ask = {}, by = policy): string {
  return judge(tokenSet({ pair: pair(changes) }), moment(ISSUED + age), by, ask).verdict
}

describe('a token of one hour, with a tenth of early and a minute of min_valid', () => {
  it.each([
    ['new', 0, 'fresh'],
    ['a second before early', 3239, 'fresh'],
    ['with early begun', 3240, 'due'],
    ['with just min_valid left', 3540, 'due'],
    ['with less than min_valid left', 3541, 'expired'],
    ['in its last second', 3599, 'expired'],
    ['at its end', 3600, 'expired'],
    ['long over', 999_999, 'expired'],
  ])(
    'a token of one hour, with a tenth of early and a minute of min_valid is, %s, at %i s of age: %s',
    (_when, age, verdict) => {
      expect(verdictAt(age)).toBe(verdict)
    },
  )

  it.each([
    ['as much as is left', 3000, 600, 'fresh'],
    ['a second more than is left', 3000, 601, 'expired'],
    ['less than min_valid, which counts then', 3541, 10, 'expired'],
    ['nothing', 3541, 0, 'expired'],
    ['as much as is left within early', 3300, 300, 'due'],
  ])(
    'a token of one hour, with a tenth of early and a minute of min_valid is judged by --min-valid: %s',
    (_what, age, minValid, verdict) => {
      expect(verdictAt(age, {}, { minValid })).toBe(verdict)
    },
  )

  it.each([NaN, -1, -Infinity])(
    'a token of one hour, with a tenth of early and a minute of min_valid is judged by min_valid when a caller asks for %d seconds',
    (minValid) => {
      expect(verdictAt(3541, {}, { minValid })).toBe('expired')
    },
  )

  it('a token of one hour, with a tenth of early and a minute of min_valid says how many seconds are left, also when they are over', () => {
    const left = (age: number): number => judge(tokenSet(), moment(ISSUED + age), policy).left
    expect([0, 600, 3600, 4000].map(left)).toEqual([3600, 3000, 0, -400])
  })

  it('a token of one hour, with a tenth of early and a minute of min_valid ends at its issue and its lifetime', () => {
    expect(expiresAt(pair(), moment(ISSUED + 600))).toBe(ISSUED + 3600)
  })
})

describe('asked for more than the server issues', () => {
  it.each([
    ['new', 0, 'fresh'],
    ['at the end of the first tenth', 360, 'fresh'],
    ['past the first tenth', 361, 'expired'],
  ])('a token is, %s: at %i s %s', (_when, age, verdict) => {
    expect(verdictAt(age, {}, { minValid: 2 * HOUR })).toBe(verdict)
    expect(verdictAt(age, {}, {}, expiryPolicy({ percent: 10 }, 2 * HOUR))).toBe(verdict)
  })

  it('a token of no life at all is expired, however new', () => {
    expect(verdictAt(0, { lifetime: 0 })).toBe('expired')
    expect(verdictAt(0, { lifetime: 0 }, { minValid: 5 })).toBe('expired')
  })
})

describe('early', () => {
  it.each([
    ['a share of the life', { percent: 10 }, HOUR, 360],
    ['a time before its end', { seconds: 600 }, HOUR, 600],
    ['half of the life at most, by share', { percent: 100 }, HOUR, 1800],
    ['half of the life at most, by time', { seconds: 3000 }, HOUR, 1800],
    ['one day at most', { percent: 10 }, 90 * DAY, DAY],
    ['nothing', { percent: 0 }, HOUR, 0],
  ])('early begins %s', (_what, early, lifetime, window) => {
    const by = expiryPolicy(early, 0)
    expect(verdictAt(lifetime - window - 1, { lifetime }, {}, by)).toBe('fresh')
    expect(verdictAt(lifetime - window, { lifetime }, {}, by)).toBe(window === 0 ? 'expired' : 'due')
  })
})

describe('an access token that the API refused', () => {
  it('an access token that the API refused must be renewed while the store holds it, however new', () => {
    expect(verdictAt(0, {}, { rejected: new Secret('access-1') })).toBe('expired')
  })

  it('no longer matters when the store holds another', () => {
    expect(verdictAt(0, {}, { rejected: new Secret('access-0') })).toBe('fresh')
  })
})

test('an unfinished exchange makes a fresh token due', () => {
  const intent = { attempt: 2, at: ISSUED, boot: 'boot-1', salvaged: null, client: null }
  expect(judge(tokenSet({ intent }), moment(ISSUED + 1), policy).verdict).toBe('due')
})

describe('clocks', () => {
  const half = { now: ISSUED + 1800, boot: 'boot-1', uptime: 2800 }
  it.each<[string, ClockReading, string, number]>([
    ['run as they should', half, 'fresh', 1800],
    ['wall clock a day ahead', { ...half, now: half.now + DAY }, 'expired', 1800 - DAY],
    ['wall clock back, within the token’s life', { ...half, now: half.now - 600 }, 'fresh', 1800],
    ['wall clock a minute behind the issue', { ...half, now: ISSUED - 60 }, 'fresh', 1800],
    ['wall clock further behind the issue', { ...half, now: ISSUED - 61 }, 'due', 1800],
    ['wall clock a day back', { ...half, now: half.now - DAY }, 'due', 1800],
    ['wall clock a day back, life over by uptime', moment(ISSUED - DAY, 4600), 'expired', 0],
    ['1970, same boot', { ...half, now: 17 }, 'due', 1800],
    ['1970, another boot', { now: 17, boot: 'boot-2', uptime: 17 }, 'expired', 0],
    ['1970, a system that names no boot', { now: 17, boot: null, uptime: 2800 }, 'expired', 0],
    ['a minute back, another boot', { now: ISSUED - 60, boot: 'boot-2', uptime: 17 }, 'fresh', 3600],
    ['another boot, a longer uptime than the life', { ...half, boot: 'boot-2', uptime: 9e6 }, 'fresh', 1800],
    ['no boot named, a longer uptime than the life', { ...half, boot: null, uptime: 9e6 }, 'fresh', 1800],
    ['uptime began anew within one boot id, as in a container', { ...half, uptime: 5 }, 'fresh', 1800],
    ['uptime anew and wall clock a day back', { now: ISSUED - DAY, boot: 'boot-1', uptime: 5 }, 'due', 3600],
    ['machine paused: uptime stood still', { ...half, now: ISSUED + 3600, uptime: 1001 }, 'expired', 0],
    ['wall clock stood still: uptime went on', { ...half, now: ISSUED, uptime: 4600 }, 'expired', 0],
  ])('clocks: %s', (_case, at, verdict, left) => {
    expect(judge(tokenSet(), at, policy)).toMatchObject({ verdict, left })
  })

  it('a token issued without a boot is aged by the wall clock alone', () => {
    const set = tokenSet({ pair: pair({ obtained: { now: ISSUED, boot: null, uptime: 1000 } }) })
    expect(judge(set, { now: ISSUED + 10, boot: null, uptime: 9e6 }, policy).left).toBe(3590)
  })

  it('the end of a token is told by the clock that counts it shortest', () => {
    expect(expiresAt(pair(), { ...half, now: ISSUED })).toBe(ISSUED + 1800)
  })
})

describe('a renewal that may not be tried yet', () => {
  const DUE_AT = ISSUED + 3300
  const OVER_AT = ISSUED + HOUR
  it.each<[string, Partial<TokenSet>, number, object | null]>([
    ['nothing in the way, due', {}, DUE_AT, null],
    ['nothing in the way, expired', {}, OVER_AT, null],
    ['the server’s word, due', { notBefore: DUE_AT + 1 }, DUE_AT, { because: 'server', until: DUE_AT + 1 }],
    ['the server’s word, expired', { notBefore: OVER_AT + 9 }, OVER_AT, { because: 'server' }],
    ['the server’s word has passed', { notBefore: DUE_AT }, DUE_AT, null],
    ['the server’s word, an hour off', { notBefore: DUE_AT + HOUR }, DUE_AT, { because: 'server' }],
    ['the server’s word, further off than it can be', { notBefore: DUE_AT + HOUR + 1 }, DUE_AT, null],
    ['our back-off, due', { backoffUntil: DUE_AT + 30 }, DUE_AT, { because: 'backoff', until: DUE_AT + 30 }],
    ['our back-off, expired: it must be had', { backoffUntil: OVER_AT + 30 }, OVER_AT, null],
    ['our back-off has passed', { backoffUntil: DUE_AT }, DUE_AT, null],
    ['our back-off, set by a clock a year ahead', { backoffUntil: DUE_AT + 365 * DAY }, DUE_AT, null],
    ['refused just now, due', { refusedAt: DUE_AT }, DUE_AT, { because: 'refused', until: DUE_AT + HOUR }],
    ['refused just now, expired', { refusedAt: OVER_AT }, OVER_AT, { because: 'refused' }],
    ['refused 3599 s ago', { refusedAt: OVER_AT - 3599 }, OVER_AT, { because: 'refused' }],
    ['refused an hour ago', { refusedAt: OVER_AT - HOUR }, OVER_AT, null],
    ['refused by a clock a year ahead', { refusedAt: OVER_AT + 365 * DAY }, OVER_AT, null],
    [
      'refused, and the server’s word',
      { refusedAt: OVER_AT, notBefore: OVER_AT + 5 },
      OVER_AT,
      { because: 'server' },
    ],
    [
      'refused, and our back-off',
      { refusedAt: DUE_AT, backoffUntil: DUE_AT + 30 },
      DUE_AT,
      { because: 'refused' },
    ],
  ])('a renewal that may not be tried yet: %s', (_case, changes, now, expected) => {
    const { hold } = judge(tokenSet(changes), moment(now), policy)
    if (expected === null) expect(hold).toBeNull()
    else expect(hold).toMatchObject(expected)
  })

  it('a renewal that may not be tried yet does not concern a fresh token', () => {
    const set = tokenSet({ notBefore: ISSUED + 9, backoffUntil: ISSUED + 9 })
    expect(judge(set, moment(), policy)).toMatchObject({ verdict: 'fresh', hold: null })
  })

  it.each([
    [0, 30],
    [1, 30],
    [2, 60],
    [3, 120],
    [5, 480],
    [6, 900],
    [7, 900],
    [10_000, 900],
  ])('a renewal that may not be tried yet rests, after %i failures, %i s', (failures, rest) => {
    expect(backoff(failures)).toBe(rest)
  })
})

describe('a policy of nonsense is refused', () => {
  it.each([
    [{ percent: -1 }, 60],
    [{ percent: 101 }, 60],
    [{ percent: NaN }, 60],
    [{ percent: Infinity }, 60],
    [{ seconds: -1 }, 60],
    [{ seconds: DAY + 1 }, 60],
    [{ seconds: NaN }, 60],
    [{ percent: 10 }, -1],
    [{ percent: 10 }, NaN],
    [{ percent: 10 }, Infinity],
  ])('early %j, min_valid %d', (early, minValid) => {
    expect(() => expiryPolicy(early, minValid)).toThrow(RangeError)
  })

  it.each([
    [{ percent: 0 }, 0],
    [{ percent: 100 }, 0],
    [{ seconds: DAY }, 30 * DAY],
  ])('a policy at the limits is not refused: early %j, min_valid %d', (early, minValid) => {
    expect(expiryPolicy(early, minValid)).toEqual({ early, minValid })
  })
})

describe('whatever the numbers', () => {
  /** Mostly close together, sometimes anything that a number can be. */
  const number = (near: number): fc.Arbitrary<number> =>
    fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: near - 5000, max: near + 5000 }) },
      { weight: 2, arbitrary: fc.integer() },
      { weight: 1, arbitrary: fc.double() },
    )
  const whole = (near: number): fc.Arbitrary<number> =>
    fc.oneof(fc.integer({ min: near - 5000, max: near + 5000 }), fc.maxSafeInteger())
  const instants = (of: (near: number) => fc.Arbitrary<number>): fc.Arbitrary<ClockReading> =>
    fc.record({ now: of(ISSUED), boot: fc.constantFrom(null, 'boot-1', 'boot-2'), uptime: of(5000) })
  const orNull = (of: fc.Arbitrary<number>): fc.Arbitrary<number | null> => fc.option(of)
  const sets = (of: (near: number) => fc.Arbitrary<number>): fc.Arbitrary<TokenSet> =>
    fc
      .record({
        obtained: instants(of),
        lifetime: of(3600),
        notBefore: orNull(of(ISSUED)),
        backoffUntil: orNull(of(ISSUED)),
        refusedAt: orNull(of(ISSUED)),
        pending: fc.boolean(),
      })
      .map(({ obtained, lifetime, pending, ...rest }) =>
        tokenSet({
          ...rest,
          pair: pair({ obtained, lifetime }),
          intent: pending ? { attempt: 1, at: 1, boot: null, salvaged: null, client: null } : null,
        }),
      )
  const asks: fc.Arbitrary<Ask> = fc.record(
    {
      minValid: fc.oneof(number(2500), fc.constantFrom(NaN, Infinity, -1)),
      rejected: fc.constantFrom(new Secret('access-1'), new Secret('access-0')),
    },
    { requiredKeys: [] },
  )
  const early = fc.oneof(
    fc.record({ percent: fc.double({ min: 0, max: 100, noNaN: true }) }),
    fc.record({ seconds: fc.integer({ min: 0, max: DAY }) }),
  )
  const policies: fc.Arbitrary<ExpiryPolicy> = fc
    .tuple(early, fc.integer({ min: 0, max: 10_000 }))
    .map(([begin, minValid]) => expiryPolicy(begin, minValid))

  const RANK = { fresh: 0, due: 1, expired: 2 }

  const { now } = moment()
  const noNumbers = [
    { now: NaN },
    { uptime: NaN },
    { now: NaN, boot: null },
    { now: now - 5000, uptime: NaN },
  ].map((at): [TokenSet, ClockReading, ExpiryPolicy, Ask] => [
    tokenSet(),
    { ...moment(), ...at },
    expiryPolicy({ percent: 10 }, 60),
    {},
  ])

  test('a token whose life is over, by the wall clock or within one boot by the uptime, is expired', () => {
    fc.assert(
      fc.property(sets(number), instants(number), policies, asks, (set, at, by, ask) => {
        const { obtained, lifetime } = set.pair
        const { verdict, left } = judge(set, at, by, ask)
        if (verdict === 'expired') return
        expect(at.now - obtained.now).toBeLessThan(lifetime)
        if (at.boot !== null && at.boot === obtained.boot)
          // Both clocks are rounded to seconds: so much may they differ about one instant.
          expect(at.uptime - obtained.uptime - 2).toBeLessThan(lifetime)
        expect(left).toBeGreaterThan(0)
      }),
      { numRuns: 5000, examples: noNumbers },
    )
  })

  test('what is left is a number, and so is the instant of the end', () => {
    fc.assert(
      fc.property(sets(whole), instants(whole), policies, asks, (set, at, by, ask) => {
        expect(judge(set, at, by, ask).left).toSatisfy(Number.isFinite)
        expect(expiresAt(set.pair, at)).toSatisfy(Number.isFinite)
      }),
      { numRuns: 2000 },
    )
  })

  test('asking for something never gets less than asking for nothing', () => {
    fc.assert(
      fc.property(sets(number), instants(number), policies, asks, (set, at, by, ask) => {
        expect(RANK[judge(set, at, by, ask).verdict]).toBeGreaterThanOrEqual(RANK[judge(set, at, by).verdict])
      }),
      { numRuns: 5000 },
    )
  })

  test('a token does not become better by waiting', () => {
    fc.assert(
      fc.property(sets(whole), fc.nat(5000), fc.nat(5000), policies, asks, (set, age, more, by, ask) => {
        const after = (seconds: number): ClockReading => {
          const { now, boot, uptime } = set.pair.obtained
          return { now: now + seconds, boot, uptime: uptime + seconds }
        }
        const [first, then] = [after(age), after(age + more)].map((at) => judge(set, at, by, ask).verdict)
        expect(RANK[then ?? 'fresh']).toBeGreaterThanOrEqual(RANK[first ?? 'expired'])
      }),
      { numRuns: 2000 },
    )
  })

  test('a renewal is held back for an hour at most', () => {
    fc.assert(
      fc.property(sets(number), instants(number), policies, asks, (set, at, by, ask) => {
        const { hold } = judge(set, at, by, ask)
        if (hold !== null) expect(hold.until - at.now).toBeLessThanOrEqual(HOUR)
      }),
      { numRuns: 2000 },
    )
  })
})
