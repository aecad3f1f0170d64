import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, chownSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Finding } from '../../src/core/finding.js'
import { machineClock } from '../../src/platform/machine.js'
import { inspectStore } from '../../src/store/inspect.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { mount } from '../faults/disk-mounts.js'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'
import { asAnybody, changed, contents, examined, rewritten, seeded } from './examined.js'

const canBeOthers = asRoot('doctor on files of other users, on full and on read-only disks')

const SOMEBODY = 12_345
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

/** The real program, run by another user than root, to whom all files of the place are given. */
function asSomebody({ dir, config }: Pick<Place, 'dir' | 'config'>): (...args: string[]) => Promise<Ended> {
  requirePrograms(['setpriv', 'util-linux'])
  for (const path of [dir, ...readdirSync(dir).map((name) => join(dir, name))])
    chownSync(path, SOMEBODY, SOMEBODY)
  // The project may lie in a folder of root's.
  const bin = folder()
  chmodSync(bin, 0o755)
  const user = `setpriv --reuid ${SOMEBODY} --regid ${SOMEBODY} --clear-groups`
  const script = `mount --bind "$1" "$2"; shift 2; exec ${user} "$@"`
  const program = [process.execPath, join(bin, relative(PROJECT, BIN))]
  return (...args) =>
    ended(
      spawn('unshare', ['--mount', 'sh', '-euc', script, 'sh', PROJECT, bin, ...program, ...args], {
        env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config },
        cwd: '/',
      }),
    )
}

describe('the store', () => {
  it('doctor says of a store that is not there yet that a seed file will do, ends with 65 for a damaged one, and asks for a login without one', async () => {
    const made = await place({}, 3600)
    const before = contents(made.dir)
    const first = await examined(made)
    expect(first.code).toBe(0)
    expect(first.check('store')?.message).toMatch(/there is none yet$/)
    expect(first.check('seed')).toMatchObject({ status: 'ok' })
    expect(first.check('login')).toMatchObject({ status: 'warn', hint: 'hq-token get' })
    expect(contents(made.dir)).toEqual(before)

    writeFileSync(made.seed, '[AUTH]\naccess_token = x\n')
    const damaged = await examined({ config: made.config })
    expect(damaged.code).toBe(65)
    expect(damaged.check('seed')).toMatchObject({ status: 'fail', exit: 65 })
    expect(damaged.check('login')).toMatchObject({ status: 'skip' })

    rmSync(made.seed)
    const none = await examined({ config: made.config })
    expect(none.code).toBe(4)
    expect(none.check('seed')).toMatchObject({ status: 'warn' })
    expect(none.check('login')).toMatchObject({
      ...{ status: 'fail', exit: 4, message: 'there is no token set' },
      hint: expect.stringContaining('seed FILE') as string,
    })
  })

  it('a store of a newer schema is read and will not be written, and doctor ends with 74', async () => {
    const made = await seeded()
    changed(made, 'PRAGMA user_version = 99')
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('schema')).toMatchObject({
      status: 'fail',
      exit: 74,
      hint: expect.stringContaining('npm install') as string,
    })
    expect(got.check('login')).toMatchObject({ status: 'ok' })
  })

  it('the store of an older schema is not migrated', async () => {
    const made = await seeded()
    changed(made, 'PRAGMA user_version = 3')
    const before = contents(made.dir)
    expect((await examined(made)).check('schema')?.message).toBe('3; the next refresh brings it to 6')
    expect(contents(made.dir)).toEqual(before)
  })

  it.each([
    [
      'no database',
      (path: string) => {
        writeFileSync(path, 'x'.repeat(8192))
      },
      'store',
    ],
    [
      'of no bytes',
      (path: string) => {
        truncateSync(path, 0)
      },
      'store',
    ],
    [
      'cut off',
      (path: string) => {
        truncateSync(path, 16_384)
      },
      'store',
    ],
    [
      'torn in the middle',
      (path: string) => {
        const bytes = readFileSync(path)
        writeFileSync(path, bytes.fill('x', bytes.length / 2, bytes.length / 2 + 8192))
      },
      'integrity',
    ],
  ])(
    'doctor reports a store that is %s as damaged, ends with 74, and leaves it as it is',
    async (_, damage, name) => {
      const made = await seeded()
      damage(join(made.dir, 'token.db'))
      const before = contents(made.dir)
      const got = await examined(made)
      expect(got.code).toBe(74)
      expect(got.check(name)).toMatchObject({
        ...{ status: 'fail', exit: 74 },
        message: expect.stringContaining('is damaged') as string,
        hint: expect.stringMatching(
          /; (?:if it never was a store, name another \[store\] path; else )?move it away \(mv \S+ \S+\), then: hq-token login \(or: hq-token seed FILE\)$/,
        ) as string,
      })
      expect(got.names).not.toContain('login')
      expect(got.check('token URL')).toMatchObject({ status: 'ok' })
      expect(contents(made.dir)).toEqual(before)
    },
  )

  it('doctor reports a store with a row that makes no sense, and ends with 74', async () => {
    const made = await seeded()
    changed(made, 'ALTER TABLE token_set DROP COLUMN lifetime')
    const got = await examined(made)
    expect(got.check('integrity')).toMatchObject({
      status: 'fail',
      exit: 74,
      message: expect.stringContaining('lifetime') as string,
      hint: expect.stringMatching(/; move it away \(.*\), then: hq-token login /) as string,
    })
  })

  it('doctor reports a store that is named as a file beside another, ends with 74, and looks at all the rest', async () => {
    const { config, dir } = await place({}, 3600)
    rewritten({ config }, (text) => text.replace('token.db', 'token.lock'))
    const got = await examined({ config })
    expect(got.code).toBe(74)
    expect(got.check('store')).toMatchObject({
      message: `${join(dir, 'token.lock')} is named as a file beside a store, not as a store`,
      hint: expect.stringContaining('token.db') as string,
    })
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
  })

  it('doctor reports a store that others can read, and ends with 74, with the mend', async () => {
    const made = await seeded()
    const path = join(made.dir, 'token.db')
    chmodSync(path, 0o644)
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('store')).toMatchObject({ status: 'fail', hint: `chmod 600 ${path}` })
    for (const name of ['schema', 'integrity']) expect(got.check(name)).toMatchObject({ status: 'skip' })
  })

  it.runIf(canBeOthers)('doctor reports a store of another user, and ends with 74', async () => {
    const made = await seeded()
    chownSync(join(made.dir, 'token.db'), 12_345, 12_345)
    expect((await examined(made)).check('store')).toMatchObject({
      ...{ status: 'fail', exit: 74 },
      message: expect.stringContaining('belongs to another user (uid 12345)') as string,
      hint: "run as that user: sudo -u '#12345' hq-token …; or name another [store] path",
    })
  })

  it.runIf(canBeOthers)(
    'doctor reports a store in a folder that may not be written, and ends with 74',
    async () => {
      const made = await seeded()
      chmodSync(made.dir, 0o500)
      const { code, stdout } = await asAnybody(made, 'doctor', '--json')
      expect(code).toBe(74)
      const { checks } = JSON.parse(stdout) as { checks: Finding[] }
      expect(checks.find(({ name }) => name === 'writable')).toMatchObject({
        ...{ status: 'fail', exit: 74, message: `${made.dir} cannot be written (EACCES)` },
        hint: `look at the disk and the permissions: ls -ld ${made.dir}; df -h ${made.dir}`,
      })
    },
  )

  it('doctor reports a store with a rescue file that others can read, and ends with 74', async () => {
    const made = await seeded()
    const rescue = join(made.dir, 'token.rescue')
    chmodSync(rescue, 0o644)
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('unfinished')).toMatchObject({ status: 'fail', exit: 74, hint: `chmod 600 ${rescue}` })
  })

  it.runIf(canBeOthers)(
    'a store on a read-only file system is read all the same, and doctor ends with 74',
    async () => {
      const made = await seeded()
      execFileSync('mount', ['--bind', made.dir, made.dir])
      onTestFinished(() => void execFileSync('umount', ['--lazy', made.dir]))
      execFileSync('mount', ['-o', 'remount,bind,ro', made.dir])
      const got = await examined(made)
      expect(got.code).toBe(74)
      expect(got.check('writable')).toMatchObject({
        ...{ status: 'fail', exit: 74, message: `${made.dir} cannot be written (EROFS)` },
        hint: 'the file system is read-only: mount it writable, or name another [store] path',
      })
      for (const name of ['integrity', 'lock', 'login'])
        expect(got.check(name)).toMatchObject({ status: 'ok' })
    },
  )

  it.runIf(canBeOthers)(
    'doctor reports a store on a full disk, which is in memory, and ends with 74, with both',
    async () => {
      const disk = mount('tmpfs')
      const { root } = disk
      const made = await place({}, 3600)
      rewritten(made, (text) => text.replace('path = token.db', `path = ${join(root, 'token.db')}`))
      await told(['seed'], { env: { HQ_TOKEN_CONFIG: made.config } })
      disk.fill()
      const got = await examined(made)
      expect(got.code).toBe(74)
      expect(got.check('disk space')).toMatchObject({
        ...{
          status: 'fail',
          exit: 74,
          message: `the disk of ${root} is full: 0 KiB left`,
          hint: `df -h ${root}`,
        },
      })
      expect(got.check('file system')).toMatchObject({
        ...{ status: 'warn', message: expect.stringContaining('tmpfs is in memory') as string },
      })
      expect(got.check('login')).toMatchObject({ status: 'ok' })
    },
  )

  it.runIf(process.platform === 'linux').each([
    ['/proc/x', '/proc is on proc, where no file can be made'],
    ['/sys/hq-token/token.db', '/sys/hq-token is on sysfs, where no file can be made'],
  ])(
    'doctor says of a store at %s that nothing can be kept there, and ends with 74',
    async (path, message) => {
      const made = await place()
      rewritten(made, (text) => text.replace('path = token.db', `path = ${path}`))
      const got = await examined({ config: made.config })
      expect(got.code).toBe(74)
      expect(got.check('file system')).toMatchObject({
        ...{ status: 'fail', exit: 74, message, hint: 'name a [store] path on a local disk' },
      })
      for (const name of ['disk space', 'writable']) expect(got.check(name)).toMatchObject({ status: 'skip' })
    },
  )

  it.runIf(canBeOthers)('the store in memory without a limit is on no full disk', async () => {
    const root = folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=0,mode=0700', 'tmpfs', root])
    onTestFinished(() => void execFileSync('umount', ['--lazy', root]))
    const made = await place()
    rewritten(made, (text) => text.replace('path = token.db', `path = ${join(root, 'token.db')}`))
    const got = await examined({ config: made.config })
    expect(got.check('disk space')).toMatchObject({
      ...{ status: 'skip', message: 'this file system does not tell its size' },
    })
    expect(got.check('writable')).toMatchObject({ status: 'ok' })
  })

  it.runIf(process.platform === 'linux').each([
    [0x6969, 'warn', /^NFS is a network file system/],
    [-11_317_950, 'warn', /^CIFS is a network file system/],
    [0x65735546, 'warn', /^FUSE: it may be/],
    [0xef53, 'ok', /^local$/],
  ])('doctor reports a store on a file system of type %d: %s', async (type, status, message) => {
    const { dir } = await seeded()
    const fileSystem = (): { type: number; room: number } => ({ type, room: 3 * 1024 * 1024 })
    const { checks } = await inspectStore(join(dir, 'token.db'), { rule: 'a test', env: {}, fileSystem })
    const check = (wanted: string): unknown => checks.find(({ name }) => name === wanted)
    expect(check('file system')).toMatchObject({
      ...{ status, message: expect.stringMatching(message) as string },
      ...(status === 'warn' && { hint: 'name a [store] path on a local disk' }),
    })
    expect(check('disk space')).toMatchObject({
      ...{ status: 'warn', message: '3072 KiB left', hint: `df -h ${dir}` },
    })
  })

  it('doctor reports a store whose lock another process holds, and whose refresh was killed', async () => {
    const made = await seeded({ faults: [{ name: 'silence', count: 1 }] })
    const running = made.start(['refresh'])
    while (made.sandbox.log.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    const during = await examined(made)
    expect(during.code).toBe(0)
    expect(during.check('lock')).toMatchObject({
      status: 'warn',
      hint: `to see who: fuser ${join(made.dir, 'token.lock')}`,
    })
    expect(during.check('unfinished')).toMatchObject({ status: 'skip' })

    running.child.kill('SIGKILL')
    await running.done
    const before = contents(made.dir)
    const after = await examined(made)
    expect(after.check('lock')).toMatchObject({ status: 'ok' })
    expect(after.check('unfinished')).toMatchObject({
      ...{ status: 'warn', hint: 'hq-token get' },
      message: expect.stringMatching(/begun at .*Z and its outcome is unknown/) as string,
    })
    expect(contents(made.dir)).toEqual(before)
  })

  it('doctor reports a store beside which an answer waits to be taken up', async () => {
    const made = await seeded()
    await made.store.exclusive(
      async (held) => {
        const set = await held.read()
        await held.rescue.keep({
          ...{
            generation: set?.generation ?? 0,
            attempt: 2,
            spent: set?.pair.refreshToken.fingerprint ?? '',
            grant: set?.grant ?? null,
          },
          answer: {
            ...{ sentAt: machineClock(), sent: true, status: 200, contentType: null, contentEncoding: null },
            ...{ retryAfter: null, date: null, complete: true, failure: null },
            body: new TextEncoder().encode('{"access_token":"live-access"}'),
          },
        })
      },
      { waitMs: 5_000 },
    )
    const before = contents(made.dir)
    expect((await examined(made)).check('unfinished')).toMatchObject({
      ...{ status: 'warn', hint: 'hq-token refresh' },
      message: `an answer of the server waits in ${join(made.dir, 'token.rescue')}: the next refresh uses it`,
    })
    expect(contents(made.dir)).toEqual(before)
  })

  it('doctor reports a store within whose last write a process died, and does not repair it', async () => {
    const made = await seeded()
    const path = join(made.dir, 'token.db')
    // As a crash leaves it: the pages are half written, and the journal still has what was there.
    const hot = new Database(path)
    hot.pragma('cache_size = 1')
    hot.pragma('cache_spill = 1')
    hot.exec('BEGIN IMMEDIATE; UPDATE history SET padding = randomblob(400)')
    const copy = folder()
    for (const name of ['token.db', 'token.db-journal'])
      writeFileSync(join(copy, name), readFileSync(join(made.dir, name)), { mode: 0o600 })
    hot.exec('ROLLBACK')
    hot.close()
    rewritten(made, (text) => text.replace('path = token.db', `path = ${join(copy, 'token.db')}`))
    const before = contents(copy)
    const got = await examined(made)
    expect(got.check('store')).toMatchObject({ status: 'warn', hint: 'hq-token status' })
    expect(contents(copy)).toEqual(before)
    expect(await new SqliteStore(join(copy, 'token.db')).read()).toBeDefined()
    expect((await examined(made)).check('store')).toMatchObject({ status: 'ok' })
  })

  it('doctor reports a store that somebody keeps busy, and ends with 75', async () => {
    const made = await seeded()
    const db = new Database(join(made.dir, 'token.db'))
    db.exec('BEGIN EXCLUSIVE')
    const got = await examined(made)
    db.close()
    expect(got.code).toBe(75)
    expect(got.check('store')).toMatchObject({
      status: 'fail',
      exit: 75,
      hint: expect.stringContaining('fuser') as string,
    })
  })

  it('doctor reports a store with a file in the place of the lock, and ends with 74', async () => {
    const made = await seeded()
    writeFileSync(join(made.dir, 'token.lock'), 'x'.repeat(5000), { mode: 0o600 })
    expect((await examined(made)).check('lock')).toMatchObject({
      status: 'fail',
      exit: 74,
      hint: expect.stringContaining('mv ') as string,
    })
  })

  it.runIf(canBeOthers)(
    'doctor reports a store that only root may read, and ends with 74, as in status, and no process has died in it',
    async () => {
      const made = await seeded()
      const run = asSomebody(made)
      const path = join(made.dir, 'token.db')
      rmSync(`${path}-journal`)
      chownSync(path, 0, 0)
      chmodSync(made.dir, 0o755)
      const { code, stdout } = await run('doctor')
      const status = await run('status')
      const said = `${path} cannot be read: it belongs to root, mode 600`
      expect(stdout).toMatch(new RegExp(`^fail +store +${said}\n.*ls -ld ${path}; as root: chown`, 'm'))
      expect(status.stderr).toContain(said)
      expect([code, status.code]).toEqual([74, 74])
    },
  )

  it.runIf(canBeOthers)(
    'doctor reports a store with a lock of root’s, and ends with 74, and it stays where it is: root may hold it',
    async () => {
      const made = await seeded()
      const run = asSomebody(made)
      const path = join(made.dir, 'token.lock')
      chownSync(path, 0, 0)
      for (const command of ['doctor', 'refresh']) {
        const { code, stdout, stderr } = await run(command)
        expect(code).toBe(74)
        expect(stdout + stderr).toContain(`${path} cannot be read: it belongs to root, mode 600`)
        expect(stdout + stderr).toContain(`ls -ld ${path}; as root: chown ${SOMEBODY} ${path}`)
        expect(stdout + stderr).not.toContain('mv ')
      }
    },
  )
})
