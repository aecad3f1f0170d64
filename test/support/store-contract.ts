import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/core/client.js'
import {
  LockTimeout,
  Overtaken,
  ServerUnavailable,
  StoreUnusable,
  TokenError,
} from '../../src/core/errors.js'
import type { HeldStore, Landed, PendingLogin, TokenStore } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry, failed, intended, renewed } from '../../src/core/transitions.js'
import { HOST, moment, pair, tokenSet } from './token-sets.js'

const save = (held: HeldStore, set: TokenSet, after: number): Promise<void> =>
  held.note(set, after, entry(set, 'seed', 'done', moment()))

const CLIENT: Client = { tokenUrl: 'https://acme.example/token', issuer: null, clientId: '1012' }

/** Two stores on one registry, as two processes or two hosts have them. */
export interface TwoStores {
  readonly store: TokenStore
  readonly other: TokenStore
  /** Frees the lock although a section runs, as if its holder had been away for too long. */
  readonly stealLock: () => void | Promise<void>
}

/** What every store of a token set promises. Each adapter's test file runs it against itself. */
export function tokenStoreContract(name: string, open: () => TwoStores | Promise<TwoStores>): void {
  describe(`${name} keeps the token store contract`, () => {
    it('reads nothing where nothing was saved', async () => {
      const { store } = await open()
      expect(await store.read()).toBeUndefined()
      expect(await store.history()).toEqual([])
    })

    it('reads back every field of what was saved', async () => {
      const { store, other } = await open()
      const full = failed(
        intended(
          tokenSet({
            previous: pair({ scope: 'a b' }),
            lastRefreshAt: 5,
            notBefore: 6,
            refusedAt: 7,
            cameFrom: { name: 'acme-0', at: 8 },
            client: CLIENT,
            previousClient: { ...CLIENT, issuer: 'https://acme.example', tokenUrl: null },
            bareSince: 9,
            seedFile: { path: '/etc/token.ini', spentAt: 10, isMarked: true },
          }),
          moment(),
          HOST,
        ),
        new ServerUnavailable('down'),
        moment(),
        { unfinished: true, notBefore: 9 },
        { ...CLIENT, clientId: '7' },
      )
      const set: TokenSet = {
        ...full,
        intent: {
          ...{ attempt: 2, at: 3, boot: 'b', salvaged: new Secret('salvaged'), client: CLIENT },
          holder: { boot: 'b', pidNamespace: 'pid:[1]', pid: 5, started: 6, until: 7 },
        },
      }
      await store.exclusive((held) => save(held, set, 0), { waitMs: 0 })
      expect(reveal(await store.read())).toEqual(reveal(set))
      expect(reveal(await other.read())).toEqual(reveal(set))
    })

    it('reads while the lock is held', async () => {
      const { store, other } = await open()
      await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
      await store.exclusive(
        async () => {
          expect(await store.read()).toBeDefined()
          expect(await other.read()).toBeDefined()
        },
        { waitMs: 0 },
      )
    })

    it('runs one critical section at a time', async () => {
      const { store, other } = await open()
      let inside = 0
      let most = 0
      const section = async (): Promise<void> => {
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 20))
        inside--
      }
      await Promise.all(
        [store, other, store, other, store].map((one) => one.exclusive(section, { waitMs: 10_000 })),
      )
      expect(most).toBe(1)
    })

    it('gives up with LockTimeout, and lets go when the section throws', async () => {
      const { store, other } = await open()
      const holder = store.exclusive(
        async () => {
          for (const one of [store, other])
            await expect(one.exclusive(() => Promise.resolve(1), { waitMs: 50 })).rejects.toThrow(LockTimeout)
          throw new Error('on purpose')
        },
        { waitMs: 0 },
      )
      await expect(holder).rejects.toThrow('on purpose')
      await expect(other.exclusive(() => Promise.resolve(1), { waitMs: 0 })).resolves.toBe(1)
    })

    it('asks at every turn of waiting whether the wait is over', async () => {
      const { store, other } = await open()
      const waiter = (): Promise<string> =>
        other.exclusive(() => Promise.resolve('ran'), {
          waitMs: 10_000,
          meanwhile: (set) => (set === undefined ? undefined : 'seen'),
        })
      const answer = await store.exclusive(
        async (held) => {
          const waiting = waiter()
          await save(held, tokenSet(), 0)
          return await waiting
        },
        { waitMs: 0 },
      )
      expect(answer).toBe('seen')
    })

    it('overwrites nothing when the generation is another than was read', async () => {
      const { store } = await open()
      await store.exclusive((held) => save(held, tokenSet({ generation: 3 }), 0), { waitMs: 0 })
      const stale = store.exclusive((held) => save(held, tokenSet({ generation: 3 }), 2), { waitMs: 0 })
      await expect(stale).rejects.toThrow(StoreUnusable)
      const second = store.exclusive((held) => save(held, tokenSet({ generation: 1 }), 0), { waitMs: 0 })
      await expect(second).rejects.toThrow(StoreUnusable)
      expect((await store.read())?.generation).toBe(3)
    })

    describe('a pair that was received', () => {
      const next = tokenSet({
        ...{ generation: 2, sequence: 2 },
        pair: pair({ accessToken: new Secret('access-2'), refreshToken: new Secret('refresh-2') }),
      })
      const land = (held: HeldStore, set = next): Promise<Landed> =>
        held.land(set, set.generation - 1, entry(set, 'refresh', 'done', moment()))

      it('is saved once, and is then already there', async () => {
        const { store, other } = await open()
        const landed = await store.exclusive(
          async (held) => {
            await save(held, tokenSet(), 0)
            return [await land(held), await land(held)]
          },
          { waitMs: 0 },
        )
        expect(landed).toEqual(['saved', 'already'])
        expect(reveal(await other.read())).toEqual(reveal(next))
      })

      it('is saved although the lock went to another, which can note nothing that it has not seen', async () => {
        const { store, other, stealLock } = await open()
        const asked = intended(tokenSet(), moment(), null)
        await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
        const late = await store.exclusive(
          async (held) => {
            await held.read()
            await stealLock()
            expect(held.isAssured(asked.sequence, 10_000)).toBe(false)
            await other.exclusive(
              async (theirs) => {
                await theirs.read()
                await save(theirs, asked, 1)
                const mine = { ...asked, sequence: 7 }
                await expect(save(held, mine, 1)).rejects.toThrow(Overtaken)
                expect(await land(held)).toBe('saved')
                await expect(save(theirs, asked, 1)).rejects.toThrow(TokenError)
              },
              { waitMs: 0 },
            )
            return held.read()
          },
          { waitMs: 0 },
        )
        expect(reveal(late)).toEqual(reveal(next))
      })

      it('gives way to another that came first, and is told which', async () => {
        const { store, other, stealLock } = await open()
        const first = { ...next, pair: pair({ accessToken: new Secret('access-f') }) }
        await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
        await store.exclusive(
          async (held) => {
            await stealLock()
            await other.exclusive((theirs) => land(theirs, first), { waitMs: 0 })
            const landed = await land(held)
            expect(landed).toMatchObject({ overtakenBy: { generation: 2 } })
            expect(reveal(await held.read())).toEqual(reveal(first))
          },
          { waitMs: 0 },
        )
      })

      it('heals a store that was put back, if the store holds the same grant', async () => {
        const { store, other } = await open()
        await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
        const later = { ...next, generation: 9, sequence: 12 }
        const stranger = { ...later, grant: 'grant-2' }
        const landed = await other.exclusive(
          async (held) => [await land(held, stranger), await land(held, later)],
          { waitMs: 0 },
        )
        expect(landed).toMatchObject([{ overtakenBy: { generation: 1 } }, 'saved'])
        expect(reveal(await store.read())).toEqual(reveal(later))
      })
    })

    it('tells an event anew under its own number, and the newest first', async () => {
      const { store } = await open()
      const first = tokenSet()
      const asked = intended(first, moment(), null)
      const tokens = {
        kind: 'tokens',
        accessToken: new Secret('access-2'),
        refreshToken: new Secret('refresh-2'),
        expiresIn: 60,
        refreshExpiresIn: null,
        tokenType: null,
        scope: null,
        user: null,
      } as const
      const second = renewed(asked, tokens, first.pair.refreshToken, moment(), 1)
      await store.exclusive(
        async (held) => {
          await held.note(first, 0, entry(first, 'seed', 'done', moment(), 'token.ini'))
          await held.note(asked, 1, entry(asked, 'refresh', 'unfinished', moment()))
          await held.note(second, 1, entry(second, 'refresh', 'done', moment()))
        },
        { waitMs: 0 },
      )
      expect(await store.history()).toMatchObject([
        entry(second, 'refresh', 'done', moment()),
        entry(first, 'seed', 'done', moment(), 'token.ini'),
      ])
    })

    describe('a login that waits', () => {
      const LOGIN: PendingLogin = {
        state: new Secret('state-1'),
        verifier: new Secret('verifier-1'),
        redirectUri: 'http://127.0.0.1/callback',
        begunAt: 5,
        spent: null,
        grant: 'grant-1',
        client: CLIENT,
      }

      it('is none at first', async () => {
        const { store } = await open()
        expect(await store.login()).toBeUndefined()
        expect(await store.discovered()).toBeUndefined()
      })

      it('reads back, under the lock and without it, until a newer one takes its place', async () => {
        const { store } = await open()
        const spent = { ...LOGIN, state: new Secret('state-2'), spent: 'abc' }
        await store.exclusive(
          async (held) => {
            expect(await held.login()).toBeUndefined()
            await held.saveLogin(LOGIN)
            expect(reveal(await held.login())).toEqual(reveal(LOGIN))
            await held.saveLogin(spent)
          },
          { waitMs: 0 },
        )
        expect(reveal(await store.login())).toEqual(reveal(spent))
        await store.exclusive((held) => held.saveLogin(null), { waitMs: 0 })
        expect(await store.login()).toBeUndefined()
      })

      it('leaves the token set as it is', async () => {
        const { store } = await open()
        await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
        await store.exclusive((held) => held.saveLogin(LOGIN), { waitMs: 0 })
        expect(reveal(await store.read())).toEqual(reveal(tokenSet()))
      })
    })

    it('knows the endpoints that were discovered last', async () => {
      const { store } = await open()
      const first = {
        issuer: 'https://a.example',
        authorizeUrl: null,
        tokenUrl: 'https://a.example/t',
        revocationUrl: null,
        at: 1,
      }
      const second = {
        ...first,
        authorizeUrl: 'https://a.example/a',
        revocationUrl: 'https://a.example/r',
        at: 2,
      }
      await store.exclusive((held) => held.pin(first), { waitMs: 0 })
      await store.exclusive((held) => held.pin(second), { waitMs: 0 })
      expect(await store.discovered()).toEqual(second)
    })

    it('forgets the token set and the login, and remembers that it did', async () => {
      const { store } = await open()
      const set = tokenSet()
      await store.exclusive((held) => save(held, set, 0), { waitMs: 0 })
      const last = entry({ ...set, sequence: set.sequence + 1 }, 'logout', 'done', moment())
      await store.exclusive((held) => held.forget(last), { waitMs: 0 })
      expect(await store.read()).toBeUndefined()
      expect(await store.login()).toBeUndefined()
      expect((await store.history())[0]).toMatchObject(last)
      // The numbers go on: nothing of before can be taken for what comes after.
      const now = await store.exclusive((held) => held.counters(), { waitMs: 0 })
      expect(now.generation).toBeGreaterThanOrEqual(last.generation)
      expect(now.sequence).toBe(last.sequence)
      await store.exclusive((held) => held.forget(null), { waitMs: 0 })
      await store.exclusive(
        async (held) => {
          const { generation, sequence } = await held.counters()
          await save(held, { ...set, generation: generation + 1, sequence: sequence + 1 }, 0)
        },
        { waitMs: 0 },
      )
      expect(await store.read()).toBeDefined()
    })
  })
}

/** With the secrets as strings, so that they are compared and not skipped. */
export function reveal(set: TokenSet | PendingLogin | undefined): unknown {
  const open = (value: unknown): unknown => {
    if (value instanceof Secret) return value.reveal()
    if (value === null || typeof value !== 'object') return value
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, open(inner)]))
  }
  return open(set)
}
