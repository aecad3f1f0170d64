import fc from 'fast-check'
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configKeys } from '../../src/config/keys.js'
import { loadConfig } from '../../src/config/load.js'
import { sourceOf } from '../config/places.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { watchProcessList } from '../support/process-list.js'
import { BIN, ended, isHeld, letGo, start, type Ended } from '../support/processes.js'
import { atTerminal, CTRL_C, CTRL_D, CTRL_Z, type Step } from '../support/terminal.js'
import { told, type Told } from '../support/world.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'strace')
}, 300_000)

/** Of this run alone: another one on the same machine shows its own in the process list. */
const SECRET = `s3cr3t-${randomBytes(8).toString('hex')}`
const INSTANCE = 'https://acme.highq.com/acme/'

interface Home {
  readonly env: Record<string, string>
  /** The config file's usual place. */
  readonly file: string
}

function home(): Home {
  const dir = folder()
  const env = { XDG_CONFIG_HOME: join(dir, 'config'), XDG_STATE_HOME: join(dir, 'state') }
  return { env, file: join(dir, 'config/hq-token/config.ini') }
}

const flags = (...more: string[]): string[] => [
  ...['init', '--no-doctor'],
  ...['--instance', INSTANCE, '--client-id', '1012', '--client-secret', '-'],
  ...more,
]

const init = (at: Home, more: string[] = [], input = SECRET): Promise<Told> =>
  told(flags(...more), { env: at.env, input })

const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8)
const load = (file: string): ReturnType<typeof loadConfig> => loadConfig(sourceOf({ file }))

async function secretOf(file: string): Promise<string | undefined> {
  return (await load(file).clientSecret())?.reveal()
}

/** Nothing but the files by these names: no draft either. */
function expectOnly(dir: string, ...names: string[]): void {
  expect(readdirSync(dir).sort()).toEqual(names.sort())
}

describe('init by flags', () => {
  it('writes a config, 0600 in a folder of 0700, and says what comes next', async () => {
    const at = home()
    const { code, stdout, stderr } = await init(at, ['--redirect-uri', 'https://example.com/done'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toBe(
      `hq-token: wrote ${at.file}\nhq-token: hint: hq-token login --no-browser; or put a new token into a seed file, then: hq-token seed FILE\n`,
    )
    expect([mode(at.file), mode(dirname(at.file))]).toEqual(['600', '700'])
    expectOnly(dirname(at.file), 'config.ini')
    expect(load(at.file)).toMatchObject({
      clientId: '1012',
      redirectUri: 'https://example.com/done',
      notices: [],
    })
    expect(load(at.file).instance?.href).toBe(INSTANCE)
    expect(await secretOf(at.file)).toBe(SECRET)
  })

  it('writes what the other commands work with', async () => {
    const { sandbox, seed, works } = await place()
    const { env } = home()
    const argv = [
      'init',
      '--no-doctor',
      '--instance',
      sandbox.url,
      '--client-id',
      sandbox.clientId,
      '--client-secret',
      '-',
    ]
    expect(await told(argv, { env, input: `${sandbox.clientSecret}\n` })).toMatchObject({ code: 0 })
    expect(await told(['seed', seed], { env })).toMatchObject({ code: 0 })
    const { stdout } = await told(['get'], { env })
    expect(await works(stdout.trim())).toBe(true)
    expect(await told(['status'], { env })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(sandbox.url) as string,
    })
  })

  it('tries what it has written, and tells what it finds', async () => {
    const { sandbox } = await place()
    const { env } = home()
    const argv = ['init', '--instance', sandbox.url, '--client-id', sandbox.clientId, '--client-secret', '-']
    const { code, stdout, stderr } = await told(argv, { env, input: sandbox.clientSecret })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(/^ok +config .*config\.ini/m)
    expect(stderr).toMatch(/^ok +token URL /m)
    // That there is no token set yet, goes without saying.
    expect(stderr).not.toMatch(/^(?:warn|fail)/m)
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^hq-token: hint: hq-token login;/)
    expect(stderr).not.toContain(sandbox.clientSecret)
  })

  it('takes the redirect URI that it would have proposed', async () => {
    const at = home()
    await init(at)
    expect(load(at.file).redirectUri).toBe('http://127.0.0.1:8765/callback')
  })

  it('writes for any other server', async () => {
    const at = home()
    const given = {
      issuer: 'https://login.example.com/',
      'token-url': 'https://login.example.com/token?tenant=1',
      'authorize-url': 'https://login.example.com/authorize',
      'revocation-url': 'https://login.example.com/revoke',
      'api-url': 'https://api.example.com/v1/',
      scope: 'openid offline_access',
      'auth-method': 'none',
      'client-id': 'reports',
    }
    const argv = Object.entries(given).flatMap(([flag, text]) => [`--${flag}`, text])
    expect(await told(['init', '--no-doctor', ...argv], { env: at.env })).toMatchObject({ code: 0 })
    const config = load(at.file)
    expect([config.tokenUrl, config.authorizeUrl, config.revocationUrl, config.apiUrl].map(String)).toEqual([
      given['token-url'],
      given['authorize-url'],
      given['revocation-url'],
      given['api-url'],
    ])
    expect(config).toMatchObject({
      issuer: given.issuer,
      scope: given.scope,
      authMethod: 'none',
      clientId: 'reports',
      secretFrom: null,
    })
  })

  it('names a file or a command for the secret, a file by its whole path', async () => {
    const [one, other] = [home(), home()]
    const argv = ['init', '--no-doctor', '--instance', INSTANCE, '--client-id', '1012']
    await told([...argv, '--client-secret-file', 'some/secret'], { env: one.env })
    expect(readFileSync(one.file, 'utf8')).toContain(`client_secret_file = ${resolve('some/secret')}\n`)
    await told([...argv, '--client-secret-command', "printf '%s' 'a ; b' # c"], { env: other.env })
    expect(await secretOf(other.file)).toBe('a ; b')
  })

  it('leaves a secret that is in the environment there', async () => {
    const at = home()
    const argv = ['init', '--no-doctor', '--instance', INSTANCE, '--client-id', '1012']
    const { code, stderr } = await told(argv, { env: { ...at.env, HQ_TOKEN_CLIENT_SECRET: SECRET } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/HQ_TOKEN_CLIENT_SECRET is set/)
    expect(stderr + readFileSync(at.file, 'utf8')).not.toContain(SECRET)
  })

  it('warns of what the environment will change', async () => {
    const at = home()
    const env = { ...at.env, HQ_TOKEN_CLIENT_ID: '7', HQ_TOKEN_CLIENT_SECRET_FILE: '/x', HQ_TOKEN_SCOPE: 'a' }
    const { code, stderr } = await told(flags(), { env, input: SECRET })
    expect(code).toBe(0)
    expect(stderr).toMatch(/warning: HQ_TOKEN_CLIENT_ID is set, and wins over the file\n/)
    expect(stderr).toMatch(
      /warning: HQ_TOKEN_CLIENT_SECRET_FILE is set, and the file gives client_secret: keep one\n/,
    )
    expect(stderr).not.toMatch(/SCOPE/)
  })

  it.each([
    ['the secret as an argument', ['--client-secret', SECRET], /from standard input only[^]*process list/],
    ['a URL that is none', ['--instance', 'acme'], /--instance must be a URL/],
    ['plain http', ['--token-url', 'http://example.com/'], /--token-url must be an https URL/],
    ['nothing', ['--client-id', ' '], /--client-id is empty/],
    ['a placeholder', ['--client-id', 'your_client_id'], /--client-id is still a placeholder/],
    ['two lines', ['--scope', 'a\nb'], /--scope holds a control character/],
    ['what INI cannot hold', ['--scope', `a" ; b' ; c`], /--scope cannot be written/],
    [
      'an unknown method',
      ['--auth-method', 'magic'],
      /Allowed choices are client_secret_post, client_secret_basic, client_secret_basic_plain, none/,
    ],
    ['a secret and none', ['--auth-method', 'none'], /--client-secret is given, and --auth-method none/],
    ['two secrets', ['--client-secret-file', 'x'], /--client-secret and --client-secret-file exclude/],
  ])('refuses %s, and writes nothing', async (_, more, message) => {
    const at = home()
    const { code, stdout, stderr } = await init(at, more)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain(SECRET)
    expect(existsSync(dirname(at.file))).toBe(false)
  })

  it.each([
    ['an empty one', '\n', /is empty/],
    ['one of two lines', 's3cr3t\ns3cr3t\n', /holds a control character/],
    ['a placeholder', '{{ secret }}', /is still a placeholder/],
    ['a binary file', '\0\u0001s3cr3t\0', /is not text/],
  ])('refuses as a secret on standard input %s', async (_, input, message) => {
    const at = home()
    const { code, stderr } = await init(at, [], input)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('s3cr3t')
    expect(existsSync(at.file)).toBe(false)
  })

  it('names all that is missing where there is no terminal', async () => {
    const at = home()
    const { code, stderr } = await told(['init', '--no-doctor'], { env: at.env })
    expect(code).toBe(2)
    expect(stderr).toMatch(/error: .*--instance.*--client-id.*--client-secret -.* must be given\n/)
    expect(stderr).toMatch(/hint: hq-token init --instance/)
    expect(existsSync(at.file)).toBe(false)
  })

  it('has a flag for every key of [client]', async () => {
    const { stdout } = await told(['init', '--help'])
    for (const { section, key } of configKeys)
      if (section === 'client') expect(stdout).toContain(`--${key.replaceAll('_', '-')} <`)
  })

  const odd = fc
    .array(
      fc.oneof(
        fc.constantFrom(
          ' ',
          ';',
          '#',
          '"',
          "'",
          '\\',
          '=',
          '[',
          ']',
          '\u2028',
          '\u00a0',
          '\ufeff',
          '🔑',
          '$',
          '`',
          'ü',
        ),
        fc.string({ unit: 'grapheme', maxLength: 3 }),
      ),
      { minLength: 1, maxLength: 12 },
    )
    .map((parts) => parts.join(''))

  it('writes each value so that it is read as it is, or not at all', { timeout: 300_000 }, async () => {
    let written = 0
    await fc.assert(
      fc.asyncProperty(odd, odd, async (secret, clientId) => {
        // At the start of a stream it is a byte order mark.
        fc.pre(!secret.startsWith('\ufeff'))
        const at = home()
        const argv = [
          'init',
          '--no-doctor',
          `--client-id=${clientId}`,
          '--instance',
          INSTANCE,
          '--client-secret',
          '-',
        ]
        const { code } = await told(argv, { env: at.env, input: secret })
        expect(existsSync(at.file)).toBe(code === 0)
        if (code === 0) {
          written++
          expect(load(at.file).clientId).toBe(clientId)
          expect(await secretOf(at.file)).toBe(secret)
        } else expect(code).toBe(2)
      }),
      { numRuns: 150 },
    )
    expect(written).toBeGreaterThan(75)
  })
})

describe('where init writes', () => {
  it('is where the program looks: the profile’s file', async () => {
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

  it.each(['--config', 'HQ_TOKEN_CONFIG'])('is what %s names', async (how) => {
    const at = home()
    const file = join(folder(), 'new', "it's.ini")
    const env = how === '--config' ? at.env : { ...at.env, HQ_TOKEN_CONFIG: file }
    const argv = how === '--config' ? ['--config', file, ...flags()] : flags()
    expect(await told(argv, { env, input: SECRET })).toMatchObject({ code: 0 })
    expect(await secretOf(file)).toBe(SECRET)
    expect(existsSync(at.file)).toBe(false)
  })

  it('is not over what is there', async () => {
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

  it('is not over a link that leads nowhere', async () => {
    const at = home()
    mkdirSync(dirname(at.file), { recursive: true })
    symlinkSync('nowhere', at.file)
    expect(await init(at)).toMatchObject({ code: 2 })
    expect(lstatSync(at.file).isSymbolicLink()).toBe(true)
    expectOnly(dirname(at.file), 'config.ini')
  })

  it('with --force is over what is there, which stays beside it', async () => {
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

  it('with --force is behind a link, which stays', async () => {
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
    ['/sys/kernel/hq-token.ini', '/sys/kernel; df /sys/kernel'],
    ['/sys/kernel/hq-token/a/config.ini', '/sys/kernel; df /sys/kernel'],
    ['/proc/hq-token/config.ini', '/proc; df /proc'],
    ['/dev/null/config.ini', '/dev /dev/null; df /dev/null'],
  ])('cannot be %s: 74, and why', async (file, place) => {
    // A process of its own: one that never ends must not hold up the others.
    const { code, stderr, stdout } = await start(flags('--config', file), { input: SECRET }).done
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    expect(stderr).toMatch(new RegExp(`${file} cannot be written \\(E\\w+\\)\n.*hint: ls -ld ${place}\n`))
  })

  it.each(['000', '077', '777'])('is 0600 from its first instant under a umask of %s', async (umask) => {
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
  })

  it('is one config, whole, where many write at one instant', async () => {
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

describe('the recipe for Ansible in the guide', () => {
  it('works as it stands', async () => {
    const at = home()
    const yaml = /```yaml\n([^]*?ansible[^]*?)```/.exec(readFileSync('docs/guide.md', 'utf8'))?.[1] ?? ''
    const [task] = parse(yaml) as [
      { 'ansible.builtin.command': { argv: string[]; stdin: string; creates: string } },
    ]
    const { argv, stdin, creates } = task['ansible.builtin.command']
    expect(stdin).toBe('{{ highq_client_secret }}')
    expect(argv[0]).toBe('hq-token')
    expect(await told(argv.slice(1), { env: at.env, input: SECRET })).toMatchObject({ code: 0 })
    expect(await secretOf(at.file)).toBe(SECRET)
    expect(creates).toMatch(/\/\.config\/hq-token\/config\.ini$/)
  })
})

describe('init at a terminal', { timeout: 300_000 }, () => {
  const asked = {
    instance: 'INSTANCE/: ',
    id: 'Client id: ',
    redirect: 'callback\\]: ',
    secret: 'not shown\\): ',
  }
  const answers: Step[] = [
    { after: asked.instance, type: 'https://acme.highq.com/acme\r' },
    { after: asked.id, type: ' 1012 \r' },
    { after: asked.redirect, type: '\r' },
    { after: asked.secret, type: `${SECRET}\r` },
  ]
  const atInit = (
    at: Home,
    steps: readonly Step[],
    { env = {}, argv = [] }: { env?: Record<string, string>; argv?: string[] } = {},
  ): ReturnType<typeof atTerminal> =>
    atTerminal([process.execPath, BIN, 'init', '--no-doctor', ...argv], steps, {
      PATH: process.env['PATH'],
      TERM: 'xterm-256color',
      ...at.env,
      ...env,
    })

  async function expectWritten(at: Home): Promise<void> {
    const config = load(at.file)
    expect([config.instance?.href, config.clientId, config.redirectUri]).toEqual([
      INSTANCE,
      '1012',
      'http://127.0.0.1:8765/callback',
    ])
    expect(await secretOf(at.file)).toBe(SECRET)
    expect(mode(at.file)).toBe('600')
  }

  it.each([{ TERM: 'xterm-256color' }, { TERM: 'dumb' }, { NO_COLOR: '1' }])(
    'asks for each, and never shows the secret, nor its length (%j)',
    async (env) => {
      const at = home()
      const { said, status } = await atInit(at, answers, { env })
      expect(status).toBe(0)
      expect(said).toMatch(/not shown\): \r?\n.*wrote /)
      expect(said).not.toContain(SECRET.slice(0, 4))
      expect(said).not.toMatch(/\u001b\[[\d;]*m/)
      if (env.TERM === 'dumb') expect(said).not.toContain('\u001b')
      await expectWritten(at)
    },
  )

  it('asks again for what is wrong', async () => {
    const at = home()
    const [instance, id, redirect, secret] = answers as [Step, Step, Step, Step]
    const { said, status } = await atInit(at, [
      { after: asked.instance, type: '\r' },
      { after: 'this is empty', type: '' },
      { after: asked.instance, type: 'acme.highq.com\r' },
      { after: 'must be a URL', type: '' },
      instance,
      { after: asked.id, type: 'your_client_id\r' },
      { after: 'still a placeholder', type: '' },
      id,
      { after: asked.redirect, type: 'http://example.com/\r' },
      { after: 'must be an https URL', type: '' },
      redirect,
      { after: asked.secret, type: '\r' },
      { after: 'this is empty', type: '' },
      { after: asked.secret, type: 'changeme-9876\r' },
      { after: 'still a placeholder', type: '' },
      secret,
    ])
    expect(status).toBe(0)
    expect(said).not.toMatch(/9876|s3cr/)
    await expectWritten(at)
  })

  it('asks only for what was not given', async () => {
    const at = home()
    const { said } = await atInit(at, answers.slice(3), {
      argv: [
        '--instance',
        INSTANCE,
        '--client-id',
        '1012',
        '--redirect-uri',
        'http://127.0.0.1:8765/callback',
      ],
    })
    expect(said).not.toMatch(/Client id|Instance,/)
    await expectWritten(at)
  })

  it('shows nothing of a secret that is pasted with the other answers', async () => {
    const at = home()
    const { said } = await atInit(at, [
      { after: 'the answers go to', type: `https://acme.highq.com/acme\r1012\r\r${SECRET}\r` },
    ])
    expect(said).toMatch(/Client id: 1012\r?\n/)
    expect(said).not.toContain(SECRET.slice(0, 4))
    await expectWritten(at)
  })

  it.each([
    ['first', answers.slice(0, 0), asked.instance],
    ['last', answers.slice(0, 3), asked.secret],
  ])(
    'writes nothing after Ctrl-C at the %s question, and ends as shells expect',
    async (_, before, after) => {
      const at = home()
      const { said, status } = await atInit(at, [...before, { after, type: `s3cr${CTRL_C}` }])
      expect(said).toContain('nothing was written')
      expect(status).toBe(-constants.signals.SIGINT)
      expect(existsSync(dirname(at.file))).toBe(false)
    },
  )

  it.each([
    ['first', answers.slice(0, 0), asked.instance],
    ['last', answers.slice(0, 3), asked.secret],
  ])('writes nothing after Ctrl-D at the %s question', async (_, before, after) => {
    const at = home()
    const { said, status } = await atInit(at, [...before, { after, type: CTRL_D }])
    expect(said).toMatch(/error: .*nothing was written\r?\n.*hint: /)
    expect(status).toBe(2)
    expect(existsSync(dirname(at.file))).toBe(false)
  })

  it('leaves no secret on the screen, in the shell’s history or in the process list; Ctrl-Z and fg between', async () => {
    const at = home()
    const history = join(folder(), 'history')
    const list = watchProcessList()
    const { said } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        { after: 'prompt> ', type: `${process.execPath} ${BIN} init\n` },
        ...answers.slice(0, 3),
        { after: asked.secret, type: CTRL_Z },
        { after: 'Stopped[\\s\\S]*prompt> ', type: 'fg\n' },
        { after: asked.secret, pause: 0.3, type: `${SECRET}\r` },
        { after: 'wrote [\\s\\S]*prompt> ', type: 'exit\n' },
      ],
      { PATH: process.env['PATH'], TERM: 'xterm', PS1: 'prompt> ', HISTFILE: history, ...at.env },
    )
    await expectWritten(at)
    const seen = list.stop()
    expect(seen).toContain(`${BIN} init`)
    expect(readFileSync(history, 'utf8')).toContain(`${BIN} init`)
    for (const text of [said, seen, readFileSync(history, 'utf8')])
      expect(text).not.toContain(SECRET.slice(0, 6))
  })

  it('keeps a secret on standard input out of the process list', async () => {
    const at = home()
    const list = watchProcessList()
    await start(flags(), { env: at.env, input: SECRET }).done
    const seen = list.stop()
    expect(seen).toContain(`${BIN} init`)
    expect(seen).not.toContain(SECRET)
    await expectWritten(at)
  })

  it('does not wait at a terminal for a secret on standard input', async () => {
    const { said, status } = await atInit(home(), [], { argv: ['--client-secret', '-'] })
    expect(status).toBe(2)
    expect(said).toMatch(/which is a terminal here/)
  })
})

it('init --force twice keeps the file that was there first', async () => {
  const at = home()
  mkdirSync(dirname(at.file), { recursive: true, mode: 0o700 })
  writeFileSync(at.file, '; by hand\n', { mode: 0o600 })
  await init(at, ['--force'])
  await init(at, ['--force'])
  expect(readFileSync(`${at.file}.bak`, 'utf8')).toBe('; by hand\n')
  expectOnly(dirname(at.file), 'config.ini', 'config.ini.bak', 'config.ini.bak.2')
})

it('init with --log-format json says what doctor finds in JSON too', async () => {
  const { sandbox } = await place()
  const argv = [
    '--log-format',
    'json',
    'init',
    '--instance',
    sandbox.url,
    '--client-id',
    '1',
    '--auth-method',
    'none',
  ]
  const { stderr } = await told(argv, { env: home().env })
  const lines = stderr.trimEnd().split('\n')
  expect(lines.length).toBeGreaterThan(5)
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty('message')
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

  it('by a signal that can be waited with: a whole config and no draft, and it dies of the signal', async () => {
    const tries = calls.map(async (call) => {
      const at = home()
      expect(await hit(at, 'SIGTERM', call, []), call).toMatchObject({ code: null, signal: 'SIGTERM' })
      expect(await secretOf(at.file), call).toBe(SECRET)
      expectOnly(dirname(at.file), 'config.ini')
    })
    await Promise.all(tries)
  })

  it('by one that cannot: no config, or a whole one', async () => {
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

  it('by one that cannot, with --force: the old config, or the new one whole', async () => {
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
