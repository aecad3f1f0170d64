import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { BIN, ended, start, withoutNews, type Ended } from '../support/processes.js'
import { mount } from './disk-mounts.js'
import { full } from './figures.js'
import { eachOf } from './strace.js'
import { sandboxWith } from './subject.js'

// The real program dies at each step of a move, as in crash-points.test.ts.

const PRELOAD = new URL('crash-points.preload.mjs', import.meta.url).href

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})

/** A store to move to and from: what names it in a config file, what is typed, and whether it would spend. */
interface End {
  readonly key: string
  readonly typed: string
  readonly isOpenWithSet: () => Promise<boolean>
}

function file(dir: string, name: string): End {
  const path = join(dir, name)
  const isOpenWithSet = async (): Promise<boolean> =>
    (await new SqliteStore(path).read().catch(() => undefined)) !== undefined
  return { key: `path = ${path}`, typed: path, isOpenWithSet }
}

async function database(): Promise<End> {
  const name = await postgres.createDatabase()
  const rows = "SELECT token_set IS NOT NULL AND NOT token_set ? 'move' AS open FROM hq_token.grants"
  const isOpenWithSet = async (): Promise<boolean> =>
    (await postgres.sql(rows, undefined, name).catch(() => [])).some(({ open }) => open === true)
  return { key: `url = ${postgres.url(name)}`, typed: postgres.url(name), isOpenWithSet }
}

const WAYS: Readonly<Record<string, (dir: string) => Promise<readonly [from: End, to: End]>>> = {
  'a file to a file': (dir) => Promise.resolve([file(dir, 'token.db'), file(dir, 'moved.db')]),
  'a file to a database': async (dir) => [file(dir, 'token.db'), await database()],
  'a database to a file': async (dir) => [await database(), file(dir, 'moved.db')],
  'a database to a database': async () => [await database(), await database()],
}

interface Subject {
  readonly ends: readonly [from: End, to: End]
  readonly old: (...args: string[]) => Promise<Ended>
  readonly now: (...args: string[]) => Promise<Ended>
  readonly move: (point?: string) => Promise<Ended>
  readonly points: () => readonly string[]
  readonly works: (accessToken: string) => Promise<boolean>
}

async function subject(way: keyof typeof WAYS): Promise<Subject> {
  const sandbox = await sandboxWith({ accessTtl: 3600 })
  const dir = folder()
  const { config, seed } = await writeSandboxFiles(dir, sandbox, { accessTtl: 3600 })
  const ends = (await WAYS[way]?.(dir)) ?? []
  const [from, to] = ends as Subject['ends']
  const under = ({ key }: End, name: string) => {
    const own = join(dir, name)
    const text = readFileSync(config, 'utf8')
    writeFileSync(own, text.replace(/^path = .*$/m, key).replace(/^\[seed\]\nfile = .*$/m, ''), {
      mode: 0o600,
    })
    const env = { HQ_TOKEN_CONFIG: own, HQ_TOKEN_STATE_DIR: dir }
    return (more: NodeJS.ProcessEnv, ...args: string[]) => start(args, { env: { ...env, ...more } }).done
  }
  const [old, now] = [under(from, 'old.ini'), under(to, 'new.ini')]
  const seeded = await old({}, 'seed', seed)
  expect(seeded.code, seeded.stderr).toBe(0)
  const log = join(dir, 'points.log')
  return {
    ends: [from, to],
    old: (...args) => old({}, ...args),
    now: (...args) => now({}, ...args),
    move: (point) =>
      old(
        {
          ...{
            NODE_OPTIONS: `--import=${PRELOAD}`,
            CRASH_FOLDER: dir,
            CRASH_DATABASE: 'yes',
            CRASH_LOG: log,
          },
          ...(point !== undefined && { CRASH_AT: point }),
        },
        ...['move', '--to', to.typed],
      ),
    points: () => readFileSync(log, 'utf8').trimEnd().split('\n'),
    works: async (accessToken) => {
      const headers = { authorization: `Bearer ${accessToken}` }
      return (
        sandbox.revokedFamilies() === 0 &&
        sandbox.log.filter(({ grantType }) => grantType === 'refresh_token').length === 1 &&
        (await fetch(`${sandbox.url}api/1/sites`, { headers })).status === 200
      )
    },
  }
}

describe('a move killed at every step of the program', { timeout: 900_000 }, () => {
  it.each(Object.keys(WAYS))(
    'a move from %s loses nothing and leaves one store that can spend',
    async (way) => {
      const whole = await subject(way)
      const { code, stderr } = await whole.move()
      expect(code, stderr).toBe(0)
      const points = whole
        .points()
        .filter((point, i, all) => !(point.startsWith('before') && all[i - 1]?.startsWith('after')))
      expect(points.length).toBeGreaterThan(20)
      const tried = full
        ? points
        : points.filter((point, i) => i % 12 === 0 || /COMMIT moved|COMMIT token|WITH saved/.test(point))
      const broken: string[] = []
      await eachOf(tried, async (point) => {
        const one = await subject(way)
        const died = await one.move(point)
        const fault = (what: string): number => broken.push(`${point}: ${what}`)
        if (died.signal !== 'SIGKILL') fault(`was not reached again: ${died.stderr}`)
        const open = await Promise.all(one.ends.map((end) => end.isOpenWithSet()))
        if (open[0] === true && open[1] === true) fault('both stores can spend')
        // The configuration whose store is closed says what to do; none prints a token from a closed one.
        for (const [nth, run] of [one.old, one.now].entries()) {
          const got = await run('get')
          const isClosed = got.code === 78 && /hq-token move --to|set (?:url|path) = /.test(got.stderr)
          const isEmpty = got.code === 4 && nth === 1
          if (!(open[nth] === true ? got.code === 0 : isClosed || isEmpty))
            fault(`get ${nth}: ${got.code} ${got.stderr}`)
          if (open[nth] !== true && got.stdout !== '') fault(`get ${nth} printed a token`)
        }
        const again = await one.move()
        if (again.code !== 0 || again.stdout !== '') fault(`again: ${again.code} ${again.stderr}`)
        const refreshed = withoutNews(await one.now('refresh'))
        const got = await one.now('get')
        if (refreshed.code !== 0 || !(await one.works(got.stdout.trim())))
          fault(`lost: ${refreshed.stderr}${got.stderr}`)
        if ((await one.old('get')).code !== 78) fault('the old store is not closed')
      })
      process.stdout.write(`move from ${way}: killed at ${tried.length} of ${points.length} steps\n`)
      expect(broken).toEqual([])
    },
  )
})

/** Another host, as far as a program can tell: its own name and machine id, and an empty disk in place of a folder. */
function elsewhere(disk: string, env: NodeJS.ProcessEnv): (...args: string[]) => Promise<Ended> {
  const id = join(folder(), 'machine-id')
  writeFileSync(id, 'another machine\n')
  const become = `mount -t tmpfs -o mode=700 none '${disk}' && mount --bind '${id}' /etc/machine-id && hostname acme-2`
  const asRoot = process.geteuid?.() === 0 ? [] : ['--map-root-user']
  const { HOME, PATH } = process.env
  return (...args) =>
    ended(
      spawn(
        'unshare',
        [
          ...asRoot,
          '--mount',
          '--uts',
          'sh',
          '-c',
          `${become} && exec "$@"`,
          'sh',
          process.execPath,
          BIN,
          ...args,
        ],
        { env: { HOME, PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
      ),
    )
}

describe.skipIf(process.platform !== 'linux')('a move to a file of one host', { timeout: 120_000 }, () => {
  it('a move that was killed, or is done, is finished by no other host of the database', async () => {
    const sandbox = await sandboxWith({ accessTtl: 3600 })
    const dir = folder()
    const { config, seed } = await writeSandboxFiles(dir, sandbox, { accessTtl: 3600 })
    const disk = join(dir, 'disk')
    mkdirSync(disk, { mode: 0o700 })
    const [row, moved] = [await database(), file(disk, 'moved.db')]
    const text = readFileSync(config, 'utf8').replace(/^\[seed\]\nfile = .*$/m, '')
    const [shared, own] = [row, moved].map(({ key }, nth) => {
      const path = join(dir, `${nth}.ini`)
      writeFileSync(path, text.replace(/^path = .*$/m, key), { mode: 0o600 })
      return { HQ_TOKEN_CONFIG: path, HQ_TOKEN_STATE_DIR: disk }
    })
    const here = (...args: string[]): Promise<Ended> => start(args, { env: shared ?? {} }).done
    const there = elsewhere(disk, shared ?? {})
    const log = join(dir, 'points.log')
    const watched = {
      NODE_OPTIONS: `--import=${PRELOAD}`,
      CRASH_FOLDER: disk,
      CRASH_DATABASE: 'yes',
      CRASH_LOG: log,
    }
    const move = ['move', '--to', moved.typed]
    const refuses = async (words: RegExp): Promise<void> => {
      for (const command of [['get'], ['status'], ['doctor'], move, [...move, '--force']]) {
        const { code, stdout, stderr } = await there(...command)
        expect({ command, code }, stdout + stderr).toEqual({ command, code: 78 })
        expect(stdout + stderr).toMatch(words)
      }
    }

    expect((await here('seed', seed)).code).toBe(0)
    // The set is in the file, and not yet gone from the row.
    const died = await start(move, {
      env: { ...shared, ...watched, CRASH_AT: 'after COMMIT moved.db #2' },
    }).done
    expect(died.signal, died.stderr + readFileSync(log, 'utf8')).toBe('SIGKILL')
    expect([await moved.isOpenWithSet(), await row.isOpenWithSet()]).toEqual([true, false])
    await refuses(new RegExp(`finish it on ${hostname()}:\\s+hq-token\\s+move --to ${moved.typed}`))
    expect(await here(...move)).toMatchObject({ code: 0, stdout: '' })
    await refuses(new RegExp(`only ${hostname()} can\\s+use it`))
    const refreshed = await start(['refresh'], { env: own ?? {} }).done
    expect(refreshed.code, refreshed.stderr).toBe(0)
    expect(sandbox.revokedFamilies()).toBe(0)
  })
})

describe('a move on a full disk', { timeout: 120_000 }, () => {
  it.each(['the new store', 'the old store'])(
    'a move while the disk of %s is full leaves the old store as it was, and works once there is room',
    async (whose) => {
      const disk = mount('tmpfs')
      const dir = folder()
      const sandbox = await sandboxWith({ accessTtl: 3600 })
      const { config, seed } = await writeSandboxFiles(dir, sandbox, { accessTtl: 3600 })
      const [old, now] = whose === 'the new store' ? [dir, disk.root] : [disk.root, dir]
      const text = readFileSync(config, 'utf8').replace(/^\[seed\]\nfile = .*$/m, '')
      writeFileSync(config, text.replace(/^path = .*$/m, `path = ${join(old, 'token.db')}`), { mode: 0o600 })
      const run = (...args: string[]): Promise<Ended> =>
        start(args, { env: { HQ_TOKEN_CONFIG: config } }).done
      expect((await run('seed', seed)).code).toBe(0)
      const before = await run('get')
      disk.fill()
      const failed = await run('move', '--to', join(now, 'moved.db'))
      expect(failed, failed.stderr).toMatchObject({ code: 74, stdout: '' })
      expect(await run('get')).toEqual(before)
      disk.makeRoom()
      expect((await run('move', '--to', join(now, 'moved.db'))).code).toBe(0)
      expect((await run('get')).code).toBe(78)
      expect((await new SqliteStore(join(now, 'moved.db')).read())?.pair.accessToken.reveal()).toBe(
        before.stdout.trim(),
      )
    },
  )
})
