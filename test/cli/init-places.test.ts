import { execFile, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { BIN, ended, isHeld, letGo, start, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'
import {
  expectOnly,
  flags,
  home,
  type Home,
  init,
  INSTANCE,
  load,
  mode,
  SECRET,
  secretOf,
} from './init-home.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'strace')
}, 300_000)

describe('where init writes', () => {
  it('the place where init writes is where the program looks: the profile’s file', async () => {
    const at = home()
    const { stderr } = await init(at, ['--profile', 'acme'])
    const file = join(dirname(at.file), 'profiles/acme.ini')
    expect(stderr).toBe(
      `hq-token: wrote ${file}\nhq-token: hint: hq-token --profile acme login; or put a new token into a seed file, then: hq-token --profile acme seed FILE\n`,
    )
    expect([mode(file), mode(dirname(file))]).toEqual(['600', '700'])
    expect(await told(['--profile', 'acme', 'status'], { env: at.env })).toMatchObject({
      stderr: expect.not.stringContaining('HQ_CONFIG_INVALID') as string,
      stdout: expect.stringContaining(INSTANCE) as string,
    })
  })

  it.each(['--config', 'HQ_TOKEN_CONFIG'])('the place where init writes is what %s names', async (how) => {
    const at = home()
    const file = join(folder(), 'new', "it's.ini")
    const env = how === '--config' ? at.env : { ...at.env, HQ_TOKEN_CONFIG: file }
    const argv = how === '--config' ? ['--config', file, ...flags()] : flags()
    expect(await told(argv, { env, input: SECRET })).toMatchObject({ code: 0 })
    expect(await secretOf(file)).toBe(SECRET)
    expect(existsSync(at.file)).toBe(false)
  })

  it('the config that init writes is not over what is there', async () => {
    const at = home()
    mkdirSync(dirname(at.file), { recursive: true })
    writeFileSync(at.file, 'mine', { mode: 0o640 })
    const { code, stderr } = await told(['--profile', 'x', '--config', at.file, 'init'], { env: at.env })
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /config\.ini is there already[^]*hint: hq-token --config \S+ --profile x init --force/,
    )
    expect([readFileSync(at.file, 'utf8'), mode(at.file)]).toEqual(['mine', '640'])
    expectOnly(dirname(at.file), 'config.ini')
  })

  it('the config that init writes is not over a link that leads nowhere', async () => {
    const at = home()
    mkdirSync(dirname(at.file), { recursive: true })
    symlinkSync('nowhere', at.file)
    expect(await init(at)).toMatchObject({ code: 2 })
    expect(lstatSync(at.file).isSymbolicLink()).toBe(true)
    expectOnly(dirname(at.file), 'config.ini')
  })

  it('init with --force writes over what is there, which stays beside it', async () => {
    const at = home()
    mkdirSync(dirname(at.file), { recursive: true })
    const old = Buffer.from([0xff, 0xfe, 0x00, 0x41])
    writeFileSync(at.file, old, { mode: 0o644 })
    expect(await init(at, ['--force'])).toMatchObject({ code: 0 })
    expect(await secretOf(at.file)).toBe(SECRET)
    expect(readFileSync(`${at.file}.bak`)).toEqual(old)
    expect([mode(at.file), mode(`${at.file}.bak`)]).toEqual(['600', '600'])
    expectOnly(dirname(at.file), 'config.ini', 'config.ini.bak')
  })

  it('init with --force writes behind a link, which stays', async () => {
    const at = home()
    const real = join(folder(), 'dotfile.ini')
    writeFileSync(real, '[client]\n', { mode: 0o600 })
    mkdirSync(dirname(at.file), { recursive: true })
    symlinkSync(real, at.file)
    expect(await init(at, ['--force'])).toMatchObject({ code: 0 })
    expect(lstatSync(at.file).isSymbolicLink()).toBe(true)
    expect(await secretOf(real)).toBe(SECRET)
  })

  it.each([
    ['/sys/kernel/hq-token.ini', '/sys/kernel; df -h /sys/kernel'],
    ['/sys/kernel/hq-token/a/config.ini', '/sys/kernel; df -h /sys/kernel'],
    ['/proc/hq-token/config.ini', '/proc; df -h /proc'],
    ['/dev/null/config.ini', '/dev /dev/null; df -h /dev/null'],
  ])('cannot be %s: 74, and why', async (file, place) => {
    // A process of its own: one that never ends must not hold up the others.
    const { code, stderr, stdout } = await start(flags('--config', file), { input: SECRET }).done
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    expect(stderr).toMatch(new RegExp(`${file} cannot be written \\(E\\w+\\)\n.*hint: ls -ld ${place}\n`))
  })

  it.each(['000', '077', '777'])(
    'the config that init writes is 0600 from its first instant under a umask of %s',
    async (umask) => {
      const at = home()
      mkdirSync(dirname(at.file), { recursive: true, mode: 0o700 })
      const trace = join(folder(), 'trace')
      await promisify(execFile)('sh', [
        '-c',
        `umask ${umask}; printf %s ${SECRET} | exec strace -f -qq -o "$0" -e trace=openat,fchmod,link,linkat,rename "$@"`,
        ...[trace, process.execPath, BIN, ...flags('--config', at.file)],
      ])
      expect([mode(at.file), await secretOf(at.file)]).toEqual(['600', SECRET])
      // The umask is for every file, that of strace too.
      chmodSync(trace, 0o600)
      const made = readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => /O_CREAT/.test(line) && line.includes(dirname(at.file)))
      expect(made.length).toBeGreaterThan(0)
      for (const line of made) expect(line).toMatch(/O_EXCL.*, 0600\)/)
    },
  )

  it('the config that init writes is one config, whole, where many write at one instant', async () => {
    const at = home()
    const ids = ['1', '2', '3', '4', '5', '6']
    const held = ids.map((id) =>
      start(flags('--client-id', id), { env: at.env, input: `secret-of-${id}`, held: 'start' }),
    )
    await Promise.all(held.map(isHeld))
    letGo(held)
    const codes = (await Promise.all(held.map(({ done }) => done))).map(({ code }) => code)
    expect([...codes].sort()).toEqual([0, 2, 2, 2, 2, 2])
    const winner = ids[codes.indexOf(0)]
    expect(load(at.file).clientId).toBe(winner)
    expect(await secretOf(at.file)).toBe(`secret-of-${winner ?? ''}`)
    expectOnly(dirname(at.file), 'config.ini')
  })
})

describe('init that is interrupted while it writes', { timeout: 300_000 }, () => {
  /** The real one, hit by a signal as it enters a system call. */
  const hit = (at: Home, signal: NodeJS.Signals, call: string, more: readonly string[]): Promise<Ended> => {
    const [syscall, nth] = call.split(' ')
    // A folder that is made is synced by calls of its own.
    mkdirSync(dirname(at.file), { recursive: true, mode: 0o700 })
    const strace = ['-f', '-qq', '-o', join(folder(), 'trace')]
    const inject = [
      '-e',
      `trace=${syscall ?? ''}`,
      '-e',
      `inject=${syscall ?? ''}:signal=${signal}:when=${nth ?? ''}`,
    ]
    const child = spawn('strace', [...strace, ...inject, process.execPath, BIN, ...flags(...more)], {
      env: { PATH: process.env['PATH'], ...at.env },
    })
    child.stdin.end(SECRET)
    return ended(child)
  }
  // From the draft to its end: made, on the disk, in place.
  const calls = ['fchmod 1', 'fsync 1', 'link 1', 'fsync 2', 'unlink 1']

  it('init that is interrupted by a signal that can be waited with leaves a whole config and no draft, and dies of the signal', async () => {
    const tries = calls.map(async (call) => {
      const at = home()
      expect(await hit(at, 'SIGTERM', call, []), call).toMatchObject({ code: null, signal: 'SIGTERM' })
      expect(await secretOf(at.file), call).toBe(SECRET)
      expectOnly(dirname(at.file), 'config.ini')
    })
    await Promise.all(tries)
  })

  it('init that is interrupted by a signal that cannot be waited with leaves no config, or a whole one', async () => {
    const tries = calls.map(async (call) => {
      const at = home()
      expect(await hit(at, 'SIGKILL', call, []), call).toMatchObject({ signal: 'SIGKILL' })
      for (const name of readdirSync(dirname(at.file))) expect(mode(join(dirname(at.file), name))).toBe('600')
      return existsSync(at.file) && (await secretOf(at.file))
    })
    const [first, ...rest] = await Promise.all(tries)
    expect([first, rest.at(-1)]).toEqual([false, SECRET])
    for (const found of rest) expect([false, SECRET]).toContain(found)
  })

  it('init --force that is interrupted by a signal that cannot be waited with leaves the old config, or the new one whole', async () => {
    const tries = ['rename 1', 'fchmod 3', 'rename 2', 'unlink 1'].map(async (call) => {
      const at = home()
      await init(at, ['--client-id', 'old'])
      expect(await hit(at, 'SIGKILL', call, ['--force']), call).toMatchObject({ signal: 'SIGKILL' })
      expect(await secretOf(at.file), call).toBe(SECRET)
      return load(at.file).clientId
    })
    const ids = await Promise.all(tries)
    expect([ids[0], ids.at(-1)]).toEqual(['old', '1012'])
    for (const id of ids) expect(['old', '1012']).toContain(id)
  })
})
