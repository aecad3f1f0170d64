import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSeed } from '../../src/config/seed-file.js'
import { barrierToMark, lastingPath, markedAt, markPath, putMark } from '../../src/config/seed-mark.js'
import { inspectSeed, seedMarks } from '../../src/config/seed-source.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { folder } from '../support/folder.js'
import { ISSUED, moment, pair, tokenSet } from '../support/token-sets.js'

const REFRESH = 'rEfReSh-0123456789'
const { fingerprint } = new Secret(REFRESH)
const SPENT = { fingerprint, spentAt: ISSUED }
const options = { clock: () => moment(), defaultLifetime: 18_000 }

/** A seed file of its own, in a folder of its own. */
function seedFile(name = 'token.ini', refreshToken = REFRESH): string {
  const path = join(folder(), name)
  writeSeed(path, refreshToken)
  return path
}

function writeSeed(path: string, refreshToken: string): void {
  writeFileSync(path, `[AUTH]\naccess_token = aCcEsS\nrefresh_token = ${refreshToken}\n`, { mode: 0o600 })
}

const spentAt = async (path: string) => (await readSeed({ path }, options)).seed.spentAt

describe('the mark at a spent seed', () => {
  it('the mark at a spent seed says what it is, by a fingerprint and a time, and holds no token', () => {
    const seed = seedFile()
    expect(putMark(seed, SPENT)).toBe('put')
    expect(readFileSync(`${seed}.spent`, 'utf8')).toBe(`# hq-token: the seed file beside this one is spent.
# Its refresh token was replaced, or its grant was ended. Importing it again could end the grant that came from
# it, so hq-token does not import it. This file holds no token. Remove the seed file and this file.
fingerprint = ${fingerprint}
spent_at = 2027-01-15T08:00:00Z
`)
  })

  it('the mark at a spent seed is found again with the seed, and by its fingerprint alone', async () => {
    const seed = seedFile()
    expect(await spentAt(seed)).toBeNull()
    putMark(seed, SPENT)
    expect(await spentAt(seed)).toBe(ISSUED)
    expect(markedAt(seed, 'another')).toBeNull()
    writeSeed(seed, 'a-new-one')
    expect(await spentAt(seed)).toBeNull()
  })

  it('the mark at a spent seed is one for each file: of two in a folder the other is unmarked', async () => {
    const seed = seedFile()
    const other = join(seed, '../other.ini')
    writeSeed(other, REFRESH)
    putMark(seed, SPENT)
    expect([await spentAt(seed), await spentAt(other)]).toEqual([ISSUED, null])
  })

  it('the mark at a spent seed can be read by everybody who may read the seed, whatever the umask', () => {
    const seed = seedFile()
    const before = process.umask(0o077)
    try {
      putMark(seed, SPENT)
    } finally {
      process.umask(before)
    }
    expect(statSync(markPath(seed)).mode & 0o777).toBe(0o644)
  })

  it('the mark at a spent seed is put once: a second time it is there, and stays', () => {
    const seed = seedFile()
    putMark(seed, SPENT)
    expect(putMark(seed, { fingerprint, spentAt: ISSUED + 5 })).toBe('there')
    expect(markedAt(seed, fingerprint)).toBe(ISSUED)
  })

  it('the mark at a spent seed takes the place of one that names another token, whole, and leaves nothing beside', () => {
    const seed = seedFile()
    putMark(seed, { fingerprint: '0123456789ab', spentAt: 1 })
    expect(putMark(seed, SPENT)).toBe('put')
    expect([markedAt(seed, '0123456789ab'), markedAt(seed, fingerprint)]).toEqual([null, ISSUED])
    expect(readdirSync(join(seed, '..')).sort()).toEqual(['token.ini', 'token.ini.spent'])
  })

  it.each([
    ['half of it', (text: string) => text.slice(0, 120)],
    ['nothing', () => ''],
    ['no time', (text: string) => text.replace(/spent_at.*/, '')],
    ['a time that is none', (text: string) => text.replace(/spent_at = .*/, 'spent_at = yesterday')],
    ['no fingerprint', (text: string) => text.replace(/fingerprint = .*/, 'fingerprint = x')],
  ])('the mark at a spent seed that holds %s says nothing, and is put anew', (_what, changed) => {
    const seed = seedFile()
    putMark(seed, SPENT)
    writeFileSync(markPath(seed), changed(readFileSync(markPath(seed), 'utf8')))
    expect(markedAt(seed, fingerprint)).toBeNull()
    expect(putMark(seed, SPENT)).toBe('put')
    expect(markedAt(seed, fingerprint)).toBe(ISSUED)
  })

  it('the mark at a spent seed belongs to the name that was given, where that is a link', async () => {
    const real = seedFile('data.ini')
    const link = join(folder(), 'token.ini')
    symlinkSync(real, link)
    const { seed } = await readSeed({ path: link }, options)
    expect(seed.file).toBe(link)
    expect(await seedMarks(link).put(link, SPENT)).toBe('put')
    expect(existsSync(`${link}.spent`)).toBe(true)
    expect([await spentAt(link), await spentAt(real)]).toEqual([ISSUED, null])
    // As Kubernetes brings a new version of a secret: another target for the same name.
    const next = seedFile('next.ini', 'a-new-one')
    symlinkSync(next, `${link}.new`)
    renameSync(`${link}.new`, link)
    expect(await spentAt(link)).toBeNull()
  })
})

describe('what lies under the name of the mark and is none', () => {
  const victim = (): string => {
    const path = join(folder(), 'victim')
    writeFileSync(path, 'precious', { mode: 0o600 })
    return path
  }

  it.each<[string, (path: string) => unknown]>([
    ['a link', (path) => linked(path, symlinkSync)],
    ['a second name of another file', (path) => linked(path, linkSync)],
    [
      'a link to nothing',
      (path) => {
        symlinkSync('/nonexistent/file', path)
      },
    ],
    [
      'a link to a mark',
      (path) => {
        linkedToMark(path)
      },
    ],
    [
      'a folder',
      (path) => {
        mkdirSync(path)
      },
    ],
    [
      'a pipe',
      (path) => {
        execFileSync('mkfifo', [path])
      },
    ],
    [
      'a seed that a person has put aside',
      (path) => {
        writeSeed(path, 'kept')
      },
    ],
    [
      'a large file',
      (path) => {
        writeFileSync(path, '#'.repeat(5000))
      },
    ],
    [
      'what is no text',
      (path) => {
        writeFileSync(path, Buffer.from([0xff, 0xfe, 0, 1]))
      },
    ],
  ])('%s: stays as it is, and marks nothing', async (_what, plant) => {
    const seed = seedFile()
    const path = markPath(seed)
    const behind = plant(path)
    const before = lstatSync(path)
    expect(await spentAt(seed)).toBeNull()
    expect(putMark(seed, SPENT)).toEqual({ failure: `${path} exists and is not a mark of hq-token` })
    expect(barrierToMark(seed)).toBe(`${path} exists and is not a mark of hq-token`)
    expect([lstatSync(path).ino, lstatSync(path).mtimeMs]).toEqual([before.ino, before.mtimeMs])
    if (typeof behind === 'string') expect(readFileSync(behind, 'utf8')).toBe('precious')
    expect(readdirSync(join(seed, '..')).sort()).toEqual(['token.ini', 'token.ini.spent'])
  })

  function linked(path: string, link: (target: string, path: string) => void): string {
    const target = victim()
    link(target, path)
    return target
  }

  function linkedToMark(path: string): void {
    const other = seedFile()
    putMark(other, SPENT)
    symlinkSync(markPath(other), path)
  }

  it('a mark in a folder that is gone, or under a name that is too long: why, in words', () => {
    expect(putMark(join(folder(), 'gone', 'token.ini'), SPENT)).toEqual({ failure: 'ENOENT' })
    const long = join(folder(), 'x'.repeat(252))
    expect(putMark(long, SPENT)).toEqual({ failure: `${long}.spent: the name is too long` })
  })
})

describe('the file that a seed is found again by', () => {
  it.each([
    ['/etc/hq-token/token.ini', '/etc/hq-token/token.ini'],
    ['/dev/shm/token.ini', '/dev/shm/token.ini'],
    ['token.ini', join(process.cwd(), 'token.ini')],
    ['/dev/stdin', null],
    ['/dev/fd/3', null],
    ['/proc/self/fd/0', null],
    ['/proc/self/task/1/fd/0', null],
  ])('a seed is found again by the path of its file: %s becomes %s', (path, lasting) => {
    expect(lastingPath(path)).toBe(lasting)
  })

  it('the file that a seed is found again by is none where a link leads to a descriptor, or round in a circle to nowhere', () => {
    const link = join(folder(), 'seed')
    symlinkSync('/dev/stdin', link)
    expect(lastingPath(link)).toBeNull()
    const circle = join(folder(), 'circle')
    symlinkSync(circle, circle)
    expect(lastingPath(circle)).toBe(circle)
  })

  it('the file that a seed is found again by is none for standard input and a pipe', async () => {
    const text = readFileSync(seedFile())
    expect((await readSeed({ stdin: text }, options)).seed).toMatchObject({ file: null, spentAt: null })
    const pipe = join(folder(), 'pipe')
    execFileSync('mkfifo', [pipe])
    const reading = readSeed({ path: pipe }, options)
    execFileSync('sh', ['-c', 'cat > "$1"', 'sh', pipe], { input: text })
    expect((await reading).seed).toMatchObject({ file: null, spentAt: null })
  })
})

describe('a seed file is marked', () => {
  it.each<[string, (path: string) => void]>([
    [
      'it holds another token by now',
      (path) => {
        writeSeed(path, 'a-new-one')
      },
    ],
    [
      'it cannot be read as a seed any more',
      (path) => {
        writeFileSync(path, 'x')
      },
    ],
    [
      'it was moved away',
      (path) => {
        renameSync(path, `${path}.old`)
      },
    ],
  ])('a seed file is marked only while it holds what was spent: not where %s', async (_what, change) => {
    const seed = seedFile()
    change(seed)
    expect(await seedMarks(null).put(seed, SPENT)).toBe('gone')
    expect(existsSync(markPath(seed))).toBe(false)
  })

  it('a pipe that has taken the place of a seed file is not waited for', async () => {
    const pipe = join(folder(), 'pipe')
    execFileSync('mkfifo', [pipe])
    expect(await seedMarks(null).put(pipe, SPENT)).toBe('gone')
  })
})

describe('how a seed file stands to the store', () => {
  const check = (path: string | null, set?: TokenSet) => inspectSeed(path, set, 'token.db', options)
  const spentIn = (path: string, isMarked = false) =>
    tokenSet({
      ...{ seed: fingerprint, seedFile: { path, spentAt: ISSUED, isMarked } },
      pair: pair({ refreshToken: new Secret('next') }),
    })

  it('a seed file tells what the next get does where the store is empty', async () => {
    const seed = seedFile()
    expect(await check(seed)).toMatchObject({ status: 'ok', message: `${seed}: the next \`get\` imports it` })
    putMark(seed, SPENT)
    expect(await check(seed)).toMatchObject({
      ...{ status: 'fail', exit: 4 },
      message: `${seed} was spent on 2027-01-15T08:00:00Z, and there is no token set in token.db: is the store’s volume mounted?`,
    })
    expect(await check(null)).toBeUndefined()
  })

  it('a seed file that the store has spent is marked, not marked yet, or gone', async () => {
    const seed = seedFile()
    expect(await check(seed, spentIn(seed))).toEqual({
      ...{ name: 'seed', status: 'warn' },
      message: `${seed} was spent on 2027-01-15T08:00:00Z, and is not marked as spent (the next refresh tries to mark it): with an empty store it would be imported again, and the server may end the grant`,
      hint: 'remove the file, or take [seed] file out of the configuration',
    })
    putMark(seed, SPENT)
    const message = `${seed} was spent on 2027-01-15T08:00:00Z, and is marked as spent: it can be removed`
    expect(await check(seed, spentIn(seed))).toEqual({ name: 'seed', status: 'ok', message })
    // Whatever the store believes, the mark itself is looked at.
    expect(await check(null, spentIn(seed, true))).toMatchObject({ status: 'ok' })
    writeFileSync(markPath(seed), '')
    expect(await check(null, spentIn(seed, true))).toMatchObject({ status: 'warn' })
    writeSeed(seed, 'a-new-one')
    expect(await check(seed, spentIn(seed))).toBeUndefined()
  })

  it('there is nothing to say of a seed file whose own refresh token the store still holds', async () => {
    const seed = seedFile()
    const unspent = { path: seed, spentAt: null, isMarked: false }
    const refreshToken = new Secret(REFRESH)
    const alive = tokenSet({ seed: fingerprint, seedFile: unspent, pair: pair({ refreshToken }) })
    expect(await check(seed, alive)).toBeUndefined()
  })

  it('it is said why a seed file is not marked where its folder cannot be written', async () => {
    const seed = seedFile()
    writeFileSync(markPath(seed), 'somebody’s')
    chmodSync(markPath(seed), 0o600)
    expect((await check(seed, spentIn(seed)))?.message).toContain(
      `and is not marked as spent (it cannot be marked: ${markPath(seed)} exists and is not a mark of hq-token)`,
    )
  })
})
