import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { SCHEMA_VERSION } from '../../src/store/sqlite/schema.js'
import { folder } from '../support/folder.js'
import { writeOldStore } from '../support/old-store.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, withoutNews, type Ended } from '../support/processes.js'
import { pair, tokenSet } from '../support/token-sets.js'
import { full, report } from './figures.js'

// One store that has become two, and one store between two versions of the program.

const figures = { situations: 0, refusals: 0, named: 0, reads: 0, failed: 0 }

afterEach(() => {
  figures.situations++
})

afterAll(() => {
  report('copies', {
    tried: `${figures.situations} situations, ${figures.reads} reads beside a migration`,
    seen: `${figures.failed} failed, ${figures.named} of ${figures.refusals} refusals of copies named their machines`,
  })
})

/** Runs `refresh` where a program finds other names: `become` is done first, in namespaces of its own. */
function within(namespaces: readonly string[], become: string, env: NodeJS.ProcessEnv): Promise<Ended> {
  const asRoot = process.geteuid?.() === 0 ? [] : ['--map-root-user']
  const { HOME, PATH } = process.env
  const inside = `${become} && exec '${process.execPath}' '${BIN}' refresh`
  const child = spawn('unshare', [...asRoot, ...namespaces, 'sh', '-c', inside], {
    env: { HOME, PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return ended(child)
}

/** A machine of its own, as far as a program can tell: by name, machine id and boot id. */
function machine(name: string, store: string, { config }: Place): () => Promise<Ended> {
  const dir = folder()
  const [id, boot] = ['machine-id', 'boot-id'].map((file) => {
    writeFileSync(join(dir, file), `${file} of ${name}\n`)
    return join(dir, file)
  })
  const become = `mount --bind '${id}' /etc/machine-id && mount --bind '${boot}' /proc/sys/kernel/random/boot_id && hostname '${name}'`
  return () => within(['--mount', '--uts'], become, { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: store })
}

describe.skipIf(process.platform !== 'linux')('a store that was copied to a second machine', () => {
  const asOf = (from: string, to: string): string => {
    cpSync(from, to, { recursive: true })
    return join(to, 'token.db')
  }

  it(
    'a store that was copied to a second machine is told apart when the server refuses one of the two',
    { timeout: 60_000 },
    async () => {
      const there = await place()
      const home = join(there.dir, 'store')
      const first = machine('acme-1', join(home, 'token.db'), there)
      expect(withoutNews(await first())).toMatchObject({ code: 0, stderr: '' })

      const second = machine('acme-2', asOf(home, join(there.dir, 'clone')), there)
      expect(await second()).toMatchObject({ code: 0, stderr: '' })
      // The first one's turn: its refresh token has been spent on the other machine.
      const refusals = [await first(), await second()]
      for (const refused of refusals) {
        expect(refused).toMatchObject({ code: 4, stdout: '' })
        figures.refusals++
      }
      expect(refusals[0]?.stderr).toMatch(
        /a copy of this store \(this one is on acme-1\), on another machine or from a backup, has used it/,
      )
      expect(refusals[1]?.stderr).toMatch(/this store was on acme-1 before \S+ and is on acme-2 now/)
      figures.named += refusals.filter(({ stderr }) =>
        /this one is on acme-1|was on acme-1 .* on acme-2/.test(stderr),
      ).length
      // Neither has lost what it had: a person may still find out which one to keep.
      for (const path of ['store', 'clone'])
        expect(
          (await new SqliteStore(join(there.dir, path, 'token.db')).read())?.pair.refreshToken,
        ).toBeDefined()
    },
  )

  it(
    'a store that was copied to a second machine and goes on there alone is none the worse for it',
    { timeout: 60_000 },
    async () => {
      const there = await place()
      const home = join(there.dir, 'store')
      await machine('acme-1', join(home, 'token.db'), there)()
      const moved = asOf(home, join(there.dir, 'moved'))
      rmSync(home, { recursive: true })
      for (let call = 0; call < 3; call++)
        expect(await machine('acme-2', moved, there)()).toMatchObject({ code: 0, stderr: '' })
      expect((await new SqliteStore(moved).read())?.cameFrom?.name).toBe('acme-1')
      expect(there.sandbox.revokedFamilies()).toBe(0)
    },
  )

  it(
    'a store that goes from one container to the next on one machine is not taken for a copy',
    { timeout: 60_000 },
    async () => {
      const there = await place()
      const path = join(there.dir, 'token.db')
      for (const name of ['3f2a9c', '81d0e7'])
        expect(
          await within(['--uts'], `hostname '${name}'`, { HQ_TOKEN_CONFIG: there.config }),
        ).toMatchObject({ code: 0 })
      expect(await new SqliteStore(path).read()).toMatchObject({ host: { name: '81d0e7' }, cameFrom: null })
    },
  )
})

describe('a store between two versions', () => {
  it(
    'a store of schema 1 migrates beside a process of that version that goes on reading',
    { timeout: 90_000 },
    async () => {
      for (let round = 0; round < (full ? 10 : 2); round++) {
        const there = await place()
        const seed = there.sandbox.issue()
        const obtained = { now: Math.floor(Date.now() / 1000) - 10, boot: null, uptime: 0 }
        const tokens = pair({ ...secrets(seed), obtained, lifetime: 1 })
        const path = join(there.dir, 'old', 'token.db')
        writeOldStore(path, tokenSet({ pair: tokens }))

        const old = reader(path)
        await old.reading
        const env = { HQ_TOKEN_STORE: path }
        const all = await Promise.all(Array.from({ length: 4 }, () => there.run(['get'], { env })))
        for (const { code, stderr } of all) expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        expect(there.sandbox.refreshes()).toBe(1)
        const { reads, failures, generations } = await old.stop()
        figures.reads += reads
        figures.failed += failures.length
        expect(failures).toEqual([])
        // It has seen the old row and the new one, and nothing else.
        expect(generations).toEqual([1, 2])
        expect(versionOf(path)).toBe(SCHEMA_VERSION)
        expect(await there.run(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
        expect(there.sandbox.refreshes()).toBe(1)
      }
    },
  )

  it('a store that a newer one has written is read, and never spent from', { timeout: 60_000 }, async () => {
    const there = await place({}, 3600)
    await there.run(['seed'])
    const path = join(there.dir, 'token.db')
    const stop = loop(async () => {
      const { code, stderr } = await there.run(['get'])
      figures.reads++
      if (code !== 0 || stderr !== '') figures.failed++
    })
    const db = new Database(path)
    db.exec(`ALTER TABLE token_set ADD COLUMN of_tomorrow TEXT; PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    db.close()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    await stop()
    expect(figures.failed).toBe(0)
    // Also by the full path: a look at the status, and a command that is given the token.
    for (const args of [['status'], ['exec', '--', 'true']])
      expect(await there.run(args), args.join(' ')).toMatchObject({ code: 0, stderr: '' })
    const refused = await there.run(['refresh'])
    expect(refused).toMatchObject({ code: 74, stdout: '' })
    expect(refused.stderr).toMatch(/newer hq-token .*\n.*npm install -g hq-token/)
    expect(there.sandbox.log).toEqual([])
  })
})

function versionOf(path: string): unknown {
  const db = new Database(path, { readonly: true })
  try {
    return db.pragma('user_version', { simple: true })
  } finally {
    db.close()
  }
}

function secrets({ accessToken, refreshToken }: { accessToken: string; refreshToken: string }) {
  return { accessToken: new Secret(accessToken), refreshToken: new Secret(refreshToken) }
}

/** As the version before reads: its columns by name, in a short transaction, again and again. */
const OLD_READER = `
  const Database = require(process.argv[1])
  const generations = new Set()
  const failures = []
  let reads = 0
  process.on('SIGTERM', () => {
    process.stdout.write(JSON.stringify({ reads, failures, generations: [...generations] }))
    process.exit()
  })
  const once = () => {
    const db = new Database(process.argv[2], { readonly: true, fileMustExist: true, timeout: 0 })
    try {
      db.exec('BEGIN')
      const row = db.prepare('SELECT * FROM token_set').get()
      for (const column of ['access_token', 'refresh_token', 'obtained_at', 'lifetime', 'previous_access_token', 'intent_attempt'])
        if (row[column] === undefined) throw new Error(column)
      generations.add(row.generation)
      // Holds the migration up, as any reader may.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
      db.exec('COMMIT')
      reads++
    } catch (error) {
      // A commit of the other side; every version waits for it.
      if (!String(error.code).startsWith('SQLITE_BUSY')) failures.push(String(error))
    } finally {
      db.close()
    }
    if (reads === 1) process.stderr.write('reading')
    setTimeout(once, 5)
  }
  once()
`

function reader(path: string) {
  const sqlite = createRequire(import.meta.url).resolve('better-sqlite3')
  const child = spawn(process.execPath, ['-e', OLD_READER, sqlite, path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let told = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (told += text))
  return {
    reading: once(child.stderr, 'data'),
    stop: async () => {
      child.kill('SIGTERM')
      await once(child, 'close')
      return JSON.parse(told) as { reads: number; failures: string[]; generations: number[] }
    },
  }
}

/** Again and again, until it is told to stop. */
function loop(work: () => Promise<void>): () => Promise<void> {
  const over = new AbortController()
  const running = (async () => {
    while (!over.signal.aborted) await work()
  })()
  return async () => {
    over.abort()
    await running
  }
}
