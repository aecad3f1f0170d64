// What is typed, what is set, and what is misspelt: what every command says of it.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { homedir } from 'node:os'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type { Notice } from '../../src/core/ports.js'
import { openGuard } from '../../src/wiring/open-guard.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { told, type Told } from '../support/world.js'

const CANARY = 'cAnArY-0123456789'
const ALL = [
  ...[['get'], ['refresh'], ['status'], ['seed'], ['api', '1/sites'], ['logout', '--local']],
  ...[
    ['login', '--no-browser'],
    ['exec', '--', 'true'],
    ['credential', '--protocol', 'git', 'get'],
  ],
]

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A store with a token that lives for an hour, and a profile beside its configuration. */
async function seeded(): Promise<Place & { readonly tell: ReturnType<typeof tellIn> }> {
  const made = await place({}, 3600)
  const tell = tellIn(made)
  expect((await tell(['seed'])).code).toBe(0)
  return { ...made, tell }
}

const tellIn =
  ({ config }: Pick<Place, 'config'>) =>
  (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Told> =>
    told(args, { env: { HQ_TOKEN_CONFIG: config, ...env }, homedir: folder(), input: '' })

describe('a name that a script left empty', () => {
  it.each([
    [['--config', '', 'get'], '--config is given an empty name', 'hq-token --config FILE …'],
    [['seed', ''], 'the seed file is given an empty name', 'hq-token seed FILE'],
  ])('%j is wrong usage, and nothing is read in its place', async (args, message, hint) => {
    expect(await told(args, { homedir: folder() })).toEqual({
      ...{ code: 2, stdout: '' },
      stderr: `hq-token: error: ${message}\nhq-token: hint: ${hint}\n`,
    })
  })
})

describe('a profile that is typed', () => {
  it('a profile that is typed and is none is an error, whatever HQ_TOKEN_CONFIG names: nothing is printed', async () => {
    const made = await seeded()
    for (const args of ALL) {
      const { code, stdout, stderr } = await made.tell(['--profile', 'doesnotexist', ...args])
      expect([args, code, stdout]).toEqual([args, 78, ''])
      expect(stderr).toMatch(
        /^hq-token: error: the profile doesnotexist has no config file \(\S+profiles\/doesnotexist\.ini, \S+; HQ_TOKEN_CONFIG is not used: --profile doesnotexist was given\)\nhq-token: hint: hq-token --profile doesnotexist init\n$/,
      )
    }
    expect(made.sandbox.log).toEqual([])
  })

  it('a profile that is typed and HQ_TOKEN_STORE exclude one another: both are named, and the ways out', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_STORE: join(made.dir, 'token.db') }
    for (const args of [...ALL, ['init', '--instance', 'https://acme.highq.com/', '--client-id', '1']]) {
      const { code, stdout, stderr } = await made.tell(['--profile', 'acme', ...args], env)
      expect([args, code, stdout]).toEqual([args, 2, ''])
      expect(stderr).toBe(
        'hq-token: error: --profile acme and HQ_TOKEN_STORE exclude one another: one file cannot be the store of two profiles\n' +
          'hq-token: hint: unset HQ_TOKEN_STORE, or leave out --profile acme; HQ_TOKEN_STATE_DIR names a folder with a store for each profile\n',
      )
    }
    const doctor = await made.tell(['--profile', 'acme', 'doctor'], env)
    expect([doctor.code, doctor.stdout]).toEqual([
      2,
      expect.stringMatching(/^fail {3}config {9}--profile acme and HQ_TOKEN_STORE/),
    ])
    expect(made.sandbox.log).toEqual([])
  })

  it('a profile that is typed is what counts, and -v and doctor say what does not', async () => {
    const made = await seeded()
    const [dir, state] = [folder(), folder()]
    const acme = readFileSync(made.config, 'utf8').replace(/\[store\]\npath = .*/, '')
    await made.tell([
      '--config',
      join(dir, 'profiles', 'acme.ini'),
      'init',
      '--force',
      '--no-doctor',
      '--instance',
      made.sandbox.url,
      '--client-id',
      '1',
      '--auth-method',
      'none',
    ])
    writeFileSync(join(dir, 'profiles', 'acme.ini'), acme.replace('token.ini', made.seed), { mode: 0o600 })
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: state }
    const typed = ['--profile', 'acme']
    const quiet = await made.tell([...typed, 'get'], env)
    expect(quiet).toMatchObject({ code: 0, stderr: '' })
    expect(readdirSync(state)).toContain('acme.db')
    const news =
      /^hq-token: HQ_TOKEN_CONFIG is not used: --profile acme was given\nhq-token: the refresh token ends at \d{4}-\S+Z\n$/
    expect((await made.tell([...typed, '-v', 'get'], env)).stderr).toMatch(news)
    const doctor = await made.tell([...typed, 'doctor'], env)
    expect(doctor.stdout).toContain(
      `ok     config         ${join(dir, 'profiles', 'acme.ini')} (HQ_TOKEN_CONFIG_DIR); HQ_TOKEN_CONFIG is not used: --profile acme was given\n`,
    )
    expect(doctor.stdout).toContain(`ok     store          ${join(state, 'acme.db')} (HQ_TOKEN_STATE_DIR)\n`)
    // The warm path of the real program, and its full path.
    expect(await made.run([...typed, 'get'], { env })).toMatchObject({
      code: 0,
      stdout: quiet.stdout,
      stderr: '',
    })
    expect(await made.run([...typed, '-v', 'get'], { env })).toMatchObject({
      ...{ code: 0, stdout: quiet.stdout },
      stderr: expect.stringMatching(news) as string,
    })
  })

  it('a profile that is typed counts the same for a program: openGuard({ profile })', async () => {
    const made = await seeded()
    vi.stubEnv('HQ_TOKEN_CONFIG', made.config)
    await expect(openGuard({ profile: 'doesnotexist' })).rejects.toMatchObject({ code: 'HQ_CONFIG_INVALID' })
    vi.stubEnv('HQ_TOKEN_STORE', join(made.dir, 'token.db'))
    await expect(openGuard({ profile: 'doesnotexist' })).rejects.toMatchObject({ code: 'HQ_USAGE' })
    await expect(openGuard()).resolves.toBeDefined()
  })
})

describe('a variable that is misspelt', () => {
  const env = { HQ_TOKEN_CLIENTID: CANARY, HQ_TOKEN_SERVICE_HOST: '10.0.0.1', HQ_TOKEN_STROE: '' }
  const warning =
    'hq-token: warning: HQ_TOKEN_CLIENTID is not known and has no effect\nhq-token: hint: did you mean HQ_TOKEN_CLIENT_ID?\n'

  it('a variable that is misspelt is warned of by what does its work all the same, and its value is in no output', async () => {
    const made = await seeded()
    const { code, stdout, stderr } = await made.tell(['get'], env)
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/^\S+\n$/), warning])
    for (const args of [...ALL, ['get', '--log-format', 'json'], ['-v', 'status']]) {
      const got = await made.tell(args, env)
      expect([args, got.stderr]).toEqual([args, expect.stringContaining('HQ_TOKEN_CLIENTID is not known')])
      expect(got.stdout + got.stderr).not.toContain(CANARY)
    }
  })

  it('a variable that is misspelt is warned of by the real program too, whose warm path leaves it to the full one', async () => {
    const made = await seeded()
    expect(await made.run(['get'], { env })).toMatchObject({ code: 0, stderr: warning })
  })

  it('a variable that is misspelt is a line of doctor, also where the configuration cannot be read', async () => {
    const made = await seeded()
    const line =
      'warn   environment    HQ_TOKEN_CLIENTID is not known and has no effect\n       → did you mean HQ_TOKEN_CLIENT_ID?\n'
    const well = await made.tell(['doctor'], env)
    expect([well.code, well.stderr]).toEqual([0, ''])
    expect(well.stdout).toContain(line)
    expect(well.stdout).toContain('ok     permissions    nobody else can read or change it\n')
    const without = { ...env, HQ_TOKEN_CONFIG: '', HQ_TOKEN_CONFIG_DIR: folder() }
    expect((await made.tell(['doctor'], without)).stdout).toContain(line)
    expect((await made.tell(['doctor'], { ...env, HQ_TOKEN_PROFILE: '-' })).stdout).toContain(line)
    writeFileSync(made.config, '[clent]')
    const broken = await made.tell(['doctor'], env)
    expect([broken.code, broken.stdout]).toEqual([78, expect.stringContaining(line)])
    expect(broken.stdout + well.stdout).not.toContain(CANARY)
  })

  it('a variable that is misspelt is told to a program by its own ear', async () => {
    const made = await seeded()
    vi.stubEnv('HQ_TOKEN_CONFIG', made.config)
    vi.stubEnv('HQ_TOKEN_CLIENTID', CANARY)
    const notices: Notice[] = []
    await openGuard({ notify: (notice) => notices.push(notice) })
    expect(notices).toEqual([
      {
        level: 'warning',
        message: 'HQ_TOKEN_CLIENTID is not known and has no effect',
        hint: 'did you mean HQ_TOKEN_CLIENT_ID?',
      },
    ])
  })

  it('a variable that is misspelt is nothing that exec sets for its command: a command may call the program again', async () => {
    const made = await seeded()
    const inner = `"$0" "$1" get >/dev/null`
    const { code, stderr } = await made.run(
      [
        'exec',
        '--token-file',
        '--',
        'sh',
        '-c',
        inner,
        process.execPath,
        join(process.cwd(), 'dist/bin.cjs'),
      ],
      { env: { HOME: homedir() } },
    )
    expect([code, stderr]).toEqual([0, ''])
  })
})

describe('the folders that variables name', () => {
  it('the folders that variables name are made by init and by the first token, for the owner alone, and are found again', async () => {
    const made = await place({}, 3600)
    const base = folder()
    const env = {
      ...{ HQ_TOKEN_CONFIG: '', HQ_TOKEN_CONFIG_DIR: join(base, 'a', 'config') },
      HQ_TOKEN_STATE_DIR: join(base, 'b', 'state'),
    }
    for (const typed of [[], ['--profile', 'acme']]) {
      const flags = [
        '--instance',
        made.sandbox.url,
        '--client-id',
        made.sandbox.clientId,
        '--client-secret',
        '-',
      ]
      const world = { env, input: made.sandbox.clientSecret, homedir: '/nonexistent' }
      const written = await told([...typed, 'init', '--no-doctor', ...flags], world)
      const file = join(env.HQ_TOKEN_CONFIG_DIR, typed.length === 0 ? 'config.ini' : 'profiles/acme.ini')
      expect([written.code, written.stderr]).toEqual([
        0,
        expect.stringContaining(`hq-token: wrote ${file}\n`),
      ])
      for (const at of [file, dirname(file), env.HQ_TOKEN_CONFIG_DIR, dirname(env.HQ_TOKEN_CONFIG_DIR)])
        expect([at, statSync(at).mode & 0o077]).toEqual([at, 0])
      expect((await told([...typed, 'seed', made.seed], world)).code).toBe(0)
      const status = await told([...typed, 'status'], world)
      expect(status.stdout).toContain(
        `${join(env.HQ_TOKEN_STATE_DIR, typed.length === 0 ? 'token.db' : 'acme.db')}\n`,
      )
    }
    for (const at of [env.HQ_TOKEN_STATE_DIR, dirname(env.HQ_TOKEN_STATE_DIR)])
      expect([at, statSync(at).mode & 0o077]).toEqual([at, 0])
  })

  it('keep a profile called token from the store of the configuration without one', async () => {
    const base = folder()
    const env = { HQ_TOKEN_CONFIG_DIR: base, HQ_TOKEN_STATE_DIR: base }
    const flags = ['--instance', 'https://acme.highq.com/', '--client-id', '1', '--auth-method', 'none']
    const { code, stderr } = await told(['--profile', 'token', 'init', ...flags], { env })
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('a profile cannot be called token: its store would be token.db'),
    ])
    expect(existsSync(join(base, 'profiles'))).toBe(false)
  })

  it('the folders that variables name are the only place: what the machine or the user has elsewhere is not looked at', async () => {
    const made = await seeded()
    const empty = folder()
    const env = { HQ_TOKEN_CONFIG: '', HQ_TOKEN_CONFIG_DIR: empty, HQ_TOKEN_STATE_DIR: empty }
    const doctor = await made.tell(['doctor'], env)
    expect(doctor.stdout).toMatch(
      new RegExp(
        `^ok     config         no file \\(${join(empty, 'config.ini')}\\): the environment alone\n`,
      ),
    )
    expect(await made.tell(['get'], env)).toMatchObject({
      ...{ code: 78, stdout: '' },
      stderr: expect.stringMatching(/there is no config file.*\nhq-token: hint: hq-token init\n$/) as string,
    })
  })
})
