import { describe, expect, it } from 'vitest'
import { ConfigInvalid } from '../../src/core/errors.js'
import type { HeldMovable, MovableStore, MoveNote } from '../../src/core/move-ports.js'
import type { HistoryEntry } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry } from '../../src/core/transitions.js'
import { reveal } from './store-contract.js'
import { moment, pair, tokenSet } from './token-sets.js'

const BEGUN_ON = { name: 'acme-1', id: 'id-1' }
const NOTE: MoveNote = {
  ...{ direction: 'to', other: { url: 'postgres://db.example/hq', name: 'acme' }, host: BEGUN_ON },
  ...{ grant: 'grant-9', at: 7 },
}
const COMES: MoveNote = { ...NOTE, direction: 'from', other: { path: '/var/lib/token.db' } }

/** Two stores on one registry, as two processes or two hosts have them. */
export interface TwoMovable {
  readonly store: MovableStore
  readonly other: MovableStore
}

/** What every store promises to a move. */
export function movableStoreContract(name: string, open: () => TwoMovable | Promise<TwoMovable>): void {
  const under = <T>(store: MovableStore, work: (held: HeldMovable) => Promise<T>): Promise<T> =>
    store.exclusiveForMove(work, 0)
  const save = (store: MovableStore, set: TokenSet): Promise<void> =>
    store.exclusive((held) => held.note(set, 0, entry(set, 'seed', 'done', moment())), { waitMs: 0 })
  const told = (set: TokenSet, outcome = 'done', at = moment()): HistoryEntry =>
    entry(set, 'move', outcome, at)

  describe(`${name} keeps the contract of a store that a token set can be moved from and to`, () => {
    it('has one identity for all that use it', async () => {
      const { store, other } = await open()
      await save(store, tokenSet())
      expect(await store.identity()).toBe(await other.identity())
    })

    it.each([
      ['to another store', NOTE, /is being moved to postgres:\/\/db\.example\/hq \(acme\)/],
      ['from another store', COMES, /is being moved to .* from \/var\/lib\/token\.db on acme-1/],
    ])('is closed to everybody but a move, and keeps the set that goes %s', async (_, note, words) => {
      const { store, other } = await open()
      const set = tokenSet()
      await save(store, set)
      await other.read()
      const after = { ...set, sequence: set.sequence + 1 }
      await under(store, (held) => held.close(note, told(after, 'unfinished')))
      const ways: (() => Promise<unknown>)[] = [
        () => store.read({ anew: true }),
        () => other.read({ anew: true }),
        () => other.login(),
        () => other.history(),
        () => other.exclusive(() => Promise.resolve('ran'), { waitMs: 0 }),
      ]
      for (const way of ways) {
        await expect(way()).rejects.toThrow(ConfigInvalid)
        await expect(way()).rejects.toThrow(words)
      }
      const [found, stood] = await under(
        other,
        async (held) => [await held.moveNote(), await held.read()] as const,
      )
      expect(found).toEqual(note)
      expect(reveal(stood)).toEqual(reveal(after))
    })

    it('is open again as it was', async () => {
      const { store, other } = await open()
      const set = tokenSet()
      await save(store, set)
      const after = { ...set, sequence: set.sequence + 1 }
      await under(store, (held) => held.close(COMES, null))
      await under(store, (held) => held.close(NOTE, told(after, 'unfinished')))
      await under(other, (held) => held.reopen())
      expect(reveal(await store.read())).toEqual(reveal(after))
      expect(await store.exclusive(() => Promise.resolve('ran'), { waitMs: 0 })).toBe('ran')
      expect(await under(store, (held) => held.moveNote())).toBeUndefined()
    })

    it('forgets the set, and still says where it is', async () => {
      const { store, other } = await open()
      const set = tokenSet()
      await save(store, set)
      const after = { ...set, sequence: set.sequence + 1 }
      await under(store, (held) => held.close(NOTE, told(after, 'unfinished')))
      await under(store, async (held) => {
        await held.read()
        await held.forget(told(after))
      })
      await expect(other.read({ anew: true })).rejects.toThrow(
        /was moved to postgres:\/\/db\.example\/hq \(acme\)/,
      )
      await under(other, async (held) => {
        expect(await held.read()).toBeUndefined()
        expect(await held.moveNote()).toEqual(NOTE)
        expect((await held.belongings()).history.slice(0, 1)).toMatchObject([
          { event: 'move', outcome: 'done' },
        ])
        expect((await held.counters()).generation).toBeGreaterThanOrEqual(set.generation)
      })
    })

    it('receives a set and its history at once, and is open then', async () => {
      const { store, other } = await open()
      const set = tokenSet({ generation: 5, sequence: 9, grant: NOTE.grant })
      const before = [7, 8].map((sequence) => entry({ ...set, sequence }, 'refresh', 'done', moment()))
      await under(store, (held) => held.close(COMES, null))
      await under(store, (held) => held.receive(set, [...before, told(set)]))
      expect(reveal(await other.read())).toEqual(reveal(set))
      expect((await other.history()).map(({ sequence, event }) => [sequence, event])).toEqual([
        [9, 'move'],
        [8, 'refresh'],
        [7, 'refresh'],
      ])
      expect(await under(other, (held) => held.moveNote())).toBeUndefined()
    })

    it('receives a set that was moved away from it before', async () => {
      const { store, other } = await open()
      await save(store, tokenSet())
      await under(store, (held) => held.close(NOTE, null))
      await under(store, async (held) => {
        await held.read()
        await held.forget(null)
      })
      const { generation, sequence } = await under(store, (held) => held.counters())
      const back = tokenSet({ generation: generation + 1, sequence: sequence + 1 })
      await under(store, (held) => held.receive(back, [told(back)]))
      expect(reveal(await other.read())).toEqual(reveal(back))
    })

    it('is not opened by a pair that comes late', async () => {
      const { store, other } = await open()
      const set = tokenSet({ grant: null })
      await save(store, set)
      const late = { ...set, generation: 2, pair: pair({ accessToken: new Secret('access-2') }) }
      await under(store, (held) => held.close(NOTE, null))
      await under(store, async (held) => {
        await held.read()
        await held.land(late, 1, told(late)).catch(() => undefined)
      })
      await expect(other.read({ anew: true })).rejects.toThrow(ConfigInvalid)
    })
  })
}
