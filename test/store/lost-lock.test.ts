import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { LockTimeout } from '../../src/core/errors.js'
import type { HeldStore, Rescued } from '../../src/core/store-ports.js'
import { Secret } from '../../src/core/secret.js'
import type { Holder, TokenSet } from '../../src/core/token-set.js'
import { entry, intended } from '../../src/core/transitions.js'
import { checkLockable, identityOf, storePaths } from '../../src/store/files.js'
import { holderFor } from '../../src/store/sqlite/holder.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { granted, raw } from '../support/fake-server.js'
import { folder } from '../support/folder.js'
import { GRANT, HOST, moment, tokenSet } from '../support/token-sets.js'

let path: string
let store: SqliteStore

beforeEach(async () => {
  path = join(folder(), 'token.db')
  store = new SqliteStore(path)
  await store.exclusive((held) => save(held, tokenSet(), 0), { waitMs: 0 })
})

const save = (held: HeldStore, set: TokenSet, after: number): Promise<void> =>
  held.note(set, after, entry(set, 'refresh', 'done', moment()))

/** What another process does to the store, past this one's lock. */
function meanwhile(sql: string, ...values: (string | number | null)[]): void {
  const db = new Database(path)
  db.prepare(sql).run(...values)
  db.close()
}

const begin = async (held: HeldStore): Promise<TokenSet> => {
  const found = await held.read()
  if (found === undefined) throw new Error('the store is empty')
  const next = intended(found, moment(), HOST, null, held.holder(60_000))
  await save(held, next, next.generation)
  return next
}

it('a lock file that somebody removes while it is looked at is no error: it is made anew', async () => {
  const paths = storePaths(path)
  const stats = lstatSync(paths.lock)
  rmSync(paths.lock)
  expect(() => {
    checkLockable(paths, stats)
  }).not.toThrow()
  expect(await store.exclusive(() => Promise.resolve('held'), { waitMs: 0 })).toBe('held')
})

describe('a backup that takes the database’s name while a process is at work', () => {
  const putBack = (): void => {
    copyFileSync(path, `${path}.backup`)
    renameSync(`${path}.backup`, path)
  }
  const record: Rescued = {
    ...{ generation: 1, attempt: 2, spent: new Secret('refresh-1').fingerprint, grant: GRANT },
    answer: raw(granted('access-2', 'refresh-2')),
  }

  it('a backup that takes the database’s name stops a request that has not left', async () => {
    const looks = await store.exclusive(
      async (held) => {
        const { sequence } = await begin(held)
        const before = held.isAssured(sequence, 0)
        putBack()
        return [before, held.isAssured(sequence, 0)]
      },
      { waitMs: 0 },
    )
    expect(looks).toEqual([true, false])
  })

  it('a backup that takes the database’s name costs no pair that was received: its answer stays', async () => {
    await store.exclusive(
      async (held) => {
        const begun = await begin(held)
        putBack()
        await held.rescue.keep(record)
        const next = { ...begun, generation: 2, intent: null }
        await expect(held.land(next, 1, entry(next, 'refresh', 'done', moment()))).rejects.toThrow(
          /was replaced|DBMOVED/,
        )
      },
      { waitMs: 0 },
    )
    const left = await store.exclusive((held) => held.rescue.records(), { waitMs: 0 })
    expect(left).toEqual([record])
  })
})

async function living(): Promise<{ holder: Holder; end: () => void }> {
  const child = spawn('sleep', ['60'])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  const { pid = 0 } = child
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const holder = holderFor(60_000)
  if (holder === undefined) throw new Error('it has no name')
  return { holder: { ...holder, pid, started }, end: () => void child.kill('SIGKILL') }
}

const leaveIntent = ({ boot, pidNamespace, pid, started, until }: Holder): void => {
  meanwhile(
    'UPDATE token_set SET intent_attempt = 2, intent_at = 1, sequence = 2, intent_holder = ?',
    JSON.stringify({ boot, pid_ns: pidNamespace, pid, started, until }),
  )
}

describe('what another process has written meanwhile', () => {
  it('what another process has written meanwhile is not overwritten: the section is begun anew', async () => {
    const seen: number[] = []
    const done = await store.exclusive(
      async (held) => {
        const found = await held.read()
        seen.push(found?.sequence ?? 0)
        if (seen.length === 1) meanwhile('UPDATE token_set SET sequence = 7')
        const next = await (seen.length === 1
          ? begin({ ...held, read: () => Promise.resolve(found) })
          : begin(held))
        return next.sequence
      },
      { waitMs: 5_000 },
    )
    expect({ seen, done }).toEqual({ seen: [1, 7], done: 8 })
  })

  it('what another process has written meanwhile is not waited for where the caller does not wait', async () => {
    const work = store.exclusive(
      async (held) => {
        const found = await held.read()
        meanwhile('UPDATE token_set SET sequence = sequence + 1')
        return begin({ ...held, read: () => Promise.resolve(found) })
      },
      { waitMs: 0 },
    )
    await expect(work).rejects.toThrow(LockTimeout)
  })

  it('what another process has written meanwhile does not keep a new pair from being saved', async () => {
    await store.exclusive(
      async (held) => {
        const begun = await begin(held)
        meanwhile('UPDATE token_set SET sequence = sequence + 1')
        const next = { ...begun, generation: 2, intent: null }
        expect(await held.land(next, 1, entry(next, 'refresh', 'done', moment()))).toBe('saved')
      },
      { waitMs: 0 },
    )
    expect((await store.read())?.generation).toBe(2)
  })
})

describe('the last look', () => {
  const look = (change: () => void): Promise<boolean> =>
    store.exclusive(
      async (held) => {
        const { sequence } = await begin(held)
        expect(held.isAssured(sequence, 0)).toBe(true)
        change()
        return held.isAssured(sequence, 0)
      },
      { waitMs: 0 },
    )
  const lock = (): string => storePaths(path).lock

  it.each<[string, () => void]>([
    [
      'another attempt is noted',
      () => {
        meanwhile('UPDATE token_set SET intent_attempt = 9')
      },
    ],
    [
      'another event is',
      () => {
        meanwhile('UPDATE token_set SET sequence = 9')
      },
    ],
    [
      'the same is noted by another process',
      () => {
        leaveIntent({ ...(holderFor(1) as Holder), pid: 1 })
      },
    ],
    [
      'the intent is gone',
      () => {
        meanwhile('UPDATE token_set SET intent_attempt = NULL')
      },
    ],
    [
      'the set is gone',
      () => {
        meanwhile('DELETE FROM token_set')
      },
    ],
    [
      'the lock’s file is gone',
      () => {
        rmSync(lock())
      },
    ],
    [
      'another file is there',
      () => {
        rmSync(lock())
        closeSync(openSync(lock(), 'wx', 0o600))
      },
    ],
  ])('the last look sees when %s', async (_, change) => {
    expect(await look(change)).toBe(false)
  })

  it('the last look sees whose code it is', async () => {
    const login = {
      ...{ state: new Secret('s'), verifier: new Secret('v'), redirectUri: 'http://127.0.0.1/', begunAt: 1 },
      ...{ spent: 'fingerprint', grant: null, client: null },
    }
    await store.exclusive(
      async (held) => {
        const holder = held.holder(1_000)
        await held.saveLogin({ ...login, ...(holder && { holder }) })
        expect(held.isAssured('fingerprint', 0)).toBe(true)
        await held.saveLogin({ ...login, spent: 'another' })
        expect(held.isAssured('fingerprint', 0)).toBe(false)
        await held.saveLogin(null)
        expect(held.isAssured('fingerprint', 0)).toBe(false)
      },
      { waitMs: 0 },
    )
  })
})

describe.runIf(process.platform === 'linux')('another process that is at an exchange', () => {
  it('another process that is at an exchange is waited for, and then the section sees what it has left', async () => {
    const { holder } = await living()
    leaveIntent(holder)
    setTimeout(() => {
      meanwhile('UPDATE token_set SET intent_attempt = NULL, intent_holder = NULL, generation = 5')
    }, 300)
    const generation = await store.exclusive(async (held) => (await held.read())?.generation, {
      waitMs: 5_000,
    })
    expect(generation).toBe(5)
  })

  it('another process that is at an exchange ends the wait by what it has got', async () => {
    const { holder } = await living()
    leaveIntent(holder)
    setTimeout(() => {
      meanwhile('UPDATE token_set SET generation = 6')
    }, 200)
    const served = await store.exclusive(() => Promise.resolve('critical'), {
      waitMs: 5_000,
      meanwhile: (set) => (set?.generation === 6 ? 'served' : undefined),
    })
    expect(served).toBe('served')
  })

  it('another process that is at an exchange is waited for no longer than the caller waits', async () => {
    const { holder } = await living()
    leaveIntent(holder)
    const begun = performance.now()
    await expect(store.exclusive(() => Promise.resolve(), { waitMs: 300 })).rejects.toThrow(LockTimeout)
    expect(performance.now() - begun).toBeGreaterThan(290)
    await expect(store.exclusive(() => Promise.resolve(), { waitMs: 0 })).rejects.toThrow(LockTimeout)
  })

  it('another process that is at an exchange is waited for no longer in all than the caller waits, the time for the lock before it included', async () => {
    const { holder } = await living()
    leaveIntent(holder)
    const lock = { isHeld: false, isInPlace: () => true, release: () => undefined }
    const handover = { store: path, seen: { generation: 1, failures: 0 }, lock, waitedMs: 1900 }
    const begun = performance.now()
    const late = new SqliteStore(path, { handover }).exclusive(begin, { waitMs: 2000 })
    await expect(late).rejects.toThrow('for more than 2 s')
    expect(performance.now() - begun).toBeLessThan(1500)
  })

  it('another process that is at an exchange is not waited for when it is dead', async () => {
    const { holder, end } = await living()
    leaveIntent(holder)
    setTimeout(end, 200)
    const begun = performance.now()
    expect(await store.exclusive(() => Promise.resolve('mine'), { waitMs: 10_000 })).toBe('mine')
    expect(performance.now() - begun).toBeLessThan(5_000)
  })

  it('another process that is at an exchange with a code is waited for too', async () => {
    const { holder } = await living()
    await store.exclusive(
      (held) =>
        held.saveLogin({
          ...{ state: new Secret('s'), verifier: new Secret('v'), redirectUri: 'http://127.0.0.1/' },
          ...{ begunAt: 1, spent: 'code', grant: null, client: null, holder },
        }),
      { waitMs: 0 },
    )
    await expect(store.exclusive(() => Promise.resolve(), { waitMs: 100 })).rejects.toThrow(LockTimeout)
  })

  it('another process that is at an exchange is not this one, whatever it has left behind', async () => {
    await store.exclusive(begin, { waitMs: 0 })
    expect(await store.exclusive(async (held) => (await held.read())?.intent?.attempt, { waitMs: 0 })).toBe(2)
  })
})

it('a waiter that held the old file of a lock that was removed takes the new one', async () => {
  const { lock } = storePaths(path)
  const holder = new Database(lock)
  holder.exec('BEGIN EXCLUSIVE')
  const waiting = store.exclusive(() => Promise.resolve(identityOf(lock)), { waitMs: 5_000 })
  await new Promise((resolve) => setTimeout(resolve, 200))
  rmSync(lock)
  closeSync(openSync(lock, 'wx', 0o600))
  const other = new Database(lock)
  other.exec('BEGIN EXCLUSIVE')
  holder.close()
  let isFree = false
  setTimeout(() => {
    isFree = true
    other.close()
  }, 400)
  expect(await waiting).toBe(identityOf(lock))
  expect(isFree).toBe(true)
})

describe('the mutex of this process', () => {
  const places = (): Set<string> | undefined =>
    (globalThis as { [key: symbol]: Set<string> | undefined })[Symbol.for('hq-token.locks')]
  const isOpen = (): boolean =>
    readdirSync('/proc/self/fd').some((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === storePaths(path).lock
      } catch {
        return false
      }
    })

  it('the mutex of this process holds the place of the store as long as the lock is held', async () => {
    const { place } = storePaths(path)
    await store.exclusive(
      () => {
        expect(places()?.has(place)).toBe(true)
        return Promise.resolve()
      },
      { waitMs: 0 },
    )
    expect(places()?.has(place)).toBe(false)
  })

  it.runIf(process.platform === 'linux')(
    'taken by another copy, keeps this one from opening the file',
    async () => {
      const { place, lock } = storePaths(path)
      places()?.add(place)
      rmSync(lock)
      const work = store.exclusive(() => Promise.resolve('done'), { waitMs: 5_000 })
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(isOpen()).toBe(false)
      // Nor has it been open in between.
      expect(identityOf(lock)).toBeUndefined()
      places()?.delete(place)
      expect(await work).toBe('done')
      expect(isOpen()).toBe(false)
    },
  )

  it('the mutex of this process is let go of when the section throws, when the wait is over, and when somebody answers', async () => {
    const { place } = storePaths(path)
    const broken = store.exclusive(() => Promise.reject(new Error('broken')), { waitMs: 0 })
    await expect(broken).rejects.toThrow('broken')
    expect(places()?.has(place)).toBe(false)
    const blocker = new Database(storePaths(path).lock)
    blocker.exec('BEGIN EXCLUSIVE')
    await expect(store.exclusive(() => Promise.resolve(), { waitMs: 50 })).rejects.toThrow(LockTimeout)
    expect(places()?.has(place)).toBe(false)
    const answered = store.exclusive(() => Promise.resolve('critical'), {
      waitMs: 500,
      meanwhile: () => 'answered',
    })
    expect(await answered).toBe('answered')
    expect(places()?.has(place)).toBe(false)
    blocker.close()
  })
})

it('a store says what it has to say when the lock is free', async () => {
  const said: unknown[] = []
  const { place } = storePaths(path)
  const loud = new SqliteStore(path, {
    notify: ({ message }) => {
      const places = (globalThis as { [key: symbol]: Set<string> | undefined })[Symbol.for('hq-token.locks')]
      said.push([message.replace(/kept in .*/, 'kept'), places?.has(place)])
    },
  })
  await loud.exclusive(
    async ({ rescue }) => {
      // The file that it has open, closed under its hands: its disk fails.
      const fd = readdirSync('/proc/self/fd').find((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`).endsWith('token.rescue')
        } catch {
          return false
        }
      })
      closeSync(Number(fd))
      await rescue.keep({
        ...{ generation: 1, attempt: 2, spent: 'x' },
        answer: {
          ...{ sentAt: moment(), sent: true, status: 200, contentType: null, contentEncoding: null },
          ...{ retryAfter: null, date: null, body: new Uint8Array(3), complete: true, failure: null },
        },
      })
      expect(said).toEqual([])
      await rescue.drop(() => true)
    },
    { waitMs: 0 },
  )
  expect(said).toEqual([[expect.stringMatching(/cannot be written; the server’s answer is kept$/), false]])
})
