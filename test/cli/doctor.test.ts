import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { Finding } from '../../src/core/finding.js'
import { rfc3339 } from '../../src/core/clock.js'
import { machineClock } from '../../src/platform/machine.js'
import { inspectWay } from '../../src/network/inspect.js'
import { inspectStore } from '../../src/store/inspect.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { mount } from '../faults/disk-mounts.js'
import { authority, type Authority } from '../support/authority.js'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { freePort, listening, tinyproxy, type Proxy } from '../support/proxy.js'
import { HOST, inFrontOf } from '../support/tls-front.js'
import { told, type WorldOptions } from '../support/world.js'

const canBeOthers = asRoot('doctor on files of other users, on full and on read-only disks')
const DAY = 86_400

interface Examined {
  readonly code: number
  readonly names: readonly string[]
  /** The first check by that name. */
  readonly check: (name: string) => Finding | undefined
}

/** What `doctor --json` says; no secret of the place is in it. */
async function examined(
  made: Pick<Place, 'config'> & Partial<Pick<Place, 'sandbox' | 'seed'>>,
  { env, argv = [], ...options }: WorldOptions & { argv?: readonly string[] } = {},
): Promise<Examined> {
  const got = await told(['doctor', '--json', ...argv], {
    ...options,
    env: { HQ_TOKEN_CONFIG: made.config, ...env },
  })
  expect(got.stderr).toBe('')
  if (made.sandbox !== undefined) expect(got.stdout).not.toContain(made.sandbox.clientSecret)
  if (made.seed !== undefined)
    for (const [, token = ''] of readFileSync(made.seed, 'utf8').matchAll(/_token *= (\S+)/g))
      expect(got.stdout).not.toContain(token)
  const { checks } = JSON.parse(got.stdout) as { checks: Finding[] }
  return {
    code: got.code,
    names: checks.map(({ name }) => name),
    check: (name) => checks.find((one) => one.name === name),
  }
}

/** A place whose store holds a token set that lives for an hour, and that no client is bound to yet. */
async function seeded(options: PlaceOptions = {}, ttl = 3600): Promise<Place> {
  const made = await place(options, ttl)
  const env = { HQ_TOKEN_STORE: join(made.dir, 'token.db') }
  expect((await told(['seed', made.seed], { env })).code).toBe(0)
  return made
}

function rewritten({ config }: Pick<Place, 'config'>, change: (text: string) => string): void {
  writeFileSync(config, change(readFileSync(config, 'utf8')))
}

/** Every file of a folder, to the byte, and who may do what with it. */
function contents(dir: string): unknown {
  return readdirSync(dir)
    .sort()
    .map((name) => {
      const { mode, mtimeMs } = statSync(join(dir, name))
      return [name, mode, mtimeMs, readFileSync(join(dir, name)).toString('base64')]
    })
}

function changed({ dir }: Pick<Place, 'dir'>, sql: string): void {
  const db = new Database(join(dir, 'token.db'))
  db.exec(sql)
  db.close()
}

/** The real program, run by the owner of its files, whom the system lets into nothing else. */
function asAnybody({ config }: Pick<Place, 'config'>, ...args: readonly string[]): Promise<Ended> {
  requirePrograms(['setpriv', 'util-linux'])
  const setpriv = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, BIN]
  return ended(
    spawn('setpriv', [...setpriv, ...args], { env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config } }),
  )
}

const SOMEBODY = 12_345
const PROJECT = fileURLToPath(new URL('../..', import.meta.url))

/** The real program, run by another user than root, to whom all files of the place are given. */
function asSomebody({ dir, config }: Pick<Place, 'dir' | 'config'>): (...args: string[]) => Promise<Ended> {
  requirePrograms(['setpriv', 'util-linux'])
  for (const path of [dir, ...readdirSync(dir).map((name) => join(dir, name))])
    chownSync(path, SOMEBODY, SOMEBODY)
  // The project may lie in a folder of root's.
  const bin = folder()
  chmodSync(bin, 0o755)
  const user = `setpriv --reuid ${SOMEBODY} --regid ${SOMEBODY} --clear-groups`
  const script = `mount --bind "$1" "$2"; shift 2; exec ${user} "$@"`
  const program = [process.execPath, join(bin, relative(PROJECT, BIN))]
  return (...args) =>
    ended(
      spawn('unshare', ['--mount', 'sh', '-euc', script, 'sh', PROJECT, bin, ...program, ...args], {
        env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config },
        cwd: '/',
      }),
    )
}

async function serving(answer: RequestListener): Promise<string> {
  const port = await listening(createServer(answer), '127.0.0.1')
  return `http://127.0.0.1:${port}`
}

describe('all is well', () => {
  const lines = ({ dir, config, sandbox: { url } }: Place): string[][] => [
    ['ok', 'config', `${config} (HQ_TOKEN_CONFIG)`],
    ['ok', 'permissions', 'nobody else can read or change it'],
    ['ok', 'settings', `client 1012 at ${url}`],
    ['ok', 'redirect URI', 'http://127.0.0.1/callback'],
    ['ok', 'client secret', `given by ${config}, line 5: [client] client_secret`],
    ['ok', 'trust', 'the authorities of Node'],
    ['ok', 'store', `${join(dir, 'token.db')} ([store] path)`],
    ['ok', 'schema', '5'],
    ['ok', 'integrity', 'every page is whole'],
    ['ok', 'file system', 'local'],
    ['ok', 'disk space', 'N MiB left'],
    ['ok', 'writable', `${dir} and its files`],
    ['ok', 'lock', 'free'],
    ['ok', 'unfinished', 'nothing'],
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
      `${url}api/oauth2/token answers as one (invalid_client, as it should without a client)`,
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

  it('and a person sees it, a line each', async () => {
    const made = await seeded()
    const got = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(steady(got.stdout).trimEnd().split('\n')).toEqual(
      lines(made).map(
        ([status = '', name = '', message = '']) => `${status.padEnd(7)}${name.padEnd(15)}${message}`,
      ),
    )
  })

  it('also at a terminal that is narrow, within its width, and in colour where that is wanted', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config }
    const narrow = (await told(['doctor'], { env: { ...env, NO_COLOR: '1' }, terminal: 50 })).stdout
    expect(narrow).toContain('\nok     integrity\n       every page is whole\n')
    expect(narrow).toMatch(
      /^ok {5}token URL\n {7}http:\S+\n {7}answers as one \(invalid_client, as it\n {7}should without a client\)$/m,
    )
    for (const line of narrow.split('\n')) if (line.length > 50) expect(line.trim()).not.toContain(' ')
    const untold = (await told(['doctor'], { env: { ...env, NO_COLOR: '1' }, terminal: 0 })).stdout
    expect(untold).toContain('\nok     integrity      every page is whole\n')
    const wide = (await told(['doctor'], { env, terminal: 100 })).stdout
    expect(wide).toContain('\u001b[32mok     \u001b[39m')
    expect(wide.replaceAll(/\u001b\[\d+m/g, '')).toMatch(
      /^ok {5}token URL {6}http:\S+ answers as one\n {22}\(invalid_client, as it should without a client\)$/m,
    )
  })

  it('and programs read it, with every key present', async () => {
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

function later(seconds: number): WorldOptions['clock'] & object {
  return () => ({ ...machineClock(), now: machineClock().now + seconds, boot: null })
}

describe('the configuration', () => {
  it('that was named and is not there: 78, and all else is left out', async () => {
    const got = await examined({ config: '/nonexistent/config.ini' })
    expect(got).toMatchObject({ code: 78, names: ['config', 'store', 'servers'] })
    expect(got.check('config')).toEqual({
      ...{ name: 'config', status: 'fail', exit: 78 },
      message: 'the config file /nonexistent/config.ini (from HQ_TOKEN_CONFIG) does not exist',
      hint: 'hq-token init writes it; or name one that does, or none to look in the usual places',
    })
    for (const name of ['store', 'servers'])
      expect(got.check(name)).toMatchObject({
        status: 'skip',
        message: 'needs the configuration',
        exit: null,
      })
  })

  it('that is nowhere: where it is looked for, and what is missing', async () => {
    const homedir = folder()
    const { code, stdout } = await told(['doctor'], { homedir })
    expect(code).toBe(78)
    expect(stdout).toContain(`no file (${homedir}/.config/hq-token/config.ini, /etc/hq-token/config.ini)`)
    expect(stdout).toMatch(
      /^fail {3}settings {7}there is no config file, and HQ_TOKEN_CLIENT_ID is not set\n {7}→ hq-token init$/m,
    )
    // One next command, once.
    expect(stdout.match(/→/g)).toHaveLength(1)
    expect(stdout).toMatch(/^skip {3}login {10}no token set yet: the configuration comes first$/m)
  })

  it('that cannot be read: 78', async () => {
    expect((await examined({ config: folder() })).check('settings')).toMatchObject({
      ...{ status: 'fail', exit: 78 },
      message: expect.stringContaining('is a directory') as string,
    })
  })

  it.runIf(canBeOthers).each([
    [
      'which is another user’s',
      0o700,
      0o600,
      ({ config }: Place) => config,
      /; run as that user: sudo -u '#12345' hq-token …$/,
    ],
    [
      'in a folder of another user',
      0o700,
      0o644,
      ({ dir }: Place) => dir,
      /; run as that user, or keep the file in/,
    ],
  ] as const)(
    'that may not be read, %s: 78, with whose it is and the way out',
    async (_, folderMode, mode, barrier, way) => {
      const made = await seeded()
      const theirs = barrier(made)
      chmodSync(made.config, mode)
      chmodSync(made.dir, folderMode)
      chownSync(theirs, 12_345, 12_345)
      const whose = new RegExp(
        `the config file ${made.config} cannot be read: permission denied; .*belongs to another user \\(uid 12345\\)`,
      )
      const { code, stdout } = await asAnybody(made, 'doctor', '--json')
      expect(code).toBe(78)
      const { checks } = JSON.parse(stdout) as { checks: Finding[] }
      expect(checks.find(({ status }) => status === 'fail')).toMatchObject({
        ...{ name: 'permissions', exit: 78, message: expect.stringMatching(whose) as string },
        hint: expect.stringMatching(way) as string,
      })
      const got = await asAnybody(made, 'get')
      expect(got).toMatchObject({ code: 78, stdout: '' })
      expect(got.stderr).toMatch(whose)
      expect(got.stderr).toContain(`hq-token: hint: ls -ld ${theirs}; run as that user`)
    },
  )

  it.each([
    [
      'an unknown key',
      /\[store\]/,
      'clientid = 1\n[store]',
      /line 8: unknown key clientid/,
      /did you mean client_id\?/,
    ],
    ['no client', /client_id = .*\n/, '', /lacks client_id/, /add to \[client\]/],
    // Who reads this needs no hint to look here.
    ['a URL that is none', /instance = .*/, 'instance = acme', /instance must be a URL/, null],
    ['two secrets', /\[store\]/, 'client_secret_file = x\n[store]', /more than once/, /keep one/],
  ])('with %s: 78, with the place and the mend', async (_, find, by, message, hint) => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(find, by))
    const got = await examined(made)
    expect(got.code).toBe(78)
    expect(got.check('settings')).toMatchObject({
      ...{ status: 'fail', exit: 78 },
      message: expect.stringMatching(message) as string,
      hint: hint === null ? null : (expect.stringMatching(hint) as string),
    })
  })

  it('that others can read: a warning; that others can change: 78', async () => {
    const made = await seeded()
    chmodSync(made.config, 0o644)
    const readable = await examined(made)
    expect(readable.code).toBe(0)
    expect(readable.check('permissions')).toMatchObject({ status: 'warn', hint: `chmod 600 ${made.config}` })
    chmodSync(made.config, 0o666)
    const writable = await examined(made)
    expect(writable.code).toBe(78)
    expect(writable.check('permissions')).toMatchObject({
      ...{ status: 'fail', exit: 78, hint: `chmod 600 ${made.config}` },
      message: expect.stringContaining('can be changed by others') as string,
    })
  })

  it.each([
    ['client_secret_command = exit 3', /failed \(exit status 3\)/, 'run the command by hand'],
    ['client_secret_file = none', /none does not exist/, null],
    ['client_secret_command = true', /gives an empty client secret/, null],
  ])('with the secret by %s: 78', async (line, message, hint) => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(/client_secret = .*/, line))
    const got = await examined(made)
    expect(got.code).toBe(78)
    expect(got.check('client secret')).toMatchObject({
      ...{ status: 'fail', exit: 78, message: expect.stringMatching(message) as string },
      ...(hint !== null && { hint: expect.stringContaining(hint) as string }),
    })
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
  })

  it('of a public client needs no secret', async () => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(/client_secret = .*/, 'auth_method = none'))
    expect((await examined(made)).check('client secret')?.message).toBe('none: a public client')
  })

  it('whose endpoints the issuer named at the last login: they are the ones that are asked', async () => {
    const made = await seeded()
    const { url } = made.sandbox
    rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${url}`))
    const without = await examined(made)
    expect(without.check('settings')).toMatchObject({ status: 'warn' })
    expect(without.check('issuer')).toMatchObject({ status: 'fail' })
    expect(without.names).not.toContain('token URL')
    await made.store.exclusive(
      (held) =>
        held.pin({
          ...{ issuer: url, authorizeUrl: `${url}authorize.action`, tokenUrl: `${url}api/oauth2/token` },
          ...{ revocationUrl: null, at: 1_800_000_000 },
        }),
      { waitMs: 5_000 },
    )
    const got = await examined(made)
    expect(got.code).toBe(0)
    expect(got.check('settings')?.message).toBe(
      `client 1012 at ${url}api/oauth2/token (by the issuer ${url}, asked at 2027-01-15T08:00:00Z)`,
    )
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
    expect(got.check('authorize URL')).toMatchObject({ status: 'ok' })
  })

  it('by a profile’s name that is none: wrong usage', async () => {
    expect((await told(['--profile', '../x', 'doctor'])).code).toBe(2)
  })

  it('gives hints that can be typed as they stand', async () => {
    const made = await place()
    const { stdout } = await told(['--config', made.config, 'doctor'])
    expect(stdout).toContain(`→ hq-token --config ${made.config} get`)
  })
})

describe('the store', () => {
  it('that is not there yet: a seed file will do, a damaged one is 65, without one a person must log in', async () => {
    const made = await place({}, 3600)
    const before = contents(made.dir)
    const first = await examined(made)
    expect(first.code).toBe(0)
    expect(first.check('store')?.message).toMatch(/there is none yet$/)
    expect(first.check('seed')).toMatchObject({ status: 'ok' })
    expect(first.check('login')).toMatchObject({ status: 'warn', hint: 'hq-token get' })
    expect(contents(made.dir)).toEqual(before)

    writeFileSync(made.seed, '[AUTH]\naccess_token = x\n')
    const damaged = await examined({ config: made.config })
    expect(damaged.code).toBe(65)
    expect(damaged.check('seed')).toMatchObject({ status: 'fail', exit: 65 })
    expect(damaged.check('login')).toMatchObject({ status: 'skip' })

    rmSync(made.seed)
    const none = await examined({ config: made.config })
    expect(none.code).toBe(4)
    expect(none.check('seed')).toMatchObject({ status: 'warn' })
    expect(none.check('login')).toMatchObject({
      ...{ status: 'fail', exit: 4, message: 'there is no token set' },
      hint: expect.stringContaining('seed FILE') as string,
    })
  })

  it('that is named as a file beside another: 74, and all the rest is looked at', async () => {
    const { config, dir } = await place({}, 3600)
    rewritten({ config }, (text) => text.replace('token.db', 'token.lock'))
    const got = await examined({ config })
    expect(got.code).toBe(74)
    expect(got.check('store')).toMatchObject({
      message: `${join(dir, 'token.lock')} is named as a file beside a store, not as a store`,
      hint: expect.stringContaining('token.db') as string,
    })
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
  })

  it('of a newer schema is read, and will not be written: 74', async () => {
    const made = await seeded()
    changed(made, 'PRAGMA user_version = 99')
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('schema')).toMatchObject({
      status: 'fail',
      exit: 74,
      hint: expect.stringContaining('npm install') as string,
    })
    expect(got.check('login')).toMatchObject({ status: 'ok' })
  })

  it('of an older schema is not migrated', async () => {
    const made = await seeded()
    changed(made, 'PRAGMA user_version = 3')
    const before = contents(made.dir)
    expect((await examined(made)).check('schema')?.message).toBe('3; the next refresh brings it to 5')
    expect(contents(made.dir)).toEqual(before)
  })

  it.each([
    [
      'no database',
      (path: string) => {
        writeFileSync(path, 'x'.repeat(8192))
      },
      'store',
    ],
    [
      'of no bytes',
      (path: string) => {
        truncateSync(path, 0)
      },
      'store',
    ],
    [
      'cut off',
      (path: string) => {
        truncateSync(path, 16_384)
      },
      'store',
    ],
    [
      'torn in the middle',
      (path: string) => {
        const bytes = readFileSync(path)
        writeFileSync(path, bytes.fill('x', bytes.length / 2, bytes.length / 2 + 8192))
      },
      'integrity',
    ],
  ])('that is %s is damaged: 74, and left as it is', async (_, damage, name) => {
    const made = await seeded()
    damage(join(made.dir, 'token.db'))
    const before = contents(made.dir)
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check(name)).toMatchObject({
      ...{ status: 'fail', exit: 74 },
      message: expect.stringContaining('is damaged') as string,
      hint: expect.stringMatching(
        /; (?:if it never was a store, name another \[store\] path; else )?move it away \(mv \S+ \S+\), then: hq-token login \(or: hq-token seed FILE\)$/,
      ) as string,
    })
    expect(got.names).not.toContain('login')
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
    expect(contents(made.dir)).toEqual(before)
  })

  it('with a row that makes no sense: 74', async () => {
    const made = await seeded()
    changed(made, 'ALTER TABLE token_set DROP COLUMN lifetime')
    const got = await examined(made)
    expect(got.check('integrity')).toMatchObject({
      status: 'fail',
      exit: 74,
      message: expect.stringContaining('lifetime') as string,
      hint: expect.stringMatching(/; move it away \(.*\), then: hq-token login /) as string,
    })
  })

  it('that others can read: 74, with the mend', async () => {
    const made = await seeded()
    const path = join(made.dir, 'token.db')
    chmodSync(path, 0o644)
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('store')).toMatchObject({ status: 'fail', hint: `chmod 600 ${path}` })
    for (const name of ['schema', 'integrity']) expect(got.check(name)).toMatchObject({ status: 'skip' })
  })

  it.runIf(canBeOthers)('of another user: 74', async () => {
    const made = await seeded()
    chownSync(join(made.dir, 'token.db'), 12_345, 12_345)
    expect((await examined(made)).check('store')).toMatchObject({
      ...{ status: 'fail', exit: 74 },
      message: expect.stringContaining('belongs to another user (uid 12345)') as string,
      hint: "run as that user: sudo -u '#12345' hq-token …; or name another [store] path",
    })
  })

  it.runIf(canBeOthers)('in a folder that may not be written: 74', async () => {
    const made = await seeded()
    chmodSync(made.dir, 0o500)
    const { code, stdout } = await asAnybody(made, 'doctor', '--json')
    expect(code).toBe(74)
    const { checks } = JSON.parse(stdout) as { checks: Finding[] }
    expect(checks.find(({ name }) => name === 'writable')).toMatchObject({
      ...{ status: 'fail', exit: 74, message: `${made.dir} cannot be written (EACCES)` },
      hint: `look at the disk and the permissions: ls -ld ${made.dir}; df ${made.dir}`,
    })
  })

  it('with a rescue file that others can read: 74', async () => {
    const made = await seeded()
    const rescue = join(made.dir, 'token.rescue')
    chmodSync(rescue, 0o644)
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('unfinished')).toMatchObject({ status: 'fail', exit: 74, hint: `chmod 600 ${rescue}` })
  })

  it.runIf(canBeOthers)('on a read-only file system is read all the same: 74', async () => {
    const made = await seeded()
    execFileSync('mount', ['--bind', made.dir, made.dir])
    onTestFinished(() => void execFileSync('umount', ['--lazy', made.dir]))
    execFileSync('mount', ['-o', 'remount,bind,ro', made.dir])
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('writable')).toMatchObject({
      ...{ status: 'fail', exit: 74, message: `${made.dir} cannot be written (EROFS)` },
      hint: 'the file system is read-only: mount it writable, or name another [store] path',
    })
    for (const name of ['integrity', 'lock', 'login']) expect(got.check(name)).toMatchObject({ status: 'ok' })
  })

  it.runIf(canBeOthers)('on a full disk, which is in memory: 74, with both', async () => {
    const disk = mount('tmpfs')
    const { root } = disk
    const made = await place({}, 3600)
    rewritten(made, (text) => text.replace('path = token.db', `path = ${join(root, 'token.db')}`))
    await told(['seed'], { env: { HQ_TOKEN_CONFIG: made.config } })
    disk.fill()
    const got = await examined(made)
    expect(got.code).toBe(74)
    expect(got.check('disk space')).toMatchObject({
      ...{
        status: 'fail',
        exit: 74,
        message: `the disk of ${root} is full: 0 KiB left`,
        hint: `df -h ${root}`,
      },
    })
    expect(got.check('file system')).toMatchObject({
      ...{ status: 'warn', message: expect.stringContaining('tmpfs is in memory') as string },
    })
    expect(got.check('login')).toMatchObject({ status: 'ok' })
  })

  it.runIf(process.platform === 'linux').each([
    ['/proc/x', '/proc is on proc, where no file can be made'],
    ['/sys/hq-token/token.db', '/sys/hq-token is on sysfs, where no file can be made'],
  ])('at %s, where nothing can be kept, is called that: 74', async (path, message) => {
    const made = await place()
    rewritten(made, (text) => text.replace('path = token.db', `path = ${path}`))
    const got = await examined({ config: made.config })
    expect(got.code).toBe(74)
    expect(got.check('file system')).toMatchObject({
      ...{ status: 'fail', exit: 74, message, hint: 'name a [store] path on a local disk' },
    })
    for (const name of ['disk space', 'writable']) expect(got.check(name)).toMatchObject({ status: 'skip' })
  })

  it.runIf(canBeOthers)('in memory without a limit is on no full disk', async () => {
    const root = folder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=0,mode=0700', 'tmpfs', root])
    onTestFinished(() => void execFileSync('umount', ['--lazy', root]))
    const made = await place()
    rewritten(made, (text) => text.replace('path = token.db', `path = ${join(root, 'token.db')}`))
    const got = await examined({ config: made.config })
    expect(got.check('disk space')).toMatchObject({
      ...{ status: 'skip', message: 'this file system counts none' },
    })
    expect(got.check('writable')).toMatchObject({ status: 'ok' })
  })

  it.runIf(process.platform === 'linux').each([
    [0x6969, 'warn', /^NFS is a network file system/],
    [-11_317_950, 'warn', /^CIFS is a network file system/],
    [0x65735546, 'warn', /^FUSE: it may be/],
    [0xef53, 'ok', /^local$/],
  ])('on a file system of type %d: %s', async (type, status, message) => {
    const { dir } = await seeded()
    const fileSystem = (): { type: number; room: number } => ({ type, room: 3 * 1024 * 1024 })
    const { checks } = await inspectStore(join(dir, 'token.db'), { rule: 'a test', env: {}, fileSystem })
    const check = (wanted: string): unknown => checks.find(({ name }) => name === wanted)
    expect(check('file system')).toMatchObject({
      ...{ status, message: expect.stringMatching(message) as string },
      ...(status === 'warn' && { hint: 'name a [store] path on a local disk' }),
    })
    expect(check('disk space')).toMatchObject({
      ...{ status: 'warn', message: '3072 KiB left', hint: `df -h ${dir}` },
    })
  })

  it('whose lock another process holds, and whose refresh was killed', async () => {
    const made = await seeded({ faults: [{ name: 'silence', count: 1 }] })
    const running = made.start(['refresh'])
    while (made.sandbox.log.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    const during = await examined(made)
    expect(during.code).toBe(0)
    expect(during.check('lock')).toMatchObject({
      status: 'warn',
      hint: `to see who: fuser ${join(made.dir, 'token.lock')}`,
    })
    expect(during.check('unfinished')).toMatchObject({ status: 'skip' })

    running.child.kill('SIGKILL')
    await running.done
    const before = contents(made.dir)
    const after = await examined(made)
    expect(after.check('lock')).toMatchObject({ status: 'ok' })
    expect(after.check('unfinished')).toMatchObject({
      ...{ status: 'warn', hint: 'hq-token get' },
      message: expect.stringMatching(/begun at .*Z and its outcome is unknown/) as string,
    })
    expect(contents(made.dir)).toEqual(before)
  })

  it('beside which an answer waits to be taken up', async () => {
    const made = await seeded()
    await made.store.exclusive(
      async (held) => {
        const set = await held.read()
        await held.rescue.keep({
          ...{
            generation: set?.generation ?? 0,
            attempt: 2,
            spent: set?.pair.refreshToken.fingerprint ?? '',
            grant: set?.grant ?? null,
          },
          answer: {
            ...{ sentAt: machineClock(), sent: true, status: 200, contentType: null, contentEncoding: null },
            ...{ retryAfter: null, date: null, complete: true, failure: null },
            body: new TextEncoder().encode('{"access_token":"live-access"}'),
          },
        })
      },
      { waitMs: 5_000 },
    )
    const before = contents(made.dir)
    expect((await examined(made)).check('unfinished')).toMatchObject({
      ...{ status: 'warn', hint: 'hq-token refresh' },
      message: `an answer of the server waits in ${join(made.dir, 'token.rescue')}: the next refresh takes it up`,
    })
    expect(contents(made.dir)).toEqual(before)
  })

  it('within whose last write a process died: said, and not repaired', async () => {
    const made = await seeded()
    const path = join(made.dir, 'token.db')
    // As a crash leaves it: the pages are half written, and the journal still has what was there.
    const hot = new Database(path)
    hot.pragma('cache_size = 1')
    hot.pragma('cache_spill = 1')
    hot.exec('BEGIN IMMEDIATE; UPDATE history SET padding = randomblob(400)')
    const copy = folder()
    for (const name of ['token.db', 'token.db-journal'])
      writeFileSync(join(copy, name), readFileSync(join(made.dir, name)), { mode: 0o600 })
    hot.exec('ROLLBACK')
    hot.close()
    rewritten(made, (text) => text.replace('path = token.db', `path = ${join(copy, 'token.db')}`))
    const before = contents(copy)
    const got = await examined(made)
    expect(got.check('store')).toMatchObject({ status: 'warn', hint: 'hq-token status' })
    expect(contents(copy)).toEqual(before)
    expect(await new SqliteStore(join(copy, 'token.db')).read()).toBeDefined()
    expect((await examined(made)).check('store')).toMatchObject({ status: 'ok' })
  })

  it('that somebody keeps busy: 75', async () => {
    const made = await seeded()
    const db = new Database(join(made.dir, 'token.db'))
    db.exec('BEGIN EXCLUSIVE')
    const got = await examined(made)
    db.close()
    expect(got.code).toBe(75)
    expect(got.check('store')).toMatchObject({
      status: 'fail',
      exit: 75,
      hint: expect.stringContaining('fuser') as string,
    })
  })

  it('with a file in the place of the lock: 74', async () => {
    const made = await seeded()
    writeFileSync(join(made.dir, 'token.lock'), 'x'.repeat(5000), { mode: 0o600 })
    expect((await examined(made)).check('lock')).toMatchObject({
      status: 'fail',
      exit: 74,
      hint: expect.stringContaining('mv ') as string,
    })
  })

  it.runIf(canBeOthers)(
    'that only root may read: 74, as in status, and no process has died in it',
    async () => {
      const made = await seeded()
      const run = asSomebody(made)
      const path = join(made.dir, 'token.db')
      rmSync(`${path}-journal`)
      chownSync(path, 0, 0)
      chmodSync(made.dir, 0o755)
      const { code, stdout } = await run('doctor')
      const status = await run('status')
      const said = `${path} cannot be read: it belongs to root, mode 600`
      expect(stdout).toMatch(new RegExp(`^fail +store +${said}\n.*ls -l ${path}; as root: chown`, 'm'))
      expect(status.stderr).toContain(said)
      expect([code, status.code]).toEqual([74, 74])
    },
  )

  it.runIf(canBeOthers)('with a lock of root’s: 74, and it stays where it is: root may hold it', async () => {
    const made = await seeded()
    const run = asSomebody(made)
    const path = join(made.dir, 'token.lock')
    chownSync(path, 0, 0)
    for (const command of ['doctor', 'refresh']) {
      const { code, stdout, stderr } = await run(command)
      expect(code).toBe(74)
      expect(stdout + stderr).toContain(`${path} cannot be read: it belongs to root, mode 600`)
      expect(stdout + stderr).toContain(`ls -l ${path}; as root: chown ${SOMEBODY} ${path}`)
      expect(stdout + stderr).not.toContain('mv ')
    }
  })
})

describe('the grant', () => {
  it('that the server has refused: 4, with what it said', async () => {
    const made = await seeded({ faults: [{ name: 'invalid-grant', count: 1 }] })
    await told(['refresh'], { env: { HQ_TOKEN_CONFIG: made.config } })
    const got = await examined(made)
    expect(got.code).toBe(4)
    expect(got.check('login')).toMatchObject({
      ...{ status: 'fail', exit: 4, hint: expect.stringContaining('seed FILE') as string },
      message: expect.stringMatching(
        /^the server refused the refresh token .* ago: .*invalid_grant/,
      ) as string,
    })
  })

  it.each([
    ['invalid-client', 'fail', 78, /invalid_client/, /client_secret/],
    ['503', 'warn', 0, /wants to be left alone for another/, /hq-token refresh/],
  ] as const)('whose last refresh met %s: %s', async (fault, status, code, message, hint) => {
    const made = await seeded({ faults: [{ name: fault, count: 1 }] })
    await told(['refresh'], { env: { HQ_TOKEN_CONFIG: made.config } })
    // Long enough for a slow machine to look at it.
    if (code === 0) changed(made, 'UPDATE token_set SET not_before = not_before + 600')
    const got = await examined(made)
    expect(got.code).toBe(code)
    expect(got.check('last failure')).toMatchObject({
      status,
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    })
  })

  it('whose refresh token ends soon: a warning; that has ended: 4; that never lives long: neither', async () => {
    const made = await seeded({ refreshTtl: 365 * DAY })
    // The server's clock is not what this is about.
    const soon = await examined(made, { clock: later(340 * DAY) })
    expect(soon.code).toBe(0)
    expect(soon.check('refresh token')).toMatchObject({
      status: 'warn',
      hint: 'a refresh brings a new one: hq-token refresh',
    })
    expect(soon.check('access token')?.message).toMatch(/^over since .*: the next `get` renews it$/)
    const over = await examined(made, { clock: later(366 * DAY) })
    expect(over.code).toBe(4)
    expect(over.check('login')).toMatchObject({ status: 'fail', exit: 4 })

    const short = await seeded({ refreshTtl: DAY })
    expect((await examined(short)).check('refresh token')).toMatchObject({ status: 'ok' })
  })

  it('obtained at an instant that is still to come: the clock went back', async () => {
    const made = await seeded()
    expect((await examined(made, { clock: later(-10 * DAY) })).check('access token')).toMatchObject({
      ...{ status: 'warn', message: expect.stringContaining('this machine’s clock went back') as string },
      hint: expect.stringContaining('timedatectl') as string,
    })
  })

  it('whose store came from another machine: a warning', async () => {
    const made = await seeded()
    changed(made, "UPDATE token_set SET came_from = 'old-host', came_at = obtained_at")
    expect((await examined(made)).check('login')).toMatchObject({
      ...{ status: 'warn', message: expect.stringContaining('came here from old-host') as string },
      hint: expect.stringContaining('stop the other') as string,
    })
  })
})

describe('a login', () => {
  /** One that waits, with the secrets that it waits with. */
  async function waiting(made: Place): Promise<{ begun: string; until: string; secrets: string[] }> {
    expect((await told(['login', '--no-browser'], { env: { HQ_TOKEN_CONFIG: made.config } })).code).toBe(0)
    const login = await made.store.login()
    if (login === undefined) throw new Error('no login waits')
    return {
      begun: rfc3339(login.begunAt),
      until: rfc3339(login.begunAt + 1800),
      secrets: [login.state.reveal(), login.verifier.reveal()],
    }
  }

  it('that waits for its answer: until when, and how it is finished; nothing of what it waits with', async () => {
    const made = await seeded()
    const { begun, until, secrets } = await waiting(made)
    const got = await examined(made)
    expect(got.code).toBe(0)
    expect(got.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: 'hq-token login --complete -' },
      message: `a login waits for its answer, begun at ${begun}, good until ${until}`,
    })
    const { stdout } = await told(['--config', made.config, 'doctor'])
    expect(stdout).toMatch(
      new RegExp(`^ok {5}pending login .*\n {7}→ hq-token --config ${made.config} login --complete -$`, 'm'),
    )
    const json = await told(['--config', made.config, 'doctor', '--json'])
    for (const secret of secrets) expect(stdout + json.stdout).not.toContain(secret)
  })

  it('that is over, its time or its answer: said, and nothing to do while the grant is good', async () => {
    const made = await seeded()
    const { begun, until } = await waiting(made)
    const expired = await examined(made, { clock: later(1810) })
    expect(expired.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: null },
      message: `the one begun at ${begun} waits no longer: it was good until ${until}`,
    })
    changed(made, "UPDATE login SET spent = 'abcdef012345'")
    const spent = await examined(made)
    expect(spent.code).toBe(0)
    expect(spent.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: null },
      message: `the one begun at ${begun} waits no longer: its answer was used`,
    })
  })

  it('that waits where there is no token set: 4, and the login is to be finished', async () => {
    const made = await place()
    rmSync(made.seed)
    await waiting(made)
    const got = await examined({ config: made.config })
    expect(got.code).toBe(4)
    expect(got.check('login')?.hint).toMatch(/^hq-token login --complete - /)
    expect(got.check('pending login')).toMatchObject({ status: 'ok', hint: 'hq-token login --complete -' })
  })
})

describe('the server', { timeout: 300_000 }, () => {
  const at = async (instance: string, options: WorldOptions = {}): Promise<Examined> => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = ${instance}`))
    return examined(made, options)
  }
  const answering = (status: number, type: string, body: string, headers = {}): Promise<string> =>
    serving((_, response) => response.writeHead(status, { 'content-type': type, ...headers }).end(body))

  it('whose name nobody knows: 75', async () => {
    const got = await at('https://no-such-host.invalid/')
    expect(got.code).toBe(75)
    expect(got.check('name')).toMatchObject({
      ...{ status: 'fail', exit: 75, message: expect.stringContaining('no-such-host.invalid') as string },
      hint: expect.stringContaining('name resolution') as string,
    })
    expect(got.names).not.toContain('server')
    for (const name of ['token URL', 'authorize URL'])
      expect(got.check(name)).toMatchObject({ status: 'skip' })
  })

  it.each([
    ['by a name: where that is', 'localhost', /^localhost is (?:::1|127\.0\.0\.1)/],
    ['by an address: nothing has to be found out', '127.0.0.1', undefined],
    ['by an address of IPv6', '[::1]', undefined],
  ])('that is configured %s', async (_, host, message) => {
    const got = await at(`http://${host}:${await freePort()}/`)
    expect(got.check('server')).toMatchObject({ status: 'fail' })
    expect(got.check('name')).toEqual(
      message && expect.objectContaining({ status: 'ok', message: expect.stringMatching(message) as string }),
    )
  })

  it.each([
    ['CERT_NOT_YET_VALID', 'certificate', /is not valid yet/, /clock/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'certificate', /no TLS with/, /host and port/],
    [
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'certificate',
      /does not take this client’s certificate/,
      /client_cert/,
    ],
    ['UND_ERR_CONNECT_TIMEOUT', 'server', /does not answer/, /firewall/],
    ['EHOSTUNREACH', 'server', /cannot be reached from here/, /firewall/],
  ])('that is not reached by %s: what that means, and 75', (failure, name, message, hint) => {
    const found = { isConnected: false, certificate: null, addresses: ['192.0.2.1'], answer: null }
    const url = new URL('https://acme.highq.com/')
    const { checks, isReached } = inspectWay({ ...found, failure, url, proxy: 'unused' }, null, 0)
    expect(isReached).toBe(false)
    expect(checks.at(-1)).toMatchObject({
      ...{ name, status: 'fail', exit: 75, message: expect.stringMatching(message) as string },
      hint: expect.stringMatching(hint) as string,
    })
  })

  it('that is reached through a proxy: its name is not for this machine to find out', () => {
    const found = { failure: null, isConnected: true, certificate: null, addresses: null, answer: null }
    const way = (hostname: string): readonly Finding[] =>
      inspectWay({ ...found, proxy: 'reached', url: new URL(`https://${hostname}/`) }, 'http://proxy', 0)
        .checks
    expect(way('acme.highq.com')).toContainEqual({
      ...{ name: 'name', status: 'skip', message: 'the proxy finds out where acme.highq.com is' },
    })
    expect(way('10.0.0.1').map(({ name }) => name)).toEqual(['proxy', 'server', 'certificate', 'clock'])
  })

  it('that refuses the connection: 75', async () => {
    const got = await at(`http://127.0.0.1:${await freePort()}/`)
    expect(got.code).toBe(75)
    expect(got.check('server')).toMatchObject({
      ...{
        status: 'fail',
        exit: 75,
        message: expect.stringMatching(/refuses the connection \(ECONNREFUSED\)/) as string,
      },
      hint: expect.stringContaining('HTTPS_PROXY') as string,
    })
  })

  it('that takes the connection and says nothing: 75, within half a minute', async () => {
    const port = await listening(
      createTcpServer(() => undefined),
      '127.0.0.1',
    )
    const begun = performance.now()
    const got = await at(`http://127.0.0.1:${port}/`)
    expect(performance.now() - begun).toBeLessThan(30_000)
    expect(got.code).toBe(75)
    expect(got.check('token URL')).toMatchObject({
      status: 'fail',
      exit: 75,
      message: `127.0.0.1:${port} did not answer (TIMEOUT)`,
    })
  })

  it.each([
    [
      'HTML',
      200,
      'text/html',
      '<!doctype html><html><body>Sign in</body></html>',
      'fail',
      75,
      /a web page \(HTTP 200\)/,
    ],
    ['nothing', 404, 'text/html', '<html>no</html>', 'fail', 78, /there is none at .* \(HTTP 404\)/],
    ['a redirect', 302, 'text/plain', '', 'fail', 75, /leads elsewhere \(HTTP 302\)/],
    ['an error of its own', 500, 'text/plain', 'oops', 'fail', 75, /HTTP 500/],
    ['400 without a reason', 400, 'text/plain', 'bad', 'warn', 0, /not as RFC 6749 has it/],
    // As glewlwyd, to a request without a client.
    [
      '400 without a word',
      400,
      '',
      '',
      'ok',
      0,
      /refuses a request without a client, as it should \(HTTP 400\)/,
    ],
    ['401 without a word', 401, 'text/plain', '\n', 'ok', 0, /refuses a request without a client/],
    ['403 without a word', 403, '', '', 'warn', 0, /not as RFC 6749 has it/],
    ['405 without a word', 405, '', '', 'warn', 0, /not as RFC 6749 has it/],
    ['success without a word', 200, '', '', 'warn', 0, /not as RFC 6749 has it/],
    [
      'an error in XML',
      400,
      'application/xml',
      '<e><error>invalid_request</error></e>',
      'ok',
      0,
      /invalid_request/,
    ],
  ] as const)('with %s at the token URL: %s', async (_, status, type, body, verdict, code, message) => {
    const elsewhere = await answering(status, type, body, { location: 'https://example.com/' })
    const made = await seeded()
    rewritten(made, (text) => text.replace('[store]', `token_url = ${elsewhere}/token\n[store]`))
    const got = await examined(made)
    expect(got.code).toBe(code)
    expect(got.check('token URL')).toMatchObject({
      status: verdict,
      message: expect.stringMatching(message) as string,
    })
    if (verdict !== 'ok') expect(got.check('token URL')?.hint).toBeTruthy()
    expect(got.check('authorize URL')).toMatchObject({ status: 'ok' })
    // Another server: each has its own way.
    expect(got.names.filter((name) => name === 'server')).toHaveLength(2)
  })

  it.each([
    [200, 'ok', 0],
    [302, 'ok', 0],
    [503, 'warn', 0],
    [404, 'fail', 78],
  ])('with HTTP %d at the authorize URL: %s', async (status, verdict, code) => {
    const elsewhere = await answering(status, 'text/html', '<html></html>', { location: '/login' })
    const made = await seeded()
    rewritten(made, (text) => text.replace('[store]', `authorize_url = ${elsewhere}/authorize\n[store]`))
    const got = await examined(made)
    expect(got.code).toBe(code)
    expect(got.check('authorize URL')).toMatchObject({
      ...{ status: verdict, exit: code === 0 ? null : code },
      ...(verdict !== 'ok' && { hint: expect.stringMatching(/authorize_url|browser/) as string }),
    })
  })

  it.each([
    ['no metadata', 404, '', 78, /publishes no metadata/, /^check issuer/],
    ['a failure', 503, '', 75, /could not be had \(HTTP 503\)/, /again later/],
    ['no JSON', 200, '<html>', 78, /cannot be read/, /^check issuer/],
    ['another’s', 200, '{"issuer":"https://evil.example"}', 78, /that of another issuer/, /^check issuer/],
  ] as const)(
    'with %s where the issuer should tell its endpoints',
    async (_, status, body, code, message, hint) => {
      const issuer = await answering(status, 'application/json', body)
      const made = await seeded()
      rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
      const got = await examined(made)
      expect(got.code).toBe(code)
      expect(got.check('issuer')).toMatchObject({
        ...{ status: 'fail', exit: code },
        ...{ message: expect.stringMatching(message) as string, hint: expect.stringMatching(hint) as string },
      })
    },
  )

  it.each([
    ['at the first place, and much of it', '/.well-known/openid-configuration', 404, 80_000],
    ['at the second, where the first is a web page', '/.well-known/oauth-authorization-server', 200, 0],
    ['at the second, where the first is forbidden', '/.well-known/oauth-authorization-server', 403, 0],
  ])('whose issuer tells its endpoints %s: doctor and login agree', async (_, path, otherwise, more) => {
    const issuer = await serving(({ url }, response) => {
      const isThere = url === path
      response.writeHead(isThere ? 200 : otherwise, {
        'content-type': isThere ? 'application/json' : 'text/html',
      })
      const [authorization_endpoint, token_endpoint] = [`${issuer}/a`, `${issuer}/t`]
      const metadata = { issuer, authorization_endpoint, token_endpoint, more: 'x'.repeat(more) }
      response.end(isThere ? JSON.stringify(metadata) : '<html>Sign in</html>')
    })
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
    expect((await examined(made)).check('issuer')).toMatchObject({
      ...{ status: 'ok', message: `${issuer} tells its endpoints` },
    })
    expect(await made.run(['login', '--no-browser'])).toMatchObject({ code: 0 })
  })

  it('whose issuer does not say where to log in: as a login has it, where one is meant to be', async () => {
    const issuer: string = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/t` }))
    })
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${issuer}`))
    expect((await examined(made)).check('issuer')).toMatchObject({
      ...{ status: 'fail', exit: 78, message: `the metadata of ${issuer} does not say where to log in` },
      hint: 'set authorize_url in [client] of the configuration',
    })
    expect(await made.run(['login', '--no-browser'])).toMatchObject({ code: 78, stdout: '' })
    rewritten(made, (text) => text.replace(/redirect_uri = .*\n/, ''))
    expect((await examined(made)).check('issuer')).toMatchObject({ status: 'ok' })
  })

  it('and the configuration and the store, when all have failed: the first says with what it ends', async () => {
    const made = await seeded()
    rewritten(made, (text) =>
      text
        .replace(/client_secret = .*/, 'client_secret_command = exit 3')
        .replace(/instance = .*/, 'instance = http://127.0.0.1:1/'),
    )
    changed(made, 'PRAGMA user_version = 99')
    const all = await examined(made)
    expect(['client secret', 'schema', 'server'].map((name) => all.check(name)?.exit)).toEqual([78, 74, 75])
    expect(all.code).toBe(78)
    rewritten(made, (text) => text.replace(/client_secret_command = .*/, 'client_secret = s3cr3t-012345'))
    expect((await examined(made)).code).toBe(74)
    changed(made, 'PRAGMA user_version = 4')
    expect((await examined(made)).code).toBe(75)
  })

  it('whose clock is another, or untold', async () => {
    const made = await seeded()
    expect((await examined(made, { clock: later(90) })).check('clock')).toMatchObject({
      ...{ status: 'ok', message: expect.stringMatching(/^(?:8|9)\d s ahead of the server’s$/) as string },
    })
    for (const [seconds, direction] of [
      [600, 'ahead of'],
      [-600, 'behind'],
    ] as const)
      expect((await examined(made, { clock: later(seconds) })).check('clock')).toMatchObject({
        ...{ status: 'warn', hint: expect.stringContaining('timedatectl') as string },
        message: expect.stringMatching(new RegExp(`clock is \\d{3} s ${direction} the server’s`)) as string,
      })
    const mute = await serving((_, response) => {
      response.sendDate = false
      response.writeHead(400).end()
    })
    expect((await at(`${mute}/`)).check('clock')).toMatchObject({ status: 'skip' })
  })

  it('is not asked at all where nobody checks who it is: 78', async () => {
    const made = await seeded()
    const got = await examined(made, { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
    expect(got.code).toBe(78)
    expect(got.check('trust')).toMatchObject({ status: 'fail', exit: 78 })
    expect(got.check('servers')).toMatchObject({ status: 'skip' })
    expect(made.sandbox.log).toHaveLength(0)
  })

  it('commands no terminal by what it says', async () => {
    const url = await answering(400, 'application/json', '{"error":"\\u001b[31mred"}')
    const made = await seeded()
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = ${url}/`))
    const { stdout } = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(stdout).not.toContain('\u001b')
  })
})

describe('TLS and the proxy', { timeout: 300_000 }, () => {
  let firm: Authority
  let proxy: Proxy
  let locked: Proxy

  beforeAll(async () => {
    requirePrograms('tinyproxy', 'openssl')
    firm = authority()
    proxy = await tinyproxy()
    locked = await tinyproxy('BasicAuth someone secret-of-the-proxy')
  }, 300_000)

  afterAll(() => {
    for (const one of [proxy, locked]) one.end()
  })

  const behind = async (
    network: string,
    more: { certificate?: ReturnType<Authority['issue']>; mutual?: boolean } = {},
    options: WorldOptions & { argv?: readonly string[] } = {},
  ): Promise<Examined> => {
    const made = await seeded({ config: `[network]\n${network}\n` })
    return examined(await inFrontOf(made, { firm, ...more }), options)
  }

  it('are fine: the issuer, the days that are left, and the proxy that was used', async () => {
    const got = await behind(`ca_file = ${firm.cert}\nproxy = ${proxy.url}`, {}, { argv: ['--online'] })
    expect(got.code).toBe(0)
    expect(got.check('trust')?.message).toBe('the authorities of Node and of ca_file')
    expect(got.check('certificate')).toMatchObject({
      ...{
        status: 'ok',
        message: expect.stringMatching(
          /^127\.0\.0\.2:\d+, by Firm CA, for another (?:59|60) days$/,
        ) as string,
      },
    })
    expect(got.check('proxy')?.message).toMatch(
      new RegExp(`^${proxy.url} \\(.*, line \\d+: \\[network\\] proxy\\)$`),
    )
    expect(got.check('API')).toMatchObject({ status: 'ok' })
  })

  it('without the proxy where the host is exempt from it', async () => {
    const got = await behind(
      `ca_file = ${firm.cert}`,
      {},
      { env: { HTTPS_PROXY: proxy.url, NO_PROXY: HOST } },
    )
    expect(got.check('proxy')?.message).toMatch(/^not used for 127\.0\.0\.2:\d+ \(http:.* \(HTTPS_PROXY\)\)$/)
  })

  it('with a certificate that ends soon: a warning', async () => {
    const got = await behind(`ca_file = ${firm.cert}`, { certificate: firm.issue(HOST, 3) })
    expect(got.code).toBe(0)
    expect(got.check('certificate')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/another [23] days/) as string,
      hint: expect.stringContaining('has to renew it') as string,
    })
  })

  it.each([
    ['that has expired', () => firm.issue(HOST, -1), true, /has expired \(CERT_HAS_EXPIRED\)/, /renew it/],
    [
      'for another name',
      () => firm.issue('other.example.com'),
      true,
      /is for another name/,
      /is it 127\.0\.0\.2\?/,
    ],
    [
      'by nobody who is known',
      () => firm.issue(HOST),
      false,
      /nobody here knows/,
      /ca_file = FILE .*NODE_EXTRA_CA_CERTS=FILE/,
    ],
  ])(
    'with a certificate %s: 75, straight and through the proxy',
    async (_, certificate, isKnown, message, hint) => {
      for (const way of ['none', proxy.url]) {
        const ca = isKnown ? `ca_file = ${firm.cert}\n` : ''
        const got = await behind(`${ca}proxy = ${way}`, { certificate: certificate() })
        expect(got.code).toBe(75)
        expect(got.check('server')).toMatchObject({ status: 'ok' })
        expect(got.check('certificate')).toMatchObject({
          ...{ status: 'fail', exit: 75 },
          message: expect.stringMatching(message) as string,
          hint: expect.stringMatching(hint) as string,
        })
        expect(got.check('token URL')).toMatchObject({ status: 'skip' })
      }
    },
  )

  it('with a proxy that refuses, is not there, or does not get through: 75', async () => {
    const asks = await behind(`ca_file = ${firm.cert}\nproxy = ${locked.url}`)
    expect(asks.code).toBe(75)
    expect(asks.check('proxy')).toMatchObject({
      ...{
        status: 'fail',
        exit: 75,
        message: expect.stringContaining('asks for a user and a password (407)') as string,
      },
      hint: expect.stringContaining('http://USER:PASSWORD@') as string,
    })
    const absent = await behind(`proxy = http://127.0.0.1:${await freePort()}`)
    expect(absent.check('proxy')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/) as string,
      hint: 'check its address and that it runs',
    })
    const made = await seeded({ config: `[network]\nproxy = ${proxy.url}\n` })
    rewritten(made, (text) => text.replace(/instance = .*/, `instance = https://${HOST}:1/`))
    expect((await examined(made)).check('proxy')).toMatchObject({
      status: 'fail',
      message: expect.stringMatching(/does not let 127\.0\.0\.2:1 through \(5\d\d\)/) as string,
      hint: expect.stringContaining('NO_PROXY') as string,
    })
  })

  it('keep the password of the proxy to themselves', async () => {
    const url = new URL(locked.url)
    url.username = 'someone'
    url.password = 'secret-of-the-proxy'
    const made = await seeded({ config: `[network]\nca_file = ${firm.cert}\nproxy = ${url.href}\n` })
    const { config } = await inFrontOf(made, { firm })
    const got = await told(['doctor'], { env: { HQ_TOKEN_CONFIG: config } })
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(got.stdout).not.toContain('secret-of-the-proxy')
  })

  it('with files that cannot be used: 78; with one that Node passes over: a warning', async () => {
    const missing = await behind('ca_file = none.pem')
    expect(missing.code).toBe(78)
    expect(missing.check('trust')).toMatchObject({
      status: 'fail',
      exit: 78,
      message: expect.stringContaining('none.pem does not exist') as string,
    })
    const passedOver = await behind(
      `ca_file = ${firm.cert}`,
      {},
      { env: { NODE_EXTRA_CA_CERTS: '/nonexistent.pem' } },
    )
    expect(passedOver.check('trust')).toMatchObject({ status: 'warn', hint: 'ls -l /nonexistent.pem' })
  })

  it('with a certificate of the client: how long it lives, and that the server wants one', async () => {
    const client = firm.issue('client.example.com', 3)
    const shown = `client_cert_file = ${client.cert}\nclient_key_file = ${client.key}`
    const got = await behind(`ca_file = ${firm.cert}\n${shown}`, { mutual: true })
    expect(got.code).toBe(0)
    expect(got.check('trust')).toMatchObject({
      status: 'warn',
      message: expect.stringMatching(/certificate ends in [23] days$/) as string,
      hint: expect.stringContaining('client_cert_file') as string,
    })
    const without = await behind(`ca_file = ${firm.cert}`, { mutual: true })
    expect(without.code).toBe(75)
    expect(without.check('token URL')).toMatchObject({
      ...{ status: 'fail', exit: 75, message: expect.stringContaining('did not answer') as string },
      hint: expect.stringContaining('client_cert_file') as string,
    })
  })
})
