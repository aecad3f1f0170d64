import { beforeEach, describe, expect, it } from 'vitest'
import type { Registry } from '../../../src/store/postgres/registry.js'
import { SCHEMA_VERSION } from '../../../src/store/postgres/schema.js'
import { Secret } from '../../../src/core/secret.js'
import { GRANT, pair } from '../../support/token-sets.js'
import {
  at,
  LEASE_MS,
  look,
  ONE,
  OTHER,
  registryDatabase,
  reveal,
  seededWith,
  STORE,
  taken,
  told,
  WAYS,
  DISCOVERED,
  LOGIN,
} from '../../support/registry-database.js'

describe.each(WAYS)('the registry in $what', (way) => {
  const db = registryDatabase(way)
  let one: Registry
  let other: Registry
  beforeEach(async () => {
    one = await db.host()
    other = await db.host()
  })

  describe('look', () => {
    it('finds zeros where nobody has used the profile, and writes nothing', async () => {
      expect(await look(one)).toMatchObject({
        ...{ generation: 0, sequence: 0, set: undefined, login: undefined, discovered: undefined },
        ...{ timeline: null, timelineSince: null },
        lease: { seat: null, host: null, term: 0, beat: 0, ms: 0, at: null },
      })
      expect(await db.sql('SELECT FROM hq_token.grants')).toEqual([])
      expect(await one.history()).toEqual([])
      expect(await one.answers()).toEqual([])
    })

    it('tells the database’s time, start, timeline and id', async () => {
      const [database] = await db.sql(
        'SELECT extract(epoch FROM clock_timestamp())::float8 AS now, extract(epoch FROM pg_postmaster_start_time())::float8 AS started, id FROM hq_token.meta',
      )
      const seen = await look(one)
      expect(seen.now - Number(database?.['now'])).toBeCloseTo(0, -1)
      expect(seen.now % 1).not.toBe(0)
      expect(seen).toMatchObject({
        ...{ startedAt: database?.['started'], registryId: database?.['id'] },
        ...{ timelineNow: '00000001', isSynchronous: false },
      })
    })

    it('finds no schema where there is none', async () => {
      await db.sql('DROP SCHEMA hq_token CASCADE')
      expect(await one.look()).toBeUndefined()
    })

    it('reads a schema that a newer version has added to', async () => {
      await seededWith(one)
      await db.sql(`ALTER TABLE hq_token.grants ADD COLUMN seal text; UPDATE hq_token.meta SET version = 7`)
      expect((await look(one)).generation).toBe(1)
    })

    it('refuses a schema that this version cannot use, and says how to update', async () => {
      await db.sql(`UPDATE hq_token.meta SET version = 7, compatible = ${SCHEMA_VERSION + 1}`)
      await expect(one.look()).rejects.toMatchObject({
        code: 'HQ_STORE_UNUSABLE',
        message: `${STORE} was changed by a newer hq-token (schema 7, this one knows ${SCHEMA_VERSION})`,
        hint: 'update this one: npm install -g hq-token',
      })
    })

    it('refuses a schema that is too old, and says how the owner brings it up', async () => {
      await db.sql('UPDATE hq_token.meta SET version = 0')
      await expect(one.look()).rejects.toMatchObject({
        code: 'HQ_STORE_UNUSABLE',
        message: `${STORE} has the schema 0, and this hq-token needs ${SCHEMA_VERSION}`,
        hint: 'let the owner of the database run what this prints: hq-token doctor --sql',
      })
    })

    it('refuses a row that it cannot read, and leaves it as it is', async () => {
      await seededWith(one)
      await db.sql(`UPDATE hq_token.grants SET token_set = token_set || '{"lifetime": "3600"}'`)
      await expect(one.look()).rejects.toMatchObject({
        code: 'HQ_STORE_UNUSABLE',
        message: `${STORE}: the store is damaged (column lifetime), in the row acme`,
        hint: expect.stringMatching(
          /^the row was left as it is; .*WHERE name = 'acme'\), then: hq-token login$/,
        ) as string,
      })
      const [row] = await db.sql("SELECT token_set ->> 'lifetime' AS lifetime FROM hq_token.grants")
      expect(row).toEqual({ lifetime: '3600' })
    })
  })

  describe('a row that somebody has changed', () => {
    it.each([
      ['token_set = \'"x"\'', 'token_set'],
      ["token_set = '7'", 'token_set'],
      ["token_set = '[]'", 'access_token'],
      ['token_set = token_set || \'{"access_token": ""}\'', 'access_token'],
      ['token_set = token_set || \'{"access_token": "a\\nb: c"}\'', 'access_token'],
      ['token_set = token_set || \'{"access_token": "a b"}\'', 'access_token'],
      ['token_set = token_set || \'{"refresh_token": ""}\'', 'refresh_token'],
      ['login = \'"x"\'', 'state'],
      ["discovered = '[]'", 'issuer'],
    ])('is damaged by %s', async (change, column) => {
      await seededWith(one)
      await db.sql(`UPDATE hq_token.grants SET ${change}`)
      await expect(one.look()).rejects.toMatchObject({
        message: `${STORE}: the store is damaged (column ${column}), in the row acme`,
        hint: expect.stringContaining('then: hq-token login') as string,
      })
    })

    it('shows what can be read of the history', async () => {
      await seededWith(one)
      await db.sql(`
        INSERT INTO hq_token.history (name, sequence, entry)
        VALUES ('acme', 2, '"x"'), ('acme', 3, '7'), ('acme', 4, 'null'), ('acme', 5, '[]'), ('acme', 6, '{}')`)
      expect(await one.history()).toMatchObject([{ sequence: 1, host: 'acme-1' }])
    })
  })

  describe('take', () => {
    it('takes a free lease, and returns the row as it is then', async () => {
      const seen = await one.take({ term: 0, beat: 0 }, ONE, LEASE_MS)
      expect(seen).toMatchObject({
        generation: 0,
        lease: { ...ONE, term: 1, beat: 1, ms: LEASE_MS, at: expect.closeTo(seen?.now ?? 0, 0) as number },
      })
      expect((await look(other)).lease).toEqual(seen?.lease)
    })

    it('gives the lease to one of many hosts that saw the same', async () => {
      const hosts = await Promise.all(Array.from({ length: 8 }, () => db.host()))
      for (let round = 0; round < 10; round++) {
        const { lease } = await look(one)
        const won = await Promise.all(hosts.map((registry) => registry.take(lease, ONE, LEASE_MS)))
        expect(won.filter((seen) => seen !== undefined)).toHaveLength(1)
      }
    })

    it('takes no lease that has shown a sign of life since it was seen', async () => {
      const holding = await taken(one)
      const { lease } = await look(other)
      expect(await one.beat(holding)).toBe(true)
      expect(await other.take(lease, OTHER, LEASE_MS)).toBeUndefined()
      expect((await look(one)).lease).toMatchObject({ ...ONE, term: 1 })
    })

    it('returns what the holder has saved since its lease was seen', async () => {
      await seededWith(one)
      const { lease } = await look(other)
      const won = await other.take(lease, OTHER, LEASE_MS)
      expect(won?.set?.pair.accessToken.reveal()).toBe('access-1')
    })
  })

  describe('the lease', () => {
    it('is ended by its holder', async () => {
      const holding = await taken(one)
      await one.release(holding)
      expect((await look(one)).lease).toMatchObject({ seat: null, term: 1, beat: 2 })
      expect(await one.beat(holding)).toBe(false)
    })

    it('is not ended by a holder that has lost it', async () => {
      const lost = await taken(one)
      await taken(other, OTHER)
      expect(await one.beat(lost)).toBe(false)
      await one.release(lost)
      expect((await look(one)).lease).toMatchObject({ ...OTHER, term: 2, beat: 2 })
    })

    it('is not that of another seat with the same term', async () => {
      const { term } = await taken(one)
      expect(await other.beat({ ...OTHER, term })).toBe(false)
    })

    it('shows a sign of life at every write', async () => {
      const holding = await seededWith(one)
      const writes: (() => Promise<unknown>)[] = [
        () => one.note(holding, 1, at(1, 2), told(at(1, 2))),
        () => one.saveLogin(holding, LOGIN),
        () => one.pin(holding, DISCOVERED),
        () => one.beat(holding),
        () => one.forget(holding, 1, null),
        () => one.land(ONE, { generation: 2, grant: undefined }, at(3), told(at(3))),
      ]
      for (const write of writes) {
        const { beat } = (await look(one)).lease
        await write()
        expect((await look(one)).lease.beat).toBe(beat + 1)
      }
    })
  })

  describe('note', () => {
    it('saves every field, for every host', async () => {
      const holding = await taken(one)
      const client = { tokenUrl: 'https://acme.example/token', issuer: null, clientId: '1012' }
      const set = at(1, 4, {
        ...{ previous: pair({ scope: 'a b' }), lastRefreshAt: 5, notBefore: 6, refusedAt: 7, bareSince: 9 },
        ...{
          client,
          previousClient: client,
          failureClient: client,
          rejectedAt: 10,
          failures: 2,
          backoffUntil: 11,
        },
        lastFailure: { at: 12, code: 'HQ_SERVER_UNAVAILABLE', message: 'down' },
        seedFile: { path: '/etc/token.ini', spentAt: 10, isMarked: true },
        cameFrom: { name: 'acme-0', at: 8 },
        intent: {
          ...{ attempt: 4, at: 3, boot: 'b', salvaged: new Secret('salvaged'), client },
          holder: { boot: 'b', pidNamespace: 'pid:[1]', pid: 5, started: 6, until: 7 },
        },
      })
      expect(await one.note(holding, 0, set, told(set))).toBe(true)
      const seen = await look(other)
      expect(seen).toMatchObject({ generation: 1, sequence: 4 })
      expect(reveal(seen.set)).toEqual(reveal(set))
    })

    it('changes nothing without the lease, or under another generation', async () => {
      const holding = await seededWith(one)
      const before = await look(one)
      const next = at(1, 2)
      expect(await one.note(holding, 2, next, told(next))).toBe(false)
      expect(await one.note({ ...holding, term: holding.term + 1 }, 1, next, told(next))).toBe(false)
      expect(await one.note({ ...holding, seat: OTHER.seat }, 1, next, told(next))).toBe(false)
      await one.release(holding)
      expect(await one.note(holding, 1, next, told(next))).toBe(false)
      expect(await look(one)).toMatchObject({ generation: 1, sequence: 1, timeline: before.timeline })
      expect(await one.history()).toHaveLength(1)
    })

    it('of an attempt that was given up changes nothing when it comes late', async () => {
      const holding = await seededWith(one)
      await one.note(holding, 1, at(1, 4), told(at(1, 4)))
      expect(await one.note(holding, 1, at(1, 3), told(at(1, 3)))).toBe(false)
      expect((await look(one)).sequence).toBe(4)
    })

    it('takes down the timeline when the generation rises, and only then', async () => {
      await seededWith(one)
      expect(await look(one)).toMatchObject({ timeline: '00000001' })
      await db.sql("UPDATE hq_token.grants SET timeline = '0000000A'")
      const holding = await taken(other, OTHER)
      await other.note(holding, 1, at(1, 2), told(at(1, 2)))
      expect(await look(one)).toMatchObject({ timeline: '0000000A' })
      await other.note(holding, 1, at(2, 3), told(at(2, 3)))
      expect(await look(one)).toMatchObject({ timeline: '00000001' })
    })

    it('tells since when the database is on its timeline, as far as a holder has met it', async () => {
      await taken(one, ONE)
      const first = await look(one)
      await taken(other, OTHER)
      expect((await look(one)).timelineSince).toBe(first.timelineSince)
      await db.sql("UPDATE hq_token.grants SET found_timeline = '00000000'")
      expect((await look(one)).timelineSince).toBeNull()
      await taken(one, ONE)
      const { timelineSince, now } = await look(one)
      expect(timelineSince).toBeGreaterThan(first.timelineSince ?? Infinity)
      // A clock that was set back makes nobody wait until it is there again.
      await db.sql("UPDATE hq_token.grants SET found_at = found_at + interval '1 day'")
      await taken(other, OTHER)
      expect((await look(one)).timelineSince).toBeLessThan(now + 60)
    })

    it('keeps what a newer version has put into the set', async () => {
      const holding = await seededWith(one)
      await db.sql(`UPDATE hq_token.grants SET token_set = token_set || '{"dpop_key": "k"}'`)
      await one.note(holding, 1, at(1, 2), told(at(1, 2)))
      await one.land(ONE, { generation: 1, grant: GRANT }, at(2, 2), told(at(2, 2)))
      expect(await db.sql("SELECT token_set ->> 'dpop_key' AS key FROM hq_token.grants")).toEqual([
        { key: 'k' },
      ])
    })

    it('saves texts that PostgreSQL cannot hold as they are', async () => {
      const holding = await taken(one)
      const set = at(1, 1, { user: 'a\0b\ud800c😀\\u0000', pair: pair({ scope: '\udc00' }) })
      expect(await one.note(holding, 0, set, { ...told(set), note: 'x\0' })).toBe(true)
      const seen = await look(one)
      expect(seen.set).toMatchObject({ user: 'a\ufffdb\ufffdc😀\\u0000', pair: { scope: '\ufffd' } })
      expect((await one.history())[0]?.note).toBe('x\ufffd')
    })
  })

  describe('login and endpoints', () => {
    it('are saved and forgotten under the lease, for every host', async () => {
      const holding = await taken(one)
      expect(await one.saveLogin(holding, LOGIN)).toBe(true)
      expect(await one.pin(holding, DISCOVERED)).toBe(true)
      const seen = await look(other)
      expect(reveal(seen.login)).toEqual(reveal(LOGIN))
      expect(seen.discovered).toEqual(DISCOVERED)
      expect(await one.saveLogin(holding, null)).toBe(true)
      expect(await look(one)).toMatchObject({ login: undefined, discovered: DISCOVERED })
    })

    it('are left as they are without the lease', async () => {
      const lost = await taken(one)
      await taken(other, OTHER)
      expect(await one.saveLogin(lost, LOGIN)).toBe(false)
      expect(await one.pin(lost, DISCOVERED)).toBe(false)
      expect(await look(one)).toMatchObject({ login: undefined, discovered: undefined })
    })
  })
})
