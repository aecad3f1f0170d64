import Database from 'better-sqlite3'
import { chmodSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, it } from 'vitest'
import type { StatusReport } from '../../src/schemas/status.js'
import { Secret } from '../../src/core/secret.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { withoutNews, type StartOptions } from '../support/processes.js'
import { seedText } from '../support/seed-text.js'
import { report, run as size } from './figures.js'

const SECONDS = { short: 8, full: 60, soak: 3600 }[size]

const COMMANDS = ['seed', 'refresh', 'refresh', 'get', 'get', 'status'] as const
const OTHERS = ['read', 'backup'] as const

const sum = { seed: 0, refresh: 0, get: 0, status: 0, rotations: 0, lost: 0, reads: 0, backups: 0 }
afterAll(() => {
  report('side-by-side', {
    tried: `${SECONDS} s with ${sum.seed} seeds, ${sum.refresh} refreshes, ${sum.get} gets and ${sum.status} looks at the status`,
    lost: sum.lost,
    seen: `${sum.rotations} rotations, ${sum.reads} reads and ${sum.backups} backups by other programs`,
  })
})

/** What the store held in one generation: fingerprints. */
interface Held {
  readonly generation: number
  readonly access: string
  readonly refresh: string
}

interface Observed {
  readonly stdout: string
  /** What the store held when the command began. */
  readonly found: Held | undefined
  /** What has come to it until the command’s end. */
  readonly came: readonly Held[]
}

it(
  'seeds, refreshes and reads go on side by side, with other programs at the store, and none fails',
  { timeout: SECONDS * 1000 + 120_000 },
  async () => {
    const { run, sandbox, store, dir, works } = await place(
      { accessTtl: 3600, latencyMs: 100, config: '[refresh]\nmin_valid = 0\n' },
      3600,
    )
    const database = join(dir, 'token.db')
    const copies = folder()
    const all = new Map<number, Held>()

    /** @returns The generation that the store holds. */
    const look = async (): Promise<number> => {
      for (const { generation, access, refresh } of await store.history()) {
        const held = { generation, access, refresh }
        // What one generation holds never changes.
        expect(all.get(generation) ?? held).toEqual(held)
        all.set(generation, held)
      }
      // The mark beside a spent seed is for all to read.
      const kept = readdirSync(dir).filter((name) => !/\.spent$|^\.hq-token-/.test(name))
      for (const name of kept) {
        const mode = lstatSync(join(dir, name), { throwIfNoEntry: false })?.mode ?? 0o600
        expect([name, mode & 0o777]).toEqual([name, 0o600])
      }
      return Math.max(...all.keys())
    }
    const observe = async (
      command: (typeof COMMANDS)[number],
      args: readonly string[] = [],
      options: StartOptions = {},
    ): Promise<Observed> => {
      const before = await look()
      const { stdout, ...ended } = withoutNews(await run([command, ...args], options))
      expect([command, ended]).toMatchObject([
        command,
        { code: 0, ...(command !== 'seed' && { stderr: '' }) },
      ])
      const after = await look()
      sum[command]++
      const came = [...all.values()].filter(({ generation: g }) => before < g && g <= after)
      return { stdout, found: all.get(before), came }
    }

    const deeds: Record<(typeof COMMANDS | typeof OTHERS)[number], () => Promise<void>> = {
      seed: async () => {
        const issued = sandbox.issue()
        // By turns one that is good and one with which the next `get` must refresh.
        const input = seedText(issued, sum.seed % 2 === 0 ? 3600 : 0)
        const { came } = await observe('seed', ['--force', '-'], { input })
        expect(came.map(({ refresh }) => refresh)).toContain(new Secret(issued.refreshToken).fingerprint)
      },
      refresh: async () => {
        const { came } = await observe('refresh')
        expect(came).not.toEqual([])
      },
      get: async () => {
        const { stdout, found, came } = await observe('get')
        const token = stdout.trim()
        expect([found, ...came].map((held) => held?.access)).toContain(new Secret(token).fingerprint)
        expect(await works(token)).toBe(true)
      },
      status: async () => {
        const { stdout, found, came } = await observe('status', ['--json'])
        const { state, generation, access, refresh, ...rest } = JSON.parse(stdout) as StatusReport
        expect([found, ...came]).toContainEqual({
          generation,
          access: access?.fingerprint,
          refresh: refresh?.fingerprint,
        })
        expect(state === 'expired').toBe(Number(access?.expires_in) <= 0)
        expect(rest).toMatchObject({ format_version: 1, instance: sandbox.url, last_error: null })
      },
      read: async () => {
        const db = new Database(database, { readonly: true })
        db.exec('BEGIN')
        db.prepare('SELECT * FROM token_set').get()
        await sleep(30)
        db.close()
        sum.reads++
        await sleep(50)
      },
      backup: async () => {
        const copy = join(copies, 'token.db')
        const db = new Database(database, { readonly: true })
        if (sum.backups % 2 === 0) db.prepare('VACUUM INTO ?').run(copy)
        else await db.backup(copy)
        db.close()
        chmodSync(copy, 0o600)
        const set = await new SqliteStore(copy).read()
        await look()
        expect(all.get(set?.generation ?? 0)?.refresh).toBe(set?.pair.refreshToken.fingerprint)
        rmSync(copy)
        sum.backups++
        await sleep(300)
      },
    }
    expect(await run(['seed'])).toMatchObject({ code: 0 })
    const begin = performance.now()
    const again = async (deed: keyof typeof deeds, seconds: number): Promise<void> => {
      while (performance.now() < begin + seconds * 1000) await deeds[deed]()
    }
    await Promise.all([
      ...COMMANDS.map((command) => again(command, SECONDS)),
      ...OTHERS.map((other) => again(other, SECONDS / 2)),
    ])

    // Nothing came to the store but by the seeds and the rotations, and nothing of them is missing.
    const rotated = sandbox.log.flatMap(({ issued }) => issued ?? [])
    const kept = new Set([...all.values()].map(({ refresh }) => refresh))
    sum.rotations = rotated.length
    sum.lost = sandbox.revokedFamilies() + rotated.filter((refresh) => !kept.has(refresh)).length
    expect(sum.lost).toBe(0)
    expect(await look()).toBe(1 + sum.seed + sum.rotations)
    expect(await run(['get'])).toMatchObject({ code: 0, stderr: '' })
    const db = new Database(database, { readonly: true })
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
  },
)
