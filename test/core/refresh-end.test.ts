import { describe, expect, it } from 'vitest'
import { alertsOf, type AlertPolicy } from '../../src/core/alerts.js'
import { findingsOf, grantFacts, type CheckLimits } from '../../src/core/check.js'
import { expiryPolicy } from '../../src/core/policy.js'
import { endsSoon, refreshEndOf } from '../../src/core/refresh-end.js'
import { Secret } from '../../src/core/secret.js'
import type { HistoryEntry } from '../../src/core/store-ports.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry, renewed, type Tokens } from '../../src/core/transitions.js'
import { ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'

const [HOUR, DAY] = [3600, 86_400]
const POLICY: AlertPolicy = { failingFor: 6 * HOUR, ending: 14 * DAY, remind: DAY }
const USUAL: CheckLimits = { warning: null, critical: null, failingFor: 900, maxAge: null }

/** A grant at a server that ends it so long after the login, or gives each refresh token so long. */
class Grant {
  set: TokenSet
  history: HistoryEntry[]
  readonly #life: number
  readonly #isFixed: boolean
  readonly #rotates: boolean

  constructor(life: number, { isFixed = true, rotates = true } = {}) {
    this.#life = life
    this.#isFixed = isFixed
    this.#rotates = rotates
    this.set = tokenSet({ pair: pair({ refreshExpiresAt: ISSUED + life }) })
    this.history = [entry(this.set, 'login', 'done', moment())]
  }

  /** @param jitter Seconds that the server's answer is off by. */
  refresh(seconds: number, jitter = 0): this {
    const refreshExpiresIn = (this.#isFixed ? this.#life - seconds : this.#life) + jitter
    const tokens: Tokens = {
      ...{ kind: 'tokens', accessToken: new Secret('a'), tokenType: null, scope: null, user: null },
      ...{ refreshToken: this.#rotates ? new Secret(`r-${seconds}`) : null, expiresIn: HOUR },
      refreshExpiresIn: this.#rotates ? refreshExpiresIn : null,
    }
    const at = moment(ISSUED + seconds)
    this.set = renewed(this.set, tokens, this.set.pair.refreshToken, at, HOUR)
    this.history = [entry(this.set, 'refresh', 'done', at), ...this.history].slice(0, 512)
    return this
  }

  end() {
    return refreshEndOf(this.set, this.history)
  }

  state(seconds: number, history: readonly HistoryEntry[] = this.history): string {
    const configured = {
      policy: expiryPolicy({ percent: 10 }, 60),
      named: { tokenUrl: 'https://acme.example/token', issuer: null, clientId: '1' },
      apiUrl: null,
    }
    const facts = { next: 'hq-token login', seen: null, untold: null }
    const look = grantFacts(this.set, moment(ISSUED + seconds), configured, history, facts)
    const [first] = findingsOf(look, USUAL)
    return first === undefined ? 'OK' : `${first.state} ${'next' in first ? first.next : first.what}`
  }

  ending(seconds: number): boolean {
    const alerts = alertsOf(this.set, this.history, moment(ISSUED + seconds), POLICY) ?? []
    return alerts.some(({ kind, isWorthTelling }) => kind === 'ending' && isWorthTelling)
  }
}

describe('the end of a refresh token', () => {
  it('a clock that was set back between two refreshes fixes no end that each refresh moves, and hides none that is fixed', () => {
    const moving = new Grant(HOUR / 2, { isFixed: false }).refresh(100 * DAY).refresh(100 * DAY - HOUR)
    expect(moving.end()).toMatchObject({ life: HOUR / 2, isFixed: false })
    const fixed = new Grant(365 * DAY).refresh(360 * DAY).refresh(360 * DAY - HOUR)
    expect(fixed.end()).toMatchObject({ life: 365 * DAY, isFixed: true })
  })

  it.each([{ rotates: true }, { rotates: false }])(
    'the limits are shares of the life of the grant where refreshes do not move its end: %o',
    (options) => {
      const year = new Grant(365 * DAY, options)
      for (let day = 7; day <= 350; day += 7) year.refresh(day * DAY)
      expect(year.end()).toMatchObject({ endsAt: ISSUED + 365 * DAY, life: 365 * DAY, isFixed: true })
      expect(year.state(350 * DAY)).toBe('OK')
      expect(year.ending(350 * DAY)).toBe(false)
      for (let day = 357; day <= 364; day += 7) year.refresh(day * DAY)
      expect(year.state(364 * DAY)).toBe('CRITICAL hq-token login')
      expect(year.ending(364 * DAY)).toBe(true)
      const early = new Grant(365 * DAY, options)
      for (let hour = 1; hour <= 352 * 24; hour++) early.refresh(hour * HOUR)
      expect(early.state(352 * DAY)).toBe('WARNING hq-token login')
      expect(early.ending(352 * DAY)).toBe(true)
      expect(endsSoon(early.end() ?? { endsAt: 0, life: 0, isFixed: false }, ISSUED + 352 * DAY)).toBe(true)
    },
  )

  it('a session of ten hours warns in its second half, however often it is refreshed', () => {
    const session = new Grant(10 * HOUR)
    for (let minutes = 5; minutes <= 240; minutes += 5) session.refresh(minutes * 60)
    expect(session.state(4 * HOUR)).toBe('OK')
    expect(session.ending(4 * HOUR)).toBe(false)
    for (let minutes = 245; minutes <= 570; minutes += 5) session.refresh(minutes * 60)
    expect(session.state(8 * HOUR)).toBe('WARNING hq-token login')
    expect(session.ending(8 * HOUR)).toBe(true)
    expect(session.state(9.5 * HOUR)).toBe('CRITICAL hq-token login')
  })

  it('a refresh token of ten days that each refresh renews does not warn', () => {
    const short = new Grant(10 * DAY, { isFixed: false })
    for (let day = 1; day <= 100; day++) {
      short.refresh(day * DAY)
      expect(short.end()).toMatchObject({ life: 10 * DAY, isFixed: false })
      expect(short.state((day + 1) * DAY)).toBe('OK')
      expect(short.ending((day + 1) * DAY)).toBe(false)
    }
    expect(short.state(106 * DAY)).toBe('WARNING hq-token refresh')
  })

  it('a server that answers seconds late, or rounds, is told apart all the same', () => {
    const fixed = new Grant(365 * DAY)
    const moving = new Grant(365 * DAY, { isFixed: false })
    for (const [nth, jitter] of [0, 9, -9, 4, -2].entries()) {
      expect(fixed.refresh((nth + 1) * 60, jitter).end()?.isFixed).toBe(true)
      expect(moving.refresh((nth + 1) * 60, jitter).end()?.isFixed).toBe(false)
    }
  })

  it('two refreshes in one second do not hide that the end is near', () => {
    const year = new Grant(365 * DAY)
      .refresh(7 * DAY)
      .refresh(360 * DAY)
      .refresh(360 * DAY)
    expect(year.state(360 * DAY)).toBe('WARNING hq-token login')
  })

  it('before the first refresh the end may move, whatever stood in the store before the login', () => {
    const { set, history } = new Grant(20 * DAY)
    const after = { ...set, previous: pair({ refreshExpiresAt: ISSUED + 20 * DAY }) }
    expect(refreshEndOf(after, history)).toMatchObject({ isFixed: false, life: 20 * DAY })
  })

  it('a history that does not reach back to the login caps no limit', () => {
    const year = new Grant(365 * DAY).refresh(7 * DAY).refresh(355 * DAY)
    expect(year.state(355 * DAY, [])).toBe('WARNING hq-token login')
    expect(year.state(355 * DAY, year.history.slice(0, 1))).toBe('WARNING hq-token login')
    const [last] = year.history
    const other = { ...last, event: 'login', grant: 'another' } as HistoryEntry
    expect(refreshEndOf(year.set, [other])).toMatchObject({ life: null, isFixed: true })
  })
})
