import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { printable } from '../../src/cli/terminal/output.js'
import { machineClock } from '../../src/platform/machine.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { told } from '../support/world.js'

const seedFile = (changes = ''): string =>
  `[AUTH]\naccess_token = A-${'x'.repeat(40)}\naccess_expiry = 3600\nrefresh_token = R-${'y'.repeat(40)}\nrefresh_expiry = 31536000\ntoken_type = bearer\nuser = someone@example.com\n${changes}`

function empty(): { env: NodeJS.ProcessEnv; file: string; store: string } {
  const dir = folder()
  const file = join(dir, 'token.ini')
  writeFileSync(file, seedFile(), { mode: 0o600 })
  const store = join(dir, 'state', 'token.db')
  return {
    env: {
      HQ_TOKEN_STORE: store,
      HQ_TOKEN_INSTANCE: 'https://acme.highq.com/acme',
      HQ_TOKEN_CLIENT_ID: '1012',
      HQ_TOKEN_CLIENT_SECRET: 's3cr3t-0123456789',
    },
    file,
    store,
  }
}

describe('the command line', () => {
  it.each([
    [[], /error: no command given\n.*hint: hq-token --help/],
    [['got'], /error: unknown command 'got'\n.*hint: .*get.* See: hq-token --help/],
    [['get', '--formt', 'json'], /error: unknown option '--formt'\n.*hint: .*--format/],
    [
      ['get', '--format', 'xml'],
      /Allowed choices are bare, header, bearer, json, env, powershell, fish, curl/,
    ],
    [['get', '--min-valid', 'soon'], /A duration is/],
    [['help', 'help'], /there is no command help\n.*hint: hq-token --help/],
    [['help', 'got'], /there is no command got\n.*hint: hq-token --help/],
    [['--profile', 'api', 'get', '--no-such'], /hint: hq-token --profile api get --help\n/],
    [['--profile', 'status', 'sandbox', '--no-such'], /hint: hq-token --profile status sandbox --help\n/],
    [['get', 'me'], /too many arguments/],
    [['--profile', '../x', 'get'], /profile/],
    [['get', '--rejected', 'eyJ0'], /from standard input only/],
    [['sandbox', '--fault', 'nonsense'], /no fault is called.*\n.*hint: hq-token sandbox --fault list\n/],
    [['seed', '--issued-at', 'yesterday', 'x.ini'], /--issued-at takes a time/],
    [['seed'], /no seed file named/],
    [['exec'], /missing required argument 'command'\n.*hint: hq-token exec --help/],
    [['exec', '--min-valid', '5m', '--'], /missing required argument 'command'/],
    [['exec', '--min-valid', 'soon', 'true'], /A duration is/],
    [['exec', '--no-such', 'true', '--config'], /unknown option '--no-such'/],
    [['exec', '--no-such', '--', 'true', '-h'], /unknown option '--no-such'/],
  ])('%j is wrong usage: 2, told how', async (argv, message) => {
    const { env } = empty()
    const { code, stdout, stderr } = await told(argv, { env })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('eyJ0')
  })

  it('prints help and version on standard output', async () => {
    expect(await told(['--help'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/Exit codes:/) as string,
    })
    expect(await told(['get', '--help'])).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/--min-valid/) as string,
    })
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
    expect(await told(['--version'])).toEqual({ code: 0, stderr: '', stdout: `${version}\n` })
  })

  it('the command line takes global options before and after the command', async () => {
    const { config } = await place({}, 3600)
    expect((await told(['--config', config, 'get'])).code).toBe(0)
    expect((await told(['get', '--config', config])).code).toBe(0)
  })

  it('the command line gives hints that can be typed as they stand', async () => {
    const dir = folder()
    const config = join(dir, "it's.ini")
    writeFileSync(config, '[store]\npath = token.db\n', { mode: 0o600 })
    const { stderr } = await told(['--config', config, 'get'])
    expect(stderr).toContain(`hq-token --config '${config.replace("'", "'\\''")}' seed FILE`)
  })

  it('the command line writes one JSON object a line where that is asked for', async () => {
    const { env } = empty()
    const { stderr, code } = await told(['--log-format', 'json', 'get'], { env })
    expect(code).toBe(4)
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      {
        time: expect.stringMatching(/Z$/) as string,
        level: 'error',
        code: 'HQ_LOGIN_REQUIRED',
        message: expect.any(String) as string,
        hint: expect.any(String) as string,
      },
    ])
  })
})

describe('seed', () => {
  it('seed imports once, and then disregards the file', async () => {
    const { env, file } = empty()
    const first = await told(['seed', file], { env })
    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(first.stderr).toMatch(/count as issued when .*token\.ini was last modified/)
    expect(first.stderr).toMatch(/imported/)
    const again = await told(['seed', file], { env })
    expect(again).toMatchObject({ code: 0, stdout: '' })
    expect(again.stderr).toMatch(/imported already/)
    expect(again.stderr).not.toMatch(/--force/)
    writeFileSync(file, seedFile().replace('A-', 'B-').replace('R-', 'S-'))
    const second = await told(['seed', file], { env })
    expect(second).toMatchObject({ code: 0, stdout: '' })
    expect(second.stderr).toMatch(/disregarded.*seed --force/)
    expect((await told(['get'], { env })).stdout).toMatch(/^A-/)
  })

  it('seed replaces with --force, and keeps the replaced pair as previous', async () => {
    const { config, store, dir } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['seed'], { env })
    const before = await store.read()
    const other = join(dir, 'other.ini')
    writeFileSync(other, seedFile(), { mode: 0o600 })
    expect((await told(['seed', '--force', other], { env })).code).toBe(0)
    const after = await store.read()
    expect(after?.generation).toBe(2)
    expect(after?.previous?.refreshToken.reveal()).toBe(before?.pair.refreshToken.reveal())
  })

  it('seed reads standard input, and when the tokens were issued', async () => {
    const { env } = empty()
    const issued = new Date(Date.now() - 600_000).toISOString()
    expect(await told(['seed', '--issued-at', issued, '-'], { env, input: seedFile() })).toMatchObject({
      code: 0,
    })
    const { stdout } = await told(['get', '--format', 'json'], { env })
    const token = JSON.parse(stdout) as { expires_in: number }
    expect(Math.abs(token.expires_in - 3000)).toBeLessThan(5)
  })

  it('seed proves the chain with --refresh', async () => {
    const { config, sandbox, store } = await place({}, 3600)
    expect((await told(['seed', '--refresh'], { env: { HQ_TOKEN_CONFIG: config } })).code).toBe(0)
    expect(sandbox.refreshes()).toBe(1)
    expect((await store.read())?.generation).toBe(2)
  })

  it('seed refuses a file that cannot be used: 65, file and line, never the value, store untouched', async () => {
    const { env, file, store } = empty()
    writeFileSync(file, seedFile().replace('3600', 'canary-value'))
    const { code, stdout, stderr } = await told(['seed', file], { env })
    expect({ code, stdout }).toEqual({ code: 65, stdout: '' })
    expect(stderr).toContain('token.ini')
    expect(stderr).toMatch(/line 3/)
    expect(stderr).toMatch(/access_expiry/)
    expect(stderr).not.toContain('canary-value')
    expect(existsSync(store)).toBe(false)
  })

  it('seed warns of a file that others can read, and names the mend', async () => {
    const { env, file } = empty()
    chmodSync(file, 0o644)
    const { code, stderr } = await told(['seed', file], { env })
    expect(code).toBe(0)
    expect(stderr).toMatch(/warning: .*token\.ini.*others/)
    expect(stderr).toContain(`chmod 600 ${file}`)
  })

  it.each(['access_expiry', 'refresh_expiry'])('seed refuses a %s that no date can hold', async (key) => {
    const { env, file, store } = empty()
    for (const value of ['9007199254740991', '99999999999999']) {
      writeFileSync(file, seedFile().replace(new RegExp(`${key} = \\d+`), `${key} = ${value}`))
      expect(await told(['seed', file], { env })).toMatchObject({ code: 65, stdout: '' })
    }
    expect(existsSync(store)).toBe(false)
  })

  it('a seed that is forced without a client takes up first what a dead process had received', async () => {
    const { env, file, store } = empty()
    await told(['seed', file], { env })
    const sqlite = new SqliteStore(store)
    await sqlite.exclusive(
      async (held) => {
        const set = await held.read()
        if (set === undefined) throw new Error('not seeded')
        const body = new TextEncoder().encode('{"access_token":"live-access","refresh_token":"live-refresh"}')
        const answer = {
          sentAt: machineClock(),
          sent: true,
          status: 200,
          contentType: null,
          contentEncoding: null,
          retryAfter: null,
          date: null,
          body,
          complete: true,
          failure: null,
        }
        await held.rescue.keep({
          generation: 1,
          attempt: 2,
          spent: set.pair.refreshToken.fingerprint,
          grant: set.grant,
          answer,
        })
      },
      { waitMs: 0 },
    )
    expect((await told(['seed', '--force', file], { env: { HQ_TOKEN_STORE: store } })).code).toBe(0)
    expect((await sqlite.read())?.previous?.refreshToken.reveal()).toBe('live-refresh')
  })

  it('seed warns when there is no client that could refresh', async () => {
    const { file, store } = empty()
    const { code, stderr } = await told(['seed', file], { env: { HQ_TOKEN_STORE: store } })
    expect(code).toBe(0)
    expect(stderr).toMatch(/warning: the token cannot be refreshed yet/)
  })
})

describe('get', () => {
  it('get says that a person must log in where there is no token set', async () => {
    const { env, store } = empty()
    const { code, stdout, stderr } = await told(['get'], { env })
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/hint: .*hq-token seed FILE/)
    expect(existsSync(store)).toBe(false)
  })

  it('get seeds by itself, silently, where a seed file is named', async () => {
    const { env, file } = empty()
    expect(await told(['get'], { env: { ...env, HQ_TOKEN_SEED_FILE: file } })).toEqual({
      code: 0,
      stdout: `A-${'x'.repeat(40)}\n`,
      stderr: '',
    })
  })

  it('get heals by a new seed file dropped in place, once the server has refused the grant', async () => {
    const { config, sandbox, seed, store } = await place()
    const env = { HQ_TOKEN_CONFIG: config }
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    expect((await told(['get'], { env })).code).toBe(4)
    expect((await told(['get'], { env })).code, 'the old file heals nothing').toBe(4)
    const fresh = sandbox.issue()
    writeFileSync(seed, seedFile().replace(/A-x+/, fresh.accessToken).replace(/R-y+/, fresh.refreshToken))
    expect(await told(['get'], { env })).toMatchObject({ code: 0, stdout: `${fresh.accessToken}\n` })
    expect((await store.read())?.generation).toBe(2)
  })

  it('get heals in the very call that is refused, where a new seed file is in place', async () => {
    const { config, sandbox, seed } = await place()
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['seed'], { env })
    const fresh = sandbox.issue()
    writeFileSync(seed, seedFile().replace(/A-x+/, fresh.accessToken).replace(/R-y+/, fresh.refreshToken))
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    expect(await told(['get'], { env })).toMatchObject({ code: 0, stdout: `${fresh.accessToken}\n` })
  })

  it('get prints JSON with the time it has left', async () => {
    const { env, file } = empty()
    await told(['seed', file], { env })
    const { stdout } = await told(['get', '--format', 'json'], { env })
    const token = JSON.parse(stdout) as Record<string, unknown>
    expect(Object.keys(token)).toEqual([
      'format_version',
      'access_token',
      'token_type',
      'expires_at',
      'expires_on',
      'expires_in',
    ])
    expect(token).toMatchObject({
      format_version: 1,
      access_token: `A-${'x'.repeat(40)}`,
      token_type: 'Bearer',
    })
    expect(Date.parse(String(token['expires_at'])) / 1000).toBe(token['expires_on'])
    expect(stdout.endsWith('}\n')).toBe(true)
  })

  it.each(['--min-valid', '--time', '-t'])(
    '%s beyond what the server issues: the newest token, a warning, no second refresh',
    async (option) => {
      const { config, sandbox } = await place({ accessTtl: 600 })
      const env = { HQ_TOKEN_CONFIG: config }
      const first = await told(['get', option, '2h'], { env })
      expect(first).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/less than the 7200 s asked for/) as string,
      })
      expect((await told(['get', option, '2h'], { env })).stdout).toBe(first.stdout)
      expect(sandbox.refreshes()).toBe(1)
    },
  )

  it('get refreshes for --rejected only if the store still holds that token', async () => {
    const { config, sandbox } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    const { stdout: old } = await told(['get'], { env })
    const { stdout: fresh } = await told(['get', '--rejected', '-'], { env, input: old })
    expect(fresh).not.toBe(old)
    expect((await told(['get', '--rejected', '-'], { env, input: old })).stdout).toBe(fresh)
    expect(sandbox.refreshes()).toBe(1)
    expect(await told(['get', '--rejected', '-'], { env, input: '' })).toMatchObject({ code: 2, stdout: '' })
  })

  it.each([
    ['as PowerShell writes a file', (token: string) => Buffer.from(`\ufeff${token}\r\n`, 'utf16le')],
    ['as --format bearer prints it', (token: string) => `Bearer ${token}\n`],
    ['as --format header prints it', (token: string) => `Authorization: Bearer ${token}\n`],
  ])('get knows a rejected token %s', async (_, written) => {
    const { config, sandbox } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    const { stdout: old } = await told(['get'], { env })
    const { stdout: fresh } = await told(['get', '--rejected', '-'], { env, input: written(old.trim()) })
    expect(fresh).not.toBe(old)
    expect(sandbox.refreshes()).toBe(1)
  })

  it('get names what is missing in the configuration when it must refresh: 78, and nothing in doubt', async () => {
    const { store } = empty()
    const env = { HQ_TOKEN_STORE: store }
    await told(['seed', '--issued-at', '0', '-'], { env, input: seedFile() })
    const { code, stdout, stderr } = await told(['get'], { env })
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toBe(
      'hq-token: error: there is no config file, and HQ_TOKEN_CLIENT_ID is not set\nhq-token: hint: hq-token init\n',
    )
    expect(JSON.parse((await told(['status', '--json'], { env })).stdout)).toMatchObject({
      unfinished_since: null,
      likely_dead_since: null,
    })
  })

  it('get refuses to talk to a server that it must not check', async () => {
    const { config, sandbox } = await place()
    const { code, stderr } = await told(['get'], {
      env: { HQ_TOKEN_CONFIG: config, NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    })
    expect(code).toBe(78)
    expect(stderr).toMatch(/NODE_TLS_REJECT_UNAUTHORIZED=0/)
    expect(sandbox.log).toHaveLength(0)
  })

  it('get fails where its answer goes nowhere: quietly, unless it is to say more', async () => {
    const { env, file } = empty()
    await told(['seed', file], { env })
    expect(await told(['get'], { env, broken: true })).toEqual({ code: 74, stdout: '', stderr: '' })
    expect(await told(['-v', 'get'], { env, broken: true })).toMatchObject({
      code: 74,
      stderr: expect.stringMatching(/EPIPE/) as string,
    })
  })
})

describe('refresh', () => {
  it('refreshes now, and with --if-older only when that is so', async () => {
    const { config, sandbox } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    const first = await told(['refresh'], { env })
    expect(first).toMatchObject({ code: 0, stdout: '' })
    expect(first.stderr).toMatch(/^hq-token: the seed file .* can be removed now: .*\n$/)
    expect(await told(['refresh', '--if-older', '1d'], { env })).toMatchObject({ code: 0, stdout: '' })
    expect(sandbox.refreshes()).toBe(1)
    await told(['refresh', '--if-older', '0s'], { env, clock: later(5) })
    expect(sandbox.refreshes()).toBe(2)
  })
})

describe('status', () => {
  it('status tells programs, with every key present', async () => {
    const { env, file } = empty()
    const before = JSON.parse((await told(['status', '--json'], { env })).stdout) as Record<string, unknown>
    expect(before).toMatchObject({
      format_version: 1,
      state: 'empty',
      instance: 'https://acme.highq.com/acme/',
      access: null,
      generation: 0,
    })
    await told(['seed', file], { env })
    const after = JSON.parse((await told(['status', '--json'], { env })).stdout) as Record<string, unknown>
    expect(Object.keys(after)).toEqual(Object.keys(before))
    expect(after).toMatchObject({
      state: 'fresh',
      user: 'someone@example.com',
      generation: 1,
      last_error: null,
      unfinished_since: null,
      likely_dead_since: null,
    })
    expect(after['access']).toMatchObject({ fingerprint: expect.stringMatching(/^[0-9a-f]{12}$/) as string })
    expect(JSON.stringify(after)).not.toContain('xxxx')
  })

  it('status tells people: bars and colour at a terminal, neither in a pipe nor with NO_COLOR', async () => {
    const { env, file } = empty()
    await told(['seed', file], { env })
    const coloured = (await told(['status'], { env, terminal: 100 })).stdout
    expect(coloured).toMatch(/█/)
    expect(coloured).toContain('\u001b[')
    for (const options of [{ env }, { env: { ...env, NO_COLOR: '1' }, terminal: 100 }]) {
      const plain = (await told(['status'], options)).stdout
      expect(plain).not.toContain('\u001b')
      expect(plain).not.toMatch(/█/)
      expect(plain).toMatch(/^user +someone@example\.com$/m)
      expect(plain).toMatch(/^state +fresh$/m)
    }
  })

  it('status tells of a token that is older than anybody can know', async () => {
    const { env, file } = empty()
    await told(['seed', file], { env })
    const clock = (): { now: number; boot: string; uptime: number } => ({
      now: 17,
      boot: 'another',
      uptime: 17,
    })
    expect(await told(['status'], { env, clock })).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse((await told(['status', '--json'], { env, clock })).stdout)).toMatchObject({
      state: 'expired',
    })
  })

  it('status names the failure and what to do', async () => {
    const { config, sandbox } = await place()
    const env = { HQ_TOKEN_CONFIG: config }
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    await told(['get'], { env })
    const { code, stdout } = await told(['status'], { env })
    expect(code).toBe(0)
    expect(stdout).toMatch(/a person must log in/)
    expect(stdout).toMatch(/last failure .*invalid_grant/)
    expect(stdout).toMatch(/to do .*seed FILE/)
  })
})

it('printable escapes what could command a terminal', () => {
  expect(printable('a\u001b[31m\r\n\u0007b\u009bc\u202e')).toBe('a\\x1b[31m\\x0d\\x0a\\x07b\\x9bc\\x202e')
})

function later(seconds: number): () => { now: number; boot: null; uptime: number } {
  return () => ({ now: Math.floor(Date.now() / 1000) + seconds, boot: null, uptime: 0 })
}
