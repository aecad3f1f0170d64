import { beforeEach, describe, expect, it } from 'vitest'
import { StoreUnusable } from '../../../src/core/errors.js'
import type { MoveNote } from '../../../src/core/move-ports.js'
import { Secret } from '../../../src/core/secret.js'
import type { Registry } from '../../../src/store/postgres/registry.js'
import { fromRow, type Row } from '../../../src/store/row.js'
import {
  answer,
  at,
  look,
  OTHER,
  ONE,
  registryDatabase,
  reveal,
  seededWith,
  taken,
  told,
  WAYS,
} from '../../support/registry-database.js'
import { GRANT } from '../../support/token-sets.js'

const NOTE: MoveNote = {
  ...{ direction: 'to', other: { path: '/var/lib/token.db' }, host: { name: 'acme-1', id: null } },
  ...{ grant: 'grant-9', at: 7 },
}

describe.each(WAYS)('a row that a move has closed, in $what', (way) => {
  const db = registryDatabase(way)
  let one: Registry
  beforeEach(async () => {
    one = await db.host()
  })
  const columns = async (): Promise<Row> =>
    (await db.sql("SELECT token_set FROM hq_token.grants WHERE name = 'acme'"))[0]?.['token_set'] as Row

  it('keeps the set where a program that knows of no moves misses it', async () => {
    const holding = await seededWith(one)
    expect(await one.closeForMove(holding, 1, NOTE, told(at(1, 2), 'move'))).toBe(true)
    const { set, move, sequence } = await look(one)
    expect(move).toEqual(NOTE)
    expect(reveal(set)).toEqual(reveal(at(1, 2)))
    expect(sequence).toBe(2)
    const stored = await columns()
    expect(() => fromRow({ ...stored, generation: 1, sequence: 2 })).toThrow(StoreUnusable)
  })

  it('keeps it also under a second note, and has none where there was none', async () => {
    const holding = await seededWith(one)
    await one.closeForMove(holding, 1, NOTE, null)
    await one.closeForMove(holding, 1, { ...NOTE, direction: 'from' }, null)
    expect((await look(one)).set?.generation).toBe(1)
    const empty = await db.host({ user: 'postgres', row: 'beta' })
    await empty.closeForMove(await taken(empty), 0, NOTE, null)
    expect(await look(empty)).toMatchObject({ set: undefined, move: NOTE })
  })

  it.each([
    ['with a grant', GRANT],
    ['of an older version, without one', null],
  ])('takes no late pair %s', async (_, grant) => {
    const holding = await seededWith(one, at(1, 1, { grant }))
    await one.closeForMove(holding, 1, NOTE, null)
    expect(await one.land(OTHER, { generation: 1, grant }, at(2, 2, { grant }), told(at(2)))).toBe(false)
    expect((await look(one)).move).toEqual(NOTE)
  })

  it('is closed, opened and filled by nobody whose lease is another’s, nor over another generation', async () => {
    const holding = await seededWith(one)
    const next = at(5, 9)
    const others = [
      [holding, 2],
      [{ ...holding, term: 0 }, 1],
      [{ ...holding, ...OTHER }, 1],
    ] as const
    for (const [by, generation] of others) {
      expect(await one.closeForMove(by, generation, NOTE, null)).toBe(false)
      expect(await one.reopen(by, generation)).toBe(false)
      expect(await one.receive(by, generation, next, [told(next, 'move')])).toBe(false)
    }
    expect(reveal((await look(one)).set)).toEqual(reveal(at(1)))
    expect(await one.history()).toHaveLength(1)
  })

  it('is open again as it was', async () => {
    const holding = await seededWith(one)
    const before = await columns()
    await one.closeForMove(holding, 1, NOTE, null)
    expect(await one.reopen(holding, 1)).toBe(true)
    expect(await columns()).toEqual(before)
  })

  it('keeps its note when the set is forgotten, and no secret', async () => {
    const holding = await seededWith(one)
    await one.keep(answer('kept'), 1000)
    await one.closeForMove(holding, 1, NOTE, null)
    expect(await one.forget(holding, 1, told(at(1, 3), 'move'))).toBe(true)
    expect(await look(one)).toMatchObject({ set: undefined, move: NOTE, generation: 2 })
    expect(JSON.stringify(await columns())).not.toContain('access-1')
    expect(await one.answers()).toEqual([])
  })

  it('tells a history that comes along by the hosts of each event, and no more of it than fits', async () => {
    const holding = await taken(one)
    const next = at(5, 700, { pair: { ...at(5).pair, refreshToken: new Secret('refresh-5') } })
    const events = Array.from({ length: 600 }, (_, nth) => ({
      ...told(at(1, nth + 1)),
      ...(nth % 2 === 0 && { host: 'acme-7' }),
    }))
    await one.receive(holding, 0, next, [...events, told(next, 'move')])
    const history = await one.history()
    expect(history.slice(0, 3).map(({ sequence, host }) => [sequence, host])).toEqual([
      [700, ONE.host],
      [600, ONE.host],
      [599, 'acme-7'],
    ])
    const { timeline, lease, set } = await look(one)
    expect(timeline).toBe('00000001')
    expect(lease.seat).toBe(ONE.seat)
    expect(reveal(set)).toEqual(reveal(next))
    // The next event cuts what is older than the last 512.
    await one.note(holding, 5, at(5, 701), told(at(5, 701)))
    expect((await one.history()).at(-1)?.sequence).toBe(701 - 512 + 1)
  })
})
