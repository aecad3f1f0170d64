import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { beforeEach, describe, expect, it } from 'vitest'
import { inspectStore } from '../../src/store/inspect.js'
import { peek } from '../../src/store/sqlite/peek.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import type { Notice } from '../../src/core/ports.js'
import { folder } from '../support/folder.js'
import { entry } from '../../src/core/transitions.js'
import { moment, tokenSet } from '../support/token-sets.js'

// Kubernetes with `fsGroup`: the kubelet makes every folder of a volume 2770, and every file g+rw, at each mount.

const isRoot = process.platform === 'linux' && process.geteuid?.() === 0
const FILES = ['token.db', 'token.db-journal', 'token.rescue', 'token.lock'] as const
let state: string
let path: string
let notices: Notice[]

beforeEach(async () => {
  state = join(folder(), 'hq')
  path = join(state, 'token.db')
  notices = []
  await put(1)
})

const open = (): SqliteStore => new SqliteStore(path, { notify: (notice) => notices.push(notice) })
const put = (generation: number): Promise<void> => {
  const set = tokenSet({ generation })
  const save = entry(set, 'refresh', 'done', moment())
  return open().exclusive((held) => held.note(set, generation - 1, save), { waitMs: 1000 })
}
const modeOf = (at: string): string => (statSync(at).mode & 0o7777).toString(8)

function mounted(): void {
  chmodSync(state, 0o2770)
  for (const name of readdirSync(state)) chmodSync(join(state, name), 0o660)
}

describe('a volume that was given to a group of ours', () => {
  it.each([
    ['a read', () => open().read()],
    ['a write', () => put(2)],
  ])('a volume that was given to a group of ours is taken back by %s, with one notice', async (_, use) => {
    mounted()
    await use()
    expect([modeOf(state), ...FILES.map((name) => modeOf(join(state, name)))]).toEqual([
      '700',
      ...FILES.map(() => '600'),
    ])
    expect(notices).toMatchObject([{ level: 'warning', hint: expect.stringContaining('fsGroup') as string }])
    expect(notices[0]?.message).toMatch(/hq \(mode 2770\), .*token\.db \(mode 660\), token\.db-journal/)
    expect(await open().read()).toMatchObject({ generation: expect.any(Number) as number })
    expect(notices).toHaveLength(1)
  })

  it.each(FILES)(
    'a volume that was given to a group of ours is taken back where only %s is',
    async (name) => {
      chmodSync(join(state, name), 0o640)
      await put(2)
      expect(modeOf(join(state, name))).toBe('600')
    },
  )

  it('a volume that was given to a group of ours is taken back where a process died within a write', async () => {
    const db = new Database(path)
    db.pragma('journal_mode = PERSIST')
    db.pragma('cache_size = 1')
    db.exec(`BEGIN; UPDATE token_set SET generation = 99; UPDATE history SET note = 'x' || slot`)
    db.pragma('cache_spill = 1')
    const crashed = join(folder(), 'crashed')
    cpSync(state, crashed, { recursive: true })
    db.exec('ROLLBACK')
    db.close()
    state = crashed
    path = join(crashed, 'token.db')
    mounted()
    expect(await open().read()).toMatchObject({ generation: 1 })
  })

  it('a volume that was given to a group of ours is left as it is by the warm path and by doctor', async () => {
    mounted()
    expect(() => peek(path)).toThrow(/written by others/)
    const { checks } = await inspectStore(path, { rule: 'x', env: {} })
    expect(checks[0]).toMatchObject({ name: 'store', status: 'warn', hint: 'hq-token status' })
    expect(checks.filter(({ status }) => status === 'fail')).toEqual([])
    expect([modeOf(state), modeOf(path)]).toEqual(['2770', '660'])
  })
})

describe('is refused, and left as it is:', () => {
  const refused = async (mode: RegExp, hint: RegExp): Promise<void> => {
    const before = readdirSync(state).map((name) => modeOf(join(state, name)))
    const error: unknown = await put(2).catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      code: 'HQ_STORE_UNUSABLE',
      message: expect.stringMatching(mode) as string,
      hint: expect.stringMatching(hint) as string,
    })
    expect(readdirSync(state).map((name) => modeOf(join(state, name)))).toEqual(before)
    expect(notices).toEqual([])
  }

  it('a folder that everybody may write', async () => {
    chmodSync(state, 0o2777)
    await refused(/hq can be written by others \(mode 2777\)/, /^chmod 700 .*hq$/)
  })

  it('a file that everybody may read', async () => {
    chmodSync(path, 0o664)
    await refused(/token\.db can be read or written by others \(mode 664\)/, /^chmod 600 .*token\.db$/)
  })

  it('a lock with a second name', async () => {
    chmodSync(join(state, 'token.lock'), 0o660)
    linkSync(join(state, 'token.lock'), join(state, 'second'))
    await refused(/second name/, /copy it/)
  })

  it('a folder of a group where no store is yet: the hint names one in it', async () => {
    for (const name of FILES) renameSync(join(state, name), join(state, '..', name))
    chmodSync(state, 0o2770)
    await refused(/hq can be written by others \(mode 2770\)/, /HQ_TOKEN_STORE=.*hq\/hq-token\/token\.db$/)
    expect(modeOf(state)).toBe('2770')
  })

  it('a folder of temporary files with a store in it: the hint does not leave that behind', async () => {
    chmodSync(state, 0o1777)
    await refused(
      /hq can be written by others \(mode 1777\)/,
      /^move the store, .*token\.db with the files beside it, to a folder of your own/,
    )
  })

  it('a file that is no store', async () => {
    writeFileSync(path, 'precious')
    chmodSync(path, 0o660)
    await refused(/mode 660/, /^name another \[store\] path: no store/)
    renameSync(path, join(state, 'precious'))
    const other = new Database(path)
    other.exec('CREATE TABLE x (y)')
    other.close()
    chmodSync(path, 0o660)
    await refused(/mode 660/, /^name another \[store\] path: no store/)
  })

  it('a lock of another program beside no store', async () => {
    const yarn = join(folder(), 'yarn.db')
    const lock = yarn.replace('.db', '.lock')
    writeFileSync(lock, '', { mode: 0o644 })
    chmodSync(join(yarn, '..'), 0o700)
    const error: unknown = await new SqliteStore(yarn)
      .exclusive(() => Promise.resolve(), { waitMs: 100 })
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({ hint: expect.stringMatching(/^name another/) as string })
  })

  it.runIf(isRoot)('a group that is not ours', async () => {
    chownSync(path, 0, 54_321)
    chmodSync(path, 0o660)
    await refused(/mode 660/, /^chmod 600/)
  })
})

describe('a link of root’s to the folder', () => {
  it.runIf(isRoot)(
    'a link of root’s to the folder is followed where every folder on the way is root’s alone',
    async () => {
      // As `StateDirectory=` of a dynamic user: beside /tmp, which everybody may write.
      const root = `/var/lib/hq-token-test-${process.pid}`
      mkdirSync(join(root, 'private'), { recursive: true, mode: 0o755 })
      try {
        renameSync(state, join(root, 'private/hq'))
        symlinkSync('private/hq', join(root, 'hq'))
        path = join(root, 'hq/token.db')
        await put(2)
        expect(await open().read()).toMatchObject({ generation: 2 })
        expect(peek(path)).toMatchObject({ generation: 2 })
        const { checks } = await inspectStore(path, { rule: 'x', env: {} })
        expect(checks.filter(({ status }) => status === 'fail')).toEqual([])

        chmodSync(join(root, 'private'), 0o775)
        await expect(open().read()).rejects.toThrow(`is a link to ${root}/private/hq`)
        chmodSync(join(root, 'private'), 0o755)
        chownSync(join(root, 'private'), 12_345, 12_345)
        await expect(open().read()).rejects.toThrow(/which others than root could have made/)
      } finally {
        rmSync(root, { recursive: true })
      }
    },
  )

  it.runIf(isRoot)(
    'a link of root’s to the folder is refused where its target is reached by another link, through a folder of a stranger',
    async () => {
      const root = `/var/lib/hq-token-test-${process.pid}`
      mkdirSync(join(root, 'strange'), { recursive: true, mode: 0o755 })
      try {
        renameSync(state, join(root, 'strange/hq'))
        symlinkSync('strange', join(root, 'via'))
        symlinkSync('via/hq', join(root, 'hq'))
        path = join(root, 'hq/token.db')
        await put(2)
        expect(await open().read()).toMatchObject({ generation: 2 })
        chownSync(join(root, 'strange'), 12_345, 12_345)
        await expect(open().read()).rejects.toThrow(/which others than root could have made/)
      } finally {
        rmSync(root, { recursive: true })
      }
    },
  )

  it('a link of root’s to the folder is refused on a way that others may write, and its target named', async () => {
    const link = join(folder(), 'link')
    symlinkSync(state, link)
    const error: unknown = await new SqliteStore(join(link, 'token.db'))
      .read()
      .catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      message: `${link} is a link to ${state}, which others than root could have made`,
      hint: `name the folder itself: [store] path, or HQ_TOKEN_STORE=${path}`,
    })
    expect(existsSync(join(state, 'token.db.new'))).toBe(false)
  })
})
