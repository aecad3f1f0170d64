// The textfile of `check --prometheus` while it is written, beside a reader that never waits.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import { writeMetrics } from '../../src/cli/commands/check/textfile.js'
import { folder } from '../support/folder.js'
import { worldFor } from '../support/world.js'

const TIMES = 1000
/** Profiles in the longer of the two files. */
const MANY = 40

/** A folder where a sync costs nothing, if the system has such a place. */
function inMemory(): string {
  if (!existsSync('/dev/shm')) return folder()
  const dir = mkdtempSync('/dev/shm/hq-token-test-')
  onTestFinished(() => {
    rmSync(dir, { recursive: true })
  })
  return dir
}

interface Seen {
  readonly reads: number
  readonly changes: number
  readonly broken: readonly string[]
  readonly others: readonly string[]
}

it('a reader in a loop never sees half a textfile, or another one beside it, while it is written a thousand times', async () => {
  const file = join(inMemory(), 'hq-token.prom')
  const { world } = worldFor({})
  const unread = { kind: 'unread', state: 'UNKNOWN', message: 'there is none', hint: null } as const
  const all = Array.from({ length: MANY }, (_, at) => ({
    ...{ profile: `profile-${at}`, state: unread.state, look: unread, findings: [] },
  }))
  // A short file follows a long one, and the other way round.
  const write = (at: number): ReturnType<typeof writeMetrics> =>
    writeMetrics(file, at % 2 === 0 ? all : all.slice(0, 1), world)
  expect(await write(0)).toEqual([])
  const reader = new Worker(new URL('../support/textfile-reader.js', import.meta.url), {
    workerData: { file },
  })
  await once(reader, 'online')
  for (let at = 1; at < TIMES; at++) expect(await write(at)).toEqual([])
  reader.postMessage('stop')
  const [seen] = (await once(reader, 'message')) as Seen[]
  await reader.terminate()
  expect(seen).toMatchObject({ broken: [], others: [] })
  // It looked often enough to have met a write.
  expect(seen?.changes).toBeGreaterThan(TIMES / 100)
  expect(readdirSync(join(file, '..'))).toEqual(['hq-token.prom'])
  expect(statSync(file).mode & 0o777).toBe(0o644)
})

it('what is no regular file stays as it is, behind a link too: /dev/null and /dev/stdout are such', async () => {
  const dir = folder()
  const [fifo, link] = [join(dir, 'fifo'), join(dir, 'link')]
  execFileSync('mkfifo', [fifo])
  symlinkSync(fifo, link)
  const { world } = worldFor({})
  for (const file of [fifo, link])
    expect(await writeMetrics(file, [], world)).toEqual([
      expect.objectContaining({ state: 'UNKNOWN', message: expect.stringContaining(file) as string }),
    ])
  expect(lstatSync(fifo).isFIFO()).toBe(true)
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(readdirSync(dir)).toEqual(['fifo', 'link'])
})

it('a link to what is open already stays, though a regular file is behind it: /dev/stdout of a redirected check', async () => {
  const dir = folder()
  const fd = openSync(join(dir, 'output'), 'w')
  const [link, second] = [join(dir, 'stdout'), join(dir, 'second')]
  symlinkSync(`/proc/self/fd/${fd}`, link)
  symlinkSync('stdout', second)
  const { world } = worldFor({})
  for (const file of [link, second, `/proc/self/fd/${fd}`])
    expect(await writeMetrics(file, [], world)).toEqual([
      expect.objectContaining({
        message: expect.stringContaining('for standard output write - in its place') as string,
      }),
    ])
  expect([link, second].map((file) => lstatSync(file).isSymbolicLink())).toEqual([true, true])
  expect(readdirSync(dir).sort()).toEqual(['output', 'second', 'stdout'])
})

it('a file that cannot be looked at is a finding, and no bug', async () => {
  const dir = folder()
  writeFileSync(join(dir, 'file'), '')
  symlinkSync('loop', join(dir, 'loop'))
  const { world } = worldFor({})
  for (const [file, why] of [
    [join(dir, 'file', 'x.prom'), 'ENOTDIR'],
    [join(dir, 'none', 'x.prom'), 'ENOENT'],
    [join(dir, 'x'.repeat(300)), 'ENAMETOOLONG'],
    [join(dir, 'loop'), 'a link that leads round in a circle'],
    [join(dir, 'loop', 'x.prom'), 'ELOOP'],
  ] as const)
    expect(await writeMetrics(file, [], world)).toEqual([
      expect.objectContaining({ state: 'UNKNOWN', message: expect.stringContaining(why) as string }),
    ])
})
