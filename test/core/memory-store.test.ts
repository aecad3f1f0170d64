import { describe, expect, it } from 'vitest'
import { StoreUnusable } from '../../src/core/errors.js'
import { entry } from '../../src/core/transitions.js'
import { granted, raw } from '../support/fake-server.js'
import { at, from, MemoryStore } from '../support/memory-store.js'
import { movableStoreContract } from '../support/movable-contract.js'
import { tokenStoreContract } from '../support/store-contract.js'
import { moment, tokenSet } from '../support/token-sets.js'

tokenStoreContract('MemoryStore', () => {
  const store = new MemoryStore()
  return {
    store,
    other: store,
    stealLock: () => {
      store.stealLock()
    },
  }
})

movableStoreContract('MemoryStore', () => {
  const store = new MemoryStore()
  return { store, other: store }
})

const record = (attempt: number) => ({
  generation: 1,
  attempt,
  spent: 'abc',
  answer: raw(granted(`access-${attempt}`, null)),
})

describe('the rescue of the store in memory', () => {
  it('the rescue of the store in memory keeps answers over sections, oldest first, until they are dropped', async () => {
    const store = new MemoryStore()
    await store.exclusive(({ rescue }) => rescue.keep(record(1)), { waitMs: 0 })
    await store.exclusive(({ rescue }) => rescue.keep(record(2)), { waitMs: 0 })
    const records = await store.exclusive(({ rescue }) => rescue.records(), { waitMs: 0 })
    expect(records).toEqual([record(1), record(2)])
    await store.exclusive(({ rescue }) => rescue.drop(() => true), { waitMs: 0 })
    expect(store.rescued).toEqual([])
  })

  it('the rescue of the store in memory keeps a copy: what happens to the buffer afterwards does not reach it', async () => {
    const store = new MemoryStore()
    const kept = record(1)
    await store.exclusive(({ rescue }) => rescue.keep(kept), { waitMs: 0 })
    kept.answer.body.fill(0)
    expect(store.rescued).toEqual([record(1)])
  })
})

describe('the store in memory fails where it is told to', () => {
  const save = (store: MemoryStore, generation: number): Promise<void> => {
    const set = tokenSet({ generation })
    return store.exclusive((held) => held.note(set, generation - 1, entry(set, 'seed', 'done', moment())), {
      waitMs: 0,
    })
  }

  it('the store in memory fails where it is told to at the n-th save, and changes nothing then', async () => {
    const store = new MemoryStore()
    store.savesFail = at(2)
    await save(store, 1)
    await expect(save(store, 2)).rejects.toThrow(StoreUnusable)
    expect((await store.read())?.generation).toBe(1)
    await save(store, 2)
    expect((await store.read())?.generation).toBe(2)
  })

  it('the store in memory fails where it is told to at every keep from the n-th on', async () => {
    const store = new MemoryStore()
    store.keepsFail = from(2)
    const keep = (attempt: number): Promise<void> =>
      store.exclusive(({ rescue }) => rescue.keep(record(attempt)), { waitMs: 0 })
    await keep(1)
    await expect(keep(2)).rejects.toThrow(StoreUnusable)
    await expect(keep(3)).rejects.toThrow(StoreUnusable)
    expect(store.rescued).toHaveLength(1)
  })
})
