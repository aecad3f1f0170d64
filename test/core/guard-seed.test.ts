import { describe, expect, it } from 'vitest'
import { LoginRequired, SeedInvalid, StoreUnusable } from '../../src/core/errors.js'
import { Secret } from '../../src/core/secret.js'
import type { Seed } from '../../src/core/token-set.js'
import { garbage, granted, invalidGrant, raw, status } from '../support/fake-server.js'
import { from } from '../support/memory-store.js'
import { GRANT, ISSUED, pair, seed, tokenSet } from '../support/token-sets.js'
import { DUE, EXPIRED } from './stage.js'
import { NEXT, SIXTY, stage, value } from './guard-stage.js'

describe('adopting a seed', () => {
  const other = seed({ accessToken: new Secret('access-s'), refreshToken: new Secret('refresh-s') })

  it('adopting a seed begins an empty store', async () => {
    stage.store.put(undefined)
    const { set, imported } = await stage.guard().adopt(other)
    expect([imported, set.generation, set.previous]).toEqual([true, 1, null])
    expect(await stage.stored()).toBe(set)
    expect(await stage.store.history()).toMatchObject([{ event: 'seed', outcome: 'done', note: 'token.ini' }])
  })

  it('adopting a seed leaves a store that holds a set, without taking the lock', async () => {
    const before = await stage.stored()
    expect(await stage.guard().adopt(other)).toEqual({ set: before, imported: false })
    expect(stage.store.locks).toBe(0)
  })

  it('adopting a seed replaces it when forced, keeps what it replaces, and counts on', async () => {
    stage.store.put(tokenSet({ generation: 4, sequence: 9, refusedAt: 1, failures: 2, notBefore: 3 }))
    const { set, imported } = await stage.guard().adopt(other, { force: true })
    expect([imported, set.previous?.refreshToken.reveal()]).toEqual([true, 'refresh-1'])
    expect(set).toMatchObject({ generation: 5, sequence: 10, refusedAt: null, failures: 0, notBefore: null })
  })

  it('adopting a seed replaces a set that was refused by another seed', async () => {
    stage.store.put(tokenSet({ refusedAt: ISSUED }))
    expect((await stage.guard().adopt(other)).imported).toBe(true)
  })

  it.each([
    ['the one it began with', seed(), 'refresh-9'],
    ['the pair it has now', other, 'refresh-s'],
  ])(
    'adopting a seed does not replace a refused set by the same seed: %s',
    async (_what, same, refreshToken) => {
      stage.store.put(tokenSet({ refusedAt: ISSUED, pair: pair({ refreshToken: new Secret(refreshToken) }) }))
      expect((await stage.guard().adopt(same)).imported).toBe(false)
    },
  )

  it('adopting a seed replaces a refused set also by the pair that a wrong seed had pushed aside', async () => {
    stage.store.put({ ...tokenSet({ previous: other.pair }), seed: 'another', refusedAt: ISSUED })
    expect(await stage.guard().adopt(other)).toMatchObject({ imported: true })
  })

  it('adopting a seed does not replace a refused set by a seed whose token a refresh has spent, before another seed came', async () => {
    stage.store.put(undefined)
    await stage.guard().adopt(seed())
    stage.server.answers(granted('access-2', 'refresh-2'))
    await stage.guard().refresh()
    await stage.guard().adopt(other, { force: true })
    stage.server.answers(invalidGrant())
    await expect(stage.guard().refresh()).rejects.toThrow('refused')
    const { imported } = await stage.guard().adopt(seed())
    expect(imported).toBe(false)
    expect((await stage.stored()).pair.refreshToken.reveal()).toBe(other.pair.refreshToken.reveal())
  })

  it.each([
    ['drops what was kept of the one before', status(503), 0],
    ['leaves what nobody could read: it may be the only copy of a pair', garbage(), 1],
  ])('adopting a seed is forced: %s', async (_what, answer, left) => {
    const spent = new Secret('refresh-1').fingerprint
    stage.store.leave({ generation: 1, attempt: 2, spent, grant: GRANT, answer: raw(answer) })
    await stage.guard().adopt(other, { force: true })
    expect(stage.store.rescued).toHaveLength(left)
  })

  it('adopting a seed looks again under the lock', async () => {
    stage.store.put(undefined)
    stage.store.beforeLock = async () => {
      stage.store.beforeLock = () => Promise.resolve()
      await stage.guard().adopt(seed())
    }
    const { set, imported } = await stage.guard().adopt(other)
    expect([imported, set.pair.refreshToken.reveal()]).toEqual([false, 'refresh-1'])
  })

  it('60 processes on an empty store: one seed', async () => {
    stage.store.put(undefined)
    const outcomes = await Promise.all(SIXTY.map(() => stage.guard().adopt(other)))
    expect(outcomes.filter(({ imported }) => imported)).toHaveLength(1)
    expect((await stage.stored()).generation).toBe(1)
  })

  it('an answer that waits to be saved is not lost when a seed is forced, but becomes the previous pair', async () => {
    const spent = new Secret('refresh-1').fingerprint
    stage.store
      .put(tokenSet({ intent: { attempt: 2, at: ISSUED, boot: null, salvaged: null, client: null } }))
      .leave({ generation: 1, attempt: 2, spent, grant: GRANT, answer: raw(NEXT) })
    const { set } = await stage.guard().adopt(other, { force: true })
    expect(set.previous?.refreshToken.reveal()).toBe('refresh-2')
  })
})

describe('a configured seed', () => {
  const other = seed({ accessToken: new Secret('access-s'), refreshToken: new Secret('refresh-s') })
  const bad = (): Promise<Seed> => Promise.reject(new SeedInvalid('line 3: no refresh token', { hint: 'h' }))

  it('a configured seed begins an empty store', async () => {
    stage.store.put(undefined)
    expect(value(await stage.guard({ seed: () => Promise.resolve(other) }).token())).toBe('access-s')
  })

  it('a configured seed begins an empty store with a token that is over: it is renewed', async () => {
    stage.store.put(undefined)
    stage.pass(EXPIRED).server.answers(NEXT)
    expect(value(await stage.guard({ seed: () => Promise.resolve(other) }).token())).toBe('access-2')
    expect(stage.server.sent).toEqual(['refresh-s'])
  })

  it('a configured seed is not even read while the store holds a good set', async () => {
    const source = (): Promise<Seed> => Promise.reject(new Error('read'))
    expect(value(await stage.guard({ seed: source }).token())).toBe('access-1')
  })

  it('a configured seed takes the place of a refused set', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    const later = seed({
      accessToken: new Secret('access-s'),
      obtained: stage.at,
      refreshToken: new Secret('s'),
    })
    expect(value(await stage.guard({ seed: () => Promise.resolve(later) }).token())).toBe('access-s')
  })

  it('a configured seed that is the refused one does not take the place of the refused set', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    const guard = stage.guard({ seed: () => Promise.resolve(seed()) })
    await expect(guard.token()).rejects.toThrow(LoginRequired)
    expect([stage.server.requests, (await stage.stored()).generation]).toEqual([0, 1])
  })

  it.each([
    ['none configured', undefined],
    ['one that does not exist', () => Promise.resolve(undefined)],
  ])('%s, and an empty store: a person must log in', async (_what, source) => {
    stage.store.put(undefined)
    const guard = stage.guard(source === undefined ? {} : { seed: source })
    await expect(guard.token()).rejects.toThrow(LoginRequired)
  })

  it('a configured seed that is bad, and an empty store: the file is at fault', async () => {
    stage.store.put(undefined)
    await expect(stage.guard({ seed: bad }).token()).rejects.toThrow(SeedInvalid)
  })

  it('a configured seed that is bad, and a refused set that is over: the file is at fault', async () => {
    stage.pass(EXPIRED).store.put(tokenSet({ refusedAt: stage.at.now }))
    await expect(stage.guard({ seed: bad }).token()).rejects.toThrow(SeedInvalid)
  })

  it('a configured seed that is bad, and a refused set that is still good: it is served, with a warning', async () => {
    stage.pass(DUE).store.put(tokenSet({ refusedAt: stage.at.now }))
    expect(value(await stage.guard({ seed: bad }).token())).toBe('access-1')
    expect(stage.warnings).toContain('line 3: no refresh token')
  })

  it('a configured seed that cannot be stored, and a refused set that is still good: it is served, with a warning', async () => {
    stage.pass(DUE).store.put(tokenSet({ refusedAt: stage.at.now }))
    stage.store.savesFail = from(1)
    const guard = stage.guard({ seed: () => Promise.resolve(other) })
    expect(value(await guard.token())).toBe('access-1')
    expect(stage.warnings.join()).toContain('the disk is full')
  })

  it('a configured seed that cannot be stored on an empty store is no token', async () => {
    stage.store.put(undefined).savesFail = from(1)
    await expect(stage.guard({ seed: () => Promise.resolve(other) }).token()).rejects.toThrow(StoreUnusable)
  })
})
