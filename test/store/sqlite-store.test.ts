import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { beforeEach, describe, expect, it } from 'vitest'
import { StoreUnusable } from '../../src/core/errors.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { Secret } from '../../src/core/secret.js'
import { entry, intended } from '../../src/core/transitions.js'
import { createDatabase, openForReading, openForWriting } from '../../src/store/sqlite/database.js'
import { storePaths } from '../../src/store/files.js'
import { peek } from '../../src/store/sqlite/peek.js'
import { HISTORY_SLOTS, SCHEMA_VERSION, STORE_SCHEMA } from '../../src/store/sqlite/schema.js'
import { SEAT_SCHEMA } from '../../src/store/postgres/seat-schema.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { garbage, raw } from '../support/fake-server.js'
import { folder } from '../support/folder.js'
import { writeOldStore } from '../support/old-store.js'
import { movableStoreContract } from '../support/movable-contract.js'
import { tokenStoreContract } from '../support/store-contract.js'
import { HOST, moment, pair, tokenSet } from '../support/token-sets.js'

tokenStoreContract('SqliteStore', () => {
  const path = join(folder(), 'state', 'token.db')
  return {
    ...{ store: new SqliteStore(path), other: new SqliteStore(path) },
    stealLock: () => {
      const { lock, place } = storePaths(path)
      rmSync(lock)
      // Another process has a mutex of its own.
      const mutex = globalThis as { [key: symbol]: Set<string> | undefined }
      mutex[Symbol.for('hq-token.locks')]?.delete(place)
    },
  }
})

movableStoreContract('SqliteStore', () => {
  const path = join(folder(), 'state', 'token.db')
  return { store: new SqliteStore(path), other: new SqliteStore(path) }
})

let path: string
let store: SqliteStore

beforeEach(() => {
  path = join(folder(), 'state', 'token.db')
  store = new SqliteStore(path)
})

const put = (set: TokenSet, after: number): Promise<void> =>
  store.exclusive((held) => held.note(set, after, entry(set, 'refresh', 'done', moment())), { waitMs: 1000 })

it('a store that a move has closed is none to a program that knows of no moves', async () => {
  await put(tokenSet(), 0)
  const note = {
    direction: 'to',
    other: { path: '/x.db' },
    host: { name: 'acme-1', id: null },
    grant: 'grant-9',
    at: 7,
  } as const
  await store.exclusiveForMove((held) => held.close(note, null), 0)
  const { applicationId, kind, migrations } = STORE_SCHEMA
  const paths = { folder: dirname(path), database: path }
  for (const opened of [openForReading, openForWriting])
    expect(() => opened(paths, { applicationId, kind, migrations })).toThrow('is not a store of hq-token')
  expect(peek(path)).toBeUndefined()
})

it.each([
  ['access_token', ''],
  ['access_token', 'a\nb: c'],
  ['access_token', 'a b'],
  ['refresh_token', ''],
  ['previous_access_token', '\r'],
])(
  'a set whose %s somebody has changed to %j is damaged, and is handed out by nobody',
  async (column, text) => {
    await put(tokenSet({ previous: pair() }), 0)
    const db = new Database(path)
    db.prepare(`UPDATE token_set SET ${column} = ?`).run(text)
    db.close()
    expect(() => peek(path)).toThrow(`the store is damaged (column ${column})`)
    await expect(store.read()).rejects.toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: `the store is damaged (column ${column})`,
      hint: expect.stringContaining('then: hq-token login') as string,
    })
  },
)

describe('a process that dies while it forgets', () => {
  const overwritten = async (set: TokenSet): Promise<void> => {
    await put(set, 0)
    const db = new Database(path)
    const columns = (db.pragma('table_info(token_set)') as { name: string; type: string }[])
      .filter(({ type }) => type === 'TEXT')
      .map(({ name }) => `${name} = replace(hex(zeroblob(length(${name}))), '00', '~')`)
    db.exec(`UPDATE token_set SET ${columns.join(', ')}`)
    db.close()
  }

  it('a process that dies while it forgets leaves no token that would be handed out', async () => {
    await overwritten(tokenSet({ client: null }))
    expect(peek(path)).toBeUndefined()
    expect(await store.read()).toBeUndefined()
  })

  it('a process that dies while it forgets leaves a store that takes the next token set, with later numbers', async () => {
    await overwritten(
      tokenSet({ generation: 4, sequence: 4, client: { tokenUrl: 't', issuer: null, clientId: '1' } }),
    )
    await store.exclusive(
      async (held) => {
        expect(await held.read()).toBeUndefined()
        const { generation, sequence } = await held.counters()
        const next = tokenSet({ generation: generation + 1, sequence: sequence + 1 })
        await held.note(next, 0, entry(next, 'seed', 'done', moment()))
      },
      { waitMs: 0 },
    )
    expect(await store.read()).toMatchObject({ generation: 5, sequence: 5 })
  })
})

describe('the files', () => {
  it('the files are 0600 in a 0700 folder, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await put(tokenSet(), 0)
    } finally {
      process.umask(before)
    }
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
    for (const suffix of ['.db', '.db-journal', '.rescue', '.lock'])
      expect([suffix, statSync(path.replace(/\.db$/, suffix)).mode & 0o777]).toEqual([suffix, 0o600])
  })

  it('the files are not made by reading', async () => {
    expect(await store.read()).toBeUndefined()
    expect(() => statSync(join(path, '..'))).toThrow('ENOENT')
  })

  it.each(['.db', '.rescue', '.lock'])(
    'the files are refused when others can read the %s file',
    async (suffix) => {
      await put(tokenSet(), 0)
      chmodSync(path.replace(/\.db$/, suffix), 0o604)
      await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(/others \(mode 604\)/)
    },
  )

  it('the files are refused in a folder that others can write', async () => {
    await put(tokenSet(), 0)
    chmodSync(join(path, '..'), 0o777)
    await expect(store.read()).rejects.toThrow(/written by others/)
  })

  it.each(['.db', '.rescue', '.lock'])('the files are refused when the %s file is a link', async (suffix) => {
    await put(tokenSet(), 0)
    const file = path.replace(/\.db$/, suffix)
    renameSync(file, `${file}.away`)
    symlinkSync(`${file}.away`, file)
    await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(/not a file of its own/)
    renameSync(`${file}.away`, file)
    linkSync(file, `${file}.second`)
    await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(/second name/)
  })
})

it('names a file in the folder that was named as the store', async () => {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(join(path, '..'), 0o700)
  await expect(store.read()).rejects.toMatchObject({
    message: `${path} is a folder, and the store is a file`,
    hint: `name a file in it: [store] path, or HQ_TOKEN_STORE=${join(path, 'hq-token', 'token.db')}`,
  })
})

describe('a file that is no store', () => {
  const outcomeFor = async (): Promise<unknown> => store.read().catch((error: unknown) => error)

  it.each([
    [
      'of no bytes',
      (): void => {
        truncateSync(path, 0)
      },
      /damaged \(a file of no bytes\)/,
    ],
    [
      'cut short',
      (): void => {
        truncateSync(path, 5000)
      },
      /damaged/,
    ],
    [
      'overwritten',
      (): void => {
        writeFileSync(path, 'x'.repeat(9000), { mode: 0o600 })
      },
      /damaged/,
    ],
    [
      'of another program',
      (): void => {
        sql('PRAGMA application_id = 7')
      },
      /not a store of hq-token/,
    ],
  ])('a file that is no store is refused and left as it is when %s', async (_, damage, message) => {
    await put(tokenSet(), 0)
    damage()
    const before = readFileSync(path)
    const error = await outcomeFor()
    expect(error).toBeInstanceOf(StoreUnusable)
    expect(String(error)).toMatch(message)
    expect((error as StoreUnusable).hint).toBeDefined()
    await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(StoreUnusable)
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('a file that is no store is refused by a write when a page behind the row is damaged', async () => {
    await put(tokenSet({ pair: pair({ accessToken: new Secret('a'.repeat(5000)) }) }), 0)
    const bytes = readFileSync(path)
    const pages = bytes.byteLength / 4096
    for (let page = 1; page < pages; page++) bytes.fill(0xff, page * 4096, page * 4096 + 64)
    writeFileSync(path, bytes, { mode: 0o600 })
    await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(/damaged/)
    expect(readFileSync(path).equals(bytes)).toBe(true)
  })
})

function sql(statement: string): void {
  const db = new Database(path)
  db.exec(statement)
  db.close()
}

describe('a store of another version', () => {
  it('a store of another version that is newer is read, and not written', async () => {
    await put(tokenSet(), 0)
    sql('ALTER TABLE token_set ADD COLUMN of_tomorrow TEXT; PRAGMA user_version = 99')
    expect((await store.read())?.generation).toBe(1)
    expect(peek(path)?.generation).toBe(1)
    await expect(put(tokenSet({ generation: 2 }), 1)).rejects.toThrow(/newer hq-token \(schema 99/)
    expect((await store.read())?.generation).toBe(1)
  })

  it('a store of another version that is older is read as it is, and brought up to date by the first write', async () => {
    const version = (): unknown => {
      const db = new Database(path, { readonly: true })
      const found = db.pragma('user_version', { simple: true })
      db.close()
      return found
    }
    writeOldStore(path, tokenSet({ user: 'old@example.com' }))
    for (const set of [await store.read(), peek(path)])
      expect(set).toMatchObject({ user: 'old@example.com', host: null, cameFrom: null })
    expect(version()).toBe(1)
    await put(intended(tokenSet(), moment(), HOST), 1)
    expect(version()).toBe(SCHEMA_VERSION)
    expect(await store.read()).toMatchObject({ host: HOST, cameFrom: null })
    expect(await store.history()).toHaveLength(1)
  })
})

describe('a rewrite', () => {
  const pages = (): unknown[] => {
    const db = new Database(path, { readonly: true })
    const found = ['page_count', 'freelist_count'].map((name) => db.pragma(name, { simple: true }))
    db.close()
    return found
  }

  it('a rewrite takes no new page, once an intent has made room for the pair to come', async () => {
    let set = tokenSet({ pair: pair({ accessToken: new Secret('a'.repeat(9000)) }) })
    await put(set, 0)
    for (let generation = 1; generation < 40; generation++) {
      const asked = intended(set, moment(), null)
      await put(asked, generation)
      const before = pages()
      const journal = statSync(`${path}-journal`).size
      const next = {
        accessToken: new Secret('b'.repeat(9000 + generation * 20)),
        refreshToken: new Secret('r'.repeat(generation)),
      }
      set = { ...asked, generation: generation + 1, previous: set.pair, pair: pair(next), intent: null }
      await put(set, generation)
      expect([generation, ...pages()]).toEqual([generation, ...before])
      expect(statSync(`${path}-journal`).size).toBe(journal)
    }
  })

  it('a rewrite leaves no byte of the pair before the previous one in the database', async () => {
    for (const generation of [1, 2, 3]) {
      const token = {
        accessToken: new Secret(`canary-${generation}-access`),
        refreshToken: new Secret(`canary-${generation}-refresh`),
      }
      await put(tokenSet({ generation, pair: pair(token), sequence: generation }), generation - 1)
    }
    expect(readFileSync(path).includes('canary-1')).toBe(false)
    expect(readFileSync(path).includes('canary-3')).toBe(true)
  })
})

it('a store is written with what a power cut asks for', async () => {
  await put(tokenSet(), 0)
  const db = openForWriting(storePaths(path))
  const names = ['journal_mode', 'synchronous', 'secure_delete', 'trusted_schema', 'fullfsync']
  expect(names.map((name) => db.pragma(name, { simple: true }))).toEqual(['persist', 3, 1, 0, 1])
  db.close()
})

it('a host’s memory of a shared store is written with what a power cut asks for on macOS', () => {
  const own = folder()
  const paths = { folder: own, database: join(own, 'seat.db') }
  createDatabase(paths, SEAT_SCHEMA)
  const db = openForWriting(paths, SEAT_SCHEMA)
  expect(db.pragma('fullfsync', { simple: true })).toBe(1)
  db.close()
})

it('a store keeps the newest events and no more than its ring has slots', async () => {
  await put(tokenSet(), 0)
  await store.exclusive(
    async (held) => {
      for (let sequence = 2; sequence <= HISTORY_SLOTS + 10; sequence++) {
        const set = tokenSet({ sequence })
        await held.note(set, 1, entry(set, 'refresh', 'done', moment(), 'x'.repeat(5000)))
      }
    },
    { waitMs: 0 },
  )
  const history = await store.history()
  expect(history).toHaveLength(HISTORY_SLOTS)
  expect(history[0]?.sequence).toBe(HISTORY_SLOTS + 10)
})

it('rolls back a transaction that a crash cut off, also when it only reads', async () => {
  await put(tokenSet(), 0)
  const crashed = join(folder(), 'copy')
  mkdirSync(crashed, { mode: 0o700 })
  const db = new Database(path)
  db.pragma('journal_mode = PERSIST')
  db.pragma('cache_size = 1')
  db.exec(`BEGIN; UPDATE token_set SET generation = 99; UPDATE history SET note = 'x' || slot`)
  // What a power cut in the middle of this transaction leaves: pages written, and a hot journal.
  db.pragma('cache_spill = 1')
  for (const suffix of ['.db', '.db-journal'])
    copyFileSync(path.replace(/\.db$/, suffix), join(crashed, `token${suffix}`))
  db.exec('ROLLBACK')
  db.close()
  chmodSync(join(crashed, 'token.db'), 0o600)
  expect((await new SqliteStore(join(crashed, 'token.db')).read())?.generation).toBe(1)
})

describe('after it has forgotten', () => {
  /** Secrets of every kind that a store holds; `long` ones cross many pages. */
  const secrets = (long: number) =>
    ['access', 'refresh', 'old-access', 'old-refresh', 'salvaged', 'state', 'verifier', 'answer'].map(
      (name) => `${name}-${'secret'.repeat(long)}-end-of-${name}`,
    )

  it.each([
    ['short', 1],
    ['long', 5000],
  ])('no byte of a token is in any file, of %s ones', async (_, long) => {
    const [
      access = '',
      refresh = '',
      accessBefore = '',
      refreshBefore = '',
      salvaged = '',
      state = '',
      verifier = '',
      answer = '',
    ] = secrets(long)
    const previous = pair({ accessToken: new Secret(accessBefore), refreshToken: new Secret(refreshBefore) })
    const set = tokenSet({
      pair: pair({ accessToken: new Secret(access), refreshToken: new Secret(refresh) }),
      previous,
    })
    const asked = {
      ...intended(set, moment(), HOST),
      intent: { attempt: 2, at: 1, boot: null, salvaged: new Secret(salvaged), client: null },
    }
    await put(set, 0)
    await put(asked, 1)
    await store.exclusive(
      async (held) => {
        await held.saveLogin({
          state: new Secret(state),
          verifier: new Secret(verifier),
          redirectUri: 'x',
          begunAt: 1,
          spent: null,
          grant: null,
          client: null,
        })
        const body = new TextEncoder().encode(answer)
        await held.rescue.keep({ generation: 1, attempt: 2, spent: 'x', answer: { ...raw(garbage()), body } })
      },
      { waitMs: 0 },
    )
    const found = (): string[] =>
      readdirSync(join(path, '..')).flatMap((name) => {
        const bytes = readFileSync(join(path, '..', name))
        return secrets(long).flatMap((secret) =>
          [secret.slice(0, 14), secret.slice(-14)]
            .filter((part) => bytes.includes(part))
            .map((part) => `${part} in ${name}`),
        )
      })
    // The search finds what is there to be found.
    expect(new Set(found().map((line) => line.replace(/ in .*/, ''))).size).toBe(16)

    await store.exclusive((held) => held.forget(null), { waitMs: 0 })
    expect(found()).toEqual([])
    expect(await store.read()).toBeUndefined()
    await put(set, 0)
    expect(await store.read()).toMatchObject({ generation: 1 })
  })
})
