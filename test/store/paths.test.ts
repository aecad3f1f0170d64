import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync, existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { StoreUnusable } from '../../src/core/errors.js'
import type { RawAnswer } from '../../src/core/ports.js'
import { Secret } from '../../src/core/secret.js'
import { entry } from '../../src/core/transitions.js'
import { LastCopies, lastCopyFolders } from '../../src/store/rescue/last-copies.js'
import { serialize } from '../../src/store/rescue/records.js'
import { storePaths } from '../../src/store/paths.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { garbage, raw } from '../support/fake-server.js'
import { moment, pair, tokenSet } from '../support/token-sets.js'
import { told } from '../support/world.js'

let here: string

beforeEach(() => {
  here = folder()
})

/** All files that a store by this name may make. */
function files(name: string): string[] {
  const { database, rescue, lock } = storePaths(join(here, name))
  return [database, `${database}-journal`, rescue, `${rescue}.new`, lock, `${database}.new`].map((path) =>
    basename(path),
  )
}

describe('the files of a store', () => {
  it('named NAME.db are those that they have always been', () => {
    expect(storePaths(join(here, 'acme.db'))).toMatchObject({
      rescue: join(here, 'acme.rescue'),
      lock: join(here, 'acme.lock'),
      oldRescue: null,
    })
  })

  it('named .db lie in the folder of the store, too', () => {
    expect(storePaths(join(here, '.db'))).toMatchObject({
      rescue: join(here, '.rescue'),
      lock: join(here, '.lock'),
    })
  })

  it.each(['x', 'x.DB', 'x.sqlite', 'token', '.db.bak', 'x.db.db'])(
    'named %s are no other store’s',
    (name) => {
      const others = [
        'x',
        'x.db',
        'x.DB',
        'x.sqlite',
        'token',
        'token.db',
        '.db',
        '.db.bak',
        'x.db.db',
        'x.db.bak',
      ]
      for (const other of others.filter((other) => other !== name)) {
        const mine = new Set(files(name))
        expect(files(other).filter((file) => mine.has(file))).toEqual([])
      }
    },
  )

  it.each([
    ...[
      'x.lock',
      'x.rescue',
      'x-lock',
      'x-rescue',
      'x-journal',
      'x.db-journal',
      'x.db-wal',
      'x.db.new',
      'x.LOCK',
    ],
  ])('named %s would be a file of another store, and are refused', (name) => {
    expect(() => storePaths(join(here, name))).toThrow(StoreUnusable)
  })

  it('the files of a store are the same for each way in which the path to them is written', () => {
    mkdirSync(join(here, 'a/b'), { recursive: true })
    symlinkSync('a/b', join(here, 'link'))
    const ways = ['a/b/token.db', 'a/../a/b/token.db', 'link/token.db', 'a//b/token.db', './a/b/./token.db']
    expect(new Set(ways.map((way) => storePaths(`${here}/${way}`).place)).size).toBe(1)
    // Also before and after there is a folder.
    const before = storePaths(join(here, 'link/new/token.db')).place
    mkdirSync(join(here, 'a/b/new'))
    expect(storePaths(join(here, 'a/b/new/token.db')).place).toBe(before)
  })

  it('the files of two names are two where the file system tells their letters apart', () => {
    expect(storePaths(join(here, 'x.db')).place).not.toBe(storePaths(join(here, 'X.db')).place)
    expect(storePaths(join(here, 'X.DB')).lock).toBe(join(here, 'X.DB-lock'))
  })
})

describe('two stores, x and x.db, in one folder', () => {
  const REFRESH = 'refresh-of-x'

  async function begun(name: string, refresh: string): Promise<SqliteStore> {
    const store = new SqliteStore(join(here, name))
    const set = tokenSet({ pair: pair({ refreshToken: new Secret(refresh) }) })
    await store.exclusive((held) => held.note(set, 0, entry(set, 'seed', 'done', moment())), { waitMs: 0 })
    return store
  }

  const record = (text: string) => ({
    ...{ generation: 1, attempt: 2, spent: new Secret(REFRESH).fingerprint },
    answer: { ...raw(garbage()), body: new TextEncoder().encode(text) } satisfies RawAnswer,
  })

  const records = (store: SqliteStore): Promise<string[]> =>
    store.exclusive(
      async ({ rescue }) =>
        (await rescue.records()).map(({ answer }) => Buffer.from(answer.body).toString('utf8')),
      { waitMs: 0 },
    )

  const drop = (store: SqliteStore): Promise<void> =>
    store.exclusive(({ rescue }) => rescue.drop(() => true), { waitMs: 0 })

  it('two stores, x and x.db, in one folder hold their locks side by side, and neither drops the other’s answer', async () => {
    const [x, db] = [await begun('x', REFRESH), await begun('x.db', 'other')]
    await x.exclusive(({ rescue }) => rescue.keep(record('the only copy')), { waitMs: 0 })
    await x.exclusive(() => drop(db), { waitMs: 0 })
    expect(await records(x)).toEqual(['the only copy'])
    expect(await records(db)).toEqual([])
  })

  it('an answer that an earlier version has kept for x is read; it is left where x.db has that file now', async () => {
    const [x, db] = [await begun('x', REFRESH), await begun('x.db', 'other')]
    await db.exclusive(({ rescue }) => rescue.keep(record('kept by an earlier version')), { waitMs: 0 })
    expect(await records(x)).toEqual(['kept by an earlier version'])
    await drop(x)
    expect(await records(db)).toEqual(['kept by an earlier version'])
  })

  it('an answer kept for x is gone from the disk when it is saved, where x is alone', async () => {
    const db = await begun('x.db', 'other')
    await db.exclusive(({ rescue }) => rescue.keep(record('kept by an earlier version')), { waitMs: 0 })
    const kept = readFileSync(join(here, 'x.rescue'))
    for (const name of ['x.db', 'x.db-journal', 'x.lock', 'x.rescue']) rmSync(join(here, name))
    const x = await begun('x', REFRESH)
    writeFileSync(join(here, 'x.rescue'), kept, { mode: 0o600 })
    expect(await records(x)).toEqual(['kept by an earlier version'])
    await drop(x)
    expect(existsSync(join(here, 'x.rescue'))).toBe(false)
    expect(await records(x)).toEqual([])
  })

  it('a logout leaves no byte of it either', async () => {
    const x = await begun('x', REFRESH)
    writeFileSync(join(here, 'x.rescue'), 'a token', { mode: 0o600 })
    await x.exclusive((held) => held.forget(null), { waitMs: 0 })
    expect(existsSync(join(here, 'x.rescue'))).toBe(false)
  })
})

const long = 'n'.repeat(300)
/** What is made, and the path to a store that goes through it. */
const UNRESOLVABLE: Record<string, readonly [make: () => void, path: string]> = {
  'a dangling link in the place of the folder': [
    () => {
      symlinkSync('nowhere', join(here, 'd'))
    },
    'd/token.db',
  ],
  'a dangling link above it': [
    () => {
      symlinkSync('nowhere', join(here, 'd'))
    },
    'd/e/token.db',
  ],
  'a dangling link in the place of the file': [
    () => {
      symlinkSync('nowhere', join(here, 'token.db'))
    },
    'token.db',
  ],
  'a link to itself in the place of the folder': [
    () => {
      symlinkSync('l', join(here, 'l'))
    },
    'l/token.db',
  ],
  'a link to itself above it': [
    () => {
      symlinkSync('l', join(here, 'l'))
    },
    'l/m/token.db',
  ],
  'a link to itself in the place of the file': [
    () => {
      symlinkSync('token.db', join(here, 'token.db'))
    },
    'token.db',
  ],
  'a file in the place of the folder': [
    () => {
      writeFileSync(join(here, 'f'), '')
    },
    'f/token.db',
  ],
  'a file above it': [
    () => {
      writeFileSync(join(here, 'f'), '')
    },
    'f/g/h/token.db',
  ],
  'a name that is too long': [() => undefined, `${long}/token.db`],
  'a file name that is too long': [() => undefined, `${long}.db`],
  'a file name that is too long with its suffix only': [() => undefined, 'n'.repeat(250)],
}

describe('a path that leads nowhere', () => {
  it.each(Object.keys(UNRESOLVABLE))(
    'a path that leads nowhere because of %s is never a bug',
    async (what) => {
      const [make, path] = UNRESOLVABLE[what] ?? []
      make?.()
      const seed = join(here, 'seed.ini')
      writeFileSync(seed, '[AUTH]\naccess_token = a\nrefresh_token = b\naccess_expiry = 0\n', { mode: 0o600 })
      const env = {
        ...{ HQ_TOKEN_STORE: join(here, path ?? ''), HQ_TOKEN_CLIENT_ID: '1', HQ_TOKEN_CLIENT_SECRET: 's' },
        ...{ HQ_TOKEN_TOKEN_URL: 'http://127.0.0.1:1/token', HQ_TOKEN_SEED_FILE: seed },
      }
      for (const argv of [
        ['get'],
        ['seed', seed],
        ['refresh'],
        ['status'],
        ['logout'],
        ['logout', '--local'],
        ['doctor'],
      ]) {
        const { code, stderr } = await told(argv, { env })
        expect({ argv, code, stderr }).not.toMatchObject({ code: 1 })
        expect(stderr).not.toContain('a bug')
      }
      const { code, stdout } = await told(['get'], { env })
      expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    },
  )
})

describe('the places for a last copy', () => {
  const env = { LOCALAPPDATA: 'C:\\Users\\u\\AppData\\Local', XDG_RUNTIME_DIR: '/run/user/7' }

  it('the places for a last copy are folders of this system only: what is shared elsewhere anybody may make on Windows', () => {
    const folders = (temporary: string, env: NodeJS.ProcessEnv): readonly string[] =>
      lastCopyFolders(env, 'win32', temporary, () => 'C:\\Users\\u')
    const [local, own] = ['C:\\Users\\u\\AppData\\Local', 'C:\\Users\\U\\AppData\\Local\\Temp\\2']
    // The fixed one first: each session of a server for remote desktops may have a %TEMP% of its own, which goes with it.
    expect(folders(own, env)).toEqual([local, own])
    expect(folders(own, {})).toEqual([own])
    for (const shared of ['C:\\Temp', 'D:\\Temp', 'C:\\Windows\\Temp', '\\\\server\\temp'])
      expect(folders(shared, { LocalAppData: local })).toEqual([local])
    expect(folders('C:\\Temp', { LOCALAPPDATA: 'Local' })).toEqual([])
  })

  it('a last copy is found by the next session, whose temporary folder is another', () => {
    const inSession = (nth: number): LastCopies => {
      const temporary = join(here, 'Temp', String(nth))
      mkdirSync(temporary, { recursive: true })
      const folders = lastCopyFolders({ LOCALAPPDATA: here }, 'win32', temporary, () => dirname(here))
      expect(folders).toEqual([here, temporary])
      return new LastCopies(storePaths(join(here, 'token.db')), {}, folders)
    }
    inSession(2).write(serialize({ generation: 7, attempt: 1, spent: 'x', answer: raw(garbage()) }))
    rmSync(join(here, 'Temp', '2'), { recursive: true })
    expect(inSession(3).records()).toMatchObject([{ generation: 7 }])
  })

  it('the places for a last copy are another disk’s, and what is in memory, on Linux', () => {
    const uid = process.geteuid?.() ?? 0
    expect(lastCopyFolders(env, 'linux', '/tmp')).toEqual([
      ...['/var/tmp', '/dev/shm', '/tmp', `/run/user/${uid}`, '/run/user/7'],
    ])
  })

  it('the places for a last copy are another disk’s on macOS', () => {
    expect(lastCopyFolders({}, 'darwin', '/var/folders/x')).toEqual(['/var/tmp', '/var/folders/x'])
  })
})
