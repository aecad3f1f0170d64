import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import type { Ended } from '../support/processes.js'
import {
  asUser,
  canBeOthers,
  give,
  inProject,
  program,
  shared,
  STRANGER,
  VICTIM,
  type AsOptions,
} from '../support/users.js'

// Last copies lie in folders that everybody may write to: what others plant there by such names has no effect.

/** Keeps an answer of the server as a last copy, as a process whose disk has failed does, and prints its path. */
const KEEP = `
const [, rescue, files, database, body] = process.argv
const { Rescue } = await import(rescue)
const { storePaths } = await import(files)
const said = []
const failing = new Rescue(storePaths(database), {}, ({ message }) => said.push(message))
failing.close()
const answer = { sentAt: { now: 1, boot: null, uptime: 1 }, sent: true, status: 200, contentType: null,
  contentEncoding: null, retryAfter: null, date: null, complete: true, failure: null,
  body: new TextEncoder().encode(body) }
await failing.keep({ generation: 0, attempt: 1, spent: 'abc', answer })
console.log(/kept in (\\S+)/.exec(said.join())[1])
`

const built = (name: string): string => inProject(join(process.cwd(), 'build', name))

interface Machine extends Place {
  /** What everybody may write to: /var/tmp, and /dev/shm. */
  readonly varTmp: string
  readonly database: string
  readonly as: (uid: number, command: readonly string[], options?: AsOptions) => Promise<Ended>
  /** The program, run by the victim. */
  readonly hq: (...args: string[]) => Promise<Ended>
  /** The path of a last copy of the victim's, as seen from here. */
  readonly lastCopy: () => Promise<string>
}

let there: Machine

async function machine(): Promise<Machine> {
  const made = await place()
  const state = join(made.dir, 'state')
  writeFileSync(
    made.config,
    readFileSync(made.config, 'utf8').replace('path = token.db', 'path = state/token.db'),
  )
  give(VICTIM, made.dir)
  const varTmp = shared()
  const mounts = { '/var/tmp': varTmp, '/dev/shm': shared(), '/run/user': shared() }
  const database = join(state, 'token.db')
  const as = (uid: number, command: readonly string[], options: AsOptions = {}): Promise<Ended> =>
    asUser(uid, command, {
      ...options,
      mounts,
      env: { HQ_TOKEN_CONFIG: made.config, TMPDIR: '/var/tmp', ...options.env },
    })
  return {
    ...made,
    varTmp,
    database,
    as,
    hq: (...args) => as(VICTIM, program(args)),
    lastCopy: async () => {
      const keep = [process.execPath, '--input-type=module', '-e', KEEP, built('store/rescue/rescue-file.js')]
      const { stdout, stderr, code } = await as(VICTIM, [
        ...keep,
        built('store/files.js'),
        database,
        '{"a":1}',
      ])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(/^\/var\/tmp\/\S+\n$/)
      return join(varTmp, stdout.trim().slice('/var/tmp/'.length))
    },
  }
}

/** Another name of the same kind. */
const another = (copy: string, end = '0'.repeat(12)): string =>
  copy.replace(/[0-9a-f]{12}\.rescue$/, `${end}.rescue`)

/** What anybody can put there, by the path of a last copy. */
const PLANTED: Record<string, (path: string) => void> = {
  'an empty file': (path) => {
    writeFileSync(path, '')
    chownSync(path, STRANGER, STRANGER)
  },
  'a file of records, for all to read': (path) => {
    writeFileSync(path, '{"generation":1}\nx\n', { mode: 0o644 })
    chownSync(path, STRANGER, STRANGER)
  },
  'a folder': (path) => {
    mkdirSync(path, { mode: 0o777 })
    chownSync(path, STRANGER, STRANGER)
  },
  'a folder that is not empty': (path) => {
    mkdirSync(path)
    writeFileSync(join(path, 'file'), '')
    chownSync(path, STRANGER, STRANGER)
  },
  'a link to a file of the victim’s': (path) => {
    const own = join(there.dir, 'precious')
    writeFileSync(own, 'precious', { mode: 0o600 })
    chownSync(own, VICTIM, VICTIM)
    symlinkSync(own, path)
  },
  'a link to nowhere': (path) => {
    symlinkSync('/nowhere', path)
  },
  'a pipe': (path) => {
    execFileSync('mkfifo', ['-m', '666', path])
    chownSync(path, STRANGER, STRANGER)
  },
  'a socket': (path) => {
    execFileSync(process.execPath, [
      '-e',
      'require("net").createServer().listen(process.argv[1], process.exit)',
      path,
    ])
  },
  'a second name of a file of the victim’s that all may write to': (path) => {
    const own = join(there.dir, 'open')
    writeFileSync(own, '{', { mode: 0o666 })
    chmodSync(own, 0o666)
    chownSync(own, VICTIM, VICTIM)
    linkSync(own, path)
  },
  'a second name of a private file of the victim’s': (path) => {
    const own = join(there.dir, 'private')
    writeFileSync(own, '{"not":"a record"}', { mode: 0o600 })
    chownSync(own, VICTIM, VICTIM)
    linkSync(own, path)
  },
  'a file of the victim’s that is huge, by a second name': (path) => {
    const own = join(there.dir, 'huge')
    execFileSync('truncate', ['-s', '3G', own])
    chmodSync(own, 0o600)
    chownSync(own, VICTIM, VICTIM)
    linkSync(own, path)
  },
}

describe.skipIf(!canBeOthers)('by the name of a last copy', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    there = await machine()
  })

  it.each(Object.keys(PLANTED))('%s has no effect on a refresh, doctor or logout', async (what) => {
    const { hq, lastCopy, varTmp } = there
    expect((await hq('seed')).code).toBe(0)
    const copy = await lastCopy()
    const path = another(copy)
    PLANTED[what]?.(path)
    const before = lstatSync(path)

    const refreshed = await hq('refresh')
    expect({ code: refreshed.code, stdout: refreshed.stdout }, refreshed.stderr).toEqual({
      code: 0,
      stdout: '',
    })
    // The victim's own is older, and dropped.
    expect(existsSync(copy)).toBe(false)
    const checks = await hq('doctor', '--json')
    expect(JSON.parse(checks.stdout)).toMatchObject({
      checks: expect.arrayContaining([
        expect.objectContaining({ name: 'unfinished', status: 'ok' }),
      ]) as unknown,
    })
    const logout = await hq('logout', '--local')
    expect({ code: logout.code }, logout.stderr).toEqual({ code: 0 })
    const isVictims = what.startsWith('a second name of a private')
    if (!isVictims) {
      expect(readdirSync(varTmp)).toEqual([path.slice(varTmp.length + 1)])
      expect(lstatSync(path)).toMatchObject({ ino: before.ino, size: before.size, mode: before.mode })
    }
    for (const [name, content] of [
      ['precious', 'precious'],
      ['open', '{'],
      ['private', '{"not":"a record"}'],
    ] as const)
      if (existsSync(join(there.dir, name))) expect(readFileSync(join(there.dir, name), 'utf8')).toBe(content)
  })

  it('a copy of the victim’s that has got a second name is read, and removed by both', async () => {
    const { hq, lastCopy, varTmp } = there
    await hq('seed')
    const copy = await lastCopy()
    linkSync(copy, another(copy))
    linkSync(copy, join(varTmp, 'kept-by-a-stranger'))
    const checks = await hq('doctor')
    expect(checks.stdout).not.toMatch(/fail .*second name/)
    expect((await hq('refresh')).code).toBe(0)
    expect(readdirSync(varTmp)).toEqual(['kept-by-a-stranger'])
  })

  it('a copy of one’s own that cannot be read lets nothing be spent', async () => {
    const { hq, lastCopy, sandbox } = there
    await hq('seed')
    const copy = await lastCopy()
    chmodSync(copy, 0o200)
    const { code, stdout, stderr } = await hq('refresh')
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    expect(stderr).toContain('cannot be read')
    expect(sandbox.refreshes()).toBe(0)
    chmodSync(copy, 0o600)
    expect((await hq('refresh')).code).toBe(0)
  })

  it('root takes no file of another user’s away', async () => {
    const { as, hq, varTmp, dir } = there
    await hq('seed')
    give(0, dir)
    const copy = await lastCopyOfRoot(as)
    const planted = another(join(varTmp, copy))
    writeFileSync(planted, '{"generation":1}\nx\n', { mode: 0o600 })
    chownSync(planted, STRANGER, STRANGER)
    const { code, stderr } = await as(0, program(['refresh']))
    expect({ code }, stderr).toEqual({ code: 0 })
    expect(readdirSync(varTmp)).toEqual([planted.slice(varTmp.length + 1)])
  })

  it('a flood of names does not make it slow', { timeout: 120_000 }, async () => {
    const { hq, lastCopy, varTmp, as } = there
    await hq('seed')
    const copy = await lastCopy()
    const flood = `for (let n = 0; n < 50_000; n++) require('fs').writeFileSync(process.argv[1].replace('N', n.toString(16).padStart(12, '0')), '')`
    const name = another(copy, 'N').replace(varTmp, '/var/tmp')
    expect((await as(STRANGER, [process.execPath, '-e', flood, name])).code).toBe(0)
    const begin = performance.now()
    expect((await hq('refresh')).code).toBe(0)
    expect(performance.now() - begin).toBeLessThan(10_000)
    expect(readdirSync(varTmp)).toHaveLength(50_000)
  })
})

async function lastCopyOfRoot(as: Machine['as']): Promise<string> {
  const keep = [process.execPath, '--input-type=module', '-e', KEEP, built('store/rescue/rescue-file.js')]
  const { stdout } = await as(0, [...keep, built('store/files.js'), there.database, '{"a":1}'])
  return stdout.trim().slice('/var/tmp/'.length)
}

it.skipIf(!canBeOthers)(
  'a folder of last copies that may not be listed is passed over',
  { timeout: 60_000 },
  async () => {
    const made = await machine()
    const closed = folder()
    await made.hq('seed')
    const { code, stderr } = await made.as(VICTIM, program(['refresh']), { env: { XDG_RUNTIME_DIR: closed } })
    expect({ code }, stderr).toEqual({ code: 0 })
  },
)
