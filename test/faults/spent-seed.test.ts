import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'

// A seed that is spent, at the real program: volumes that are not mounted, folders that cannot be written, other
// users, processes that are killed.

const PROJECT = fileURLToPath(new URL('../..', import.meta.url))
const PRELOAD = new URL('crash-points.preload.mjs', import.meta.url).href
const SOMEBODY = 12_345

const mounted = new Set<string>()

afterAll(() => {
  for (const path of mounted) execFileSync('umount', ['--lazy', path])
})

/** A folder that is mounted at another place, as a volume is. */
function bind(source: string, target: string, mode: 'rw' | 'ro' = 'rw'): void {
  execFileSync('mount', ['--bind', source, target])
  mounted.add(target)
  if (mode === 'ro') execFileSync('mount', ['-o', 'remount,ro,bind', target])
}

function unmount(target: string): void {
  execFileSync('umount', [target])
  mounted.delete(target)
}

/** The configuration with its seed in a folder, and the store in another. */
interface Apart extends Place {
  readonly state: string
  readonly at: (state: string, ...args: string[]) => Promise<Ended>
}

async function apart(seedTtl = 0): Promise<Apart> {
  const here = await place({}, seedTtl)
  return {
    ...here,
    state: folder(),
    at: (state, ...args) => here.run(args, { env: { HQ_TOKEN_STORE: join(state, 'token.db') } }),
  }
}

const fails = (seed: string): RegExp =>
  new RegExp(`error: ${seed} was spent on .*is the store’s volume mounted`)

/** What a container is: the program and the configuration as another user sees them, on a root that is read-only. */
function container(here: Place, config: 'rw' | 'ro', volume: string | undefined): Promise<Ended> {
  const dirs = [folder(), folder(), folder()]
  const [bin = '', etc = '', state = ''] = dirs
  for (const path of dirs) chmodSync(path, 0o755)
  chownSync(state, SOMEBODY, SOMEBODY)
  chmodSync(state, 0o700)
  const script = [
    `mount --bind ${PROJECT} ${bin}`,
    `mount --bind ${here.dir} ${etc}`,
    ...(config === 'ro' ? [`mount -o remount,ro,bind ${etc}`] : []),
    // Without `-v` the folder of the image is a fresh one.
    volume === undefined
      ? `mount -t tmpfs -o mode=0700,uid=${SOMEBODY},gid=${SOMEBODY} tmpfs ${state}`
      : `mount --bind ${volume} ${state}`,
    `exec setpriv --reuid ${SOMEBODY} --regid ${SOMEBODY} --clear-groups "$@"`,
  ].join('; ')
  const program = [process.execPath, join(bin, relative(PROJECT, BIN)), 'get']
  const env = {
    PATH: process.env['PATH'],
    HQ_TOKEN_CONFIG: join(etc, 'config.ini'),
    HQ_TOKEN_STORE: join(state, 'token.db'),
  }
  return ended(spawn('unshare', ['--mount', 'sh', '-euc', script, 'sh', ...program], { env, cwd: '/' }))
}

/** The configuration's folder for a user who is not root: theirs to write, or to read alone. */
function given({ dir, config, seed }: Place, owner: number): void {
  chownSync(dir, owner, owner)
  chmodSync(dir, 0o755)
  for (const path of [config, seed]) chownSync(path, SOMEBODY, SOMEBODY)
}

describe('a get before the volume of its store is mounted', () => {
  it('a get before the volume of its store is mounted ends with 4, sends nothing, makes nothing; once it is mounted all is well', async () => {
    const { at, state, seed, sandbox } = await apart()
    const volume = folder()
    bind(volume, state)
    expect((await at(state, 'get')).code).toBe(0)
    unmount(state)
    const early = await at(state, 'get')
    expect(early).toMatchObject({ code: 4, stdout: '' })
    expect(early.stderr).toMatch(fails(seed))
    expect(readdirSync(state)).toEqual([])
    bind(volume, state)
    expect((await at(state, 'get')).code).toBe(0)
    expect((await at(state, 'refresh')).code).toBe(0)
    expect([sandbox.refreshes(), sandbox.revokedFamilies()]).toEqual([2, 0])
    unmount(state)
  })

  it('twenty gets at once before the volume of their store is mounted end the same for each', async () => {
    const { at, state, seed, sandbox } = await apart()
    expect((await at(state, 'get')).code).toBe(0)
    const empty = folder()
    for (const { code, stderr } of await Promise.all(Array.from({ length: 20 }, () => at(empty, 'get')))) {
      expect(code).toBe(4)
      expect(stderr).toMatch(fails(seed))
    }
    expect([sandbox.refreshes(), readdirSync(empty)]).toEqual([1, []])
  })
})

describe('a container as another user than root', () => {
  it('a container without its volume ends with 4, and the grant in the volume is alive', async () => {
    const here = await place()
    const volume = folder()
    chownSync(volume, SOMEBODY, SOMEBODY)
    given(here, SOMEBODY)
    const first = await container(here, 'rw', volume)
    expect(first.code, first.stderr).toBe(0)
    const without = await container(here, 'rw', undefined)
    expect(without).toMatchObject({ code: 4, stdout: '' })
    expect(without.stderr).toMatch(/token\.ini was spent on .*: is the store’s volume mounted\?/)
    expect((await container(here, 'rw', volume)).code).toBe(0)
    expect([here.sandbox.refreshes(), here.sandbox.revokedFamilies()]).toEqual([1, 0])
  })

  it.each([
    ['mounted read-only', 'ro', SOMEBODY, /the file system is read-only/],
    ['root’s', 'rw', 0, /permission denied/],
  ] as const)(
    'a container whose folder of the configuration is %s warns once, and hands the token out',
    async (_what, mode, owner, why) => {
      const here = await place()
      const volume = folder()
      chownSync(volume, SOMEBODY, SOMEBODY)
      given(here, owner)
      const first = await container(here, mode, volume)
      expect(first.code).toBe(0)
      expect(first.stderr).toMatch(
        /^hq-token: warning: the seed file .* can be removed now: .* could not be marked as spent \(.*\): with an empty store it would be imported again, and the server may end the grant\nhq-token: hint: remove the file, or take \[seed\] file out of the configuration\n$/,
      )
      expect(first.stderr).toMatch(why)
      expect(await here.works(first.stdout.trim())).toBe(true)
      expect(await container(here, mode, volume)).toMatchObject({ code: 0, stderr: '' })
      expect(existsSync(`${here.seed}.spent`)).toBe(false)
    },
  )
})

describe('a folder of the configuration that is read-only for root too', () => {
  it('a folder of the configuration that is read-only for root too is said once and by doctor; what could not be marked is marked when it can be', async () => {
    const { at, state, dir, seed } = await apart()
    bind(dir, dir, 'ro')
    const first = await at(state, 'get')
    expect(first.stderr).toMatch(
      /warning: the seed file .* could not be marked as spent \(the file system is read-only\)/,
    )
    expect(await at(state, 'refresh')).toMatchObject({ code: 0, stderr: '' })
    const doctor = await at(state, 'doctor')
    expect(doctor.code).toBe(0)
    expect(doctor.stdout).toMatch(
      /^warn +seed +.* was spent on .* is not marked as spent \(it cannot be marked: the file system is read-only\)/m,
    )
    unmount(dir)
    expect((await at(state, 'refresh')).stderr).toMatch(
      /^hq-token: the seed file .* can be removed now: .*\n$/,
    )
    expect(existsSync(`${seed}.spent`)).toBe(true)
    expect(await at(state, 'refresh')).toMatchObject({ code: 0, stderr: '' })
  })

  it('the token is handed out where the folder of the configuration is on a disk that is full, and nothing is left half', async () => {
    const { at, state, config, seed } = await apart()
    const disk = folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'tmpfs', disk])
    mounted.add(disk)
    for (const path of [config, seed]) copyFileSync(path, join(disk, relative(join(path, '..'), path)))
    for (const name of readdirSync(disk)) chmodSync(join(disk, name), 0o600)
    try {
      writeFileSync(join(disk, 'ballast'), Buffer.alloc(1 << 20))
    } catch {
      // It is full now.
    }
    const env = { HQ_TOKEN_SEED_FILE: join(disk, 'token.ini') }
    const store = { HQ_TOKEN_STORE: join(state, 'token.db'), HQ_TOKEN_CONFIG: config }
    const first = await ended(
      spawn(process.execPath, [BIN, 'get'], { env: { ...process.env, ...store, ...env } }),
    )
    expect(first.code).toBe(0)
    expect(first.stderr).toMatch(/could not be marked as spent \(the disk is full\)/)
    expect(readdirSync(disk).sort()).toEqual(['ballast', 'config.ini', 'token.ini'])
    rmSync(join(disk, 'ballast'))
    expect((await at(state, 'refresh')).code).toBe(0)
  })
})

describe('two hosts with one seed in a shared folder', () => {
  it('the second may begin until the first has refreshed, and not after that', async () => {
    const { at, state, seed, sandbox } = await apart(3600)
    const [second, third] = [folder(), folder()]
    expect((await at(state, 'get')).code).toBe(0)
    expect((await at(second, 'get')).code).toBe(0)
    expect((await at(state, 'refresh')).code).toBe(0)
    const late = await at(third, 'get')
    expect(late).toMatchObject({ code: 4, stdout: '' })
    expect(late.stderr).toMatch(fails(seed))
    expect(sandbox.refreshes()).toBe(1)
    const refused = await at(second, 'refresh')
    expect(refused.code).toBe(4)
    expect(refused.stderr).toMatch(/was spent on .* by another store, which holds this grant now/)
  })
})

describe('killed between the save of the new pair and the mark', () => {
  /** The points of the program at the mark, as they are passed in a whole run. */
  async function dying(here: Apart, point?: string): Promise<Ended> {
    return here.run(['get'], {
      env: {
        ...{ HQ_TOKEN_STORE: join(here.state, 'token.db'), NODE_OPTIONS: `--import=${PRELOAD}` },
        ...{ CRASH_FOLDER: here.state, CRASH_SEEDS: here.dir, CRASH_LOG: join(here.dir, 'crash.log') },
        ...(point !== undefined && { CRASH_AT: point }),
      },
    })
  }

  it(
    'a process killed at each step between save and mark has printed the token before, and the next refresh marks',
    { timeout: 300_000 },
    async () => {
      const whole = await apart()
      expect(await dying(whole)).toMatchObject({ code: 0 })
      const passed = readFileSync(join(whole.dir, 'crash.log'), 'utf8').trimEnd().split('\n')
      const printed = passed.indexOf('after print #1')
      const points = passed.filter((point, i) => i > printed && /mark|COMMIT|UPDATE|INSERT/.test(point))
      expect(points).toEqual(
        expect.arrayContaining(['before open mark #1', 'before rename mark #1', 'after rename mark #1']),
      )
      // Nothing of a mark before the token is out.
      expect(passed.filter((point, i) => i < printed && point.endsWith('mark #1'))).toEqual([])
      for (const point of points) {
        const here = await apart()
        const { signal, stdout } = await dying(here, point)
        expect([point, signal]).toEqual([point, 'SIGKILL'])
        expect(await here.works(stdout.trim()), point).toBe(true)
        expect((await here.at(here.state, 'refresh')).code, point).toBe(0)
        expect(existsSync(`${here.seed}.spent`), point).toBe(true)
        const quiet = await here.at(here.state, 'refresh')
        expect(quiet, point).toMatchObject({ code: 0, stderr: '' })
        expect((await here.at(folder(), 'get')).code, point).toBe(4)
        expect(here.sandbox.revokedFamilies()).toBe(0)
      }
    },
  )
})
