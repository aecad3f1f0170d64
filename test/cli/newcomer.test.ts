// What somebody meets who has just installed it: nothing is configured, half of it is, or they type what they know
// from other programs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { withoutNews } from '../support/processes.js'
import { told } from '../support/world.js'

const NOT_CONFIGURED =
  'hq-token: error: there is no config file, and HQ_TOKEN_CLIENT_ID is not set\nhq-token: hint: hq-token init\n'

describe('without any configuration', () => {
  const GIT = 'protocol=https\nhost=acme.highq.com\n\n'
  it.each([
    [['get'], ''],
    [['get', '--format', 'json', '--outfile', 'x'], ''],
    [['get', '--rejected', '-'], 'a-token'],
    [['refresh'], ''],
    [['refresh', '--if-older', '7d'], ''],
    [['api', '1/sites'], ''],
    [['api', 'https://acme.highq.com/acme/api/1/sites'], ''],
    [['exec', '--', 'true'], ''],
    [['credential', '--protocol', 'kubernetes'], ''],
    [['credential', '--protocol', 'git', 'get'], GIT],
    [['credential', '--protocol', 'bazel', 'get'], '{"uri":"https://acme.highq.com/"}'],
    [['seed'], ''],
    [['login'], ''],
    [['login', '--no-browser'], ''],
    [['login', '--complete', 'code'], ''],
    [['logout'], ''],
  ])('%j says so, and names init: 78', async (argv, input) => {
    const homedir = folder()
    expect(await told(argv, { homedir, input })).toEqual({ code: 78, stdout: '', stderr: NOT_CONFIGURED })
    expect(existsSync(join(homedir, '.local'))).toBe(false)
  })

  it('google is told in its own way: 78', async () => {
    const ended = await told(['credential', '--protocol', 'google'], { homedir: folder() })
    expect(ended).toMatchObject({ code: 78, stderr: '' })
    expect(JSON.parse(ended.stdout)).toMatchObject({
      success: false,
      code: 'HQ_CONFIG_INVALID',
      message: 'there is no config file, and HQ_TOKEN_CLIENT_ID is not set',
    })
  })

  it('status says it too, and ends with 0 as in every state', async () => {
    const { code, stdout, stderr } = await told(['status'], { homedir: folder() })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^state +empty: no config file and no token set yet$/m)
    expect(stdout).toMatch(/^to do +hq-token init$/m)
    const json = await told(['status', '--json'], { homedir: folder() })
    expect(JSON.parse(json.stdout)).toMatchObject({ state: 'empty', instance: null })
  })

  it('forgets what is here, which is nothing, without asking for one: 0', async () => {
    expect(await told(['logout', '--local'], { homedir: folder() })).toMatchObject({ code: 0 })
  })

  it('seeds, and hands the token out as long as it lives; the rest wants a client', async () => {
    const homedir = folder()
    const input = '[AUTH]\naccess_token = AT\naccess_expiry = 3600\nrefresh_token = RT\n'
    const seeded = await told(['seed', '-'], { homedir, input })
    expect(seeded.code).toBe(0)
    expect(seeded.stderr).toContain(
      'warning: the token cannot be refreshed yet: there is no config file, and HQ_TOKEN_CLIENT_ID is not set\nhq-token: hint: hq-token init\n',
    )
    expect(await told(['get'], { homedir })).toEqual({ code: 0, stdout: 'AT\n', stderr: '' })
    expect(await told(['refresh'], { homedir })).toEqual({ code: 78, stdout: '', stderr: NOT_CONFIGURED })
  })

  it.each(['get', 'refresh', 'status', 'login'])(
    'without any configuration of a profile, %s names its init: 78',
    async (command) => {
      const homedir = folder()
      for (const options of [
        { argv: ['--profile', 'acme'] },
        { argv: [], env: { HQ_TOKEN_PROFILE: 'acme' } },
      ]) {
        const { argv, env = {} } = options
        expect(await told([...argv, command], { homedir, env })).toEqual({
          code: 78,
          stdout: '',
          stderr: `hq-token: error: the profile acme has no config file (${homedir}/.config/hq-token/profiles/acme.ini, /etc/hq-token/profiles/acme.ini)\nhq-token: hint: hq-token --profile acme init\n`,
        })
      }
    },
  )

  it('without any configuration at a path that was named, init would write it: 78', async () => {
    const path = join(folder(), 'there is none.ini')
    const { code, stderr } = await told(['--config', path, 'get'])
    expect(code).toBe(78)
    expect(stderr).toContain(`hint: hq-token --config '${path}' init writes it; or name a file that exists`)
  })
})

/** A place whose config has these lines in `[client]`, instead of its own of the same key. */
async function configured(lines: Readonly<Record<string, string>>): Promise<Place> {
  const made = await place({}, 3600)
  let text = readFileSync(made.config, 'utf8')
  for (const [key, value] of Object.entries(lines)) {
    text = text.replace(new RegExp(`^${key} *=.*\n`, 'm'), '')
    text = text.replace('[client]\n', `[client]\n${key} = ${value}\n`)
  }
  writeFileSync(made.config, text)
  return made
}

describe('what only a login needs', () => {
  it.each([
    ['redirect_uri', 'localhost:8765', /redirect_uri must be a URL: it lacks http:\/\/ at its beginning/],
    ['redirect_uri', 'localhost:8765/callback', /it lacks http:\/\/ at its beginning/],
    ['redirect_uri', '127.0.0.1:8765/callback', /it lacks http:\/\/ at its beginning/],
    ['redirect_uri', '[::1]:8765', /it lacks http:\/\/ at its beginning/],
    ['redirect_uri', '//localhost/callback', /it lacks http:\/\/ at its beginning/],
    ['redirect_uri', 'acme.example.com/callback', /it lacks https:\/\/ at its beginning/],
    ['redirect_uri', 'http://acme.example.com/callback', /must be an https URL/],
    ['redirect_uri', 'com.example.app:/callback', /must be an https URL/],
    ['redirect_uri', '', /redirect_uri is empty/],
    ['authorize_url', 'login.example.com/authorize', /authorize_url must be a URL: it lacks https:\/\//],
    ['authorize_url', 'https://login.example.com/#top', /authorize_url must not have a fragment/],
  ])('wrong, %s = %s, stops a login and nothing else', async (key, value, message) => {
    const { config, sandbox } = await configured({ [key]: value })
    const env = { HQ_TOKEN_CONFIG: config }
    const got = await told(['get'], { env })
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(withoutNews(await told(['refresh'], { env }))).toMatchObject({ code: 0, stderr: '' })
    expect(sandbox.refreshes()).toBe(1)
    expect(await told(['api', '1/sites'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(await told(['status'], { env })).toMatchObject({ code: 0, stderr: '' })

    const login = await told(['login', '--no-browser'], { env })
    expect(login).toMatchObject({ code: 78, stdout: '' })
    expect(login.stderr).toMatch(message)
    expect(login.stderr).toMatch(/config\.ini, line 3: \[client\] /)
    if (value !== '') expect(login.stderr).not.toContain(value)
    const doctor = await told(['doctor'], { env })
    expect(doctor).toMatchObject({ code: 78, stderr: '' })
    expect(doctor.stdout).toMatch(
      new RegExp(
        `^fail +${key === 'redirect_uri' ? 'redirect URI' : 'authorize URL'} +.*${message.source}`,
        'm',
      ),
    )
    // It is said once.
    expect(doctor.stdout.match(/^fail/gm)).toHaveLength(1)
  })

  it('wrong, a revocation URL, stops a logout at the server; it is not told to another one', async () => {
    const { config, store } = await configured({ revocation_url: 'login.example.com/revoke' })
    const env = { HQ_TOKEN_CONFIG: config }
    expect(await told(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
    const out = await told(['logout'], { env })
    expect(out).toMatchObject({ code: 78, stdout: '' })
    expect(out.stderr).toContain('revocation_url must be a URL: it lacks https:// at its beginning')
    expect(await store.read()).toBeDefined()
    expect((await told(['doctor'], { env })).stdout).toMatch(/^fail +revocation URL +/m)
    expect(await told(['logout', '--local'], { env })).toMatchObject({ code: 0 })
  })

  it('wrong in the environment, too', async () => {
    const { config } = await configured({})
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_REDIRECT_URI: 'localhost:8765' }
    expect(await told(['get'], { env })).toMatchObject({ code: 0, stderr: '' })
    const login = await told(['login', '--no-browser'], { env })
    expect(login.code).toBe(78)
    expect(login.stderr).toContain('HQ_TOKEN_REDIRECT_URI must be a URL: it lacks http:// at its beginning')
  })

  it('wrong, and no token set: what is to be mended comes before the login', async () => {
    const { config, seed } = await configured({ redirect_uri: 'localhost:8765' })
    writeFileSync(config, readFileSync(config, 'utf8').replace(/^file = .*\n/m, ''))
    expect(existsSync(seed)).toBe(true)
    const { code, stderr } = await told(['get'], { env: { HQ_TOKEN_CONFIG: config } })
    expect(code).toBe(4)
    expect(stderr).toMatch(/hint: fix what hq-token doctor shows of the configuration, then: hq-token login/)
  })

  it.each([
    ['token_url', 'localhost:8080/token'],
    ['api_url', 'acme.highq.com/api'],
    ['instance', 'acme.highq.com/acme'],
    ['issuer', 'login.example.com'],
    ['auth_method', 'basic'],
  ])(
    'what only a login needs is not %s: where tokens go and how they are asked for stops everything',
    async (key, value) => {
      const { config, sandbox } = await configured({ [key]: value })
      expect(await told(['get'], { env: { HQ_TOKEN_CONFIG: config } })).toMatchObject({
        code: 78,
        stdout: '',
      })
      expect(sandbox.log).toEqual([])
    },
  )
})

describe('what is known from other programs', () => {
  it.each([
    [['get', '--json'], 'Did you mean --format json? See: hq-token get --help'],
    [['get', '--json=1'], 'Did you mean --format json? See: hq-token get --help'],
    [['get', '-o', 'FILE'], 'Did you mean --outfile? See: hq-token get --help'],
    [['get', '--output', 'json'], 'Did you mean --outfile? See: hq-token get --help'],
    [['-V'], 'Did you mean --version? See: hq-token --help'],
    [['get', '-V'], 'Did you mean --version? See: hq-token get --help'],
    [['version'], 'Did you mean --version? See: hq-token --help'],
    [['refresh', '--json'], 'Did you mean --log-format json? See: hq-token refresh --help'],
    [['status', '--format', 'json'], 'Did you mean --json? See: hq-token status --help'],
    [['doctor', '--format=json'], 'Did you mean --json? See: hq-token doctor --help'],
    [['api', '1/sites', '-d', '{}'], 'Did you mean --input FILE, or -f KEY=VALUE? See: hq-token api --help'],
    [['import', 'token.ini'], 'Did you mean seed? See: hq-token --help'],
    [['get', '--frmat', 'json'], 'Did you mean --format? See: hq-token get --help'],
    [['constructor'], 'hq-token --help'],
  ])('%j is answered with what it is called here', async (argv, hint) => {
    const { code, stdout, stderr } = await told(argv)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^hq-token: error: unknown (?:option|command) '/)
    expect(stderr.split('\n')[1]).toBe(`hq-token: hint: ${hint}`)
  })
})

describe('refresh', () => {
  it.each([
    [['refresh'], /^hq-token: refreshed; the access token is good until 20\S+Z\n$/],
    [['refresh', '--if-older', '7d'], /^hq-token: not refreshed: the last refresh is recent enough; .*\n$/],
  ])('%j says on a terminal what it did, and nothing to cron', async (argv, said) => {
    const env = { HQ_TOKEN_CONFIG: (await place({}, 3600)).config }
    await told(['seed'], { env })
    expect(withoutNews(await told(argv, { env }))).toEqual({ code: 0, stdout: '', stderr: '' })
    const shown = await told(argv, { env, terminal: 80 })
    expect(shown).toMatchObject({ code: 0, stdout: '' })
    expect(shown.stderr).toMatch(said)
  })
})

describe('a grant that has ended', () => {
  it('a grant that has ended has one next command in doctor: its refresh token is over', async () => {
    const { config, seed } = await place({}, 0)
    writeFileSync(seed, readFileSync(seed, 'utf8').replace(/^refresh_expiry.*$/m, 'refresh_expiry = 0'))
    const env = { HQ_TOKEN_CONFIG: config }
    expect((await told(['seed'], { env })).code).toBe(0)
    const { code, stdout } = await told(['doctor'], { env })
    expect(code).toBe(4)
    expect(stdout.match(/→.*/g)).toEqual([
      '→ hq-token login; or put a new token into a seed file, then: hq-token seed FILE',
    ])
    expect(stdout).toMatch(/^warn +refresh token +over; never refreshed so far$/m)
    expect(stdout).toMatch(/^ok +access token +over since \S+( \S+)?$/m)
  })

  it('a grant that has ended has one next command in doctor: the server has refused it, shortly before its end', async () => {
    const { config, seed, sandbox } = await place({}, 0)
    writeFileSync(seed, readFileSync(seed, 'utf8').replace(/^refresh_expiry.*$/m, 'refresh_expiry = 9000'))
    writeFileSync(seed, `${readFileSync(seed, 'utf8')}issued_at = ${Math.floor(Date.now() / 1000) - 8200}\n`)
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    const env = { HQ_TOKEN_CONFIG: config }
    expect((await told(['get'], { env })).code).toBe(4)
    const { code, stdout } = await told(['doctor'], { env })
    expect(code).toBe(4)
    expect(stdout.match(/→.*hq-token/g)).toHaveLength(1)
  })

  it('a grant that is only near its end is renewed by one command', async () => {
    const { config, seed } = await place({}, 3600)
    writeFileSync(seed, readFileSync(seed, 'utf8').replace(/^refresh_expiry.*$/m, 'refresh_expiry = 9000'))
    writeFileSync(seed, `${readFileSync(seed, 'utf8')}issued_at = ${Math.floor(Date.now() / 1000) - 8200}\n`)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['seed'], { env })
    const { code, stdout } = await told(['doctor'], { env })
    expect(code).toBe(0)
    expect(stdout.match(/→.*/g)).toEqual(['→ a refresh brings a new one: hq-token refresh'])
  })
})

describe('a program that seeds', () => {
  const json = async (env: NodeJS.ProcessEnv, ...argv: string[]): Promise<(string | undefined)[]> => {
    const { code, stdout, stderr } = await told(['--log-format', 'json', 'seed', ...argv], { env })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    const lines = stderr.trim().split('\n')
    return lines.flatMap((line) => (JSON.parse(line) as { event?: string }).event ?? [])
  }

  it('a program that seeds knows by the event whether the file was imported or disregarded', async () => {
    const { config, seed, sandbox } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    expect(await json(env, seed)).toEqual(['seed_imported'])
    expect(await json(env, seed)).toEqual(['seed_disregarded'])
    const other = join(folder(), 'other.ini')
    writeFileSync(other, '[AUTH]\naccess_token = AT\nrefresh_token = RT\n', { mode: 0o600 })
    expect(await json(env, other)).toEqual(['seed_disregarded'])
    expect(await json(env, '--force', other)).toEqual(['seed_imported'])
    // One that the server has refused is disregarded, too.
    sandbox.setArchived(true)
    expect((await told(['refresh'], { env })).code).toBeGreaterThan(0)
    expect(await json(env, other)).toEqual(['seed_disregarded'])
    // People read the same in words.
    const { stderr } = await told(['seed', other], { env })
    expect(stderr).toMatch(/was disregarded: /)
    expect(stderr).not.toContain('seed_disregarded')
  })
})

it('a folder in place of the config is not taken for none', async () => {
  const homedir = folder()
  mkdirSync(join(homedir, '.config/hq-token/config.ini'), { recursive: true })
  const { code, stderr } = await told(['get'], { homedir })
  expect(code).toBe(78)
  expect(stderr).toContain('is a directory')
})

describe('with half of a configuration in the environment', () => {
  it.each([
    [['refresh'], { HQ_TOKEN_INSTANCE: 'https://acme.highq.com/acme/' }, 4, /hint: hq-token init$/m],
    [['login'], { HQ_TOKEN_INSTANCE: 'https://acme.highq.com/acme/' }, 78, /hint: hq-token init$/m],
    [['api', '1/sites'], { HQ_TOKEN_CLIENT_ID: '1012' }, 78, /api_url/],
    [['refresh'], { HQ_TOKEN_CLIENT_ID: '1012' }, 4, /there is no token set/],
  ] as const)('%j says what is missing beside it', async (argv, env, code, message) => {
    const ended = await told(argv, { env, homedir: folder() })
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(message)
  })
})
