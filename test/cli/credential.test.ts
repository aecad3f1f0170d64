import { chmodSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { folder } from '../support/folder.js'
import { withoutNews } from '../support/processes.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { told, type Told } from '../support/world.js'

const rfc3339 = z.iso.datetime()

interface Helper extends Place {
  readonly ask: (args: readonly string[], input?: string, env?: NodeJS.ProcessEnv) => Promise<Told>
  readonly token: () => Promise<string>
  readonly expiresAt: () => Promise<number>
}

async function helper(protocol: string, options: PlaceOptions = {}, seedTtl = 3600): Promise<Helper> {
  const there = await place(options, seedTtl)
  const own = { HQ_TOKEN_CONFIG: there.config }
  const json = async (): Promise<Record<string, unknown>> =>
    JSON.parse((await told(['get', '--format', 'json'], { env: own })).stdout) as Record<string, unknown>
  return {
    ...there,
    ask: (args, input, env = {}) =>
      told(['credential', '--protocol', protocol, ...args], {
        env: { ...own, ...env },
        ...(input !== undefined && { input }),
      }),
    token: async () => String((await json())['access_token']),
    expiresAt: async () => Number((await json())['expires_on']),
  }
}

it.each([
  [[], /option '--protocol <protocol>' not specified/],
  [['--protocol', 'docker'], /Allowed choices are kubernetes, git, bazel, google/],
  [['--protocol', 'kubernetes', 'get'], /kubernetes has no operations/],
  [['--protocol', 'git'], /git names an operation/],
  [['--protocol', 'bazel'], /bazel has one operation/],
  [['--protocol', 'bazel', 'store'], /bazel has one operation/],
])('credential %j is wrong usage: 2', async (args, message) => {
  const { config } = await place({}, 3600)
  const { code, stderr } = await told(['credential', ...args], { env: { HQ_TOKEN_CONFIG: config } })
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
  expect(stderr).toMatch(/hint: hq-token (?:--config \S+ )?(?:credential|--help)/)
})

describe('kubernetes', () => {
  /** Written after the published text, for a token: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/ and …v1beta1/. */
  const ExecCredential = z.strictObject({
    apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
    kind: z.literal('ExecCredential'),
    status: z.strictObject({ token: z.string().min(1), expirationTimestamp: rfc3339 }),
  })
  const info = (version: string, spec: object = { interactive: false }): NodeJS.ProcessEnv => ({
    KUBERNETES_EXEC_INFO: JSON.stringify({
      apiVersion: `client.authentication.k8s.io/${version}`,
      kind: 'ExecCredential',
      spec,
    }),
  })

  it.each([
    ['v1', {}],
    ['v1', info('v1')],
    ['v1beta1', info('v1beta1')],
  ])('kubernetes answers in the version that is asked for: %s', async (version, env) => {
    const { ask, token, expiresAt } = await helper('kubernetes')
    const { code, stdout, stderr } = await ask([], undefined, env)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { apiVersion, status } = ExecCredential.parse(JSON.parse(stdout))
    expect(apiVersion).toBe(`client.authentication.k8s.io/${version}`)
    expect(status.token).toBe(await token())
    expect(Date.parse(status.expirationTimestamp) / 1000).toBe(await expiresAt())
  })

  it.each([info('v1alpha1'), { KUBERNETES_EXEC_INFO: 'null' }, { KUBERNETES_EXEC_INFO: '{' }])(
    'kubernetes refuses a version that it does not know: %j',
    async (env) => {
      const { ask } = await helper('kubernetes')
      expect(await ask([], undefined, env)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/KUBERNETES_EXEC_INFO/) as string,
      })
    },
  )

  it('kubernetes keeps the token from a cluster that is not what it is for, where both are known', async () => {
    const { ask, sandbox } = await helper('kubernetes')
    const cluster = (server: string): NodeJS.ProcessEnv =>
      info('v1', { cluster: { server }, interactive: false })
    expect(await ask([], undefined, cluster('https://evil.example'))).toMatchObject({ code: 78, stdout: '' })
    expect((await ask([], undefined, cluster(sandbox.url))).code).toBe(0)
  })

  it('kubernetes fails with its own code, and says why on standard error alone', async () => {
    const { ask } = await helper('kubernetes', { faults: [{ name: 'invalid-grant', count: 1 }] }, 0)
    expect(await ask([])).toMatchObject({
      code: 4,
      stdout: '',
      stderr: expect.stringMatching(/error: .*\nhq-token: hint: /) as string,
    })
  })
})

describe('git', () => {
  const asked = (url: string, more: readonly string[] = []): string => {
    const { protocol, host } = new URL(url)
    return [`protocol=${protocol.slice(0, -1)}`, `host=${host}`, ...more, '', ''].join('\n')
  }
  const AUTHTYPE = 'capability[]=authtype'

  it('git answers a name, the token and its end', async () => {
    const { ask, sandbox, token, expiresAt } = await helper('git')
    expect(await ask(['get'], asked(sandbox.url))).toEqual({
      code: 0,
      stdout: `username=oauth2\npassword=${await token()}\npassword_expiry_utc=${await expiresAt()}\n`,
      stderr: '',
    })
    expect((await ask(['get'], asked(sandbox.url, ['username=me', 'wwwauth[]=Bearer']))).stdout).toMatch(
      /^username=me\n/,
    )
  })

  // As git 2.46 and newer ask, written after git-credential(1); a real one is met in `test/e2e/git.test.ts` where it is there.
  it('git answers a bearer token where git is capable of it', async () => {
    const { ask, sandbox, token, expiresAt } = await helper('git')
    const answer = `${AUTHTYPE}\nauthtype=Bearer\ncredential=${await token()}\nephemeral=1\npassword_expiry_utc=${await expiresAt()}\n`
    for (const capabilities of [
      [AUTHTYPE, 'capability[]=state'],
      ['capability[]=x', 'capability[]=', AUTHTYPE],
    ])
      expect((await ask(['get'], asked(sandbox.url, capabilities))).stdout).toBe(answer)
    expect((await ask(['get'], asked(sandbox.url, [AUTHTYPE, 'capability[]=']))).stdout).toMatch(/^username=/)
  })

  it.each([
    ['Basic', ['Basic realm="x"'], 'username=oauth2'],
    ['Basic, in other letters', ['bASIC realm="x"'], 'username=oauth2'],
    ['Basic, whose realm speaks of another', ['Basic realm="x, Bearer y"'], 'username=oauth2'],
    ['Basic, and what nobody knows', ['Negotiate', 'Basic realm="x"'], 'username=oauth2'],
    ['Basic and nothing more about it', ['Basic'], 'username=oauth2'],
    ['Basic after what was taken back', ['Bearer', '', 'Basic realm="x"'], 'username=oauth2'],
    ['Bearer', ['Bearer realm="x"'], 'capability[]=authtype'],
    ['both', ['Basic realm="x"', 'Bearer'], 'capability[]=authtype'],
    ['both in one line', ['Basic realm="a \\"b", Bearer realm="x"'], 'capability[]=authtype'],
    ['neither', ['Negotiate'], 'capability[]=authtype'],
    ['a parameter of that name', ['Negotiate basic="x"'], 'capability[]=authtype'],
  ])('git 2.46 and newer gets its answer where the server takes %s: %j', async (_, offered, first) => {
    const { ask, sandbox } = await helper('git')
    // The very lines of git 2.47.3, after its own.
    const lines = [AUTHTYPE, 'capability[]=state', ...offered.map((one) => `wwwauth[]=${one}`)]
    const { stdout } = await ask(['get'], asked(sandbox.url, lines))
    expect(stdout.split('\n')[0]).toBe(first)
  })

  it.each([
    ['as a password', ['username=oauth2', 'password='], 'needs git 2.46 or newer'],
    [
      'as a password, where Basic is asked for',
      ['wwwauth[]=Basic realm="x"', 'username=oauth2', 'password='],
      '',
    ],
    ['as a bearer token', [AUTHTYPE, 'authtype=Bearer', 'credential='], ''],
  ])(
    'a token that is erased twice, sent %s: words about the repository, and no other',
    async (_, lines, more) => {
      const { ask, sandbox, token } = await helper('git')
      const erased = async (): Promise<Told> =>
        ask(['erase'], asked(sandbox.url, [...lines.slice(0, -1), `${lines.at(-1) ?? ''}${await token()}`]))
      expect(await erased()).toEqual({ code: 0, stdout: '', stderr: '' })
      const { code, stdout, stderr } = await erased()
      expect({ code, stdout, refreshes: sandbox.refreshes() }).toEqual({ code: 0, stdout: '', refreshes: 1 })
      expect(stderr).toContain(`${new URL(sandbox.url).host} refuses this token as it refused the one before`)
      expect(stderr).toMatch(
        new RegExp(`hint: check what the user of the token may do in that repository.*${more}`),
      )
      expect(stderr).not.toMatch(/API|hq-token refresh/)
    },
  )

  it.each(['store', 'capability', 'whatever-comes'])('git does nothing for %s', async (operation) => {
    const { ask, sandbox, token } = await helper('git')
    const all = asked(sandbox.url, ['username=oauth2', `password=${await token()}`])
    expect(await ask([operation], all)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(sandbox.log).toHaveLength(0)
  })

  it('git takes an erased token for a refused one, if it is the one in the store: one refresh', async () => {
    const { ask, sandbox, token } = await helper('git')
    const first = await token()
    const erased = (password: string): Promise<Told> =>
      ask(['erase'], asked(sandbox.url, ['username=oauth2', `password=${password}`]))
    expect(await erased('of-another-helper')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(sandbox.refreshes()).toBe(0)
    expect(withoutNews(await erased(first))).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(sandbox.refreshes()).toBe(1)
    const second = await token()
    expect(second).not.toBe(first)
    await erased(first)
    await ask(['erase'], asked(sandbox.url, [AUTHTYPE, 'authtype=Bearer', `credential=${second}`]))
    expect(sandbox.refreshes(), 'once an hour').toBe(1)
    await ask(['erase'], asked('https://evil.example', [`password=${second}`]))
    await ask(['erase'], asked(sandbox.url))
    expect(sandbox.refreshes()).toBe(1)
  })

  it('git says nothing where the store is empty and a token is erased', async () => {
    const { ask, sandbox } = await helper('git')
    expect(await ask(['erase'], asked(sandbox.url, ['password=x']))).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
  })
})

describe('bazel', () => {
  /** Written after the published schema, and stricter: https://github.com/EngFlow/credential-helper-spec/blob/main/schemas/get-credentials-response.schema.json */
  const GetCredentialsResponse = z.strictObject({
    headers: z.record(z.string(), z.array(z.string())).optional(),
    expires: rfc3339.optional(),
  })

  it('bazel answers the header and its end', async () => {
    const { ask, sandbox, token, expiresAt } = await helper('bazel')
    const { code, stdout, stderr } = await ask(['get'], JSON.stringify({ uri: `${sandbox.url}x`, more: 1 }))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const { headers, expires = '' } = GetCredentialsResponse.parse(JSON.parse(stdout))
    expect(headers).toEqual({ Authorization: [`Bearer ${await token()}`] })
    expect(Date.parse(expires) / 1000).toBe(await expiresAt())
  })

  it('bazel takes gRPC over TLS for the same server', async () => {
    const { ask } = await helper('bazel')
    const env = { HQ_TOKEN_API_URL: 'https://remote.example/' }
    for (const [uri, headers] of [
      ['grpcs://remote.example/Service/Method', 1],
      ['grpcs://remote.example:443', 1],
      ['grpcs://remote.example:8443', 0],
      ['grpc://remote.example', 0],
    ] as const) {
      const { stdout } = await ask(['get'], JSON.stringify({ uri }), env)
      expect([uri, Object.keys((JSON.parse(stdout) as { headers: object }).headers).length]).toEqual([
        uri,
        headers,
      ])
    }
  })

  it.each(['', 'null', '{}', '{"uri":7}', '[]'])('bazel refuses what is no request: %j', async (input) => {
    const { ask } = await helper('bazel')
    expect(await ask(['get'], input)).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('google', () => {
  /** Written after https://google.aip.dev/auth/4117; the real client is met in `test/e2e/google.test.ts`. */
  const Success = z.strictObject({
    version: z.literal(1),
    success: z.literal(true),
    token_type: z.enum(['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token']),
    id_token: z.string().min(1),
    expiration_time: z.int(),
  })
  const Failure = z.strictObject({
    version: z.literal(1),
    success: z.literal(false),
    code: z.string().min(1),
    message: z.string().min(1),
  })

  it.each([
    [undefined, 'urn:ietf:params:oauth:token-type:jwt'],
    ['urn:ietf:params:oauth:token-type:id_token', 'urn:ietf:params:oauth:token-type:id_token'],
  ])('google answers the token as the type asked for: %s', async (type, answered) => {
    const { ask, token, expiresAt } = await helper('google')
    const { code, stdout, stderr } = await ask([], undefined, { GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: type })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(Success.parse(JSON.parse(stdout))).toMatchObject({
      token_type: answered,
      id_token: await token(),
      expiration_time: await expiresAt(),
    })
  })

  it('google writes the answer to the output file of the configuration too', async () => {
    const { ask } = await helper('google')
    const file = join(folder(), 'cache.json')
    const { stdout } = await ask([], undefined, { GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE: file })
    expect(readFileSync(file, 'utf8')).toBe(stdout)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('google says nothing on standard error with a token: Google’s libraries read both as one', async () => {
    const { ask, config } = await helper('google')
    chmodSync(config, 0o644)
    expect((await told(['get'], { env: { HQ_TOKEN_CONFIG: config } })).stderr).toMatch(/warning/)
    expect(await ask([])).toMatchObject({ code: 0, stderr: '' })
  })

  it.each([
    ['a person must log in', 4, 'HQ_LOGIN_REQUIRED', {}],
    ['the configuration is wrong', 78, 'HQ_CONFIG_INVALID', { HQ_TOKEN_INSTANCE: 'ftp://x' }],
    [
      'a type is asked for that this is not',
      2,
      'HQ_USAGE',
      { GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: 'urn:ietf:params:oauth:token-type:saml2' },
    ],
    ['it is asked for an operation', 2, 'HQ_USAGE', {}, ['get']],
  ])(
    'google tells of a failure as the protocol has it, and keeps its exit code: %s',
    async (_, code, name, env, args: string[] = []) => {
      const { ask } = await helper('google', { faults: [{ name: 'invalid-grant', count: 1 }] }, 0)
      const told = await ask(args, undefined, env)
      expect({ code: told.code, stderr: told.stderr }).toEqual({ code, stderr: '' })
      expect(Failure.parse(JSON.parse(told.stdout)).code).toBe(name)
    },
  )
})

describe('the token goes to its own origin alone', () => {
  // Each as a reader of addresses could take it for the API's.
  const API = 'https://acme.example/acme/api/'
  const elsewhere = [
    ['https', 'evil.example'],
    ['http', 'acme.example'],
    ['ssh', 'acme.example'],
    ['https', 'acme.example:8443'],
    ['https', 'acme.example.evil.example'],
    ['https', 'evil.example/acme.example'],
    ['https', 'acme.example@evil.example'],
    ['https', 'acme.example#@evil.example'],
    ['https', 'acme.example?.evil.example'],
    ['https', 'acme.example\\.evil.example'],
    ['https', 'acme.example\t.evil.example'],
    ['https', 'acme.example%2f.evil.example'],
    ['https', 'acme.exam\u00adple'],
    ['https', ''],
    ['https://acme.example/?', 'evil.example'],
  ] as const
  const env = { HQ_TOKEN_API_URL: API }

  it.each(elsewhere)('git: %s %s', async (protocol, host) => {
    const { ask } = await helper('git')
    expect(await ask(['get'], `protocol=${protocol}\nhost=${host}\n\n`, env)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
  })

  it.each([
    'https://evil.example/',
    'http://acme.example/',
    'https://acme.example:8443/',
    'https://acme.example@evil.example/',
    'https://acme.example:443@evil.example/',
    'https://acme.example\\@evil.example/',
    'https://acme.example\t.evil.example/',
    'https://acme.exam\u00adple/',
    'https://acme.example.evil.example/',
    '//acme.example/',
    'acme.example',
    'file://acme.example/',
    '',
  ])('bazel gets no token for another origin: %s', async (uri) => {
    const { ask } = await helper('bazel')
    expect(await ask(['get'], JSON.stringify({ uri }), env)).toEqual({
      code: 0,
      stdout: '{"headers":{}}\n',
      stderr: '',
    })
  })

  it.each([
    ['https', 'acme.example'],
    ['https', 'acme.example:443'],
    ['https', 'ACME.example'],
  ])('the token goes to its own origin: %s %s', async (protocol, host) => {
    const { ask } = await helper('git')
    expect((await ask(['get'], `protocol=${protocol}\nhost=${host}\npath=x\n\n`, env)).stdout).toMatch(
      /^password=\S{40}/m,
    )
  })

  it.each([
    ['git', ['get'], 'protocol=https\nhost=x\n\n'],
    ['bazel', ['get'], '{"uri":"https://x/"}'],
  ])('%s: where nothing says what that is, that is an error', async (protocol, args, input) => {
    const env = {
      HQ_TOKEN_STORE: join(folder(), 'token.db'),
      HQ_TOKEN_TOKEN_URL: 'https://auth.example/token',
    }
    expect(await told(['credential', '--protocol', protocol, ...args], { env, input })).toMatchObject({
      code: 78,
      stdout: '',
      stderr: expect.stringMatching(/api_url/) as string,
    })
  })
})
