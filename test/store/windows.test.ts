import Database from 'better-sqlite3'
import { linkSync, lstatSync, mkdirSync, statSync, symlinkSync, writeFileSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { ConfigInvalid, HeldOpen, StoreBusy, StoreUnusable } from '../../src/core/errors.js'
import type { Notice } from '../../src/core/ports.js'
import { lockingOn } from '../../src/store/sqlite/early-lock.js'
import { HeldWait, mayPass } from '../../src/store/sqlite/patience.js'
import { inspectPlace } from '../../src/store/inspect.js'
import { checkOwn } from '../../src/store/files.js'
import { databasePath, storePaths } from '../../src/store/paths.js'
import { assertNewPlace, placeFinding } from '../../src/store/windows-store.js'
import { HELD_MS } from '../../src/platform/held-files.js'
import { SDDL, SERVICE, windowsThat } from '../platform/windows-answers.js'
import { folder } from '../support/folder.js'

describe('the lock on Windows', () => {
  /** Opens a file as SQLite does there while another program holds it. */
  function openedForReading(): Database.Database {
    const path = join(folder(), 'token.lock')
    writeFileSync(path, '')
    return new Database(path, { readonly: true })
  }

  it('is not taken of a file that is open for reading only', () => {
    const db = openedForReading()
    expect(() => db.exec(lockingOn('win32'))).toThrow(/readonly/)
    // This is why: elsewhere such a file is refused before.
    const other = openedForReading()
    expect(() => other.exec(lockingOn('linux'))).not.toThrow()
    db.close()
    other.close()
  })

  it('keeps others out, and writes nothing', () => {
    const path = join(folder(), 'token.lock')
    writeFileSync(path, '')
    const [one, other] = [new Database(path), new Database(path, { timeout: 0 })]
    one.exec(lockingOn('win32'))
    expect(() => other.exec(lockingOn('win32'))).toThrow(/locked/)
    one.close()
    other.exec(lockingOn('win32'))
    other.close()
    expect(statSync(path).size).toBe(0)
  })
})

describe('the path of a store on Windows', () => {
  it('is that by which SQLite and Node open one file, whoever names it', () => {
    for (const path of [
      'D:\\hq\\token.db',
      'D:\\hq.\\token.db. .',
      '\\\\?\\D:\\hq\\token.db',
      'D:/hq/token.db',
    ])
      expect(databasePath(path, 'win32')).toBe('D:\\hq\\token.db')
    expect(() => databasePath('D:\\hq\\nul.db', 'win32')).toThrow(StoreUnusable)
    expect(databasePath('/hq/nul.db.', 'linux')).toBe('/hq/nul.db.')
  })
})

describe('what is there under the name of a store on Windows', () => {
  /** Stats as of another user, which says nothing there. */
  function stranger(path: string): Stats {
    return Object.assign(lstatSync(path), { uid: 12345, mode: lstatSync(path).mode | 0o777 })
  }

  it('is refused where it is a folder, a link or has a second name, and not for its mode', () => {
    const here = folder()
    const [database, second, link] = ['token.db', 'second.db', 'link.db'].map((name) => join(here, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(database, '')
    symlinkSync(database, link)
    const check =
      (path: string, kind: 'file' | 'folder' = 'file') =>
      (): void => {
        checkOwn(path, stranger(path), kind, database, 'win32')
      }
    expect(check(database)).not.toThrow()
    expect(check(here, 'folder')).not.toThrow()
    expect(check(here)).toThrow(/is a folder, and the store is a file/)
    expect(check(link)).toThrow(/is not a file of its own/)
    expect(check(database, 'folder')).toThrow(/is not a folder of its own/)
    linkSync(database, second)
    expect(check(second)).toThrow(/has a second name/)
  })
})

describe('a failure of SQLite that may pass', () => {
  const unusable = (code: string): StoreUnusable =>
    new StoreUnusable('x', { cause: Object.assign(new Error(code), { code }) })

  it.each(['SQLITE_CANTOPEN', 'SQLITE_READONLY', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_DELETE'])(
    '%s is one on Windows only',
    (code) => {
      expect(mayPass(unusable(code), 'win32')).toBe(true)
      expect(mayPass(unusable(code), 'linux')).toBe(false)
      expect(mayPass(unusable(code), 'darwin')).toBe(false)
    },
  )

  it.each(['SQLITE_CORRUPT', 'SQLITE_NOTADB', 'SQLITE_FULL', 'ENOENT'])('%s is none', (code) => {
    expect(mayPass(unusable(code), 'win32')).toBe(false)
  })

  it('is waited for anew after a try that another process’ lock ended', () => {
    vi.useFakeTimers()
    try {
      const [held, error] = [new HeldWait('win32'), new HeldOpen('x')]
      expect(held.mayPass(error)).toBe(true)
      vi.advanceTimersByTime(HELD_MS)
      expect(held.mayPass(error)).toBe(false)
      held.isOver()
      expect(held.mayPass(error)).toBe(true)
    } finally {
      vi.useRealTimers()
    }
  })

  it('is that of a file which was found held', () => {
    expect(mayPass(new HeldOpen('x'), 'win32')).toBe(true)
    expect(mayPass(new StoreBusy('x'), 'win32')).toBe(false)
  })
})

describe('a new store on Windows', () => {
  const LOCAL = 'C:\\Users\\me\\AppData\\Local\\hq-token\\token.db'
  const made = (place: string, folder = 'X:\\hq', system = windowsThat()): Notice[] => {
    const told: Notice[] = []
    assertNewPlace(
      { database: 'X:\\hq\\token.db', place, folder },
      { APPDATA: 'C:\\Users\\me\\AppData\\Roaming' },
      (notice) => told.push(notice),
      system,
    )
    return told
  }

  it.each([
    ['that another has made', SDDL.usersOwn, /can be changed by S-1-5-21-.*-1187/],
    ['that mkdir has made on a drive', SDDL.belowDrive, /can be changed by Authenticated Users/],
    [
      'in which others may read',
      SDDL.remoteDesktop,
      /can be read, in the files that it gets, by Remote Desktop/,
    ],
  ])('is not made in a folder %s', (_, sddl, message) => {
    const make = (): Notice[] => made(LOCAL, folder(), windowsThat({ powershell: `${sddl}\r\n` }))
    expect(make).toThrow(StoreUnusable)
    expect(make).toThrow(message)
    try {
      make()
    } catch (error) {
      expect((error as StoreUnusable).hint).toMatch(
        /^name another folder; or, if only hq-token uses this one: .*icacls "/,
      )
    }
  })

  it('is made in a folder of the user’s alone, and with a warning where Windows does not tell', () => {
    expect(made(LOCAL, folder(), windowsThat({ powershell: `${SDDL.closed}\r\n` }))).toEqual([])
    expect(made(LOCAL, folder())).toMatchObject([
      { level: 'warning', message: expect.stringMatching(/was not looked at/) as string },
    ])
  })

  it('asks nothing where the folder is in the profile', () => {
    const here = folder()
    mkdirSync(join(here, 'hq'))
    const system = { ...windowsThat(), homedir: () => here }
    expect(made(LOCAL, join(here, 'hq'), system)).toEqual([])
    expect(system.ran).toEqual([])
  })

  it('is not made on a network share, by whatever name', () => {
    expect(() => made('\\\\server\\share\\hq\\token.db')).toThrow(ConfigInvalid)
    expect(() => made('\\\\server\\share\\hq\\token.db')).toThrow(
      'X:\\hq\\token.db is on a network share, whose locks cannot be relied on: no store is made there',
    )
  })

  it.each([
    ['C:\\Users\\me\\AppData\\Roaming\\hq-token\\token.db', /profile that roams/],
    ['C:\\Users\\TEMP\\AppData\\Local\\hq-token\\token.db', /temporary profile/],
  ])('is made at %s with a warning', (place, message) => {
    expect(made(place)).toMatchObject([
      { level: 'warning', message: expect.stringMatching(message) as string },
    ])
  })

  it('is made on a disk of this machine without a word', () => {
    expect(made(LOCAL)).toEqual([])
  })
})

describe('doctor on Windows', () => {
  it.each([
    ['C:\\Users\\me\\AppData\\Local\\hq-token', 'ok', /^local$/],
    ['\\\\server\\share\\hq', 'warn', /network share/],
    ['C:\\Users\\me\\AppData\\Roaming', 'warn', /roams/],
    ['C:\\Users\\TEMP', 'fail', /temporary profile/],
    [undefined, 'skip', /does not tell/],
  ] as const)('says of %s: %s', (real, status, message) => {
    const found = placeFinding('X:\\hq', real, {})
    expect(found).toMatchObject({ status, message: expect.stringMatching(message) as string })
    if (status === 'fail') expect(found.exit).toBe(74)
  })

  it('looks at the folder of a store, each of its files, and the folders to the root', () => {
    const here = folder()
    for (const name of ['token.db', 'token.lock']) writeFileSync(join(here, name), '')
    const asked: (readonly string[])[] = []
    const found = inspectPlace(storePaths(join(here, 'token.db')), {
      ...{ rule: '[store] path', env: {}, platform: 'win32' },
      accessLists: (paths) => {
        asked.push(paths)
        return {
          self: SERVICE,
          descriptors: paths.map((path) => (path.endsWith('.db') ? SDDL.fileBelowDrive : SDDL.closed)),
        }
      },
    })
    expect(asked[0]?.slice(0, 4)).toEqual([
      join(here, 'token.db'),
      join(here, 'token.lock'),
      here,
      dirname(here),
    ])
    expect(asked[0]?.at(-1)).toBe('/')
    expect(found.filter(({ name }) => name === 'store access')).toMatchObject([
      { status: 'fail', exit: 74, message: expect.stringContaining('token.db can be changed by') as string },
    ])
  })

  describe('whether a store can be written', () => {
    function written(platform: NodeJS.Platform, make: (here: string) => void): [string, string][] {
      const here = folder()
      make(here)
      const found = inspectPlace(storePaths(join(here, 'hq', 'token.db')), {
        ...{ rule: '[store] path', env: {}, platform },
        accessLists: () => ({ self: undefined, descriptors: [] }),
      })
      return found
        .filter(({ name }) => name === 'writable')
        .map(({ status, message }) => [status, message.replaceAll(here, 'X:')])
    }
    const store = (here: string): void => {
      mkdirSync(join(here, 'hq'))
      for (const name of ['token.db', 'token.lock']) writeFileSync(join(here, 'hq', name), '')
    }

    it('is tried on its files, and said of no folder, because Windows does not tell it', () => {
      expect(written('win32', store)).toEqual([
        ['ok', 'the files in X:/hq'],
        ['skip', expect.stringMatching(/^X:\/hq was not tried/) as string],
      ])
      expect(written('win32', () => undefined)).toEqual([
        ['skip', expect.stringMatching(/^X: was not tried/) as string],
      ])
      expect(written('linux', store)).toEqual([['ok', 'X:/hq and its files']])
    })

    it('is a failure where a file does not open for writing', () => {
      const isFolder = (here: string): void => {
        store(here)
        // It cannot be opened for writing, not even by root.
        mkdirSync(join(here, 'hq', 'token.rescue'))
      }
      expect(written('win32', isFolder)).toMatchObject([
        ['fail', expect.stringContaining('token.rescue cannot be written (EISDIR)') as string],
      ])
      expect(written('linux', isFolder)).toMatchObject([['ok', expect.anything() as string]])
    })
  })

  it('says nothing of the permissions of a folder that is not there, nor on another system', () => {
    const here = folder()
    const options = {
      rule: '[store] path',
      env: {},
      accessLists: () => ({ self: undefined, descriptors: [] }),
    }
    const names = (path: string, platform: NodeJS.Platform): string[] =>
      inspectPlace(storePaths(path), { ...options, platform }).map(({ name }) => name)
    expect(names(join(here, 'none', 'token.db'), 'win32')).not.toContain('store access')
    mkdirSync(join(here, 'some'))
    expect(names(join(here, 'some', 'token.db'), 'linux')).not.toContain('store access')
    expect(names(join(here, 'some', 'token.db'), 'win32')).toContain('store access')
  })
})
