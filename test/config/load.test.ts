import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSecret } from '../../src/config/secret-origin.js'
import { configKeys } from '../../src/config/keys.js'
import { loadConfig, requireClient, type Config } from '../../src/config/load.js'
import { ConfigInvalid } from '../../src/core/errors.js'
import { asRoot } from '../support/as-root.js'
import { folder } from '../support/folder.js'
import { failure, mutation, sourceOf, words, written } from './places.js'

const CANARY = 'cAnArY-0123456789'
const INSTANCE = 'https://acme.highq.com/acme/'

const load = (text: string, env: Record<string, string> = {}): Config =>
  loadConfig(sourceOf({ file: written('config.ini', text), env }))
const client = (lines: string, env: Record<string, string> = {}): Config => load(`[client]\n${lines}\n`, env)
const refusal = async (call: () => unknown): Promise<ConfigInvalid> => {
  const error = await failure(call)
  expect(error).toBeInstanceOf(ConfigInvalid)
  return error as ConfigInvalid
}

describe('a configuration', () => {
  it('a configuration is complete with its defaults where nothing is configured', () => {
    expect(loadConfig(sourceOf({}))).toMatchObject({
      file: null,
      profile: null,
      instance: null,
      tokenUrl: null,
      clientId: null,
      authMethod: 'client_secret_post',
      store: { path: '/home/someone/.local/state/hq-token/token.db', rule: '~/.local/state' },
      seedFile: null,
      refresh: { early: { percent: 10 }, minValid: 60, timeout: 30, lockWait: 90, defaultLifetime: 18_000 },
      notices: [],
    })
  })

  it('a configuration reads every key', () => {
    const config = load(`
[client]
client_id = 1012
client_secret = ${CANARY}
redirect_uri = http://127.0.0.1:8765/callback
token_url = https://x.example/token?tenant=1
authorize_url = https://x.example/authorize
revocation_url = https://x.example/revoke
api_url = https://x.example/v1
issuer = https://x.example
scope = a b
auth_method = client_secret_basic
[store]
path = /var/token.db
[seed]
file = /var/token.ini
[refresh]
early = 30m
min_valid = 0
timeout = 10
lock_wait = 0s
default_lifetime = 1h`)
    expect(config).toMatchObject({
      clientId: '1012',
      redirectUri: 'http://127.0.0.1:8765/callback',
      tokenUrl: new URL('https://x.example/token?tenant=1'),
      authorizeUrl: new URL('https://x.example/authorize'),
      revocationUrl: new URL('https://x.example/revoke'),
      apiUrl: new URL('https://x.example/v1/'),
      issuer: 'https://x.example',
      scope: 'a b',
      authMethod: 'client_secret_basic',
      store: { path: '/var/token.db', rule: '[store] path' },
      seedFile: '/var/token.ini',
      refresh: { early: { seconds: 1800 }, minValid: 0, timeout: 10, lockWait: 0, defaultLifetime: 3600 },
    })
  })

  it('a configuration prefers the environment, unless it is empty', () => {
    const config = client('client_id = file\nscope = file', {
      HQ_TOKEN_CLIENT_ID: 'environment',
      HQ_TOKEN_SCOPE: '',
      HQ_TOKEN_STORE: '/environment.db',
      HQ_TOKEN_EARLY: '5%',
    })
    expect(config).toMatchObject({
      clientId: 'environment',
      scope: 'file',
      store: { path: '/environment.db', rule: 'HQ_TOKEN_STORE' },
      refresh: { early: { percent: 5 } },
    })
  })

  it('a configuration takes relative paths as relative to the file', () => {
    const file = written('config.ini', '[store]\npath = state/token.db\n[seed]\nfile = ../token.ini\n')
    const { store, seedFile } = loadConfig(sourceOf({ file }))
    expect(store.path).toBe(join(dirname(file), 'state/token.db'))
    expect(seedFile).toBe(join(dirname(file), '../token.ini'))
  })

  it('a configuration takes ~ for the home directory', () => {
    expect(load('[store]\npath = ~/token.db').store.path).toBe('/home/someone/token.db')
  })

  it('a configuration names the store after the profile', () => {
    expect(loadConfig(sourceOf({ profile: 'acme' })).store.path).toMatch(/\/hq-token\/acme\.db$/)
  })

  it.each([
    'https://acme.highq.com/acme',
    'https://acme.highq.com/acme/',
    'https://acme.highq.com/acme/api',
    'https://acme.highq.com/acme/api/',
    'https://acme.highq.com/acme//',
  ])('a configuration derives the endpoints from the instance %s', (instance) => {
    const { tokenUrl, authorizeUrl, apiUrl, ...config } = client(`instance = ${instance}`)
    expect(config.instance?.href).toBe(INSTANCE)
    expect(tokenUrl?.href).toBe(`${INSTANCE}api/oauth2/token`)
    expect(authorizeUrl?.href).toBe(`${INSTANCE}authorize.action`)
    expect(apiUrl?.href).toBe(`${INSTANCE}api/`)
  })

  it('a configuration takes a query in an endpoint, as RFC 6749 and RFC 7009 allow', () => {
    for (const key of ['token_url', 'authorize_url', 'revocation_url'])
      expect(() => client(`${key} = https://x.example/e?tenant=1`)).not.toThrow()
  })

  it('a configuration lets an endpoint of its own win over the instance', () => {
    expect(client(`instance = ${INSTANCE}\ntoken_url = https://x.example/t`).tokenUrl?.href).toBe(
      'https://x.example/t',
    )
  })

  it.each([
    'http://localhost/acme/',
    'http://localhost:8080/acme/',
    'http://127.0.0.1:8080/',
    'http://127.3.2.1/',
    'http://[::1]:8080/',
  ])('a configuration allows plain http to this machine: %s', (instance) => {
    expect(client(`instance = ${instance}`).instance?.href).toBe(instance)
  })

  it.each([
    ['instance = http://acme.highq.com/acme/', 'https'],
    ['instance = http://localhost.example/', 'https'],
    ['instance = http://127.0.0.1.example/', 'https'],
    ['instance = http://0.0.0.0/', 'https'],
    ['instance = ftp://acme.highq.com/', 'https'],
    ['instance = acme.highq.com/acme', 'must be a URL'],
    ['instance = https://acme .highq.com/', 'must be a URL'],
    [`instance = https://${CANARY}@acme.highq.com/`, 'user name'],
    [`instance = https://user:${CANARY}@acme.highq.com/`, 'user name'],
    ['instance = https://acme.highq.com/#x', 'fragment'],
    ['instance = https://acme.highq.com/?x=1', 'query'],
    ['instance = https://acme.highq.com/acme/dashboard.action', 'must look like https://HOST/INSTANCE/'],
    ['instance = https://acme.highq.com/acme/dashboard.action/', 'must look like'],
    ['instance = https://acme.highq.com/acme/api/1/sites', 'must look like'],
    ['instance = https://acme.highq.com/acme/api//oauth2/token', 'must look like'],
    ['token_url = https://acme.highq.com/token#', 'fragment'],
    ['api_url = https://acme.highq.com/api?', 'query'],
    [
      'auth_method = basic',
      'must be client_secret_post, client_secret_basic, client_secret_basic_plain or none',
    ],
    ['client_id = your_client_id', 'placeholder'],
    ['client_secret = REDACTED', 'placeholder'],
    ['client_secret =', 'is empty'],
  ])('a configuration refuses %s', async (line, message) => {
    const error = await refusal(() => client(`; the line below is the third\n${line}`))
    expect(error.message).toContain(message)
    expect(error.message).toMatch(
      new RegExp(`config\\.ini, line 3: \\[client\\] ${line.split(' ')[0] ?? ''}`),
    )
    expect(words(error)).not.toContain(CANARY)
  })

  it.each([
    ['early', '101%'],
    ['early', '25h'],
    ['early', '-1'],
    ['early', '10.5%'],
    ['min_valid', 'soon'],
    ['timeout', '0'],
    ['timeout', '25h'],
    ['lock_wait', '2d'],
    ['default_lifetime', '0s'],
  ])('a configuration refuses %s = %s', async (key, value) => {
    const inFile = await refusal(() => load(`[refresh]\n${key} = ${value}`))
    expect(inFile.message).toMatch(new RegExp(`config\\.ini, line 2: \\[refresh\\] ${key} must be`))
    const variable = `HQ_TOKEN_${key.toUpperCase()}`
    const inEnvironment = await refusal(() => load('', { [variable]: value }))
    expect(inEnvironment.message).toMatch(new RegExp(`^${variable} must be`))
  })

  it.each([
    ['[client]\nclient_idd = 1', 'line 2: unknown key client_idd in [client]', 'did you mean client_id?'],
    ['[refresh]\nerly = 1', 'line 2: unknown key erly in [refresh]', 'did you mean early?'],
    ['[client]\npath = a', 'line 2: path in [client]', 'it belongs in [store]'],
    ['[client]\nq9 = a', 'line 2: unknown key in [client]', 'config.example.ini shows every key'],
    ['[clent]\npath = a', 'line 1: unknown section [clent]', 'did you mean [client]?'],
    [
      '[postgres]',
      'line 1: unknown section',
      'the sections are [client], [store], [seed], [refresh], [network], [notify]',
    ],
    ['client_id = 1', 'line 1: client_id before any section', 'it belongs in [client]'],
    [
      '[client]\nclient_id = 1\nClient_ID = 2',
      'line 3: client_id is given twice: line 2 has it already',
      undefined,
    ],
    ['[client]\nclient_id', 'line 2: neither a section', undefined],
    [
      '[store]\nencryption_key_file = x',
      'line 2: [store] encryption_key_file is not supported in this version',
      'take it out',
    ],
  ])('a configuration refuses %j', async (text, message, hint) => {
    const error = await refusal(() => load(text))
    expect(error.message).toContain(`config.ini, ${message}`)
    expect(error.hint).toBe(hint ?? 'fix the configuration, then check it with: hq-token doctor')
  })

  it.each(configKeys.filter(({ supported }) => !supported))(
    'a configuration refuses $env, which it knows',
    async ({ env }) => {
      expect((await refusal(() => load('', { [env]: 'x' }))).message).toBe(
        `${env} is not supported in this version`,
      )
    },
  )

  it('a configuration refuses a file that cannot be read', async () => {
    const error = await refusal(() => loadConfig(sourceOf({ file: folder() })))
    expect(error.message).toMatch(/^the config file .* is a directory$/)
  })
})

describe('permissions of a config file', () => {
  const at = (mode: number, text: string): (() => Config) => {
    const file = written('config.ini', text)
    chmodSync(file, mode)
    return () => loadConfig(sourceOf({ file }))
  }

  it.each([
    ['644', 'read'],
    ['640', 'read'],
  ])('permissions of a config file warns of mode %s, and says what to do', (mode, verbs) => {
    const [notice, ...more] = at(parseInt(mode, 8), '[client]\nclient_id = 1')().notices
    expect(notice).toMatchObject({
      level: 'warning',
      message: expect.stringMatching(new RegExp(`config\\.ini can be ${verbs} by others$`)) as string,
      hint: expect.stringMatching(/^chmod 600 .*config\.ini$/) as string,
    })
    expect(more).toEqual([])
  })

  it.each([
    [0o622, `client_secret = ${CANARY}`],
    [0o620, 'client_secret_command = pass show secret'],
    // Another token_url is all that it takes to have the refresh token.
    [0o602, 'client_id = 1'],
    [0o666, ''],
  ])('permissions of a config file refuses mode %o: others can change it', async (mode, line) => {
    const error = await refusal(at(mode, `[client]\n${line}`))
    expect(error.message).toContain('says where tokens are sent and can be changed by others')
    expect(error.hint).toMatch(/^chmod 600 /)
    expect(words(error)).not.toContain(CANARY)
  })
})

describe.runIf(asRoot('a config file of another user'))('a config file of another user', () => {
  it('a config file of another user is refused: they could have the tokens sent elsewhere', async () => {
    const file = written('config.ini', '[client]\nclient_id = 1')
    chownSync(file, 65_534, 65_534)
    const error = await refusal(() => loadConfig(sourceOf({ file })))
    expect(error.message).toContain('belongs to another user (uid 65534)')
    // Never for root to take it away from them.
    expect(error.hint).toMatch(/^run as that user, or name a copy that is root’s: install -m 600 \S+ COPY$/)
  })
})

describe('a client secret', () => {
  const secretOf = async (config: Config): Promise<string | undefined> =>
    (await config.clientSecret())?.reveal()

  it('a client secret is what the file says', async () => {
    expect(await secretOf(client(`client_secret = ${CANARY};#`))).toBe(`${CANARY};#`)
  })

  it('a client secret is none where none is configured', async () => {
    expect(await secretOf(client('client_id = 1'))).toBeUndefined()
  })

  it.each([
    ['a line end', `${CANARY}\n`],
    ['a Windows line end', `${CANARY}\r\n`],
    ['no line end', CANARY],
    ['a byte order mark', `\uFEFF${CANARY}`],
  ])('a client secret is read from a file with %s', async (_, content) => {
    expect(await secretOf(client(`client_secret_file = ${written('secret', content)}`))).toBe(CANARY)
  })

  it('a client secret may come from a file that others can read, with a warning', () => {
    const file = written('secret', CANARY, 0o644)
    expect(client(`client_secret_file = ${file}`).notices).toEqual([
      { level: 'warning', message: `${file} can be read by others`, hint: `chmod 600 ${file}` },
    ])
  })

  it.each([
    ['is empty', '\n', 'empty'],
    ['holds two lines', `${CANARY}\n${CANARY}\n`, 'more than one line'],
    ['is a placeholder', `<${CANARY}>`, 'placeholder'],
    ['is binary', `${CANARY}\0`, 'binary'],
  ])('a client secret is refused when its file %s', async (_, content, message) => {
    const config = client(`client_secret_file = ${written('secret', content)}`)
    const error = await refusal(() => config.clientSecret())
    expect(error.message).toContain(message)
    expect(error.message).toContain('line 2: [client] client_secret_file')
    expect(words(error)).not.toContain(CANARY)
  })

  it('a client secret may lack its file until it is needed', async () => {
    const config = client('client_secret_file = none')
    expect((await refusal(() => config.clientSecret())).message).toContain('does not exist')
  })

  it('a client secret is what a command prints, run once and in the folder of the config file', async () => {
    const config = client(`client_secret_command = "echo x >> runs; echo ${CANARY}"`)
    const [first, second] = await Promise.all([secretOf(config), secretOf(config)])
    expect([first, second, await secretOf(config)]).toEqual([CANARY, CANARY, CANARY])
    expect(readFileSync(join(dirname(config.file ?? ''), 'runs'), 'utf8')).toBe('x\n')
  })

  it('a client secret runs no command before it is needed', () => {
    const config = client('client_secret_command = touch ran')
    expect(existsSync(join(dirname(config.file ?? ''), 'ran'))).toBe(false)
  })

  it.each([
    ['fails', `echo ${CANARY}; exit 3`, 'failed (exit status 3)'],
    ['is killed', `echo ${CANARY}; kill -9 $$`, 'failed (SIGKILL)'],
    ['prints nothing', 'true', 'empty client secret'],
    ['prints two lines', `echo ${CANARY}; echo ${CANARY}`, 'more than one line'],
    ['never stops printing', `yes ${CANARY}`, 'too much'],
    ['does not exist', 'exec no-such-command-here 2>/dev/null', 'failed (exit status 127)'],
  ])('a client secret is refused when the command %s', async (_, command, message) => {
    const config = client(`client_secret_command = ${command}`)
    const error = await refusal(() => config.clientSecret())
    expect(error.message).toContain(message)
    expect(words(error)).not.toContain(CANARY)
  })

  it('a client secret is not waited for when the command hangs, nor is what that has started', async () => {
    const cwd = folder()
    const command = 'sleep 30 & echo $! > pid; wait'
    const hanging = readSecret(
      { kind: 'command', what: 'client secret', where: 'x', command, cwd, env: process.env },
      300,
    )
    expect((await refusal(() => hanging)).message).toContain('within 0.3 s')
    const pid = Number(readFileSync(join(cwd, 'pid'), 'utf8'))
    await expect.poll(() => running(pid)).toBe(false)
  })

  it('a client secret is given once', async () => {
    const error = await refusal(() => client('client_secret = a\nclient_secret_file = b'))
    expect(error.message).toMatch(
      /more than once: .*line 2: \[client\] client_secret; .*line 3: \[client\] client_secret_file$/,
    )
    await refusal(() => client('client_secret_command = a', { HQ_TOKEN_CLIENT_SECRET: 'b' }))
  })

  it('a client secret goes with no public client', async () => {
    await refusal(() => client('client_secret = a\nauth_method = none'))
  })
})

/** Whether a process still does something: one that nobody has buried does not count. */
function running(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('requireClient', () => {
  const missing = (lines: string): Promise<ConfigInvalid> => refusal(() => requireClient(client(lines)))

  it('requireClient is content with an instance, an id and a secret', () => {
    const config = client(`instance = ${INSTANCE}\nclient_id = 1\nclient_secret = s3cret`)
    expect(requireClient(config)).toMatchObject({ tokenUrl: config.tokenUrl, clientId: '1' })
  })

  it('requireClient asks no secret of a public client', () => {
    requireClient(client(`instance = ${INSTANCE}\nclient_id = 1\nauth_method = none`))
  })

  it('requireClient names what is missing, the file and the next step', async () => {
    const nothing = await missing('')
    expect(nothing.message).toMatch(
      /^the config file .*config\.ini lacks instance or token_url in \[client\]$/,
    )
    expect(nothing.hint).toMatch(
      /^add to \[client\] in .*config\.ini: instance = .*; or set HQ_TOKEN_INSTANCE$/,
    )
    expect((await missing(`instance = ${INSTANCE}`)).message).toContain('lacks client_id')
    const noSecret = await missing(`instance = ${INSTANCE}\nclient_id = 1`)
    expect(noSecret.message).toContain('lacks client_secret')
    expect(noSecret.hint).toContain('auth_method = none')
  })

  it('requireClient says what asks an issuer for its endpoints, where nothing else is missing', async () => {
    const client = 'client_id = 1\nclient_secret = s3cret'
    expect(await missing(`issuer = https://x.example\n${client}`)).toMatchObject({
      message: 'the endpoints of the issuer https://x.example are not known yet',
      hint: 'hq-token refresh asks for them, and so does hq-token login (or set token_url)',
    })
    expect((await missing('issuer = https://x.example')).message).toContain('lacks client_id')
  })

  it('requireClient names the environment where there is no file', async () => {
    const error = await refusal(() => requireClient(loadConfig(sourceOf({}))))
    expect(words(error)).toContain('hq-token init')
    const env = { HQ_TOKEN_CLIENT_ID: '1012' }
    const partly = await refusal(() => requireClient(loadConfig(sourceOf({ env }))))
    expect(words(partly)).toContain('HQ_TOKEN_INSTANCE')
  })
})

describe('any config file', () => {
  const file = written('config.ini', '')
  const attempt = <T>(call: () => T): T | ConfigInvalid => {
    try {
      return call()
    } catch (error) {
      if (error instanceof ConfigInvalid) return error
      throw error
    }
  }

  it('any config file is read or refused with its name, and its secret never shown', () => {
    chmodSync(file, 0o600)
    const valid = `; c\n[client]\ninstance = ${INSTANCE}\nclient_id = 1\nclient_secret = ${CANARY}\n[refresh]\nearly = 5%\n`
    fc.assert(
      fc.property(mutation(valid), (bytes) => {
        writeFileSync(file, bytes)
        const result = attempt(() => loadConfig(sourceOf({ file })))
        if (!(result instanceof ConfigInvalid)) return
        expect(result.message).toContain(file)
        expect(words(result)).not.toContain(CANARY)
      }),
      { numRuns: 1000 },
    )
  })
})
