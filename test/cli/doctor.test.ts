import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Place } from '../support/place.js'
import { told } from '../support/world.js'
import { changed, contents, examined, later, rewritten, seeded, serving } from './examined.js'

describe('all is well', () => {
  const lines = ({ dir, config, sandbox: { url } }: Place): string[][] => [
    ['ok', 'config', `${config} (HQ_TOKEN_CONFIG)`],
    ['ok', 'permissions', 'nobody else can read or change it'],
    ['ok', 'settings', `client 1012 at ${url}`],
    ['ok', 'redirect URI', 'http://127.0.0.1/callback'],
    ['ok', 'client secret', `given by ${config}, line 5: [client] client_secret`],
    ['ok', 'trust', 'the authorities of Node'],
    ['ok', 'store', `${join(dir, 'token.db')} ([store] path)`],
    ['ok', 'schema', '6'],
    ['ok', 'integrity', 'every page is whole'],
    ['ok', 'file system', 'local'],
    ['ok', 'disk space', 'N MiB left'],
    ['ok', 'writable', `${dir} and its files`],
    ['ok', 'lock', 'free'],
    ['ok', 'unfinished', 'nothing'],
    ['skip', 'notify', 'nobody is told of trouble: the configuration has no [notify]'],
    ['ok', 'grant', 'not bound to a client yet: the first refresh does that'],
    ['ok', 'login', 'someone@example.com'],
    ['ok', 'access token', 'N left of 1h'],
    ['ok', 'refresh token', 'N left; never refreshed so far'],
    ['ok', 'last failure', 'none since the last success'],
    ['ok', 'proxy', 'none'],
    ['ok', 'server', `${new URL(url).host} takes connections`],
    ['skip', 'certificate', 'plain http, to this machine itself'],
    ['ok', 'clock', 'as the server’s'],
    [
      ...['ok', 'token URL'],
      `${url}api/oauth2/token answers as a token endpoint \(invalid_client, as it should without a client)`,
    ],
    ['ok', 'authorize URL', `${url}authorize.action answers (HTTP 400)`],
  ]
  /** What depends on the minute, the disk and the machine. */
  const steady = (text: string): string =>
    text
      .replace(/\d+ MiB left/, 'N MiB left')
      .replace(/^(.*access token\s+)(?:1h|59m \d+s|59m) left/m, '$1N left')
      .replace(/^(.*refresh token\s+)(?:1y|36[45]d(?: \d+h)?) left/m, '$1N left')
      .replace(/^.*file system.*\n(?: +→.*\n)?/m, 'ok     file system    local\n')

  it('a person sees that all is well, a line for each check', async () => {
    const made = await seeded()
    const got = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(steady(got.stdout).trimEnd().split('\n')).toEqual(
      lines(made).map(
        ([status = '', name = '', message = '']) => `${status.padEnd(7)}${name.padEnd(15)}${message}`,
      ),
    )
  })

  it('a person sees that all is well within the width of a narrow terminal, and in colour where that is wanted', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config }
    const narrow = (await told(['doctor'], { env: { ...env, NO_COLOR: '1' }, terminal: 50 })).stdout
    expect(narrow).toContain('\nok     integrity\n       every page is whole\n')
    expect(narrow).toMatch(
      /^ok {5}token URL\n {7}http:\S+\n {7}answers as a token endpoint\n {7}\(invalid_client, as it should without a\n {7}client\)$/m,
    )
    for (const line of narrow.split('\n')) if (line.length > 50) expect(line.trim()).not.toContain(' ')
    const untold = (await told(['doctor'], { env: { ...env, NO_COLOR: '1' }, terminal: 0 })).stdout
    expect(untold).toContain('\nok     integrity      every page is whole\n')
    const wide = (await told(['doctor'], { env, terminal: 100 })).stdout
    expect(wide).toContain('\u001b[32mok     \u001b[39m')
    expect(wide.replaceAll(/\u001b\[\d+m/g, '')).toMatch(
      /^ok {5}token URL {6}http:\S+ answers as a token endpoint\n {22}\(invalid_client, as it should without a client\)$/m,
    )
  })

  it('programs read that all is well, with every key present', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config }
    const { stdout, code } = await told(['doctor', '--json'], { env })
    const report = JSON.parse(stdout) as { format_version: number; checks: object[] }
    expect({ code, keys: Object.keys(report), version: report.format_version }).toEqual({
      code: 0,
      keys: ['format_version', 'checks'],
      version: 1,
    })
    for (const check of report.checks)
      expect(Object.keys(check)).toEqual(['name', 'status', 'message', 'hint', 'exit'])
    expect(stdout.endsWith('}]}\n')).toBe(true)
  })

  it.runIf(process.platform === 'linux')(
    'a boot that the system does not name is a warning, with what hides it',
    async () => {
      const made = await seeded()
      const { code, check } = await examined(made, { clock: later(0) })
      expect([code, check('boot')]).toEqual([
        0,
        expect.objectContaining({
          status: 'warn',
          hint: expect.stringContaining('ProcSubset=pid') as string,
        }),
      ])
      expect((await examined(made)).check('boot')).toBeUndefined()
    },
  )

  it('nothing was spent, nothing was written, and no secret was sent', async () => {
    const said: string[] = []
    const listener = await serving((request, response) => {
      let body = ''
      request.on('data', (part: Buffer) => (body += part.toString()))
      request.on('end', () => {
        said.push(`${request.method ?? ''} ${request.url ?? ''} ${JSON.stringify(request.headers)} ${body}`)
        response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}')
      })
    })
    const made = await seeded()
    const before = contents(made.dir)
    for (const argv of [[], ['--online'], ['--json']])
      expect((await told(['doctor', ...argv], { env: { HQ_TOKEN_CONFIG: made.config } })).code).toBe(0)
    expect(contents(made.dir)).toEqual(before)
    expect(made.sandbox.refreshes()).toBe(0)
    expect(made.sandbox.log.map(({ outcome }) => outcome)).toEqual(
      expect.not.arrayContaining(['rotated', 'issued', 'reused', 'asked', 'grace']),
    )

    rewritten(made, (text) => text.replace(/instance = .*/, `instance = ${listener}/`))
    expect((await examined(made)).code).toBe(0)
    expect(said).toHaveLength(2)
    expect(said.join()).toContain(' grant_type=refresh_token')
    const set = await made.store.read()
    for (const secret of [
      made.sandbox.clientSecret,
      set?.pair.accessToken.reveal() ?? '',
      set?.pair.refreshToken.reveal() ?? '',
    ])
      expect(said.join()).not.toContain(secret)
    expect(said.join().toLowerCase()).not.toContain('"authorization"')
  })

  it('--online shows the stored access token to the API, and renews none', async () => {
    const made = await seeded()
    const got = await examined(made, { argv: ['--online'] })
    expect(got.code).toBe(0)
    expect(got.check('API')?.message).toBe(
      `${made.sandbox.url}api/1/sites: HTTP 200, with the stored access token`,
    )
    expect((await examined(made)).names).not.toContain('API')
    const url = /instance = (.*)/.exec(readFileSync(made.config, 'utf8'))?.[1] ?? ''
    rewritten(made, (text) => text.replace(/instance = .*/, `token_url = ${url}api/oauth2/token`))
    const none = await examined(made, { argv: ['--online'] })
    expect(none.check('API')).toMatchObject({
      ...{ status: 'skip', message: 'neither instance nor api_url in [client] of the config names one' },
    })
    rewritten(made, (text) => text.replace(/token_url = .*/, `instance = ${url}`))

    const over = await examined(made, { argv: ['--online'], clock: later(2 * 3600) })
    expect(over.check('API')).toMatchObject({ status: 'ok' })
    changed(made, "UPDATE token_set SET access_token = 'unknown-to-the-sandbox'")
    const refused = await examined(made, { argv: ['--online'] })
    expect(refused.code).toBe(22)
    expect(refused.check('API')).toMatchObject({
      ...{ status: 'fail', exit: 22 },
      message: expect.stringContaining('HTTP 403: the stored access token is refused') as string,
      hint: expect.stringContaining('api 1/sites') as string,
    })
    const expired = await examined(made, { argv: ['--online'], clock: later(2 * 3600) })
    expect(expired.check('API')).toMatchObject({
      status: 'warn',
      hint: `hq-token get`,
    })
    rewritten(made, (text) => text.replace('[store]', `api_url = ${made.sandbox.url}none\n[store]`))
    expect((await examined(made, { argv: ['--online'] })).check('API')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/HTTP 404$/) as string,
      hint: expect.stringContaining('api_url') as string,
    })
    expect(made.sandbox.refreshes()).toBe(0)
  })
})
