import fc from 'fast-check'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { configKeys } from '../../src/config/keys.js'
import { requirePrograms } from '../support/debian.js'
import { place } from '../support/place.js'
import { told } from '../support/world.js'
import { expectOnly, flags, home, init, INSTANCE, load, mode, SECRET, secretOf } from './init-home.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'strace')
}, 300_000)

describe('init by flags', () => {
  it('init by flags writes a config, 0600 in a folder of 0700, and says what comes next', async () => {
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

  it('init by flags writes what the other commands work with', async () => {
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

  it('init by flags tries what it has written, and tells what it finds', async () => {
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

  it('init by flags takes the redirect URI that it would have proposed', async () => {
    const at = home()
    await init(at)
    expect(load(at.file).redirectUri).toBe('http://127.0.0.1:8765/callback')
  })

  it('init by flags writes for any other server', async () => {
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

  it('init by flags names a file or a command for the secret, a file by its whole path', async () => {
    const [one, other] = [home(), home()]
    const argv = ['init', '--no-doctor', '--instance', INSTANCE, '--client-id', '1012']
    await told([...argv, '--client-secret-file', 'some/secret'], { env: one.env })
    expect(readFileSync(one.file, 'utf8')).toContain(`client_secret_file = ${resolve('some/secret')}\n`)
    await told([...argv, '--client-secret-command', "printf '%s' 'a ; b' # c"], { env: other.env })
    expect(await secretOf(other.file)).toBe('a ; b')
  })

  it('init by flags leaves a secret that is in the environment there', async () => {
    const at = home()
    const argv = ['init', '--no-doctor', '--instance', INSTANCE, '--client-id', '1012']
    const { code, stderr } = await told(argv, { env: { ...at.env, HQ_TOKEN_CLIENT_SECRET: SECRET } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/HQ_TOKEN_CLIENT_SECRET is set/)
    expect(stderr + readFileSync(at.file, 'utf8')).not.toContain(SECRET)
  })

  it('init by flags warns of what the environment will change', async () => {
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
  ])('init by flags refuses %s, and writes nothing', async (_, more, message) => {
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
  ])('init by flags refuses as a secret on standard input %s', async (_, input, message) => {
    const at = home()
    const { code, stderr } = await init(at, [], input)
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('s3cr3t')
    expect(existsSync(at.file)).toBe(false)
  })

  it('init by flags names all that is missing where there is no terminal', async () => {
    const at = home()
    const { code, stderr } = await told(['init', '--no-doctor'], { env: at.env })
    expect(code).toBe(2)
    expect(stderr).toMatch(/error: .*--instance.*--client-id.*--client-secret -.* must be given\n/)
    expect(stderr).toMatch(/hint: hq-token init --instance/)
    expect(existsSync(at.file)).toBe(false)
  })

  it('init by flags has a flag for every key of [client]', async () => {
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

  it(
    'init by flags writes each value so that it is read as it is, or not at all',
    { timeout: 300_000 },
    async () => {
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
    },
  )
})

describe('the recipe for Ansible in the guide', () => {
  it('the recipe for Ansible in the guide works as it stands', async () => {
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
