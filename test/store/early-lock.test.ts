import Database from 'better-sqlite3'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { beforeEach, describe, expect, it } from 'vitest'
import { runPlain } from '../../src/cli/run-plain.js'
import { warmAnswer, type Warm } from '../../src/cli/warm.js'
import { LockTimeout } from '../../src/core/errors.js'
import type { ClockReading } from '../../src/core/clock.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry } from '../../src/core/transitions.js'
import { storePaths } from '../../src/store/files.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { SeatMemory } from '../../src/store/postgres/seat-memory.js'
import { AddonLock } from '../../src/store/sqlite/early-lock.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { HOST, ISSUED, moment, tokenSet } from '../support/token-sets.js'
import { worldFor } from '../support/world.js'

const LIFETIME = tokenSet().pair.lifetime
const OVER = ISSUED + LIFETIME
const DUE = OVER - LIFETIME / 12

let database: string
let config: string
let store: SqliteStore

beforeEach(async () => {
  const here = folder()
  database = join(here, 'token.db')
  config = join(here, 'config.ini')
  writeFileSync(config, `[store]\npath = ${database}\n[refresh]\nlock_wait = 1s\n`, { mode: 0o600 })
  store = new SqliteStore(database)
  await save(tokenSet())
})

const save = (set: TokenSet, after = 0): Promise<void> =>
  store.exclusive((held) => held.note(set, after, entry(set, 'seed', 'done', moment())), { waitMs: 0 })

const isFree = (): Promise<boolean> =>
  new SqliteStore(database)
    .exclusive(() => Promise.resolve(true), { waitMs: 0 })
    .catch((error: unknown) => {
      expect(error).toBeInstanceOf(LockTimeout)
      return false
    })

function ask(...instants: readonly (() => ClockReading)[]): Warm {
  let looks = 0
  const clock = (): ClockReading => (instants[looks++] ?? instants.at(-1) ?? moment)()
  const around = { env: { HQ_TOKEN_CONFIG: config }, platform: process.platform, homedir: () => '/', clock }
  return warmAnswer({ name: 'get', options: {}, flags: { format: 'bare' } }, around)
}

/** The instant at which the token is over, and what another process does then. */
const meanwhile = (sql: string) => (): ClockReading => {
  const db = new Database(database)
  db.exec(sql)
  db.close()
  return moment(OVER)
}

const at = (now: number) => (): ClockReading => moment(now)
const token = `${tokenSet().pair.accessToken.reveal()}\n`

/** Another process that holds a file of the store for so many milliseconds, and dies with it. */
async function holding(file: string, ms: number): Promise<void> {
  const script = `const db = new (require('better-sqlite3'))(process.argv[1])
    db.exec('BEGIN EXCLUSIVE')
    console.log('held')
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(process.argv[2]))`
  const child = spawn(process.execPath, ['-e', script, file, String(ms)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
}

function timed<T>(work: () => T): { readonly answer: T; readonly ms: number } {
  const begun = performance.now()
  return { answer: work(), ms: performance.now() - begun }
}

describe('a `get` whose first look meets the commit of another process', () => {
  it('a `get` whose first look meets the commit of another process waits for it, and does not load the program', async () => {
    await holding(database, 300)
    const { answer, ms } = timed(() => ask(at(ISSUED)))
    expect(answer).toEqual({ text: token })
    expect(ms).toBeGreaterThan(100)
    expect(ms).toBeLessThan(900)
  })

  it('a `get` whose first look meets the commit of another process leaves a longer wait to the program, which says so', async () => {
    await holding(database, 4000)
    const { answer, ms } = timed(() => ask(at(ISSUED)))
    expect(answer).toEqual({})
    expect(ms).toBeGreaterThan(400)
    expect(ms).toBeLessThan(1500)
  })
})

describe('a `get` on a seat of a shared store', () => {
  const URL = 'postgres://db.example/hq'
  const HELD = 'HELD'

  /** What is printed while another process has the seat's lock. `HELD`: nothing, in the time of `lock_wait`. */
  async function printed(set: TokenSet, seconds: number): Promise<string | undefined> {
    const seat = join(folder(), 'token.seat')
    writeFileSync(config, `[store]\nurl = ${URL}\npath = ${seat}\nlease = 10s\n[refresh]\nlock_wait = 20s\n`)
    const memory = new SeatMemory({ folder: join(seat, '..'), database: seat }, HOST, 'default')
    await memory.create()
    const now = moment(DUE)
    await memory.change((known) => ({
      ...known,
      ...{ place: `${URL} (default)`, registry: 'registry-1', generation: 1, sequence: 1, set },
      checkedAt: { ...now, now: now.now - seconds, uptime: now.uptime - seconds },
    }))
    writeFileSync(storePaths(seat).lock, '', { mode: 0o600 })
    await holding(storePaths(seat).lock, 1_000)
    const { answer, ms } = timed(() => ask(() => now))
    answer.handover?.lock.release()
    return ms > 800 ? HELD : answer.text
  }
  const intent = { attempt: 2, at: DUE, boot: null, salvaged: null, client: null }

  it('a `get` on a seat of a shared store prints a good token while another process of its host renews it', async () => {
    expect(await printed(tokenSet({ intent }), 5)).toBe(token)
  })

  it('a `get` on a seat of a shared store leaves a renewal that lasts to the program, and a look that is due to whoever looks', async () => {
    expect(await printed(tokenSet({ intent }), 3_000)).toBeUndefined()
    expect(await printed(tokenSet(), 3_000)).toBe(HELD)
  })
})

describe('a `get` whose token must be renewed', () => {
  it('a `get` whose token must be renewed takes the lock soon after its holder has died', async () => {
    await holding(storePaths(database).lock, 300)
    const { answer, ms } = timed(() => ask(at(OVER)))
    expect(answer.handover?.lock.isHeld).toBe(true)
    answer.handover?.lock.release()
    // A tenth of a second between two tries, and a pause.
    expect(ms).toBeLessThan(900)
  })

  it.each([
    ['over', OVER],
    ['due', DUE],
  ])(
    'a `get` whose token must be renewed takes the lock before it loads the program, when the token is %s',
    async (_, now) => {
      const { text, handover } = ask(at(now))
      expect(text).toBeUndefined()
      expect(await isFree()).toBe(false)
      handover?.lock.release()
      expect(await isFree()).toBe(true)
      handover?.lock.release()
    },
  )

  it('a `get` whose token must be renewed does not take one whose file was removed while it waited', async () => {
    const lock = join(database, '../token.lock')
    const blocker = new Database(lock)
    blocker.exec('BEGIN EXCLUSIVE')
    const early = new AddonLock(storePaths(database))
    expect(early.take()).toBe(false)
    rmSync(lock)
    writeFileSync(lock, '', { mode: 0o600 })
    blocker.close()
    expect(early.take()).toBe(false)
    expect(await isFree()).toBe(true)
    expect(early.take()).toBe(true)
    expect(await isFree()).toBe(false)
    early.release()
  })

  it('a `get` whose token must be renewed hands it over to the critical section, and no other', async () => {
    const { handover } = ask(at(OVER))
    const next = new SqliteStore(database, { handover })
    const another = (): Promise<boolean> => next.exclusive(isFree, { waitMs: 0 })
    await expect(next.exclusive(another, { waitMs: 0 })).rejects.toThrow(LockTimeout)
    expect(await isFree()).toBe(true)
    expect(await another()).toBe(false)
    expect(await isFree()).toBe(true)
  })

  it('a `get` whose token must be renewed takes what another process got before it had the lock', async () => {
    expect(ask(at(OVER), at(ISSUED))).toEqual({ text: token })
    expect(await isFree()).toBe(true)
  })

  it.each([
    ['store', { store: '/elsewhere/token.db' }],
    ['critical section', { lock: { isHeld: false, isInPlace: () => true, release: () => undefined } }],
  ])('a `get` whose token must be renewed is no lock of another %s', async (_, change) => {
    const { handover } = ask(at(OVER))
    if (handover === undefined) throw new Error('there is none')
    const next = new SqliteStore(database, { handover: { ...handover, ...change } })
    await expect(next.exclusive(isFree, { waitMs: 0 })).rejects.toThrow(LockTimeout)
    handover.lock.release()
  })

  it('a `get` whose token must be renewed lets go of it where something is wrong after all, and forgets neither what it saw nor the wait', async () => {
    const broken = (): never => {
      throw new Error('no clock')
    }
    expect(ask(at(OVER), broken).handover).toMatchObject({ seen: { failures: 0 }, lock: { isHeld: false } })
    expect(await isFree()).toBe(true)
  })

  it('a `get` whose token must be renewed lets go of it before anything is said', async () => {
    const { handover } = ask(at(OVER))
    const { world, said } = worldFor({ env: { HQ_TOKEN_CONFIG: '/nowhere.ini' } })
    expect(
      await runPlain({ name: 'get', options: {}, flags: { format: 'bare' } }, { ...world, handover }),
    ).toBe(78)
    expect(said().stderr).toContain('/nowhere.ini')
    expect(await isFree()).toBe(true)
  })

  it('a `get` whose token must be renewed lets go of it before the token is written, where another process has renewed it after all', async () => {
    const { handover } = ask(at(OVER))
    const wasFree: boolean[] = []
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => {
        void isFree().then((free) => {
          wasFree.push(free)
          done()
        })
      },
    })
    // The token is fresh by this process's clock, so no critical section takes the lock over.
    const { world } = worldFor({ env: { HQ_TOKEN_CONFIG: config }, clock: at(ISSUED) })
    const plain = { name: 'get', options: {}, flags: { format: 'bare' } } as const
    expect(await runPlain(plain, { ...world, stdout, handover })).toBe(0)
    expect(wasFree).toEqual([true])
  })

  it('a `get` whose token must be renewed serves a token that is still good where the renewal fails, and lets go of the lock', async () => {
    const { config, run, store } = await place({ faults: [{ name: '503', count: Infinity }] }, 3600)
    const nearlyOver = new Date(Date.now() - 3_350_000).toISOString()
    expect(await run(['seed', '--issued-at', nearlyOver])).toMatchObject({ code: 0 })
    const { world, said } = worldFor({ env: { HQ_TOKEN_CONFIG: config } })
    const plain = { name: 'get', options: {}, flags: { format: 'bare' } } as const
    const { handover } = warmAnswer(plain, world)
    expect(handover?.lock.isHeld).toBe(true)
    expect(await runPlain(plain, { ...world, handover })).toBe(0)
    expect(said().stdout).toBe(`${(await store.read())?.pair.accessToken.reveal() ?? ''}\n`)
    expect(said().stderr).toContain('is still good and is served')
    expect(await store.exclusive(() => Promise.resolve(true), { waitMs: 0 })).toBe(true)
  })

  it('a `get` whose token must be renewed lets go of it where the configuration names another store by now', async () => {
    const { handover } = ask(at(OVER))
    writeFileSync(config, `[store]\npath = ${join(database, '../another.db')}\n`)
    const { world, said } = worldFor({ env: { HQ_TOKEN_CONFIG: config } })
    expect(
      await runPlain({ name: 'get', options: {}, flags: { format: 'bare' } }, { ...world, handover }),
    ).toBe(4)
    expect(said().stderr).toContain('another.db')
    expect(await isFree()).toBe(true)
  })

  it('a `get` whose token must be renewed hands out a token that somebody else is renewing, as long as it is good', async () => {
    await store.exclusive(
      () => {
        expect(ask(at(DUE))).toEqual({ text: token })
        return Promise.resolve()
      },
      { waitMs: 0 },
    )
  })

  it('a `get` whose token must be renewed waits for somebody else as long as lock_wait says, and no longer in all', async () => {
    await store.exclusive(
      async () => {
        const { handover } = ask(at(OVER))
        expect(handover?.lock.isHeld).toBe(false)
        expect(handover?.waitedMs).toBeGreaterThanOrEqual(1000)
        const next = new SqliteStore(database, { handover })
        const resumed = performance.now()
        await expect(next.exclusive(isFree, { waitMs: 1000 })).rejects.toThrow('for more than 1 s')
        // The second of waiting is used up: it is not waited anew.
        expect(performance.now() - resumed).toBeLessThan(900)
      },
      { waitMs: 0 },
    )
  })

  it('a `get` whose token must be renewed says what it saw before it waited: a failure since then is its own too', () => {
    expect(ask(at(OVER)).handover?.seen).toMatchObject({ generation: 1, failures: 0 })
  })

  it('a `get` whose token must be renewed does not keep the lock where somebody else has failed meanwhile', async () => {
    const { handover } = ask(meanwhile('UPDATE token_set SET failures = failures + 1'), at(OVER))
    expect(handover).toMatchObject({ seen: { failures: 0 }, lock: { isHeld: false } })
    expect(await isFree()).toBe(true)
  })

  it('a `get` whose token must be renewed prints what it finds in the store, whoever has the lock by then', async () => {
    await store.exclusive(
      () => {
        const renewal = "UPDATE token_set SET generation = 2, access_token = 'access-2'"
        expect(ask(meanwhile(renewal), at(ISSUED))).toEqual({ text: 'access-2\n' })
        return Promise.resolve()
      },
      { waitMs: 0 },
    )
  })

  it.each([
    ['holds off after a failure', tokenSet({ failures: 1, backoffUntil: OVER + 60, notBefore: OVER + 60 })],
    ['has ended', tokenSet({ refusedAt: ISSUED + 10 })],
  ])('a `get` whose token must be renewed leaves the lock alone where the grant %s', async (_, set) => {
    await save({ ...set, generation: 2, sequence: 2 }, 1)
    expect(ask(at(OVER))).toEqual({})
    expect(await isFree()).toBe(true)
  })
})
