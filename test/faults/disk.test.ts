import Database from 'better-sqlite3'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { SandboxRequest } from '../../src/sandbox/request.js'
import { place, type Place } from '../support/place.js'
import { withoutNews, type Ended } from '../support/processes.js'
import { full, report } from './figures.js'
import { withLargeTokens } from './disk-large-tokens.js'
import { mount, type FileSystem, type Mount } from './disk-mounts.js'

/** Real file systems that are full or read-only, before the call or while the request is on its way. */

const FILE_SYSTEMS: readonly FileSystem[] = ['tmpfs', 'ext4']
/** Refreshes before the one that is struck: the first ones make the row and the journal grow. */
const HISTORIES = full ? [0, 1, 2, 5] : [0, 1]

const tally = { cases: 0, lost: 0, spentInVain: 0, freshRefused: 0 }

describe.skipIf(process.platform !== 'linux')('a disk', { timeout: 120_000 }, () => {
  afterEach(() => {
    tally.cases++
  })

  afterAll(() => {
    const { cases, lost, spentInVain, freshRefused } = tally
    report('disk', {
      tried: `${cases} cases on tmpfs and ext4`,
      lost,
      seen: `${spentInVain} requests that could not be saved, ${freshRefused} fresh tokens refused`,
    })
  })

  describe.each(FILE_SYSTEMS)('%s', (kind) => {
    it('a disk that is full gives a fresh token, and spends none that it could not save', async () => {
      const one = await subject(kind)
      await one.hq('seed')
      one.disk.fill()
      await expectUnsent(one)
      one.disk.makeRoom()
      await expectServed(one, await one.hq('get'))
      one.disk.fill()
      await expectFresh(one)
    })

    it('a disk that is full costs nothing to a store that would fit in its place', async () => {
      const one = await subject(kind)
      await one.hq('seed')
      await one.hq('get')
      one.disk.fill()
      // Saved whole or not begun; both are right.
      const ended = withoutNews(await one.hq('refresh'))
      expect({ ...ended, asked: asked(one) }).toMatchObject(
        ended.code === 0 ? { stderr: '', asked: 2 } : { code: 74, asked: 1 },
      )
      await expectKept(one, asked(one))
    })

    it('a disk that takes no writes gives a token that is due', async () => {
      for (const state of ['full', 'read-only']) {
        const one = await subject(kind, '[refresh]\nearly = 30m\n', 3600)
        await one.hq('seed', '--issued-at', String(Math.floor(Date.now() / 1000) - 2400))
        if (state === 'full') one.disk.fill()
        else one.disk.remount('ro')
        await expectFresh(one)
      }
    })

    it('a disk that is full already at the first seed says so, and takes it once there is room', async () => {
      const one = await subject(kind)
      one.disk.fill()
      expect(await one.hq('seed')).toMatchObject({ code: 74, stdout: '' })
      expect(await one.hq('get')).toMatchObject({ code: 74, stdout: '' })
      expect(asked(one)).toBe(0)
      one.disk.makeRoom()
      expect(await one.hq('seed')).toMatchObject({ code: 0 })
      await expectServed(one, await one.hq('get'))
    })

    /** A store whose refreshes fail, with a token that is still good, and a job that has people told. */
    const failing = async () => {
      const one = await subject(kind, '[refresh]\nearly = 30m\n', 3600)
      await one.hq('seed', '--issued-at', String(Math.floor(Date.now() / 1000) - 2400))
      one.sandbox.setFaults([{ name: '403-html', count: Infinity }])
      await expectFresh({ ...one, sandbox: { ...one.sandbox, log: [] } })
      const told = join(one.dir, 'told')
      const env = {
        HQ_TOKEN_STORE: one.storePath,
        HQ_TOKEN_NOTIFY_COMMAND: `echo $HQ_TOKEN_EVENT >> ${told}`,
        HQ_TOKEN_NOTIFY_FAILING_FOR: '0',
      }
      return {
        one,
        job: () => one.run(['get'], { env }),
        events: () => (existsSync(told) ? readFileSync(told, 'utf8') : ''),
      }
    }
    const warnings = ({ stderr }: Ended) => stderr.match(/people cannot be told of trouble/g) ?? []

    it('a disk that takes no claim has nobody told, once with a warning, and gives a token', async () => {
      const { one, job, events } = await failing()
      one.disk.remount('ro')
      const ended = await job()
      await expectServed(one, ended)
      expect(warnings(ended)).toHaveLength(1)
      expect(events()).toBe('')
      one.disk.remount('rw')
      await job()
      expect(events()).toBe('failing\n')
    })

    it('a full disk has people told once at most, gives a token, and has them told once there is room', async () => {
      const { one, job, events } = await failing()
      one.disk.fill()
      const ended = await job()
      await expectServed(one, ended)
      expect([...(events().match(/^failing$/gm) ?? []), ...warnings(ended)]).toHaveLength(1)
      one.disk.makeRoom()
      await job()
      await job()
      expect(events()).toBe('failing\n')
    })

    it.each(HISTORIES)(
      'a disk that fills up during the request keeps the new pair (after %i refreshes)',
      async (times) => {
        for (const room of ['none', 'made']) {
          const one = await subject(kind)
          await one.hq('seed')
          for (let i = 0; i < times; i++) await one.hq('refresh')
          one.meanwhile(() => {
            one.disk.fill()
          })
          const ended = await one.hq(times === 0 ? 'get' : 'refresh')
          expect(ended).toMatchObject({ code: 0 })
          if (room === 'made') one.disk.makeRoom()
          await expectKept(one, times + 1)
        }
      },
    )

    it('a disk that fills up during the request keeps a pair many times as large as the one before', async () => {
      const one = await subject(kind)
      const env = {
        HQ_TOKEN_STORE: one.storePath,
        HQ_TOKEN_INSTANCE: await withLargeTokens(one.sandbox, 6_000),
      }
      await one.run(['seed'], { env })
      one.meanwhile(() => {
        one.disk.fill()
      })
      const ended = withoutNews(await one.run(['get'], { env }))
      expect(ended).toMatchObject({ code: 0, stderr: '' })
      expect(ended.stdout.length).toBeGreaterThan(6_000)
      expect(await one.run(['get'], { env })).toEqual(ended)
      expect(asked(one)).toBe(1)
    })

    it('a disk that is read-only gives a fresh token, and spends none that it could not save', async () => {
      const one = await subject(kind)
      await one.hq('seed')
      one.disk.remount('ro')
      await expectUnsent(one)
      one.disk.remount('rw')
      await expectServed(one, await one.hq('get'))
      one.disk.remount('ro')
      await expectFresh(one)
    })
  })

  it('a disk that fails to read-only during the request has the new pair on another', async () => {
    const one = await subject('ext4')
    await one.hq('seed')
    one.meanwhile(() => {
      one.disk.failToReadOnly()
    })
    const ended = await one.hq('get')
    const copy = lastCopyOf(ended)
    await expectServed(one, ended)

    // Still read-only: nothing may be spent, and the copy must stay.
    await one.hq('get')
    expect(asked(one)).toBe(1)
    expect(existsSync(copy)).toBe(true)

    one.disk.cycle()
    expect(await one.hq('get')).toMatchObject({ code: 0, stdout: ended.stdout })
    await expectKept(one, 1)
    expect(existsSync(copy)).toBe(false)
  })
})

/** The copies lie outside of the test's folders. */
const copies: string[] = []

afterAll(() => {
  for (const path of copies) rmSync(path, { force: true })
})

function lastCopyOf({ stderr }: Ended): string {
  const [, path = ''] = /is kept in (\S+\.rescue)/.exec(stderr) ?? []
  expect({ stderr, path }).toMatchObject({ path: expect.stringContaining('.rescue') as string })
  copies.push(path)
  return path
}

/** The real program, on a small disk of its own; the server forgives nothing. */
interface Subject extends Place {
  readonly disk: Mount
  readonly hq: (...args: readonly string[]) => Promise<Ended>
  /** Strikes when the next refresh token is rotated, before its answer leaves. */
  readonly meanwhile: (strike: () => void) => void
  readonly storePath: string
}

async function subject(kind: FileSystem, config = '', seedTtl = 0): Promise<Subject> {
  const disk = mount(kind)
  const strikes: (() => void)[] = []
  const onRequest = ({ grantType }: SandboxRequest): void => {
    if (grantType === 'refresh_token') strikes.shift()?.()
  }
  const there = await place({ onRequest, config }, seedTtl)
  const storePath = join(disk.root, 'store', 'token.db')
  const env = { HQ_TOKEN_STORE: storePath }
  return {
    ...there,
    disk,
    storePath,
    hq: (...args) => there.run(args, { env }),
    meanwhile: (strike) => strikes.push(strike),
  }
}

async function expectUnsent(one: Subject): Promise<void> {
  const before = asked(one)
  const ended = await one.hq('get')
  tally.spentInVain += asked(one) - before
  expect({ ...ended, asked: asked(one) }).toMatchObject({ code: 74, stdout: '', asked: before })
}

async function expectFresh(one: Subject): Promise<void> {
  const before = asked(one)
  const ended = await one.hq('get')
  if (ended.code !== 0) tally.freshRefused++
  await expectServed(one, ended)
  expect(asked(one)).toBe(before)
}

/** How many refreshes the server was asked for. */
function asked({ sandbox }: Subject): number {
  return sandbox.log.filter(({ grantType }) => grantType === 'refresh_token').length
}

async function expectServed({ sandbox }: Subject, ended: Ended): Promise<void> {
  const { status } = await fetch(new URL('api/1/sites', sandbox.url), {
    headers: { authorization: `Bearer ${ended.stdout.trim()}` },
  })
  expect({ ...ended, status }).toMatchObject({ code: 0, status: 200 })
}

/** The next call prints what the server has issued last, and asks it nothing. */
async function expectKept(one: Subject, refreshes: number): Promise<void> {
  const next = await one.hq('get')
  const kept = next.code === 0 && one.sandbox.refreshes() === refreshes && one.sandbox.revokedFamilies() === 0
  if (!kept) tally.lost++
  expect({ ...next, refreshes: one.sandbox.refreshes() }).toMatchObject({ code: 0, refreshes })
  await expectServed(one, next)
  const db = new Database(one.storePath, { readonly: true })
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
  db.close()
}
