import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configKeys } from '../../src/config/keys.js'
import { lastCopyWarnings } from '../../src/store/rescue/private-tmp.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, withoutNews, type Ended } from '../support/processes.js'

// The real program where other programs have prepared the place: as the users that it is about.

const isRoot = process.platform === 'linux' && process.geteuid?.() === 0
if (!isRoot) process.stderr.write('the tests of other users’ places need Linux and root: they are left out\n')

const USER = 12_345
const GROUP = 23_456
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

beforeAll(() => {
  if (isRoot) requirePrograms(['setpriv', 'util-linux'], ['unshare', 'util-linux'])
}, 300_000)

/** The program, run by a user who is in these groups; the project may lie in a folder of root's. */
function as(user: number, groups: string, env: NodeJS.ProcessEnv): (...args: string[]) => Promise<Ended> {
  const bin = folder()
  chmodSync(bin, 0o755)
  const script = `mount --bind "$1" "$2"; shift 2; exec setpriv --reuid ${user} --regid ${user} --groups ${groups} "$@"`
  const program = [process.execPath, join(bin, relative(PROJECT, BIN))]
  return (...args) =>
    ended(
      spawn('unshare', ['--mount', 'sh', '-euc', script, 'sh', PROJECT, bin, ...program, ...args], {
        env: { PATH: process.env['PATH'], ...env },
        cwd: '/',
      }),
    )
}

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8)

/** A folder that everybody may pass, and a place whose files one user may read. */
async function given(): Promise<Place & { readonly volume: string }> {
  const made = await place({}, 3600)
  chmodSync(made.dir, 0o755)
  for (const path of [made.config, made.seed]) chownSync(path, USER, USER)
  const volume = join(made.dir, 'volume')
  mkdirSync(volume)
  return { ...made, volume }
}

describe.runIf(isRoot)('a pod of Kubernetes with fsGroup', { timeout: 60_000 }, () => {
  /** As the kubelet does at each mount. */
  function mounted(volume: string): void {
    for (const name of ['', ...readdirSync(volume, { recursive: true, encoding: 'utf8' })]) {
      const path = join(volume, name)
      const stats = statSync(path)
      chownSync(path, stats.uid, GROUP)
      chmodSync(path, (stats.mode & 0o777) | (stats.isDirectory() ? 0o2770 : 0o660))
    }
  }

  it('a pod of Kubernetes with fsGroup keeps its store in a folder of the volume, from mount to mount', async () => {
    const { config, volume } = await given()
    mounted(volume)
    const store = join(volume, 'hq-token/token.db')
    const pod = as(USER, `${USER},${GROUP}`, { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: store })
    const direct = await as(USER, `${USER},${GROUP}`, {
      ...{ HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: join(volume, 'token.db') },
    })('get')
    expect(direct).toMatchObject({ code: 74, stdout: '' })
    expect(direct.stderr).toContain(`HQ_TOKEN_STORE=${store}`)

    const first = await pod('get')
    expect(first).toMatchObject({ code: 0, stderr: '' })
    for (const args of [['get'], ['refresh'], ['status'], ['exec', '--', 'true']]) {
      mounted(volume)
      const { code, stderr } = withoutNews(await pod(...args))
      expect(code, stderr).toBe(0)
      expect(stderr).toMatch(
        /warning: took the group’s permissions away from \S+ \(mode 2770\), \S*token\.db \(mode 660\)/,
      )
      expect(stderr).toMatch(/hint: .*fsGroupChangePolicy: OnRootMismatch/)
      expect(stderr.match(/warning/g)).toHaveLength(1)
      expect([modeOf(join(volume, 'hq-token')), modeOf(store)]).toEqual(['700', '600'])
    }
    expect((await pod('get')).stderr).toBe('')
    mounted(volume)
    const doctor = await pod('doctor')
    expect(doctor).toMatchObject({ code: 0, stderr: '' })
    expect(doctor.stdout).toMatch(/^warn +store +its group may use /m)
    expect(modeOf(store)).toBe('660')
  })

  it('a pod of Kubernetes with fsGroup whose group is none of ours, is refused with what mends it', async () => {
    const { config, volume } = await given()
    mounted(volume)
    const store = join(volume, 'hq-token/token.db')
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: store }
    expect((await as(USER, `${USER},${GROUP}`, env)('get')).code).toBe(0)
    mounted(volume)
    chmodSync(volume, 0o777)
    const { code, stderr } = await as(USER, String(USER), env)('get')
    expect(code).toBe(74)
    expect(stderr).toContain(`hint: chmod 700 ${join(volume, 'hq-token')}`)
    expect(modeOf(store)).toBe('660')
  })
})

describe.runIf(isRoot)('root with a user’s HOME, as `sudo -E` leaves it', { timeout: 60_000 }, () => {
  async function home(): Promise<{ env: NodeJS.ProcessEnv; path: string; seed: string }> {
    const { sandbox, seed } = await place({}, 3600)
    const path = folder()
    chownSync(path, USER, USER)
    const client = { HQ_TOKEN_INSTANCE: sandbox.url, HQ_TOKEN_CLIENT_ID: '1012', HQ_TOKEN_CLIENT_SECRET: 'x' }
    return { path, seed, env: { HOME: path, HQ_TOKEN_REDIRECT_URI: 'http://127.0.0.1/callback', ...client } }
  }
  const run = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ended> =>
    ended(spawn(process.execPath, [BIN, ...args], { env: { PATH: process.env['PATH'], ...env } }))
  const INIT = [
    'init',
    '--instance',
    'http://127.0.0.1:1/',
    '--client-id',
    '1',
    '--client-secret-command',
    'echo x',
  ]

  it.each([
    ['an empty home', []],
    ['folders of that user', ['.local/state/hq-token', '.config/hq-token']],
  ])('%s: nothing is made there, and the hint leaves that user’s files alone', async (_, folders) => {
    const { env, path, seed } = await home()
    for (const name of folders) {
      mkdirSync(join(path, name), { recursive: true })
      spawnSync('chown', ['-R', `${USER}:${USER}`, path])
    }
    const before = readdirSync(path, { recursive: true })
    for (const args of [
      ['seed', seed],
      ['login', '--no-browser'],
      [...INIT, '--no-doctor'],
    ]) {
      const { code, stdout, stderr } = await run(env, ...args)
      expect({ code, stdout }, args.join(' ')).toEqual({ code: 74, stdout: '' })
      expect(stderr).toContain(`sudo -u '#${USER}' hq-token`)
      expect(stderr).not.toMatch(/chown|chmod/)
      expect(readdirSync(path, { recursive: true })).toEqual(before)
    }
    const { code, stdout } = await run(env, 'doctor')
    expect(code).toBe(74)
    expect(stdout).not.toMatch(/chown|chmod/)
    expect(readdirSync(path, { recursive: true })).toEqual(before)
  })

  it('root with a user’s HOME, as `sudo -E` leaves it reads a store of root’s, wherever HOME is', async () => {
    const { env, seed } = await home()
    const store = join(folder(), 'own/token.db')
    expect(await run({ ...env, HQ_TOKEN_STORE: store }, 'seed', seed)).toMatchObject({ code: 0 })
  })

  it('root with a user’s HOME that may not read the user’s file is not told to take it', async () => {
    const { env, path } = await home()
    const file = join(path, 'config.ini')
    writeFileSync(file, '[client]\n', { mode: 0o600 })
    chownSync(file, USER, USER)
    chmodSync(path, 0o755)
    const setpriv = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, BIN, 'get']
    const { code, stderr } = await ended(
      spawn('setpriv', setpriv, { env: { PATH: process.env['PATH'], ...env, HQ_TOKEN_CONFIG: file } }),
    )
    expect(code).toBe(78)
    expect(stderr).toContain(`sudo -u '#${USER}' hq-token`)
    expect(stderr).not.toMatch(/chown|chmod/)
  })

  it.each([
    'HQ_TOKEN_STORE',
    'HQ_TOKEN_CLIENT_SECRET_FILE',
    'HQ_TOKEN_CA_FILE',
    'HQ_TOKEN_CONFIG',
    'HQ_TOKEN_SEED_FILE',
  ])('%s of a file that is none: nobody is told to close it or to move it away', async (name) => {
    const { env } = await home()
    const others = { ...env, HQ_TOKEN_CLIENT_SECRET: '' }
    const file = join(folder(), 'passwd')
    writeFileSync(file, 'root:x:0:0:root:/root:/bin/bash\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\n', {
      mode: 0o644,
    })
    chmodSync(join(file, '..'), 0o755)
    for (const args of [['get'], ['refresh'], ['status'], ['doctor'], ['seed', file]]) {
      const { stdout, stderr } = await run({ ...others, [name]: file }, ...args)
      expect(stdout + stderr).not.toMatch(/chmod|chown|mv /)
    }
    expect(modeOf(file)).toBe('644')
  })
})

describe.runIf(isRoot)('a unit of systemd with DynamicUser=', { timeout: 60_000 }, () => {
  it('a unit of systemd with DynamicUser= keeps its store in $STATE_DIRECTORY, which is a link of root’s', async () => {
    const { config } = await given()
    const state = `/var/lib/hq-token-test-${process.pid}`
    try {
      mkdirSync(`${state}/private/hq`, { recursive: true, mode: 0o755 })
      chownSync(`${state}/private/hq`, USER, USER)
      symlinkSync('private/hq', `${state}/hq`)
      const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: `${state}/hq/token.db` }
      const unit = as(USER, String(USER), env)
      for (const args of [['get'], ['refresh'], ['get'], ['status'], ['doctor']])
        expect(withoutNews(await unit(...args)), args.join(' ')).toMatchObject({ code: 0, stderr: '' })
      expect(readdirSync(`${state}/private/hq`)).toContain('token.db')

      chownSync(state, USER + 1, USER)
      const refused = await unit('status')
      expect(refused).toMatchObject({ code: 74, stdout: '' })
      expect(refused.stderr).toContain(`${state}/hq is a link to ${state}/private/hq, which others than root`)
    } finally {
      spawnSync('rm', ['-r', state])
    }
  })

  it('a unit of systemd with DynamicUser= is told what becomes of its last copies, by the lines of /proc/self/mountinfo', () => {
    // As a unit of systemd 252 with PrivateTmp= sees them, and as one without.
    const unit =
      '254:0 /var/tmp/systemd-private-58d0c8-run-u4.service-GhsLoI/tmp /var/tmp rw,nosuid shared:93 - ext4 /dev/vda rw'
    expect(lastCopyWarnings('linux', `256 222 ${unit}\n`)).toMatchObject([
      { name: 'last copies', status: 'warn' },
    ])
    expect(
      lastCopyWarnings('linux', '256 222 254:1 / /var/tmp rw,nosuid shared:93 - ext4 /dev/vdb rw\n'),
    ).toEqual([])
    expect(lastCopyWarnings('linux', '')).toEqual([])
    expect(lastCopyWarnings()).toEqual([])
    // There a `/proc` is a folder of the current drive, which anybody may make.
    expect(lastCopyWarnings('win32', `256 222 ${unit}\n`)).toEqual([])
  })
})

describe.runIf(isRoot)('the first process of a container', { timeout: 60_000 }, () => {
  const contained = (config: string, args: readonly string[]) =>
    spawn('unshare', ['--pid', '--fork', '--mount-proc', process.execPath, BIN, ...args], {
      env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config },
    })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'the first process of a container hands %s on to its command',
    async (signal) => {
      const { config } = await place({}, 3600)
      const command = `trap 'echo heard; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.1; done`
      const child = contained(config, ['exec', '--', 'sh', '-c', command])
      const done = ended(child)
      let said = ''
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await expect.poll(() => said, { timeout: 20_000 }).toContain('ready')
      const [first = ''] = readFileSync(
        `/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`,
        'utf8',
      ).split(' ')
      process.kill(Number(first), signal)
      expect(await done).toMatchObject({ code: 7, stdout: 'ready\nheard\n' })
    },
  )

  it('the first process of a container says with -v what becomes of orphans there', async () => {
    const { config } = await place({}, 3600)
    const { code, stderr } = await ended(contained(config, ['-v', 'exec', '--', 'true']))
    expect(code).toBe(0)
    expect(stderr).toMatch(/first process of its container.*zombies\n.*hint: docker run --init/)
  })
})

it('the guide’s CronJob names what there is', () => {
  interface Container {
    readonly args: readonly string[]
    readonly env: readonly { readonly name: string; readonly value?: string }[]
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
  }
  interface Pod {
    readonly containers: readonly [Container]
    readonly volumes: readonly { readonly name: string }[]
  }
  const guide = readFileSync('docs/guide.md', 'utf8')
  const [, text = ''] = /```yaml\n(apiVersion: batch\/v1\n[^]*?)```/.exec(guide) ?? []
  const { spec } = parse(text) as { spec: { jobTemplate: { spec: { template: { spec: Pod } } } } }
  const { containers, volumes } = spec.jobTemplate.spec.template.spec
  const [{ args, env, volumeMounts }] = containers
  expect(args).toEqual(['refresh', '--if-older', '7d'])
  const known = configKeys.map((key): string => key.env)
  for (const { name } of env) expect([...known, 'HQ_TOKEN_STATE_DIR']).toContain(name)
  expect(volumeMounts.map(({ name }) => name)).toEqual(volumes.map(({ name }) => name))
  expect(env[0]?.value).toMatch(new RegExp(`^${volumeMounts[0]?.mountPath ?? ''}/[^/]+$`))
})
