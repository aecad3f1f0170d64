import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import {
  afterFailedTelling,
  afterTelling,
  afterTest,
  alertsOf,
  idle,
  nextStep,
  TROUBLES,
  untoldOf,
  type Alert,
  type AlertChange,
  type AlertPolicy,
  type AlertRecord,
} from '../../src/core/alerts.js'
import type { HistoryEntry } from '../../src/core/store-ports.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'

const MINUTE = 60
const HOUR = 3600
const DAY = 24 * HOUR
const POLICY: AlertPolicy = { failingFor: 6 * HOUR, ending: 14 * DAY, remind: DAY }

/** The store's memory, and the people who are told. */
class Memory {
  records: readonly AlertRecord[] = []
  readonly told: string[] = []
  now = 0
  isBroken = false
  /** Why one of two ways fails. */
  failure: string | null = null
  tries = 0

  change({ before, after }: AlertChange): boolean {
    const found = this.records.find(({ kind }) => kind === before.kind) ?? idle(before.kind)
    if (JSON.stringify(found) !== JSON.stringify(before)) return false
    this.records = [...this.records.filter(({ kind }) => kind !== after.kind), after]
    return true
  }

  /** A process looks. @param dies Whether it dies before it has told anybody. */
  look(alerts: readonly Alert[] | null, dies = false): void {
    for (let steps = 0; ; steps++) {
      expect(steps).toBeLessThan(20)
      const step = nextStep(this.records, alerts, this.now)
      if (step === undefined) return
      expect(this.change(step)).toBe(true)
      if (!step.tells) continue
      if (dies) return
      this.tries++
      if (!this.isBroken) this.told.push(`${step.after.kind} ${this.now / DAY}`)
      const changes = this.isBroken
        ? afterFailedTelling(step.after, this.records, this.now, 'no mailbox')
        : afterTelling(step.after, this.records, this.now, POLICY.remind, this.failure)
      for (const change of changes) expect(this.change(change)).toBe(true)
    }
  }
}

const LOGIN: Alert = { kind: 'login_required', since: 100, isWorthTelling: true }
const FAILING: Alert = { kind: 'failing', since: 50, isWorthTelling: true }

describe('people are told of trouble', () => {
  it('people are told once, then after 1, 2, 4 … 32 days, and of its end once', () => {
    const memory = new Memory()
    for (let hour = 0; hour < 24 * 130; hour++) {
      memory.now = hour * HOUR
      memory.look(hour === 24 * 128 ? [] : hour > 24 * 128 ? [] : [LOGIN])
    }
    expect(memory.told).toEqual(
      [0, 1, 3, 7, 15, 31, 63, 95, 127].map((day) => `login_required ${day}`).concat('recovered 128'),
    )
  })

  it('people are told of a worse trouble at once, and of the end of both once', () => {
    const memory = new Memory()
    memory.look([FAILING])
    memory.now = MINUTE
    memory.look([LOGIN])
    memory.now = 2 * MINUTE
    memory.look([])
    memory.look([])
    expect(memory.told.map((one) => one.split(' ')[0])).toEqual(['failing', 'login_required', 'recovered'])
  })

  it('people are not told that trouble is over of which they were not told', () => {
    const memory = new Memory()
    memory.isBroken = true
    memory.look([FAILING])
    memory.isBroken = false
    memory.look([])
    expect(memory.told).toEqual([])
    expect(memory.records.every(({ since }) => since === 0)).toBe(true)
  })

  it('people are not told of the end of trouble where the grant was given up', () => {
    const memory = new Memory()
    memory.look([LOGIN])
    memory.look(null)
    memory.look([])
    expect(memory.told).toEqual(['login_required 0'])
  })

  it('trouble that comes back before people heard of its end is told again, and its end once', () => {
    const memory = new Memory()
    memory.look([LOGIN])
    memory.isBroken = true
    memory.now = HOUR
    memory.look([])
    memory.isBroken = false
    memory.look([LOGIN])
    memory.now = 2 * HOUR
    memory.look([])
    expect(memory.told.map((one) => one.split(' ')[0])).toEqual([
      'login_required',
      'login_required',
      'recovered',
    ])
  })

  it('a process that died while it told people keeps others away for five minutes, and one tells then', () => {
    const memory = new Memory()
    memory.look([LOGIN], true)
    memory.now = 299
    memory.look([LOGIN])
    expect(memory.told).toEqual([])
    memory.now = 300
    memory.look([LOGIN])
    expect(memory.told).toHaveLength(1)
  })

  it('people who cannot be reached are tried after 5 minutes, and then ever later, at most a day', () => {
    const memory = new Memory()
    memory.isBroken = true
    const tries: number[] = []
    for (let minute = 0; minute < 8 * 24 * 60; minute++) {
      memory.now = minute * MINUTE
      const before = memory.records
      memory.look([LOGIN])
      if (memory.records !== before) tries.push(minute)
    }
    expect(tries).toEqual([0, 5, 15, 35, 75, 155, 315, 635, 1275, 2555, 3995, 5435, 6875, 8315, 9755, 11195])
    expect(memory.records.find(({ failedAt }) => failedAt !== null)).toMatchObject({
      failedAt: 0,
      failure: 'no mailbox',
      told: 0,
    })
  })

  it('a reminder that fails is tried again after 5 minutes, though another way has failed for days', () => {
    const memory = new Memory()
    memory.failure = '[notify] url answered HTTP 500'
    memory.look([LOGIN])
    const tries: number[] = []
    memory.isBroken = true
    for (let minute = 24 * 60 - 5; minute < 26 * 60; minute++) {
      memory.now = minute * MINUTE
      const before = memory.tries
      memory.look([LOGIN])
      if (memory.tries > before) tries.push(minute - 24 * 60)
    }
    expect(tries).toEqual([0, 5, 15, 35, 75])
    expect(untoldOf({ records: memory.records, offset: 0 })).toEqual({ since: 0, failure: 'no mailbox' })
  })

  it('a way that fails is remembered when the trouble is over, until a telling goes well by all ways', () => {
    const memory = new Memory()
    const untold = (): unknown => untoldOf({ records: memory.records, offset: 0 })
    memory.now = MINUTE
    memory.isBroken = true
    memory.look([FAILING])
    memory.now = HOUR
    for (const alerts of [[], [LOGIN], [], null]) memory.look(alerts)
    expect(untold()).toEqual({ since: MINUTE, failure: 'no mailbox' })
    memory.isBroken = false
    memory.failure = '[notify] url answered HTTP 500'
    memory.look([FAILING])
    memory.look([])
    expect(memory.told.map((one) => one.split(' ')[0])).toEqual(['failing', 'recovered'])
    expect(untold()).toEqual({ since: MINUTE, failure: '[notify] url answered HTTP 500' })
    memory.failure = null
    memory.look([LOGIN])
    expect(untold()).toBeNull()
  })

  it('a test that goes well has all ways count as working, and whoever could not be told is told next', () => {
    const memory = new Memory()
    memory.isBroken = true
    memory.look([LOGIN, { ...FAILING, kind: 'ending' }])
    memory.isBroken = false
    for (const change of afterTest(memory.records, memory.now)) expect(memory.change(change)).toBe(true)
    expect(untoldOf({ records: memory.records, offset: 0 })).toBeNull()
    memory.look([LOGIN, { ...FAILING, kind: 'ending' }])
    expect(memory.told.map((one) => one.split(' ')[0])).toEqual(['login_required', 'ending'])
    expect(afterTest(memory.records, memory.now)).toEqual([])
  })

  it('a test changes nothing that another process is telling', () => {
    const claimed = { ...idle('failing'), since: 5, tries: 3, dueAt: 10, claimedAt: 10 }
    expect(afterTest([claimed], 20)).toEqual([])
    expect(afterTest([claimed], 310)).toHaveLength(1)
  })

  it('a clock that was days ahead and is set back costs no reminder', () => {
    const memory = new Memory()
    memory.now = 400 * DAY
    memory.look([LOGIN])
    memory.now = 3 * DAY
    memory.look([LOGIN])
    memory.now = 4 * DAY
    memory.look([LOGIN])
    expect(memory.told).toHaveLength(2)
    memory.now = 5 * DAY + 1
    memory.look([LOGIN])
    expect(memory.told).toHaveLength(3)
  })

  it('a claim of a clock that was ahead does not keep people from being told', () => {
    const memory = new Memory()
    memory.now = 400 * DAY
    memory.look([LOGIN], true)
    memory.now = 3 * DAY
    memory.look([LOGIN, { kind: 'ending', since: 1, isWorthTelling: true }])
    expect(memory.told.length).toBeGreaterThan(0)
  })

  it('a try of a clock that was ahead does not keep people from being told', () => {
    const memory = new Memory()
    memory.isBroken = true
    memory.now = 400 * DAY
    memory.look([LOGIN])
    memory.isBroken = false
    memory.now = 3 * DAY
    memory.look([LOGIN])
    expect(memory.told).toEqual(['login_required 3'])
  })

  it.each<[string, Partial<Memory>]>([
    ['by no way', { isBroken: true }],
    ['by one way of two', { failure: '[notify] url answered HTTP 500' }],
  ])('after a clock that was ahead people who are reached %s are tried once, not all the time', (_, how) => {
    const memory = new Memory()
    memory.failure = '[notify] url answered HTTP 500'
    memory.now = 400 * DAY
    memory.look([LOGIN])
    Object.assign(memory, how)
    memory.now = 3 * DAY
    memory.look([LOGIN])
    memory.look([LOGIN])
    expect(memory.tries).toBe(2)
  })

  it('hosts that tell of an outage sooner and later tell of it once, and of its end once', () => {
    const memory = new Memory()
    const later: Alert = { ...FAILING, isWorthTelling: false }
    const kinds = (): unknown[] => memory.told.map((one) => one.split(' ')[0])
    for (const alert of [later, FAILING, later, FAILING, later]) memory.look([alert])
    expect(kinds()).toEqual(['failing'])
    memory.look([])
    expect(kinds()).toEqual(['failing', 'recovered'])
  })

  it('trouble that is not worth telling keeps nobody from hearing of the end of another', () => {
    const memory = new Memory()
    memory.look([LOGIN])
    memory.look([{ ...FAILING, isWorthTelling: false }])
    expect(memory.told.map((one) => one.split(' ')[0])).toEqual(['login_required', 'recovered'])
  })

  it('while one process tells, no other changes anything, however it sees the grant', () => {
    const memory = new Memory()
    memory.look([FAILING], true)
    const during = memory.records
    for (const alerts of [[LOGIN], [], null]) memory.look(alerts)
    expect(memory.records).toBe(during)
    expect(memory.told).toEqual([])
  })

  it('with remind = never people are told once', () => {
    const claimed = { ...idle('failing'), since: 5, claimedAt: 10 }
    const [change] = afterTelling(claimed, [], 10, null)
    expect(change?.after.dueAt).toBe(253_402_300_799)
  })

  it('however processes look, die and come back, there is one telling at a time, and trouble is told in the end', () => {
    const kinds = fc.subarray([...TROUBLES])
    const event = fc.record({
      pause: fc.nat({ max: 3 * DAY }),
      kinds,
      dies: fc.boolean(),
      isBroken: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const memory = new Memory()
        for (const { pause, kinds, dies, isBroken } of events) {
          memory.now += pause
          memory.isBroken = isBroken
          memory.look(
            kinds.map((kind) => ({ kind, since: memory.now, isWorthTelling: true })),
            dies,
          )
          expect(memory.records.filter(({ claimedAt }) => claimedAt !== null).length).toBeLessThanOrEqual(3)
          expect(memory.records.filter(({ failedAt }) => failedAt !== null).length).toBeLessThanOrEqual(1)
        }
        memory.isBroken = false
        memory.now += 40 * DAY
        const before = memory.told.length
        memory.look([LOGIN])
        expect(memory.told.slice(before).map((one) => one.split(' ')[0])).toContain('login_required')
        memory.now += 40 * DAY
        memory.look([])
        expect(memory.told.at(-1)).toContain('recovered')
        expect(memory.records.every(({ since, failedAt }) => since === 0 && failedAt === null)).toBe(true)
      }),
    )
  })
})

describe('trouble', () => {
  const set = tokenSet()
  const end = ISSUED + 60 * DAY
  const living = { ...set, pair: { ...set.pair, lifetime: 30 * DAY, refreshExpiresAt: end } }
  const entry = (at: number, outcome: string, event: HistoryEntry['event'] = 'refresh'): HistoryEntry => ({
    ...{ sequence: at, at, event, outcome, generation: 1, access: '', refresh: '', note: null },
    ...{ grant: null, client: null },
  })
  const at = (seconds: number): ReturnType<typeof moment> => moment(ISSUED + seconds)
  const failing = (since: number) => ({
    ...living,
    failures: 2,
    lastFailure: { at: ISSUED + since + 1, code: 'HQ_SERVER_UNAVAILABLE', message: 'down' },
  })

  it.each<[string, readonly string[], ReturnType<typeof alertsOf>]>([
    ['is none with a set that works', [], alertsOf(living, [], at(DAY), POLICY)],
    [
      'is none within the six hours of an outage',
      [],
      alertsOf(failing(0), [entry(ISSUED, 'X')], at(6 * HOUR - 1), POLICY),
    ],
    [
      'is an outage of six hours',
      ['failing'],
      alertsOf(failing(0), [entry(ISSUED, 'X')], at(6 * HOUR), POLICY),
    ],
    [
      'is an outage of a minute where the access token is over',
      ['failing'],
      alertsOf(
        { ...failing(2 * HOUR), pair: { ...living.pair, lifetime: HOUR } },
        [entry(ISSUED + 2 * HOUR, 'X')],
        at(2 * HOUR + MINUTE),
        POLICY,
      ),
    ],
    [
      'is a refresh token that ends within 14 days',
      ['ending'],
      alertsOf(living, [], at(46 * DAY + 1), POLICY),
    ],
    ['is no refresh token that ends in 15 days', [], alertsOf(living, [], at(45 * DAY), POLICY)],
    [
      'is never a refresh token that ends, with ending = 0',
      [],
      alertsOf(living, [], at(59 * DAY), { ...POLICY, ending: 0 }),
    ],
    [
      'is a refresh token of ten days in its second half only',
      [],
      alertsOf(
        { ...living, pair: { ...living.pair, refreshExpiresAt: ISSUED + 10 * DAY } },
        [],
        at(4 * DAY),
        POLICY,
      ),
    ],
    [
      'is such a token then',
      ['ending'],
      alertsOf(
        { ...living, pair: { ...living.pair, refreshExpiresAt: ISSUED + 10 * DAY } },
        [],
        at(6 * DAY),
        POLICY,
      ),
    ],
    ['is a refresh token that has ended', ['login_required'], alertsOf(living, [], at(60 * DAY), POLICY)],
    [
      'is a refused refresh token, and no failure beside it',
      ['login_required'],
      alertsOf({ ...failing(0), refusedAt: ISSUED + DAY }, [entry(ISSUED, 'X')], at(2 * DAY), POLICY),
    ],
    [
      'is the last hour of an access token after a refusal',
      ['login_required', 'ending'],
      alertsOf({ ...living, refusedAt: ISSUED + DAY }, [], at(30 * DAY - MINUTE), POLICY),
    ],
    [
      'is one thing where the refusal came in the last hour',
      ['login_required'],
      alertsOf({ ...living, refusedAt: ISSUED + 30 * DAY - 2 * MINUTE }, [], at(30 * DAY - MINUTE), POLICY),
    ],
    ['is a set that is gone', ['login_required'], alertsOf(undefined, [entry(5, 'done')], at(0), POLICY)],
  ])('trouble %s', (_, kinds, alerts) => {
    expect(alerts?.flatMap(({ kind, isWorthTelling }) => (isWorthTelling ? [kind] : []))).toEqual(kinds)
  })

  it('nobody is told of a store that never had a set, nor after a logout or a move', () => {
    expect(alertsOf(undefined, [], at(0), POLICY)).toBeNull()
    expect(alertsOf(undefined, [entry(5, 'done', 'logout')], at(0), POLICY)).toBeNull()
    expect(alertsOf(undefined, [entry(5, 'done', 'move')], at(0), POLICY)).toBeNull()
  })

  it('a grant for which only bare refusals come is trouble of a login after a day, as for get', () => {
    const bare = { ...failing(0), bareSince: ISSUED, pair: { ...living.pair, lifetime: HOUR } }
    const kinds = (seconds: number): unknown =>
      alertsOf(bare, [entry(ISSUED, 'X')], at(seconds), POLICY)?.map(({ kind }) => kind)
    expect(kinds(20 * HOUR)).toEqual(['failing'])
    expect(kinds(25 * HOUR)).toEqual(['login_required'])
  })
})
