import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Rescued } from '../../src/core/store-ports.js'
import { ensureFolder, storePaths, type StorePaths } from '../../src/store/files.js'
import { Rescue } from '../../src/store/rescue/rescue-file.js'
import { folder } from '../support/folder.js'
import { moment } from '../support/token-sets.js'

let paths: StorePaths

beforeEach(() => {
  paths = storePaths(join(folder(), 'state', 'token.db'))
  ensureFolder(paths.folder)
})

/** As one process after another opens it. */
async function opened<T>(use: (rescue: Rescue) => Promise<T>): Promise<T> {
  const rescue = new Rescue(paths, {}, () => undefined)
  try {
    return await use(rescue)
  } finally {
    rescue.close()
  }
}

const record = (attempt: number, text = `answer ${attempt}`): Rescued => ({
  generation: 1,
  attempt,
  spent: 'abc',
  answer: {
    sentAt: moment(),
    sent: true,
    status: 200,
    contentType: null,
    contentEncoding: null,
    retryAfter: null,
    date: null,
    body: new TextEncoder().encode(text),
    complete: true,
    failure: null,
  },
})

const bodies = (records: readonly Rescued[]): string[] =>
  records.map(({ answer }) => Buffer.from(answer.body).toString())

describe('the rescue file', () => {
  it('the rescue file gives back what earlier processes kept, byte for byte, until it is dropped', async () => {
    const strange = record(2, '\u0000{"a":\n}\ufeff')
    await opened((rescue) => rescue.keep(record(1)))
    await opened((rescue) => rescue.keep(strange))
    expect(await opened((rescue) => rescue.records())).toEqual([record(1), strange])
    await opened((rescue) => rescue.drop(() => true))
    expect(await opened((rescue) => rescue.records())).toEqual([])
    expect(readFileSync(paths.rescue).every((byte) => byte === 0)).toBe(true)
  })

  it('the rescue file is there in its full size before anything is kept, and takes no new room for a usual answer', async () => {
    await opened(() => Promise.resolve())
    const { size, blocks } = statSync(paths.rescue)
    expect(size).toBe(65_536)
    await opened((rescue) => rescue.keep(record(1)))
    expect(statSync(paths.rescue)).toMatchObject({ size, blocks })
  })

  it('the rescue file keeps an answer as large as any may be', async () => {
    const large = record(1, 'x'.repeat(1024 * 1024))
    await opened((rescue) => rescue.keep(large))
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(bodies([large]))
    await opened((rescue) => rescue.drop(() => true))
    expect(statSync(paths.rescue).size).toBe(65_536)
  })

  it('the rescue file takes a record that was cut off for none, and writes the next one over it', async () => {
    await opened((rescue) => rescue.keep(record(1)))
    const first = readFileSync(paths.rescue)
    await opened((rescue) => rescue.keep(record(2)))
    const both = readFileSync(paths.rescue)
    both.fill(0, first.lastIndexOf('answer 1') + 60)
    writeFileSync(paths.rescue, both, { mode: 0o600 })
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
    await opened((rescue) => rescue.keep(record(3)))
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1', 'answer 3'])
  })

  it('the rescue file keeps what it holds when it is shorter than it should be', async () => {
    await opened((rescue) => rescue.keep(record(1)))
    const end = readFileSync(paths.rescue).lastIndexOf('answer 1') + 'answer 1\n'.length
    truncateSync(paths.rescue, end)
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
    expect(statSync(paths.rescue).size).toBe(65_536)
  })

  it.each(['', 'garbage', '{"generation":1}\n', '{not json\n'])(
    'the rescue file is empty when it holds %j',
    async (text) => {
      writeFileSync(paths.rescue, text, { mode: 0o600 })
      expect(await opened((rescue) => rescue.records())).toEqual([])
      await opened((rescue) => rescue.drop(() => true))
      expect(readFileSync(paths.rescue).every((byte) => byte === 0)).toBe(true)
    },
  )

  it('the rescue file makes way for a last copy elsewhere, which the next process finds and drops', async () => {
    const said: string[] = []
    const failing = new Rescue(paths, {}, ({ message }) => said.push(message))
    failing.close() // From here on every write to it fails.
    await failing.keep(record(1))
    const [copy] = /\/\S+\.rescue$|(?<=kept in )\S+/.exec(said.join()) ?? []
    expect(statSync(String(copy)).mode & 0o777).toBe(0o600)
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
    await opened((rescue) => rescue.drop(() => true))
    expect(existsSync(String(copy))).toBe(false)
    expect(await opened((rescue) => rescue.records())).toEqual([])
  })

  it.each<[what: string, remove: () => void]>([
    [
      'removed',
      () => {
        rmSync(paths.rescue)
      },
    ],
    [
      'replaced, as by a backup that is put back',
      () => {
        rmSync(paths.rescue)
        writeFileSync(paths.rescue, new Uint8Array(65_536), { mode: 0o600 })
      },
    ],
  ])(
    'the rescue file puts an answer elsewhere when the file was %s since it was opened',
    async (_, remove) => {
      const said: string[] = []
      const losing = new Rescue(paths, {}, ({ message }) => said.push(message))
      remove()
      await losing.keep(record(1))
      losing.close()
      expect(said).toEqual([
        expect.stringMatching(
          /token\.rescue was removed or replaced; the server’s answer is kept in \S+ instead$/,
        ),
      ])
      expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
      await opened((rescue) => rescue.drop(() => true))
      expect(await opened((rescue) => rescue.records())).toEqual([])
    },
  )

  it('the rescue file keeps the oldest answers when there is no more room: they are the likeliest to hold a pair', async () => {
    const large = (nth: number) => record(nth, `${nth}`.padEnd(1024 * 1024, 'x'))
    for (let nth = 1; nth <= 12; nth++) await opened((rescue) => rescue.keep(large(nth)))
    const kept = (await opened((rescue) => rescue.records())).map(({ attempt }) => attempt)
    expect(kept).toEqual([1, 2, 3, 4, 5, 6, 12])
    await opened((rescue) => rescue.drop(() => true))
  })

  it.each<[what: string, plant: (path: string) => void]>([
    [
      'a folder',
      (path) => {
        mkdirSync(path, { mode: 0o700 })
      },
    ],
    [
      'a link',
      (path) => {
        symlinkSync(`${path}.away`, path)
      },
    ],
    [
      'a file that others may read',
      (path) => {
        writeFileSync(path, '{', { mode: 0o644 })
      },
    ],
    [
      'a file too long to be one',
      (path) => {
        writeFileSync(path, Buffer.alloc(8 * 1024 * 1024 + 1), { mode: 0o600 })
      },
    ],
  ])(
    'the rescue file passes over what is no last copy, though it is called like one: %s',
    async (_, plant) => {
      const said: string[] = []
      const failing = new Rescue(paths, {}, ({ message }) => said.push(message))
      failing.close()
      await failing.keep(record(1))
      const [copy = ''] = /(?<=kept in )\S+/.exec(said.join()) ?? []
      const planted = copy.replace(/.{12}\.rescue$/, '000000000000.rescue')
      plant(planted)
      onTestFinished(() => {
        rmSync(planted, { recursive: true })
      })
      expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
      await opened((rescue) => {
        rescue.erase()
        return Promise.resolve()
      })
      expect([existsSync(copy), lstatSync(planted, { throwIfNoEntry: false }) !== undefined]).toEqual([
        false,
        true,
      ])
    },
  )

  it.each([
    [0o600, ['answer 1']],
    [0o662, []],
  ])(
    'the rescue file reads that of an earlier version where nobody else can have written it (mode %i)',
    async (mode, found) => {
      await opened((rescue) => rescue.keep(record(1)))
      chmodSync(paths.rescue, mode)
      paths = storePaths(join(paths.folder, 'token'))
      expect(bodies(await opened((rescue) => rescue.records()))).toEqual(found)
    },
  )

  it('the rescue file finds a last copy by whichever way leads to the store', async () => {
    const failing = new Rescue(paths, {}, () => undefined)
    failing.close()
    await failing.keep(record(1))
    const link = join(folder(), 'link')
    symlinkSync(join(paths.folder, '..'), link)
    paths = storePaths(join(link, 'state', 'token.db'))
    expect(bodies(await opened((rescue) => rescue.records()))).toEqual(['answer 1'])
    await opened((rescue) => rescue.drop(() => true))
  })
})
