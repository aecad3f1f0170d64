import Database from 'better-sqlite3'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { drawsFrom } from '../support/draws.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import type { Ended } from '../support/processes.js'
import { full, report } from './figures.js'
import {
  afterPowerCut,
  compileShim,
  powerDisk,
  type Cut,
  type PowerDisk,
  type Survivors,
} from './power-disk.js'

/**
 * The power is cut before and after every sync. Of the disk there remains what was synced and
 * nothing else, or what was synced and a random half of the sectors and names that were not.
 */

/** Draws of the random half; none but the worst case in the short run of each. */
const DRAWS = full ? 2 : 0
/** Of the cuts, one in so many. */
const STEP = full ? 1 : 2
/** The machine may have more to do. */
const AT_ONCE = 3
const TIMEOUT = full ? 900_000 : 120_000

const tally = { cuts: 0, lost: 0, excused: 0, withGrace: 0, printedAndLost: 0 }
let shim: string

describe.skipIf(process.platform !== 'linux')('a power cut', { timeout: TIMEOUT }, () => {
  beforeAll(() => {
    shim = compileShim(folder())
  })

  afterAll(() => {
    const { cuts, lost, excused, withGrace, printedAndLost } = tally
    report('power-cut', {
      tried: `${cuts} cuts`,
      lost,
      beyondAnyClient: excused,
      seen: `${withGrace} lost with 60 s grace, ${printedAndLost} lost after the token was printed`,
    })
  })

  it('a power cut during a first get costs at most an answer that is not on disk yet', async () => {
    const verdicts = await sweep(0, [], 'get', full ? ['before', 'after'] : ['before'])
    expect(unexcused(verdicts)).toEqual([])
    // One sync lies between the rotation and safety.
    expect(verdicts.filter(({ kind }) => kind === 'lost').length).toBeLessThanOrEqual(1 + DRAWS)
  })

  it('a power cut costs nothing where the server forgives a repeated refresh', async () => {
    const verdicts = await sweep(60_000, [], 'get', full ? ['before', 'after'] : ['after'])
    expect(verdicts.filter(({ kind }) => kind !== 'kept')).toEqual([])
  })

  it('a power cut during a later refresh costs no more than during the first', async () => {
    for (const graceMs of full ? [0, 60_000] : [0]) {
      const verdicts = await sweep(graceMs, ['get'], 'refresh', full ? ['before', 'after'] : ['before'])
      expect(unexcused(verdicts)).toEqual([])
      expect(verdicts.filter(({ kind }) => kind === 'lost').length).toBeLessThanOrEqual(1 + DRAWS)
    }
  })

  it.each([{ before: [] }, { before: ['seed'] }])(
    'right after a token was printed does not take it back (after $before)',
    async ({ before }) => {
      const one = await subject(0, before)
      const running = one.start(['get'], { env: one.disk.env() })
      running.child.stdout?.once('data', () => running.child.kill('SIGKILL'))
      const ended = await running.done
      expect(ended.stdout).not.toBe('')
      expect(await recover(one, 'right after the print', ended, 'nothing')).toMatchObject({ kind: 'kept' })
    },
  )

  it('a power cut while an answer is taken up from the rescue file costs nothing', async () => {
    // The server forgives nothing: the new pair is in that file or gone.
    const first = await afterRescue()
    const total = await countSyncs(first, 'get')
    expect(first.sandbox.refreshes()).toBe(1)
    const verdicts = await inParallel(
      pointsOf(total, full ? ['before', 'after'] : ['after']),
      async ([cut, survivors]) => {
        const one = await afterRescue()
        return recover(one, cut, await runUntil(cut, one, 'get'), survivors)
      },
    )
    expect(verdicts.filter(({ kind }) => kind !== 'kept')).toEqual([])
  })

  it('a power cut during a first seed leaves it there, or to be done again', async () => {
    const done = await subject(0)
    const total = await countSyncs(done, 'seed')
    const kept = afterPowerCut(shim, done.disk, 'nothing')
    expect(await new SqliteStore(kept.store).read()).toBeDefined()

    await inParallel(pointsOf(total, full ? ['before', 'after'] : ['after']), async ([cut, survivors]) => {
      const one = await subject(0)
      await runUntil(cut, one, 'seed')
      tally.cuts++
      const after = afterPowerCut(shim, one.disk, survivors)
      const again = await one.run(['seed'], { env: after.env() })
      expect({ cut, ...again }).toMatchObject({ cut, code: 0 })
      expect({ cut, ...(await one.run(['get'], { env: after.env() })) }).toMatchObject({ cut, code: 0 })
      expectWhole(after, cut)
    })
  })
})

type When = 'before' | 'after'

/** One grant, on a disk of its own. */
interface Subject extends Place {
  readonly graceMs: number
  readonly disk: PowerDisk
}

interface Verdict {
  readonly cut: string
  readonly kind: 'kept' | 'lost' | 'printed and lost'
  readonly excused: boolean
  /** The last sync before the cut. */
  readonly lastSync: string
  readonly said: string
}

/** Every cut of one command, after `before` has run undisturbed. */
async function sweep(
  graceMs: number,
  before: readonly string[],
  command: string,
  whens: readonly When[],
): Promise<Verdict[]> {
  const total = await countSyncs(await subject(graceMs, before), command)
  return inParallel(pointsOf(total, whens), async ([cut, survivors]) => {
    const one = await subject(graceMs, before)
    return recover(one, cut, await runUntil(cut, one, command), survivors)
  })
}

async function subject(graceMs: number, before: readonly string[] = []): Promise<Subject> {
  const there = await place({ graceMs })
  const disk = powerDisk(shim, join(there.dir, 'disk'))
  for (const command of before)
    expect(await there.run([command], { env: disk.env() })).toMatchObject({ code: 0 })
  return { ...there, graceMs, disk: { ...disk, syncs: since(disk) } }
}

/** A disk whose store has an answer in the rescue file, and nowhere else. */
async function afterRescue(): Promise<Subject> {
  const syncs = await syncsOf(await subject(0, ['seed']), 'get')
  const cut: Cut = `after ${syncs.indexOf(KEPT) + 1}`
  const one = await subject(0, ['seed'])
  await runUntil(cut, one, 'get')
  tally.cuts++
  return { ...one, disk: afterPowerCut(shim, one.disk, 'nothing') }
}

/** The sync that makes an answer durable. */
const KEPT = 'fdatasync var/token.rescue'

function since(disk: PowerDisk): PowerDisk['syncs'] {
  const earlier = disk.syncs().length
  return () => disk.syncs().slice(earlier)
}

async function syncsOf({ run, disk }: Subject, command: string): Promise<readonly string[]> {
  expect(await run([command], { env: disk.env() })).toMatchObject({ code: 0 })
  return disk.syncs()
}

async function countSyncs(one: Subject, command: string): Promise<number> {
  const { length } = await syncsOf(one, command)
  // Fewer, and the shim has missed some: a commit alone takes four.
  expect(length).toBeGreaterThan(3)
  return length
}

async function runUntil(cut: Cut, { run, disk }: Subject, command: string): Promise<Ended> {
  const ended = await run([command], { env: disk.env(cut) })
  expect({ cut, ...ended }).toMatchObject({ cut, signal: 'SIGKILL' })
  return ended
}

/** The power is back, and the next job asks for a token. */
async function recover(one: Subject, cut: string, ended: Ended, survivors: Survivors): Promise<Verdict> {
  const { sandbox, disk, graceMs } = one
  const rotations = sandbox.refreshes()
  const syncs = disk.syncs()
  const after = afterPowerCut(shim, disk, survivors)
  const next = await one.run(['get'], { env: after.env() })
  const works = next.code === 0 && sandbox.revokedFamilies() === 0 && (await isAlive(one, next.stdout))
  expectWhole(after, cut)

  const same = next.stdout === ended.stdout && sandbox.refreshes() === rotations
  const kind = ended.stdout !== '' && !same ? 'printed and lost' : works ? 'kept' : 'lost'
  tally.cuts++
  // Between the rotation and the answer's first bytes on disk no client can help.
  // The server's word for it: it had rotated, since the token that was sent again counts as used.
  const excused = kind === 'lost' && graceMs === 0 && !syncs.includes(KEPT) && sandbox.revokedFamilies() === 1
  if (kind === 'printed and lost') tally.printedAndLost++
  if (kind !== 'kept') tally.lost++
  if (excused) tally.excused++
  if (kind === 'lost' && graceMs > 0) tally.withGrace++
  return {
    cut: survivors === 'nothing' ? cut : `${cut}, a random half`,
    kind,
    excused,
    lastSync: syncs.at(-1) ?? 'none',
    said: next.stderr,
  }
}

async function isAlive({ sandbox }: Place, token: string): Promise<boolean> {
  const { status } = await fetch(new URL('api/1/sites', sandbox.url), {
    headers: { authorization: `Bearer ${token.trim()}` },
  })
  return status === 200
}

function expectWhole({ store }: PowerDisk, cut: string): void {
  if (!existsSync(store)) return
  const db = new Database(store)
  try {
    expect({ cut, integrity: db.pragma('integrity_check', { simple: true }) }).toEqual({
      cut,
      integrity: 'ok',
    })
  } finally {
    db.close()
  }
}

function unexcused(verdicts: readonly Verdict[]): readonly Verdict[] {
  return verdicts.filter(({ kind, excused }) => kind !== 'kept' && !excused)
}

type Point = readonly [cut: Cut, survivors: Survivors]

function pointsOf(syncs: number, whens: readonly When[]): Point[] {
  const all = Array.from({ length: syncs }, (_, i) => whens.map((when): Cut => `${when} ${i + 1}`)).flat()
  const cuts = all.filter((_, i) => i % STEP === 0)
  return cuts.flatMap((cut, i) => [
    [cut, 'nothing'],
    ...Array.from({ length: DRAWS }, (_, draw): Point => [cut, { random: drawsFrom(i * 1000 + draw) }]),
  ])
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}
