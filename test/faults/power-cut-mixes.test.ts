import Database from 'better-sqlite3'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { report } from './figures.js'
import { afterPowerCut, compileShim, powerDisk, type Cut, type PowerDisk } from './power-disk.js'

/**
 * A power cut leaves a random mix of the sectors that were not synced. A hundred draws show nothing, because with
 * `synchronous=NORMAL` one draw in two hundred, at one of the cuts, leaves a row that nobody has written.
 */
const MIXES = 1000

const figures = { cuts: 0, mixes: 0, strange: 0 }

afterAll(() => {
  report('power-cut-mixes', {
    tried: `${figures.mixes} mixes at ${figures.cuts} cuts`,
    lost: figures.strange,
  })
})

describe.skipIf(process.platform !== 'linux')('a power cut in the save', { timeout: 600_000 }, () => {
  it('a power cut in the save leaves the row as it was with the intent, or the new one, whichever sectors survive', async () => {
    const shim = compileShim(folder())
    const { refresh } = await secondPair(shim)
    const syncs = await refresh()
    const answered = syncs.indexOf('fdatasync var/token.rescue')
    const cuts = syncs.flatMap((sync, i): Cut[] =>
      i > answered && sync.includes('token.db') ? [`before ${i + 1}`] : [],
    )
    // The journal, the database, and the journal's end at least: a commit takes no fewer.
    expect(cuts.length).toBeGreaterThan(2)
    for (const cut of cuts) {
      const one = await secondPair(shim)
      await one.refresh(cut)
      const found = new Set<string>()
      for (let mix = 0; mix < MIXES; mix++) {
        const row = await survivor(shim, one.disk)
        found.add(row)
        figures.mixes++
        figures.strange += ROWS.includes(row) ? 0 : 1
      }
      figures.cuts++
      expect({ cut, strange: [...found].filter((row) => !ROWS.includes(row)) }).toEqual({ cut, strange: [] })
    }
  })
})

const ROWS = ['generation 2 with an intent, ok', 'generation 3 without an intent, ok']

interface Stage {
  readonly disk: PowerDisk
  /** @returns The syncs that it made. */
  readonly refresh: (cut?: Cut) => Promise<readonly string[]>
}

async function secondPair(shim: string): Promise<Stage> {
  const { run, dir } = await place()
  const disk = powerDisk(shim, join(dir, 'disk'))
  for (const command of ['seed', 'get'])
    expect(await run([command], { env: disk.env() })).toMatchObject({ code: 0 })
  const before = disk.syncs().length
  return {
    disk,
    refresh: async (cut) => {
      const end = cut === undefined ? { code: 0 } : { signal: 'SIGKILL' }
      expect(await run(['refresh'], { env: disk.env(cut) })).toMatchObject(end)
      return disk.syncs().slice(before)
    },
  }
}

/** What a reader finds after one draw. */
async function survivor(shim: string, disk: PowerDisk): Promise<string> {
  const { root, store } = afterPowerCut(shim, disk, { random: Math.random })
  try {
    const set = await new SqliteStore(store).read()
    const db = new Database(store)
    const integrity = String(db.pragma('integrity_check', { simple: true }))
    db.close()
    return `generation ${set?.generation} ${set?.intent === null ? 'without' : 'with'} an intent, ${integrity}`
  } catch (error) {
    return String(error)
  } finally {
    for (const path of [root, `${root}.shadow`]) rmSync(path, { recursive: true })
  }
}
