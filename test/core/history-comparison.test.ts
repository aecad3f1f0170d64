import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareHistories, type Compared } from '../../src/core/history-comparison.js'

const REFUSED = 'HQ_LOGIN_REQUIRED'
const UNKNOWN = 'HQ_OUTCOME_UNKNOWN'
const AWAY = 'HQ_SERVER_UNAVAILABLE'

/** A store that things happen to: each event is an entry, a minute after the one before. */
class Story {
  readonly entries: Compared[]
  readonly #name: string
  #at: number

  constructor(name: string, entries: readonly Compared[] = []) {
    this.entries = [...entries]
    this.#name = name
    this.#at = entries.at(-1)?.at ?? 1_800_000_000
  }

  get last(): Compared | undefined {
    return this.entries.at(-1)
  }

  /** A copy of the files, which is used on under another name: at other seconds, which tell two events apart. */
  copy(name: string): Story {
    const copied = new Story(name, this.entries)
    copied.#at = this.#at + 7
    return copied
  }

  does(event: Compared['event'], outcome = 'done', changes: Partial<Compared> = {}): this {
    const sequence = (this.last?.sequence ?? 0) + 1
    const brings = outcome === 'done' && event !== 'logout' && event !== 'move'
    const begins = brings && event !== 'refresh'
    this.entries.push({
      ...{ sequence, event, outcome, at: (this.#at += 60) },
      access: brings ? `access ${this.#name} ${sequence}` : (this.last?.access ?? ''),
      refresh: brings ? `refresh ${this.#name} ${sequence}` : (this.last?.refresh ?? ''),
      grant: begins ? `grant ${this.#name} ${sequence}` : (this.last?.grant ?? null),
      ...changes,
    })
    return this
  }

  refreshes(times: number): this {
    for (let time = 0; time < times; time++) this.does('refresh')
    return this
  }
}

const begun = (): Story => new Story('a').does('seed').refreshes(3)
const compared = (one: Story, other: Story) =>
  compareHistories(one.entries.toReversed(), other.entries.toReversed())

describe('two histories', () => {
  it('two histories of one store are the same: a prefix of which neither has used more', () => {
    const store = begun()
    const side = { sequence: 4, refreshes: 0, spent: null, left: null }
    expect(compared(store, store)).toEqual({
      relation: 'prefix',
      common: { sequence: 4, at: store.last?.at, refresh: 'refresh a 4' },
      ...{ here: side, other: side },
    })
  })

  it('two histories of which both went on are forked, and the later one has spent the token last', () => {
    const here = begun()
    const other = here.copy('b').does('refresh', AWAY).does('refresh')
    here.refreshes(3)
    const found = compared(here, other)
    expect(found).toMatchObject({
      relation: 'forked',
      common: { sequence: 4, refresh: 'refresh a 4' },
      here: { sequence: 4, refreshes: 3, spent: { at: here.entries[4]?.at, outcome: 'done' } },
      other: { sequence: 4, refreshes: 1, spent: { at: other.entries[5]?.at, outcome: 'done' } },
    })
  })

  it('two histories of which one went on are a prefix: a backup, or a copy that was not used since', () => {
    const here = begun()
    const other = here.copy('b')
    here.refreshes(1)
    expect(compared(here, other)).toMatchObject({
      relation: 'prefix',
      here: { refreshes: 1 },
      other: { refreshes: 0, spent: null },
    })
    expect(compared(other, here)).toMatchObject({ relation: 'prefix', other: { refreshes: 1 } })
  })

  it.each([REFUSED, UNKNOWN, 'unfinished'])(
    'two histories are forked where one has sent the token and got no pair for it (%s)',
    (outcome) => {
      const here = begun()
      const other = here.copy('b').does('refresh', outcome)
      here.refreshes(2)
      expect(compared(here, other)).toMatchObject({
        relation: 'forked',
        common: { sequence: 4 },
        other: { refreshes: 0, spent: { at: other.last?.at, outcome } },
      })
    },
  )

  it.each([AWAY, 'HQ_CLIENT_REFUSED', 'HQ_CONFIG_INVALID'])(
    'two histories are no fork by a failure that leaves the token as it was (%s)',
    (outcome) => {
      const here = begun()
      const other = here.copy('b').does('refresh', outcome)
      here.refreshes(2)
      expect(compared(here, other)).toMatchObject({ relation: 'prefix', other: { spent: null } })
    },
  )

  it('two histories are no fork by a failure that was there before the copy', () => {
    const here = begun().does('refresh', UNKNOWN)
    const other = here.copy('b')
    here.refreshes(1)
    expect(compared(here, other)).toMatchObject({
      relation: 'prefix',
      common: { sequence: 4 },
      other: { spent: null },
    })
  })

  it('two histories without a token in common are unrelated, though their sequences are the same', () => {
    const [here, other] = [begun(), new Story('b').does('seed').refreshes(3)]
    const side = { sequence: null, refreshes: 0, spent: null, left: null }
    const unrelated = { relation: 'unrelated', common: null, here: side, other: side }
    expect(compared(here, other)).toEqual(unrelated)
    expect(compared(here, new Story('c'))).toEqual(unrelated)
    expect(compareHistories([], [])).toEqual(unrelated)
  })

  it('two histories of an older version, without the ids of grants, are not related by those', () => {
    const [here, other] = [new Story('a'), new Story('b')]
    for (const story of [here, other]) story.does('seed', 'done', { grant: null })
    expect(compared(here, other).relation).toBe('unrelated')
  })

  it('two histories that began with one seed file part there, whatever came before', () => {
    const token = { access: 'access s', refresh: 'refresh s' }
    const here = new Story('a').does('login').does('logout').does('seed', 'done', token).refreshes(2)
    const other = new Story('b').does('seed', 'done', token).does('refresh', REFUSED)
    expect(compared(here, other)).toMatchObject({
      relation: 'forked',
      common: { sequence: 3, refresh: 'refresh s' },
      here: { sequence: 3, refreshes: 2 },
      other: { sequence: 1, refreshes: 0, spent: { outcome: REFUSED } },
    })
  })

  it('two histories part at a token that one got by a refresh and the other by a seed', () => {
    const here = begun()
    const token = { access: 'another one', refresh: here.last?.refresh ?? '' }
    const other = new Story('b').does('seed', 'done', token).refreshes(1)
    expect(compared(here, other)).toMatchObject({ relation: 'prefix', common: { sequence: 4 } })
    // Also where an older pair is in both to the letter.
    const copy = here.copy('c').does('seed', 'done', token).refreshes(1)
    here.refreshes(1).does('refresh', 'done', { access: 'access x', refresh: 'refresh x' })
    copy.does('seed', 'done', { access: 'access y', refresh: 'refresh x' })
    expect(compared(here, copy)).toMatchObject({ common: { sequence: 6, refresh: 'refresh x' } })
  })

  it('two histories are compared across a move, which counts on from the new store’s number', () => {
    const here = begun()
    const backup = here.copy('backup')
    const moved = new Story(
      'a',
      here.entries.map((one) => ({ ...one, sequence: one.sequence + 70 })),
    )
    moved.does('move', 'done', { grant: 'grant of the move' }).refreshes(2)
    expect(compared(moved, backup)).toMatchObject({
      relation: 'prefix',
      common: { sequence: 74 },
      here: { sequence: 74, refreshes: 2, left: null },
      other: { sequence: 4 },
    })
  })

  it.each(['login', 'seed', 'logout'] as const)(
    'two histories are no fork once a %s has given one of them another grant, or none',
    (event) => {
      const here = begun()
      const other = here.copy('b').does(event)
      const { at } = other.last ?? {}
      if (event !== 'logout') other.refreshes(5)
      here.refreshes(2)
      expect(compared(here, other)).toMatchObject({
        relation: 'prefix',
        here: { refreshes: 2, left: null },
        other: { refreshes: 0, spent: null, left: { at, event } },
      })
    },
  )

  it('two histories that both had used the grant stay forked when one has another grant since', () => {
    const here = begun()
    const other = here.copy('b').does('refresh', REFUSED).does('login').refreshes(1)
    here.refreshes(1)
    expect(compared(here, other)).toMatchObject({
      relation: 'forked',
      other: { refreshes: 0, spent: { outcome: REFUSED }, left: { event: 'login' } },
    })
  })

  it('two histories are compared by the first time that each had a pair, which `seed --force` may bring back', () => {
    const here = begun()
    const other = here.copy('b').refreshes(1)
    const [, { access, refresh } = { access: '', refresh: '' }] = here.entries
    here.refreshes(1).does('seed', 'done', { access, refresh })
    expect(compared(here, other)).toMatchObject({
      relation: 'forked',
      common: { sequence: 4 },
      here: { refreshes: 1, left: null },
    })
  })

  it('two histories at a server that keeps the refresh token fork by their access tokens, and nobody has spent it', () => {
    const kept = { refresh: 'refresh kept' }
    const here = new Story('a').does('seed', 'done', kept).does('refresh', 'done', kept)
    const other = here.copy('b').does('refresh', 'done', kept)
    here.does('refresh', 'done', kept).does('refresh', 'done', kept)
    expect(compared(here, other)).toMatchObject({
      relation: 'forked',
      common: { sequence: 2, refresh: 'refresh kept' },
      here: { refreshes: 2, spent: null },
      other: { refreshes: 1, spent: null },
    })
  })

  it('two histories of one grant whose common part is gone are forked, and nothing is said of what is not known', () => {
    const here = begun()
    const other = here.copy('b').refreshes(1)
    here.refreshes(5)
    const side = { sequence: null, refreshes: 0, spent: null, left: null }
    expect(compareHistories(here.entries.slice(-3), other.entries)).toEqual({
      ...{ relation: 'forked', common: null, here: side, other: side },
    })
  })
})

describe('a fork made at random', () => {
  const event = fc.constantFrom<[Compared['event'], string]>(
    ['refresh', 'done'],
    ['refresh', 'done'],
    ['refresh', 'unfinished'],
    ['refresh', AWAY],
    ['refresh', UNKNOWN],
    ['refresh', REFUSED],
    ['login', 'done'],
    ['seed', 'done'],
    ['move', 'done'],
  )
  const events = fc.array(event, { maxLength: 12 })
  const window = fc.integer({ min: 1, max: 24 })

  /** Uses before the store had another grant: what the comparison should find, told from the events that made it. */
  const usesIn = (done: readonly [Compared['event'], string][]): string[] => {
    const end = done.findIndex(([event]) => event === 'login' || event === 'seed')
    return done
      .slice(0, end === -1 ? done.length : end)
      .flatMap(([event, outcome]) => (event === 'refresh' && outcome !== AWAY ? [outcome] : []))
  }

  it('a fork made at random is found: the relation, the entry and what each store has done since', () => {
    fc.assert(
      fc.property(events, events, events, window, window, (before, mine, theirs, ring, otherRing) => {
        const base = new Story('base').does('seed')
        for (const one of before) base.does(...one)
        const here = base.copy('here')
        const other = here.copy('other')
        for (const one of mine) here.does(...one)
        for (const one of theirs) other.does(...one)
        const [shown, its] = [here.entries.slice(-ring), other.entries.slice(-otherRing)]
        const found = compareHistories(shown, its)
        const both = (entry: Compared): boolean =>
          [shown, its].every((side) => side.some(({ refresh }) => refresh === entry.refresh))
        const last = base.entries.findLast(both)
        const isWhole = shown.length === here.entries.length && its.length === other.entries.length
        if (last === undefined) {
          const isOneGrant = shown.some(({ grant }) => its.some((one) => one.grant === grant))
          expect(found).toMatchObject({ relation: isOneGrant ? 'forked' : 'unrelated', common: null })
          return
        }
        expect(found.common?.refresh).toBe(last.refresh)
        if (!isWhole) return
        const [ours, others] = [usesIn(mine), usesIn(theirs)]
        expect(found.relation).toBe(ours.length > 0 && others.length > 0 ? 'forked' : 'prefix')
        const done = (uses: readonly string[]) => uses.filter((outcome) => outcome === 'done').length
        expect([found.here.refreshes, found.other.refreshes]).toEqual([done(ours), done(others)])
        expect(found.other.spent?.outcome).toBe(others[0])
        // The same is found from the other side.
        const turned = compareHistories(its, shown)
        expect(turned).toMatchObject({ relation: found.relation, here: found.other, other: found.here })
      }),
      { numRuns: 2000 },
    )
  })
})
