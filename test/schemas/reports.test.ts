// What `get`, `status`, `doctor`, `history` and `credential` print for programs, in every state of a token set. That each output has
// the keys of its schema, and no other, `place` sees to: it holds whatever the program prints.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { machineClock } from '../../src/platform/machine.js'
import type { DoctorReport, GoogleCredential, StatusReport } from '../../src/schemas/index.js'
import { startOidcServer } from '../support/oidc.js'
import { folder } from '../support/folder.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { start, type StartOptions } from '../support/processes.js'
import { told } from '../support/world.js'

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString()

async function reported(here: Pick<Place, 'run'>, options?: StartOptions): Promise<StatusReport> {
  const { code, stdout } = await here.run(['status', '--json'], options)
  expect(code).toBe(0)
  return JSON.parse(stdout) as StatusReport
}

/** A place whose store has the set of its seed, which was issued so many seconds ago. */
async function seededAgo(seconds: number, options: PlaceOptions = {}): Promise<Place> {
  const here = await place(options, 3600)
  expect(await here.run(['seed', '--issued-at', ago(seconds)])).toMatchObject({ code: 0 })
  return here
}

function withoutKeys(seed: string, keys: RegExp): void {
  const lines = readFileSync(seed, 'utf8').split('\n')
  writeFileSync(seed, lines.filter((line) => !keys.test(line)).join('\n'))
}

describe('`status --json` keeps to its schema', () => {
  it('where nothing is configured and there is no token set', async () => {
    const dir = folder()
    const run: Place['run'] = (args) =>
      start(args, { env: { HOME: dir, HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir } }).done
    expect(await reported({ run })).toMatchObject({
      state: 'empty',
      instance: null,
      access: null,
      client: null,
    })
  })

  it('where the token is fresh, and the seed names a user', async () => {
    const here = await seededAgo(0)
    expect(await reported(here)).toMatchObject({
      ...{ state: 'fresh', instance: here.sandbox.url, user: expect.any(String) as string },
      ...{ last_refresh_at: null, lifetime_guessed: false },
      client: { client_id: here.sandbox.clientId },
    })
  })

  it('where nobody names a user, nor says how long the tokens live', async () => {
    const here = await place({}, 3600)
    withoutKeys(here.seed, /^user|_expiry/)
    await here.run(['seed'])
    expect(await reported(here)).toMatchObject({
      ...{ user: null, lifetime_guessed: true },
      refresh: { expires_at: null, expires_in: null },
    })
  })

  it('where no client is configured', async () => {
    const dir = folder()
    const env = { HOME: dir, HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STORE: join(dir, 'token.db') }
    const run: Place['run'] = (args, options) => start(args, { ...options, env }).done
    const input = '[AUTH]\naccess_token = a\naccess_expiry = 3600\nrefresh_token = r\n'
    expect(await run(['seed', '-'], { input })).toMatchObject({ code: 0 })
    expect(await reported({ run })).toMatchObject({ state: 'fresh', instance: null, client: null })
  })

  it('where the token is due', async () => {
    expect(await reported(await seededAgo(3500))).toMatchObject({ state: 'due' })
  })

  it('where the token has expired', async () => {
    const { state, access } = await reported(await seededAgo(4000))
    expect(state).toBe('expired')
    expect(access?.expires_in).toBeLessThan(0)
  })

  it('where a refresh has bound the grant to a client', async () => {
    const here = await seededAgo(4000)
    await here.run(['get'])
    expect(await reported(here)).toMatchObject({
      ...{ state: 'fresh', generation: 2, last_refresh_at: expect.any(String) as string },
      client: { client_id: here.sandbox.clientId, issuer: null },
    })
  })

  it('where an issuer has named the token endpoint', async () => {
    const server = await startOidcServer('client_secret_post')
    const dir = folder()
    const config = join(dir, 'config.ini')
    writeFileSync(
      config,
      `[client]\nissuer = ${server.issuer}\nclient_id = ${server.clientId}\nclient_secret = "${server.clientSecret}"\n[store]\npath = token.db\n`,
      { mode: 0o600 },
    )
    const run: Place['run'] = (args, options = {}) =>
      start(args, { ...options, env: { HQ_TOKEN_CONFIG: config } }).done
    const input = `[AUTH]\naccess_token = a\naccess_expiry = 0\nrefresh_token = ${await server.issue()}\n`
    expect(await run(['seed', '--refresh', '-'], { input })).toMatchObject({ code: 0 })
    await server.close()
    expect(await reported({ run })).toMatchObject({ state: 'fresh', client: { issuer: server.issuer } })
  })

  it('where the server has refused the refresh token', async () => {
    const here = await seededAgo(4000, { faults: [{ name: 'invalid-grant', count: Infinity }] })
    expect((await here.run(['get'])).code).toBe(4)
    expect(await reported(here)).toMatchObject({
      state: 'login_required',
      last_error: { code: 'HQ_LOGIN_REQUIRED' },
    })
  })

  it('where the store holds another client’s token set', async () => {
    const here = await seededAgo(4000)
    await here.run(['get'])
    expect(await reported(here, { env: { HQ_TOKEN_CLIENT_ID: 'another' } })).toMatchObject({
      state: 'other_client',
    })
  })

  it('where a refresh was broken off', async () => {
    const here = await seededAgo(4000, {
      faults: [{ name: 'close', count: Infinity }],
      config: '[refresh]\ntimeout = 1s\n',
    })
    expect((await here.run(['get'])).code).toBe(75)
    expect(await reported(here)).toMatchObject({
      unfinished_since: expect.any(String) as string,
      last_error: { code: 'HQ_OUTCOME_UNKNOWN' },
    })
  })

  it('where the server has given no reason for hours', async () => {
    const here = await seededAgo(4000, { faults: [{ name: '400-empty', count: Infinity }] })
    const env = { HQ_TOKEN_CONFIG: here.config }
    const later = (): ReturnType<typeof machineClock> => {
      const { now, boot, uptime } = machineClock()
      return { now: now + 7200, boot, uptime: uptime + 7200 }
    }
    expect((await told(['get'], { env })).code).toBe(75)
    expect((await told(['get'], { env, clock: later })).code).toBe(75)
    const { stdout } = await told(['status', '--json'], { env, clock: later })
    expect(JSON.parse(stdout)).toHaveProperty('likely_dead_since', expect.any(String))
  })
})

describe('`get --format json` keeps to its schema', () => {
  it.each([
    ['a fresh token', 0, []],
    ['a fresh token, in full', 0, ['--verbose']],
    ['a token that it renews', 4000, []],
  ])('with %s', async (_, seconds, more) => {
    const here = await seededAgo(seconds)
    const { code, stdout } = await here.run(['get', '--format', 'json', ...more])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ format_version: 1, token_type: 'Bearer' })
  })
})

describe('`doctor --json` keeps to its schema', () => {
  async function checked(
    here: Pick<Place, 'run'>,
    ...argv: readonly string[]
  ): Promise<{ code: number | null; statuses: readonly string[] }> {
    const { code, stdout } = await here.run(['doctor', '--json', ...argv])
    const { checks } = JSON.parse(stdout) as DoctorReport
    return { code, statuses: checks.map(({ name, status }) => `${name}: ${status}`) }
  }

  it('where all is well, the API too', async () => {
    const here = await seededAgo(4000)
    await here.run(['get'])
    const { code, statuses } = await checked(here, '--online')
    expect(code).toBe(0)
    expect(statuses).toEqual(expect.arrayContaining(['config: ok', 'token URL: ok', 'API: ok']))
  })

  it('where there is something to warn of', async () => {
    const here = await seededAgo(0)
    appendFileSync(here.config, '; a comment\n')
    const { code, stdout } = await here.run(['doctor', '--json'], { env: { HQ_TOKEN_CLIENT_IDD: 'x' } })
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as DoctorReport).checks.map(({ status }) => status)).toContain('warn')
  })

  it('where there is no configuration', async () => {
    const dir = folder()
    const run: Place['run'] = (args) =>
      start(args, { env: { HOME: dir, HQ_TOKEN_CONFIG: join(dir, 'none.ini') } }).done
    const { code, statuses } = await checked({ run })
    expect(code).toBe(78)
    expect(statuses).toContain('config: fail')
  })

  it('where the store is damaged', async () => {
    const here = await seededAgo(0)
    writeFileSync(join(here.dir, 'token.db'), 'no database')
    expect((await checked(here)).code).toBe(74)
  })

  it('where the server has refused the refresh token', async () => {
    const here = await seededAgo(4000, { faults: [{ name: 'invalid-grant', count: Infinity }] })
    await here.run(['get'])
    expect((await checked(here)).code).toBe(4)
  })

  it('where the server is out of reach', async () => {
    const here = await seededAgo(0)
    await here.sandbox.close()
    expect((await checked(here)).code).toBe(75)
  })
})

describe('`history --json` keeps to its schema', () => {
  it('with and without a history, and as a comparison with one of another grant and with itself', async () => {
    const [here, other] = [await seededAgo(4000), await place()]
    await here.run(['get'])
    const [{ stdout: input }, empty] = [
      await here.run(['history', '--json']),
      await other.run(['history', '--json']),
    ]
    expect(JSON.parse(input)).toMatchObject({ entries: [{ event: 'refresh' }, { event: 'seed' }] })
    expect(JSON.parse(empty.stdout)).toMatchObject({ format_version: 1, entries: [] })
    const compared = async (one: Place): Promise<unknown> =>
      JSON.parse((await one.run(['history', '--json', '--compare', '-'], { input })).stdout)
    expect(await compared(here)).toMatchObject({ relation: 'prefix', common_sequence: 2 })
    expect(await compared(other)).toMatchObject({ relation: 'unrelated', common_at: null })
  })
})

describe('`credential` keeps to the schema of its protocol', () => {
  const INFO = { apiVersion: 'client.authentication.k8s.io/v1beta1', kind: 'ExecCredential', spec: {} }

  it.each([{}, { KUBERNETES_EXEC_INFO: JSON.stringify(INFO) }])('for Kubernetes, with %j', async (env) => {
    const here = await seededAgo(0)
    const { code, stdout } = await here.run(['credential', '--protocol', 'kubernetes'], { env })
    expect(code).toBe(0)
    expect(stdout).toContain('"kind":"ExecCredential"')
  })

  it('for Bazel, whether the address is the API’s or not', async () => {
    const here = await seededAgo(0)
    const asked = async (uri: string): Promise<string> => {
      const input = JSON.stringify({ uri })
      return (await here.run(['credential', '--protocol', 'bazel', 'get'], { input })).stdout
    }
    expect(await asked(here.sandbox.url)).toContain('"Authorization":["Bearer ')
    expect(await asked('https://example.com/')).toBe('{"headers":{}}\n')
  })

  it.each([
    ['a token', 0, {}, 0],
    [
      'an identity token',
      0,
      { GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE: 'urn:ietf:params:oauth:token-type:id_token' },
      0,
    ],
    ['a failure', 4000, {}, 4],
  ])('for Google, with %s', async (_, seconds, env, exit) => {
    const here = await seededAgo(seconds, { faults: [{ name: 'invalid-grant', count: Infinity }] })
    const { code, stdout } = await here.run(['credential', '--protocol', 'google'], { env })
    expect(code).toBe(exit)
    expect((JSON.parse(stdout) as GoogleCredential).success).toBe(exit === 0)
  })
})
