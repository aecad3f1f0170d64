import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { start, withoutNews, type Ended } from '../support/processes.js'
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
