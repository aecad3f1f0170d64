import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withoutSecretVariables } from '../../src/config/keys.js'
import { loadConfig, type Config } from '../../src/config/load.js'
import { locate } from '../../src/config/locate.js'
import { passwordFile } from '../../src/config/pgpass.js'
import type { SharedStoreConfig } from '../../src/config/shared-store.js'
import { ConfigInvalid } from '../../src/core/errors.js'
import { authority } from '../support/authority.js'
import { folder } from '../support/folder.js'
import { failure, sourceOf, words, written } from './places.js'

const CANARY = 'cAnArY-0123456789'
const URL_LINE = 'url = postgres://hq@db.example.com/hq_token'

const load = (lines: string, env: Record<string, string> = {}, profile?: string): Config =>
  loadConfig(sourceOf({ file: written('config.ini', lines), env, ...(profile !== undefined && { profile }) }))
const store = (lines: string, env: Record<string, string> = {}, profile?: string): Config =>
  load(`[store]\n${lines}\n`, env, profile)
const shared = (lines: string, env: Record<string, string> = {}, profile?: string): SharedStoreConfig => {
  const { shared } = store(lines, env, profile)
  if (shared === null) throw new Error('no shared store')
  return shared
}
const refusal = async (call: () => unknown): Promise<ConfigInvalid> => {
  const error = await failure(call)
  expect(error).toBeInstanceOf(ConfigInvalid)
  expect(words(error)).not.toContain(CANARY)
  return error as ConfigInvalid
}

describe('a shared store', () => {
  it('a shared store is none without a URL', () => {
    expect(store('path = /var/token.db').shared).toBeNull()
  })

  it('a shared store has its defaults', () => {
    expect(shared(URL_LINE)).toMatchObject({
      display: 'postgres://hq@db.example.com/hq_token',
      hosts: [{ name: 'db.example.com', port: 5432, isTls: true }],
      name: 'default',
      lease: 20,
      recheck: 60,
    })
  })

  it('a shared store is as the file says', () => {
    const found = shared(`${URL_LINE}\nname = Acme.eu_1-b\nlease = 1m\nrecheck = 0`)
    expect(found).toMatchObject({ name: 'Acme.eu_1-b', lease: 60, recheck: 0 })
  })

  it('a shared store is as the environment says, which wins over the file', () => {
    const env = {
      HQ_TOKEN_STORE_URL: 'postgres://other@h2/db',
      HQ_TOKEN_STORE_NAME: 'b',
      HQ_TOKEN_STORE_LEASE: '30s',
      HQ_TOKEN_STORE_RECHECK: '1h',
    }
    expect(shared(`${URL_LINE}\nname = a\nlease = 1m`, env)).toMatchObject({
      display: 'postgres://other@h2/db',
      name: 'b',
      lease: 30,
      recheck: 3600,
    })
  })

  it.each([
    ['name = ', 'name is empty'],
    ['name = .a', 'name must be 1 to 64 of A-Z, a-z, 0-9, dot, _ and -, and begin with a letter or digit'],
    [`name = ${'a'.repeat(65)}`, 'name must be 1 to 64 of'],
    ['name = a b', 'name must be 1 to 64 of'],
    ['lease = 9s', 'lease must be a duration such as 90s, 30m or 5h, from 10s to 10m'],
    ['lease = 11m', 'lease must be a duration'],
    ['recheck = 2h', 'recheck must be a duration such as 90s, 30m or 5h, at most an hour'],
    ['path = none', 'path is none: a host of a shared store needs a file of its own'],
  ])('a shared store is refused with %s', async (line, message) => {
    const error = await refusal(() => store(`${URL_LINE}\n${line}`))
    expect(error.message).toContain(`config.ini, line 3: [store] ${message}`)
  })

  it.each(['name = a', 'url_password_file = a', 'url_password_command = a', 'lease = 20s', 'recheck = 60s'])(
    'a shared store is missed where there is %s and no URL: this host would use a store of its own',
    async (line) => {
      const error = await refusal(() => store(line))
      expect(error.message).toMatch(/line 2: \[store\] \w+ is given without url, and means nothing then$/)
      expect(error.hint).toMatch(
        /^set url in \[store\], or HQ_TOKEN_STORE_URL; or take it out\. For hq-token move .* --help$/,
      )
      expect(store(line, { HQ_TOKEN_STORE_URL: 'postgres://h/db' }).shared).not.toBeNull()
    },
  )

  it('a shared store wants a lock_wait that is longer than the lease, and names both', async () => {
    const error = await refusal(() => load(`[store]\n${URL_LINE}\nlease = 81s`))
    expect(error.message).toMatch(
      /^lock_wait is 90 s \(the default\) and lease is 81 s \(.*config\.ini, line 3: \[store\] lease\): lock_wait must be at least 10 s longer, because/,
    )
    expect(error.hint).toBe('set lock_wait = 91s in [refresh], or HQ_TOKEN_LOCK_WAIT; or a shorter lease')
    expect(load(`[store]\n${URL_LINE}\nlease = 80s`).shared?.lease).toBe(80)
    const short = await refusal(() => load(`[store]\n${URL_LINE}\n[refresh]\nlock_wait = 29s`))
    expect(short.message).toMatch(/^lock_wait is 29 s \(.*line 4: .*\) and lease is 20 s \(the default\)/)
    expect(load(`[store]\n${URL_LINE}\n[refresh]\nlock_wait = 30s`).refresh.lockWait).toBe(30)
    // Without a shared store nobody waits for a lease.
    expect(load('[refresh]\nlock_wait = 0s').refresh.lockWait).toBe(0)
  })
})

describe('the name of a token set', () => {
  it('the name of a token set is that of the profile', () => {
    expect(shared(URL_LINE, {}, 'acme').name).toBe('acme')
    expect(shared(`${URL_LINE}\nname = other`, {}, 'acme').name).toBe('other')
  })

  it('the name of a token set is no profile’s where it is the one without a profile', async () => {
    const error = await failure(() => store(URL_LINE, {}, 'default'))
    expect(error).toMatchObject({
      exit: 2,
      message:
        'a profile cannot be called default where hosts share a store: its token set would be called default, as that of the configuration without a profile',
      hint: 'give it another name, or a name in [store] of its config file',
    })
    expect(shared(`${URL_LINE}\nname = mine`, {}, 'default').name).toBe('mine')
    expect(store('path = x', {}, 'default').shared).toBeNull()
  })

  it('the name of a token set is not that of a variable for every profile that is typed', async () => {
    const around = { ...sourceOf({ env: { HQ_TOKEN_STORE_NAME: 'a' } }) }
    const error = await failure(() => locate({ profile: 'acme' }, around))
    expect(error).toMatchObject({
      exit: 2,
      message:
        '--profile acme and HQ_TOKEN_STORE_NAME exclude one another: two profiles cannot share one token set',
      hint: 'unset HQ_TOKEN_STORE_NAME, or leave out --profile acme',
    })
  })
})

describe('the seat of a host', () => {
  it.each<[profile: string | undefined, path: string]>([
    [undefined, '/home/someone/.local/state/hq-token/token.seat'],
    ['acme', '/home/someone/.local/state/hq-token/acme.seat'],
  ])('the seat of a host lies where its store would (profile %s)', (profile, path) => {
    expect(store(URL_LINE, {}, profile).store).toEqual({ path, rule: '~/.local/state' })
  })

  it('the seat of a host lies where path says, or the folder of a variable', () => {
    expect(store(`${URL_LINE}\npath = /tmp/x.seat`).store.path).toBe('/tmp/x.seat')
    expect(store(URL_LINE, { HQ_TOKEN_STORE: '/tmp/y' }).store.path).toBe('/tmp/y')
    expect(store(URL_LINE, { HQ_TOKEN_STATE_DIR: '/tmp/z' }).store.path).toBe('/tmp/z/token.seat')
  })

  it('the seat of a host is not shared by a profile called token', async () => {
    expect(await failure(() => store(URL_LINE, {}, 'token'))).toMatchObject({
      exit: 2,
      message: expect.stringContaining('its store would be token.seat') as string,
    })
  })
})

describe('the login', () => {
  it('the login is the system’s user where nothing names one, and the database is called like the user', () => {
    expect(shared('url = postgres://h').login()).toEqual({
      user: userInfo().username,
      database: userInfo().username,
    })
    expect(shared('url = postgres://a@h').login()).toEqual({ user: 'a', database: 'a' })
    expect(shared('url = postgres://h/d', { PGUSER: 'b' }).login()).toEqual({ user: 'b', database: 'd' })
  })
})

describe('the password of a shared store', () => {
  const HOST = { name: 'db.example.com', port: 5432, isTls: true }
  const passwordOf = async (found: SharedStoreConfig, host = HOST): Promise<string | undefined> =>
    (await found.password(host))?.reveal()
  const withPassword = (password: string): string => `url = postgres://hq:${password}@db.example.com/hq_token`
  /** A home with a password file. */
  const homeWith = (text: string, mode = 0o600): { PGPASSFILE: string } => ({
    PGPASSFILE: written('pgpass', text, mode),
  })

  it.each<[what: string, lines: string, env: Record<string, string>, password: string | undefined]>([
    ['the URL', withPassword('from%20url'), { PGPASSWORD: 'env' }, 'from url'],
    [
      'a file',
      `${URL_LINE}\nurl_password_file = ${written('p', 'from file\n')}`,
      { PGPASSWORD: 'env' },
      'from file',
    ],
    [
      'a command',
      `${URL_LINE}\nurl_password_command = echo "from command"`,
      { PGPASSWORD: 'env' },
      'from command',
    ],
    ['PGPASSWORD', URL_LINE, { PGPASSWORD: ' from env ', ...homeWith('*:*:*:*:filed') }, ' from env '],
    ['the password file', URL_LINE, homeWith('*:*:*:*:filed'), 'filed'],
    ['nowhere', URL_LINE, { PGPASSFILE: '/nowhere' }, undefined],
  ])('the password of a shared store comes from %s', async (_, lines, env, password) => {
    expect(await passwordOf(shared(lines, env))).toBe(password)
  })

  it('the password of a shared store is given once', async () => {
    const error = await refusal(() => store(`${withPassword(CANARY)}\nurl_password_file = b`))
    expect(error.message).toMatch(
      /^the password is given more than once: .*line 2: \[store\] url; .*line 3: \[store\] url_password_file$/,
    )
    await refusal(() => store(`${URL_LINE}\nurl_password_file = a\nurl_password_command = b`))
    await refusal(() =>
      store(`${URL_LINE}\nurl_password_file = a`, { HQ_TOKEN_STORE_URL: `postgres://u:${CANARY}@h` }),
    )
  })

  it('the password of a shared store is asked of a command for each connection, and not before', async () => {
    const config = store(`${URL_LINE}\nurl_password_command = "echo x >> runs; wc -l < runs"`)
    const runs = join(dirname(config.file ?? ''), 'runs')
    expect(existsSync(runs)).toBe(false)
    expect(await passwordOf(config.shared as SharedStoreConfig)).toMatch(/^\s*1$/)
    expect(await passwordOf(config.shared as SharedStoreConfig)).toMatch(/^\s*2$/)
  })

  it('the password of a shared store is read anew from a file that was replaced', async () => {
    const path = written('p', 'old')
    const found = shared(`${URL_LINE}\nurl_password_file = ${path}`)
    expect(await passwordOf(found)).toBe('old')
    writeFileSync(path, 'new\n')
    expect(await passwordOf(found)).toBe('new')
  })

  it.each([
    [`url_password_command = echo ${CANARY}; exit 3`, 'url_password_command failed (exit status 3)'],
    ['url_password_command = true', 'url_password_command gives an empty password'],
    [
      `url_password_command = echo ${CANARY}; echo ${CANARY}`,
      'url_password_command gives more than one line',
    ],
    [
      `url_password_file = ${written('p', `<${CANARY}>`)}`,
      'url_password_file gives a placeholder, not a password',
    ],
    ['url_password_file = nowhere', 'nowhere does not exist'],
  ])('the password of a shared store is refused with %s', async (line, message) => {
    const found = shared(`${URL_LINE}\n${line}`)
    const error = await refusal(() => found.password(HOST))
    expect(error.message).toContain(message)
  })

  it('the password of a shared store may be in a file that others can read, with a warning', () => {
    const file = written('password', CANARY, 0o644)
    const warning = { level: 'warning', message: `${file} can be read by others`, hint: `chmod 600 ${file}` }
    expect(store(`${URL_LINE}\nurl_password_file = ${file}`).notices).toEqual([warning])
    expect(store(`${URL_LINE}?sslcert=c.pem&sslkey=${file}`).notices).toEqual([warning])
  })

  it('the password of a shared store in a config file that others can read gets a warning', () => {
    const file = written('config.ini', `[store]\n${withPassword(CANARY)}`, 0o644)
    chmodSync(file, 0o644)
    expect(loadConfig(sourceOf({ file })).notices).toEqual([
      { level: 'warning', message: `${file} can be read by others`, hint: `chmod 600 ${file}` },
    ])
  })

  describe('in the password file', () => {
    const inFile = (text: string, url: string, host = HOST): Promise<string | undefined> =>
      passwordOf(shared(`url = ${url}`, homeWith(text)), host)
    const URL = 'postgres://hq@db.example.com/hq_token'

    it.each<[line: string, password: string | undefined]>([
      ['db.example.com:5432:hq_token:hq:s3cret', 's3cret'],
      ['*:*:*:*:s3cret', 's3cret'],
      [
        'other:5432:hq_token:hq:no\n# *:*:*:*:no\n\n:::\ndb.example.com:*:*:hq:s3cret\n*:*:*:*:later',
        's3cret',
      ],
      ['db.example.com:5433:hq_token:hq:no', undefined],
      ['db.example.com:5432:other:hq:no', undefined],
      ['db.example.com:5432:hq_token:other:no', undefined],
      ['db.example.com:5432:hq_token:hq', undefined],
      ['*:*:*:*:a\\:b\\\\c', 'a:b\\c'],
      ['*:*:*:*:a:b', 'a'],
      ['*:*:*:*:a\r\n', 'a'],
      ['\\*:*:*:*:no', undefined],
      ['localhost:*:*:*:no', undefined],
    ])('in the password file it is chosen as libpq does: %j', async (line, password) => {
      expect(await inFile(line, URL)).toBe(password)
    })

    it('in the password file a socket is called by its folder, or localhost', async () => {
      const socket = { name: '/run/pg', port: 5432, isTls: false }
      const url = 'postgres://hq@/hq_token?host=/run/pg'
      expect(await inFile('/run/pg:*:*:*:a', url, socket)).toBe('a')
      expect(await inFile('localhost:*:*:*:b', url, socket)).toBe('b')
    })

    it('in the password file a user and a database with a colon or a backslash are found', async () => {
      expect(await inFile('*:*:a\\:b:c\\\\d:s3cret', 'postgres://c%5Cd@h/a%3Ab')).toBe('s3cret')
    })

    it('in the password file of the home directory it is found too', async () => {
      const home = folder()
      writeFileSync(join(home, '.pgpass'), '*:*:*:*:s3cret', { mode: 0o600 })
      const file = written('config.ini', `[store]\n${URL_LINE}`)
      const { shared } = loadConfig({ ...sourceOf({ file }), homedir: () => home })
      expect((await shared?.password(HOST))?.reveal()).toBe('s3cret')
    })

    it.each<[path: string | undefined, platform: NodeJS.Platform, env: Record<string, string>]>([
      ['/home/someone/.pgpass', 'linux', {}],
      ['/elsewhere', 'linux', { PGPASSFILE: '/elsewhere' }],
      ['/home/someone/x', 'linux', { PGPASSFILE: '~/x' }],
      ['C:\\Data\\postgresql\\pgpass.conf', 'win32', { APPDATA: 'C:\\Data' }],
      [undefined, 'win32', {}],
    ])('in the password file %s it is looked for on %s with %j', (path, platform, env) => {
      expect(passwordFile({ env, platform, homedir: () => '/home/someone' })).toBe(path)
    })

    it('in a password file that others can read it is not used, and that is said', async () => {
      const { PGPASSFILE } = homeWith(`*:*:*:*:${CANARY}`, 0o640)
      const error = await refusal(() => shared(URL_LINE, { PGPASSFILE }).password(HOST))
      expect(error).toMatchObject({
        message: `the password file ${PGPASSFILE} can be read by others`,
        hint: `chmod 600 ${PGPASSFILE}`,
      })
    })
  })
})

describe('a variable with the URL', () => {
  it.each<[url: string, isKept: boolean]>([
    ['postgres://h/db', true],
    ['postgres://hq@h/db', true],
    ['postgres://h:5432/db', true],
    [`postgres://hq:${CANARY}@h/db`, false],
    [`postgres://:${CANARY}@h/db`, false],
    [`postgres://hq:a/b?c#${CANARY}@h/db`, false],
    [`postgres://hq:a@b${CANARY}@h/db`, false],
  ])('a variable with the URL %s is handed to other programs: %s', (url, isKept) => {
    expect('HQ_TOKEN_STORE_URL' in withoutSecretVariables({ HQ_TOKEN_STORE_URL: url })).toBe(isKept)
  })
})

describe('the credentials of a shared store', () => {
  const { cert, issue } = authority()
  const client = issue('hq')

  it('the credentials of a shared store are read from the files of the URL', () => {
    const url = `url = postgres://db/hq?sslrootcert=${cert}&sslcert=${client.cert}&sslkey=${client.key}`
    expect(shared(url).credentials()).toEqual({
      ca: readFileSync(cert, 'utf8'),
      client: { cert: readFileSync(client.cert, 'utf8'), key: readFileSync(client.key, 'utf8') },
    })
  })

  it('the credentials of a shared store are Node’s own authorities where nothing or system is named', () => {
    expect(shared(URL_LINE).credentials()).toEqual({ ca: null, client: null })
    expect(shared(`${URL_LINE}?sslrootcert=system`).credentials()).toEqual({ ca: null, client: null })
  })

  it('the credentials of a shared store may lie beside the config file', () => {
    const file = written('config.ini', `[store]\n${URL_LINE}?sslrootcert=ca.pem`)
    writeFileSync(join(dirname(file), 'ca.pem'), readFileSync(cert))
    expect(loadConfig(sourceOf({ file })).shared?.credentials().ca).toBe(readFileSync(cert, 'utf8'))
  })

  it('the credentials of a shared store are refused where a file cannot be used, which is named', async () => {
    const error = await refusal(() =>
      shared(`${URL_LINE}?sslrootcert=${written('ca.pem', 'x')}`).credentials(),
    )
    expect(error.message).toMatch(
      /line 2: \[store\] url: sslrootcert: .*ca\.pem holds no certificate in PEM$/,
    )
    const mine = authority().issue('other')
    const wrong = await refusal(() =>
      shared(`${URL_LINE}?sslcert=${client.cert}&sslkey=${mine.key}`).credentials(),
    )
    expect(wrong.message).toContain('is not the key of the certificate in')
  })
})
