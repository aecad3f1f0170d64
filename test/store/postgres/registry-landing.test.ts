import { beforeEach, describe, expect, it } from 'vitest'
import type { Registry } from '../../../src/store/postgres/registry.js'
import { HISTORY_ENTRIES } from '../../../src/store/postgres/schema.js'
import { GRANT } from '../../support/token-sets.js'
import {
  answer,
  at,
  look,
  ONE,
  OTHER,
  PROFILE,
  registryDatabase,
  reveal,
  seededWith,
  STORE,
  taken,
  texts,
  told,
  WAYS,
  DISCOVERED,
  LOGIN,
} from '../../support/registry-database.js'

describe.each(WAYS)('what the registry in $what keeps', (way) => {
  const db = registryDatabase(way)
  let one: Registry
  let other: Registry
  beforeEach(async () => {
    one = await db.host()
    other = await db.host()
  })

  describe('land', () => {
    it('saves a pair although the lease went to another, and ends that lease', async () => {
      await seededWith(one)
      const holding = await taken(other, OTHER)
      const next = at(2, 2)
      expect(await one.land(ONE, { generation: 1, grant: GRANT }, next, told(next))).toBe(true)
      const seen = await look(other)
      expect(reveal(seen.set)).toEqual(reveal(next))
      expect(seen).toMatchObject({
        generation: 2,
        sequence: 2,
        lease: { seat: null, term: 2 },
      })
      expect(await other.beat(holding)).toBe(false)
      expect(await other.note(holding, 1, at(1, 3), told(at(1, 3)))).toBe(false)
    })

    it('takes down the timeline', async () => {
      await seededWith(one)
      await db.sql("UPDATE hq_token.grants SET timeline = '0000000A'")
      await other.land(OTHER, { generation: 1, grant: GRANT }, at(2), told(at(2)))
      expect(await look(one)).toMatchObject({ timeline: '00000001' })
    })

    it('changes nothing where another generation or grant stands', async () => {
      const holding = await seededWith(one, at(3))
      await one.keep(answer('an old answer'), 1000)
      const next = at(4)
      for (const seen of [
        { generation: 2, grant: GRANT },
        { generation: 4, grant: GRANT },
        { generation: 3, grant: 'grant-2' },
        { generation: 3, grant: null },
        { generation: 3, grant: undefined },
      ])
        expect(await one.land(ONE, seen, next, told(next)), JSON.stringify(seen)).toBe(false)
      expect(await look(one)).toMatchObject({ generation: 3, lease: { seat: ONE.seat, term: holding.term } })
      expect(await one.history()).toHaveLength(1)
      expect(await one.answers()).toHaveLength(1)
    })

    it('tells a set without a grant id from no set', async () => {
      const holding = await seededWith(one, at(1, 1, { grant: null }))
      expect(await one.land(ONE, { generation: 1, grant: undefined }, at(2), told(at(2)))).toBe(false)
      expect(await one.land(ONE, { generation: 1, grant: null }, at(2), told(at(2)))).toBe(true)
      await one.forget(await taken(one), 2, null)
      expect(await one.land(ONE, { generation: 3, grant: null }, at(4), told(at(4)))).toBe(false)
      expect(await one.land(ONE, { generation: 3, grant: undefined }, at(4), told(at(4)))).toBe(true)
      expect(await one.beat(holding)).toBe(false)
    })

    it('saves one of many pairs that come at one instant', async () => {
      await seededWith(one)
      const hosts = await Promise.all(Array.from({ length: 8 }, () => db.host()))
      const landed = await Promise.all(
        hosts.map((registry, index) => {
          const next = at(2, 2, { user: `host ${index}` })
          return registry.land(ONE, { generation: 1, grant: GRANT }, next, told(next))
        }),
      )
      expect(landed.filter(Boolean)).toHaveLength(1)
      expect((await look(one)).set?.user).toBe(`host ${landed.indexOf(true)}`)
    })

    it('never lets the sequence fall', async () => {
      const holding = await seededWith(one)
      await one.note(holding, 1, at(1, 9), told(at(1, 9)))
      await one.land(ONE, { generation: 1, grant: GRANT }, at(2, 2), told(at(2, 2)))
      const seen = await look(one)
      expect([seen.sequence, seen.set?.sequence]).toEqual([9, 9])
    })

    it('makes the row of a login where somebody has removed it', async () => {
      await taken(one)
      await db.sql('DELETE FROM hq_token.grants')
      const set = at(1)
      expect(await one.land(ONE, { generation: 0, grant: undefined }, set, told(set, 'login'))).toBe(true)
      expect(reveal((await look(one)).set)).toEqual(reveal(set))
    })

    it('deletes the answers to generations before the one that was spent, and those of no other profile', async () => {
      await seededWith(one, at(5))
      await db.sql("INSERT INTO hq_token.grants (name) VALUES ('other')")
      await db.sql(`INSERT INTO hq_token.answers (name, generation, attempt, seat, record)
                   VALUES ('other', 1, 1, '${OTHER.seat}', 'another profile’s')`)
      for (const generation of [3, 4, 5, 6]) await one.keep(answer(`to ${generation}`, { generation }), 1000)
      await one.land(ONE, { generation: 5, grant: GRANT }, at(6), told(at(6)))
      expect(texts(await one.answers())).toEqual(['to 5', 'to 6'])
      expect(await db.sql("SELECT FROM hq_token.answers WHERE name = 'other'")).toHaveLength(1)
    })
  })

  describe('answers', () => {
    it('are kept with all of their bytes, for every host, oldest first', async () => {
      await seededWith(one)
      const bytes = Uint8Array.from({ length: 3 * 1024 * 1024 }, (_, index) => index % 251)
      await one.keep(answer('', { attempt: 9, bytes }), 10_000)
      await other.keep(answer('second', { seat: OTHER.seat, attempt: 3 }), 10_000)
      const [first, second] = await other.answers()
      expect(first).toMatchObject({ generation: 1, attempt: 9, seat: ONE.seat })
      expect(Buffer.compare(first?.bytes ?? Buffer.alloc(0), bytes)).toBe(0)
      expect(second).toMatchObject({ generation: 1, attempt: 3, seat: OTHER.seat })
    })

    it('are kept once if they are the same, and beside each other if one attempt has two', async () => {
      await seededWith(one)
      for (const text of ['first', 'first', 'second']) await one.keep(answer(text), 1000)
      expect(texts(await one.answers())).toEqual(['first', 'second'])
    })

    it('are dropped one by one, unless the row is older than the generation that made them worthless', async () => {
      await seededWith(one)
      for (const text of ['first', 'second', 'third']) await one.keep(answer(text), 1000)
      const kept = await other.answers()
      await other.drop([], 1)
      await other.drop(kept, 2)
      await other.drop(
        kept.filter((_, index) => index !== 1),
        1,
      )
      expect(texts(await one.answers())).toEqual(['second'])
    })

    it('have no place where somebody has removed the row', async () => {
      await taken(one)
      await db.sql('DELETE FROM hq_token.grants')
      await expect(one.keep(answer('lost'), 1000)).rejects.toMatchObject({
        code: 'HQ_STORE_UNUSABLE',
        message: `${STORE} has no row acme any more`,
      })
    })
  })

  describe('forget', () => {
    it('leaves counters, history and endpoints, and no token', async () => {
      const holding = await seededWith(one, at(3, 5))
      await one.saveLogin(holding, LOGIN)
      await one.pin(holding, DISCOVERED)
      await one.keep(answer('an answer'), 1000)
      await db.sql("UPDATE hq_token.grants SET timeline = '0000000A'")
      const last = told(at(3, 6), 'logout')
      expect(await one.forget(holding, 3, last)).toBe(true)
      expect(await look(other)).toMatchObject({
        ...{ generation: 4, sequence: 6, set: undefined, login: undefined, discovered: DISCOVERED },
        ...{ timeline: '00000001', lease: { seat: ONE.seat } },
      })
      expect(await one.answers()).toEqual([])
      expect((await one.history()).map(({ event }) => event)).toEqual(['logout', 'seed'])
      const dump = JSON.stringify(await db.sql('SELECT * FROM hq_token.grants, hq_token.history'))
      for (const secret of ['access-', 'refresh-1', 'state-1', 'verifier-1'])
        expect(dump).not.toContain(secret)
    })

    it('forgets without an entry', async () => {
      const holding = await seededWith(one, at(3, 5))
      expect(await one.forget(holding, 3, null)).toBe(true)
      expect(await look(one)).toMatchObject({ generation: 4, sequence: 5, set: undefined })
      expect(await one.history()).toHaveLength(1)
    })

    it('changes nothing without the lease, or under another generation', async () => {
      const holding = await seededWith(one, at(3))
      await one.keep(answer('an answer'), 1000)
      expect(await one.forget(holding, 2, told(at(3, 4), 'logout'))).toBe(false)
      expect(await one.forget({ ...holding, seat: OTHER.seat }, 3, null)).toBe(false)
      await taken(other, OTHER)
      expect(await one.forget(holding, 3, told(at(3, 4), 'logout'))).toBe(false)
      expect((await look(one)).set?.generation).toBe(3)
      expect(await one.answers()).toHaveLength(1)
      expect(await one.history()).toHaveLength(1)
    })

    it('is followed by a set of the next generation', async () => {
      const holding = await seededWith(one)
      await one.forget(holding, 1, null)
      const next = at(3)
      expect(await one.note(holding, 1, next, told(next))).toBe(false)
      expect(await one.note(holding, 2, next, told(next))).toBe(true)
      expect((await look(one)).set?.generation).toBe(3)
    })
  })

  describe('history', () => {
    it('has the newest entry first, each with its host, and the last word on an event', async () => {
      await seededWith(one)
      const holding = await taken(other, OTHER)
      await other.note(holding, 1, at(1, 2), told(at(1, 2), 'refresh', 'unfinished'))
      await other.land(OTHER, { generation: 1, grant: GRANT }, at(2, 2), told(at(2, 2)))
      expect(await one.history()).toEqual([
        { ...told(at(2, 2)), host: 'acme-2' },
        { ...told(at(1), 'seed'), host: 'acme-1' },
      ])
    })

    it(`has the last ${HISTORY_ENTRIES} events`, async () => {
      const holding = await seededWith(one)
      await db.sql(`INSERT INTO hq_token.history SELECT '${PROFILE}', n, entry, host
                   FROM hq_token.history, generate_series(2, 600) n`)
      await one.note(holding, 1, at(1, 601), told(at(1, 601)))
      expect(await db.sql('SELECT min(sequence)::int, max(sequence)::int FROM hq_token.history')).toEqual([
        { min: 601 - HISTORY_ENTRIES + 1, max: 601 },
      ])
    })

    it('reads an entry that a newer version has added to', async () => {
      await seededWith(one)
      await db.sql(`UPDATE hq_token.history SET entry = entry || '{"trace": 1}'`)
      expect(await one.history()).toHaveLength(1)
    })
  })
})
