import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { loggingServer, type LoggingServer } from '../support/logging-server.js'
import { start, type Ended } from '../support/processes.js'

let a: LoggingServer
let b: LoggingServer
let dir: string
let store: SqliteStore

beforeEach(async () => {
  a = await loggingServer('a')
  b = await loggingServer('b')
  dir = folder()
  store = new SqliteStore(join(dir, 'token.db'))
  seedFile('a')
  seedFile('b')
})

function seedFile(name: string, life = 0): string {
  const path = join(dir, `seed-${name}.ini`)
  const text = `[AUTH]\naccess_token = access-of-${name}-0\naccess_expiry = ${life}\nrefresh_token = refresh-of-${name}-0\nissued_at = ${Math.floor(Date.now() / 1000)}\n`
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

/** A config file for one server, over the one store; `changes` wins over what the server would give. */
function config(server: LoggingServer, changes: Readonly<Record<string, string>> = {}): string {
  const { url, clientId, clientSecret } = server
  const keys = {
    token_url: `${url}token`,
    authorize_url: `${url}authorize`,
    revocation_url: `${url}revoke`,
    api_url: `${url}api/`,
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uri: 'http://127.0.0.1/callback',
    ...changes,
  }
  const path = join(dir, `config-${server.name}-${Object.values(changes).join('').length}.ini`)
  const lines = Object.entries(keys)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(path, `[client]\n${lines.join('')}[store]\npath = token.db\n[refresh]\nlock_wait = 5s\n`, {
    mode: 0o600,
  })
  return path
}

const run = (path: string, args: readonly string[], input?: string): Promise<Ended> =>
  start(['--config', path, ...args], input === undefined ? {} : { input }).done

/** The store holds a set of a's client. */
async function holdsA(life = 3600): Promise<void> {
  seedFile('a', life)
  expect(await run(config(a), ['seed', join(dir, 'seed-a.ini')])).toMatchObject({ code: 0 })
}

/** Nothing of one server has reached the other. */
function neitherHeardTheOther(): void {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const)
    expect(one.heard.join('\n')).not.toMatch(new RegExp(`(access|refresh|client|secret)-of-${other.name}`))
}

const OUTFILE = 'out'

const COMMANDS: [args: readonly string[], input?: string][] = [
  [['get']],
  [['get', '--min-valid', '2h']],
  [['get', '--format', 'json']],
  [['get', '--rejected', '-'], 'access-of-a-0'],
  [['get', '--outfile', OUTFILE]],
  [['refresh']],
  [['refresh', '--if-older', '0s']],
  [['refresh', '--rebind']],
  [['api', '1/sites']],
  [['exec', '--', 'env']],
  [['exec', '--token-file', '--', 'env']],
  [['credential', '--protocol', 'kubernetes']],
  [['credential', '--protocol', 'google']],
  [['login', '--no-browser']],
  [['login']],
  [['login', '--complete', '-'], 'http://127.0.0.1/callback?code=code-of-b&state=x'],
  [['logout']],
  [['seed', 'seed-b.ini']],
  [['seed', '--refresh', 'seed-b.ini']],
]

describe('a store that holds the token set of another client', () => {
  for (const [state, life] of [
    ['fresh', 3600],
    ['over', 0],
  ] as const)
    describe(`whose access token is ${state}`, () => {
      it.each(COMMANDS)('%j ends with 78, prints nothing and sends nothing', async (args, input) => {
        await holdsA(life)
        const before = await store.read()
        const paths = args.map((arg) => (/^(out|seed-b\.ini)$/.test(arg) ? join(dir, arg) : arg))
        const { code, stdout, stderr } = await run(config(b), paths, input)
        // Google's protocol has the failure on standard output.
        const failure = args.includes('google') ? /"success":false/ : /^$/
        expect(code).toBe(78)
        expect(stdout).toMatch(failure)
        expect(stdout).not.toMatch(/(access|refresh)-of/)
        const said = `${stdout}${stderr}`
        expect(said).toMatch(/client-of-a at http:\/\/127\.0\.0\.1:\d+\/token.*client-of-b at http:/s)
        // Google's protocol has no place for a hint.
        if (!args.includes('google')) expect(said).toMatch(/--profile.*--force/)
        expect(said).not.toMatch(/--rebind/)
        expect([...a.heard, ...b.heard]).toEqual([])
        expect(JSON.stringify(await store.read())).toBe(JSON.stringify(before))
        expect(existsSync(join(dir, OUTFILE))).toBe(false)
      })
    })

  it('a store that holds the token set of another client is shown by status as other_client, with exit code 0, and sends nothing', async () => {
    await holdsA()
    const { code, stdout } = await run(config(b), ['status', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      state: 'other_client',
      client: { token_url: `${a.url}token`, issuer: null, client_id: 'client-of-a' },
    })
    const shown = await run(config(b), ['status'])
    expect(shown).toMatchObject({ code: 0 })
    expect(shown.stdout).toMatch(/another client’s: nothing is printed, sent or spent/)
    expect(shown.stdout).toMatch(/to do .*--profile.* login --force/)
    expect([...a.heard, ...b.heard]).toEqual([])
  })

  it.each([[['doctor']], [['doctor', '--online']]])(
    'a store that holds the token set of another client fails a line of %j, and is shown to no API',
    async (args) => {
      await holdsA()
      const { code, stdout } = await run(config(b), args)
      expect(code).toBe(78)
      expect(stdout).toMatch(/fail +grant +the token set in .* belongs to client client-of-a/)
      neitherHeardTheOther()
    },
  )

  it('a store that holds the token set of another client is not handed out by the library', async () => {
    await holdsA()
    const program = `import { openGuard } from ${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)}
      const guard = await openGuard({ config: process.argv[1] })
      for (const call of [() => guard.token(), () => guard.refresh(), () => guard.token({ minValid: 7200 })])
        await call().then(() => console.log('handed out'), ({ code, exit }) => console.log(code, exit))`
    const { execFileSync } = await import('node:child_process')
    const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program, config(b)], {
      encoding: 'utf8',
    })
    expect(printed).toBe('HQ_OTHER_CLIENT 78\n'.repeat(3))
    expect([...a.heard, ...b.heard]).toEqual([])
  })

  it('a store that holds the token set of another client is forgotten by `logout --local` alone, and no server is told', async () => {
    await holdsA()
    expect(await run(config(b), ['logout', '--local'])).toMatchObject({ code: 0 })
    expect(await store.read()).toBeUndefined()
    expect([...a.heard, ...b.heard]).toEqual([])
  })

  it('a store that holds the token set of another client is replaced by `seed --force`, and stays as the previous one with its client', async () => {
    await holdsA()
    expect(await run(config(b), ['seed', '--force', join(dir, 'seed-b.ini')])).toMatchObject({ code: 0 })
    expect(await store.read()).toMatchObject({
      client: { clientId: 'client-of-b', tokenUrl: `${b.url}token` },
      previousClient: { clientId: 'client-of-a', tokenUrl: `${a.url}token` },
    })
    expect(await run(config(b), ['get'])).toMatchObject({ code: 0, stdout: 'access-of-b-1\n' })
    neitherHeardTheOther()
  })

  it('a store that holds the token set of another client is replaced by `login --force`, whose second half asks for it too', async () => {
    await holdsA()
    const begun = await run(config(b), ['login', '--no-browser', '--force'])
    expect(begun).toMatchObject({ code: 0 })
    expect(begun.stderr).toMatch(/hint: hq-token (--config \S+ )?login --force --complete -/)
    const state = new URL(begun.stdout.trim()).searchParams.get('state') ?? ''
    const address = `http://127.0.0.1/callback?code=code-of-b&state=${state}`
    expect(await run(config(b), ['login', '--complete', '-'], address)).toMatchObject({ code: 78 })
    expect(b.heard).toEqual([])
    expect(await run(config(b), ['login', '--force', '--complete', '-'], address)).toMatchObject({ code: 0 })
    expect(await store.read()).toMatchObject({
      client: { clientId: 'client-of-b' },
      previousClient: { clientId: 'client-of-a' },
    })
    neitherHeardTheOther()
  })

  it.each(['client_id', 'token_url'] as const)(
    'a store that holds the token set of another client is one too where only %s differs',
    async (key) => {
      await holdsA()
      const changed = { client_id: 'client-of-b', token_url: `${b.url}token` }[key]
      const { code, stdout, stderr } = await run(config(a, { [key]: changed }), ['get'])
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      expect(/--rebind/.test(stderr)).toBe(key === 'token_url')
      expect([...a.heard, ...b.heard]).toEqual([])
    },
  )

  it.each([[['get']], [['get', '--min-valid', '1s']], [['api', 'x']], [['exec', '--', 'env']], [['logout']]])(
    'a store that holds the token set of another client is not used by %j of a configuration that names no client, but says where tokens go',
    async (args) => {
      await holdsA()
      const path = join(dir, 'stray.ini')
      const text = `[client]\napi_url = ${b.url}api/\n[store]\npath = token.db\n`
      writeFileSync(path, text, { mode: 0o600 })
      const { code, stdout, stderr } = await run(path, args)
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      expect(stderr).toMatch(/belongs to client client-of-a at .* the configuration names no client/)
      expect([...a.heard, ...b.heard]).toEqual([])
      expect(await store.read()).toBeDefined()
    },
  )

  it.each([[['status', '--json']], [['doctor', '--online']]])(
    'a store that holds the token set of another client is told by %j of such a configuration, and is shown to no API',
    async ([command = '', option = '']) => {
      await holdsA()
      const path = join(dir, 'stray.ini')
      writeFileSync(path, `[client]\napi_url = ${b.url}api/\n[store]\npath = token.db\n`, { mode: 0o600 })
      const { stdout } = await run(path, [command, option])
      expect(stdout).toMatch(
        command === 'status' ? /"state":"other_client"/ : /fail +grant +the token set in .* client-of-a/,
      )
      neitherHeardTheOther()
    },
  )

  it('a store that holds the token set of another client is other_client for status too where the other server is named by an issuer that was never asked', async () => {
    await holdsA()
    const path = config(b, {
      token_url: '',
      client_id: '',
      client_secret: '',
      issuer: b.url.replace(/\/$/, ''),
    })
    const { code, stdout } = await run(path, ['status', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ state: 'other_client' })
  })

  it('a store that holds the token set of another client is none where the same address is spelt otherwise', async () => {
    await holdsA()
    const { port } = new URL(a.url)
    for (const url of [`HTTP://127.0.0.1:${port}/token`, `${a.url}token/`, `http://127.0.0.1:0${port}/token`])
      expect(await run(config(a, { token_url: url }), ['get'])).toMatchObject({ code: 0 })
  })

  it('a store that holds the token set of another client is none where an issuer is configured, or the token endpoint that it names', async () => {
    const issuer = a.url.replace(/\/$/, '')
    a.metadata = { issuer, token_endpoint: `${a.url}token`, authorization_endpoint: `${a.url}authorize` }
    const byIssuer = config(a, { token_url: '', issuer })
    expect(await run(byIssuer, ['seed', seedFile('a', 3600)])).toMatchObject({ code: 0 })
    expect(await store.read()).toMatchObject({ client: { issuer } })
    for (const path of [config(a), byIssuer, config(a)])
      for (const command of ['get', 'refresh']) expect(await run(path, [command])).toMatchObject({ code: 0 })
    expect(await run(config(b), ['get'])).toMatchObject({ code: 78, stdout: '' })
  })

  it('a store that holds the token set of another client keeps a verdict with the client that it is about', async () => {
    writeFileSync(join(dir, 'none.ini'), '[store]\npath = token.db\n', { mode: 0o600 })
    expect(await run(join(dir, 'none.ini'), ['seed', seedFile('a')])).toMatchObject({ code: 0 })
    expect(await store.read()).toMatchObject({ client: null })
    b.answer = () => ({ status: 400, body: { error: 'invalid_grant' } })
    // A set that nothing has bound yet, and a mistake in the configuration.
    expect(await run(config(b), ['get'])).toMatchObject({ code: 4, stdout: '' })
    expect(await store.read()).toMatchObject({ client: null, failureClient: { clientId: 'client-of-b' } })
    expect(await run(config(a), ['get'])).toMatchObject({ code: 0, stdout: 'access-of-a-1\n' })
    expect(await store.read()).toMatchObject({ client: { clientId: 'client-of-a' }, refusedAt: null })
  })
})

describe('a login that waits', () => {
  it('a login that waits cannot be completed for another client', async () => {
    const begun = await run(config(a), ['login', '--no-browser'])
    const state = new URL(begun.stdout.trim()).searchParams.get('state') ?? ''
    const address = `http://127.0.0.1/callback?code=code-of-a&state=${state}`
    const { code, stdout, stderr } = await run(config(b), ['login', '--complete', '-'], address)
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toMatch(/the login begun at .* is for client client-of-a at .*client-of-b at/)
    expect([...a.heard, ...b.heard]).toEqual([])
    expect(await run(config(a), ['login', '--complete', '-'], address)).toMatchObject({ code: 0 })
  })
})

describe('refresh --rebind', () => {
  it('refresh --rebind asks the same client at its new address, says so, and binds it with the new pair', async () => {
    await holdsA()
    const { grant } = (await store.read()) ?? {}
    const moved = config(a, { token_url: `${await a.alias()}token` })
    expect(await run(moved, ['get'])).toMatchObject({ code: 78 })
    const { code, stdout, stderr } = await run(moved, ['refresh', '--rebind'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toMatch(/the grant was bound to http.*\/token, and is bound to http.*\/token now/)
    expect(await run(moved, ['get'])).toMatchObject({ code: 0, stdout: 'access-of-a-1\n' })
    expect(await store.read()).toMatchObject({ grant, previousClient: { tokenUrl: `${a.url}token` } })
    expect(a.asked()).toBe(1)
  })

  it('refresh --rebind changes nothing where the new address refuses, and the old one goes on', async () => {
    await holdsA()
    b.answer = () => ({ status: 400, body: { error: 'invalid_grant' } })
    const wrong = config(a, { token_url: `${b.url}token` })
    expect(await run(wrong, ['refresh', '--rebind'])).toMatchObject({ code: 4 })
    expect(await store.read()).toMatchObject({ client: { tokenUrl: `${a.url}token` } })
    expect(await run(config(a), ['refresh'])).toMatchObject({ code: 0 })
    expect(await run(config(a), ['get'])).toMatchObject({ code: 0, stdout: 'access-of-a-1\n' })
  })

  it('refresh --rebind repeats nothing that was begun at the other address', async () => {
    await holdsA(0)
    a.answer = () => ({ status: 502, body: {} })
    expect(await run(config(a), ['refresh'])).toMatchObject({ code: 75 })
    expect((await store.read())?.intent).toMatchObject({ client: { tokenUrl: `${a.url}token` } })
    a.answer = undefined
    const asked = a.asked()
    const moved = config(a, { token_url: `${await a.alias()}token` })
    const { code, stderr } = await run(moved, ['refresh', '--rebind'])
    expect(code).toBe(78)
    expect(stderr).toMatch(/a refresh begun at .* as client client-of-a at .* is unfinished/)
    expect(a.asked()).toBe(asked)
    expect(await run(config(a), ['refresh'])).toMatchObject({ code: 0 })
    expect(await run(moved, ['refresh', '--rebind'])).toMatchObject({ code: 0 })
  })

  it('refresh --rebind is wrong usage beside --if-older', async () => {
    expect(await run(config(a), ['refresh', '--rebind', '--if-older', '1d'])).toMatchObject({ code: 2 })
  })
})

describe('the files of the store', () => {
  it('the files of the store hold the grant and its client in the row, the history and the intent', async () => {
    await holdsA(0)
    a.answer = () => ({ status: 502, body: {} })
    await run(config(a), ['refresh'])
    const set = await store.read()
    expect(set?.grant).toMatch(/^[0-9a-f]{16}$/)
    const [newest, first] = await store.history()
    for (const entry of [newest, first])
      expect(entry).toMatchObject({ grant: set?.grant, client: `client client-of-a at ${a.url}token` })
    expect(set?.intent?.client).toEqual(set?.client)
  })

  it('the files of the store names them in each record of the rescue file', async () => {
    await holdsA(0)
    a.answer = () => ({ status: 200, body: 'nobody can read this' })
    await run(config(a), ['refresh'])
    const kept = readFileSync(join(dir, 'token.rescue'), 'utf8').split('\n')[0] ?? ''
    const { grant, client } = (await store.read()) ?? {}
    expect(JSON.parse(kept)).toMatchObject({ grant, client })
  })

  it('the files of a store of an older version are bound by the first refresh', async () => {
    mkdirSync(join(dir, 'old'), { mode: 0o700 })
    const { writeOldStore } = await import('../support/old-store.js')
    const { tokenSet, pair, moment } = await import('../support/token-sets.js')
    const obtained = moment(Math.floor(Date.now() / 1000) - 7200, 1, null)
    writeOldStore(join(dir, 'token.db'), tokenSet({ pair: pair({ obtained }) }))
    expect(await store.read()).toMatchObject({ client: null, grant: null })
    expect(await run(config(a), ['get'])).toMatchObject({ code: 0, stdout: 'access-of-a-1\n' })
    expect(await store.read()).toMatchObject({ client: { clientId: 'client-of-a' } })
    expect((await store.read())?.grant).toMatch(/^[0-9a-f]{16}$/)
    expect(await run(config(b), ['get'])).toMatchObject({ code: 78 })
  })
})
