import { readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { migrationSql, rolesSql, rowLevelSecuritySql } from '../../src/store/postgres/schema.js'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cuttable, type Cuttable } from '../support/cuttable.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { seedText } from '../support/seed-text.js'
import { start, withoutNews, type Ended, type Running, type StartOptions } from '../support/processes.js'

let postgres: Postgres
let there: Place
let url: string

beforeAll(async () => {
  postgres = await startPostgres()
})

beforeEach(async () => {
  url = postgres.url(await postgres.createDatabase())
  there = await place()
})

/** A configuration of its own beside the place's: another host, or the same one after the key was set. */
interface Host {
  readonly config: string
  readonly dir: string
  readonly start: (args: readonly string[], options?: StartOptions) => Running
  readonly run: (...args: string[]) => Promise<Ended>
}

/** @param store The lines of [store]; relative paths are those of `dir`. */
function host(store: string, dir = folder()): Host {
  const config = join(dir, `config-${store.replace(/\W+/g, '').slice(0, 40)}.ini`)
  const text = readFileSync(there.config, 'utf8')
    .replace(/^path = .*$/m, store)
    .replace(/^\[seed\]\nfile = .*$/m, '')
  writeFileSync(config, text, { mode: 0o600 })
  const begin = (args: readonly string[], options: StartOptions = {}): Running =>
    start(args, { ...options, env: { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STATE_DIR: dir, ...options.env } })
  return { config, dir, start: begin, run: (...args) => begin(args).done }
}

const COMMANDS = [
  ['get'],
  ['refresh'],
  ['status'],
  ['history'],
  ['doctor'],
  ['login', '--no-browser'],
  ['logout'],
  ['exec', 'true'],
]

/** Every command on a store that the set has left says where it is. */
async function expectClosed(old: Host, key: string): Promise<void> {
  for (const command of [...COMMANDS, ['seed', there.seed]]) {
    const { code, stdout, stderr } = await old.run(...command)
    const said = stdout + stderr
    expect({ command, code, stdout: command[0] === 'doctor' ? '' : stdout }).toEqual({
      command,
      code: 78,
      stdout: '',
    })
    expect(said).toContain('was moved to')
    expect(said).toContain(key)
  }
}

/** A host whose store holds a pair that was refreshed once. */
async function seeded(store: string, dir?: string): Promise<Host> {
  const one = host(store, dir)
  await one.run('seed', second())
  expect((await one.run('get')).code).toBe(0)
  return one
}

/** A seed of another grant. */
function second(): string {
  const path = join(folder(), 'second.ini')
  writeFileSync(path, seedText(there.sandbox.issue()), { mode: 0o600 })
  return path
}

/** The grant lives, and no request was made that the server has not answered with a new pair. */
async function expectAlive(now: Host): Promise<void> {
  const { code, stdout, stderr } = withoutNews(await now.run('refresh'))
  expect({ code, stdout, stderr: stderr.replace(/.*refreshed.*\n/, '') }).toMatchObject({ code: 0 })
  const got = await now.run('get')
  expect(got.code).toBe(0)
  expect(await there.works(got.stdout.trim())).toBe(true)
  expect(there.sandbox.revokedFamilies()).toBe(0)
}

describe('a token set is moved without a login', { timeout: 120_000 }, () => {
  it('from a file to a database, whose hosts share it from then on', async () => {
    const old = host('path = token.db')
    await old.run('seed', there.seed)
    await old.run('get')
    const moved = await old.run('move', '--to', url)
    expect(moved).toMatchObject({ code: 0, stdout: '' })
    expect(moved.stderr.split('\n')).toEqual([
      `hq-token: the token set is in ${url} (default) now; ${old.dir}/token.db is closed, and points there`,
      `hq-token: hint: set url = ${url} in [store] of ${old.config}, in place of path; the same on each other host that is to share the token set`,
      '',
    ])
    await expectClosed(old, `set url = ${url} in [store] of ${old.config}, in place of path`)
    const [one, two] = [host(`url = ${url}`, old.dir), host(`url = ${url}`)]
    await expectAlive(one)
    expect((await two.run('get')).stdout).toBe((await one.run('get')).stdout)
  })

  it('from a database to a file, and back again', async () => {
    const shared = host(`url = ${url}`)
    await shared.run('seed', there.seed)
    await shared.run('get')
    const file = join(shared.dir, 'moved.db')
    expect(await shared.run('move', '--to', file)).toMatchObject({ code: 0, stdout: '' })
    await expectClosed(shared, `set path = ${file} in [store] of ${shared.config}, in place of url`)
    const own = host(`path = ${file}`, shared.dir)
    await expectAlive(own)
    expect(await own.run('move', '--to', url)).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(shared)
  })

  it('from a file to a file, whose path is meant where it is typed', async () => {
    const old = await seeded('path = token.db')
    const { code, stdout, stderr } = await old.run(
      'move',
      '--to',
      `${old.dir}/../${basename(old.dir)}/moved.db`,
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain(`set path = ${old.dir}/moved.db in [store] of ${old.config};`)
    await expectClosed(old, `set path = ${old.dir}/moved.db in [store] of ${old.config}`)
    await expectAlive(host('path = moved.db', old.dir))
  })

  it('from a database to another, also to another row', async () => {
    const old = await seeded(`url = ${url}`)
    const next = postgres.url(await postgres.createDatabase())
    expect(await old.run('move', '--to', next, '--name', 'acme')).toMatchObject({ code: 0, stdout: '' })
    await expectClosed(old, `set url = ${next} and name = acme in [store] of ${old.config}`)
    const now = host(`url = ${next}\nname = acme`, old.dir)
    await expectAlive(now)
    expect(await now.run('move', '--to', next, '--name', 'other')).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(host(`url = ${next}\nname = other`, old.dir))
  })

  it('where variables name the store, the hint names variables', async () => {
    const dir = folder()
    const env = { HQ_TOKEN_STORE: join(dir, 'token.db') }
    const old = host('', dir)
    await old.start(['seed', there.seed], { env }).done
    const { stderr } = await old.start(['move', '--to', url], { env }).done
    expect(stderr).toContain(`set HQ_TOKEN_STORE_URL=${url} in place of HQ_TOKEN_STORE;`)
    const got = await old.start(['get'], { env }).done
    expect(got).toMatchObject({ code: 78, stdout: '' })
    expect(got.stderr).toContain(`set HQ_TOKEN_STORE_URL=${url} in place of HQ_TOKEN_STORE\n`)
  })

  it('by a role that may do no more than is needed', async () => {
    const name = await postgres.createDatabase()
    const user = `least_${name}`
    await postgres.sql(migrationSql() + rolesSql() + rowLevelSecuritySql(), undefined, name)
    await postgres.sql(`CREATE USER ${user}; GRANT hq_token_keeper TO ${user}`, undefined, name)
    const old = await seeded('path = token.db')
    const least = postgres.url(name, user)
    expect(await old.run('move', '--to', least, '--name', user)).toMatchObject({ code: 0, stdout: '' })
    const shared = host(`url = ${least}\nname = ${user}`, old.dir)
    await expectAlive(shared)
    expect(await shared.run('move', '--to', join(old.dir, 'token.db'))).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(old)
  })

  it('with the password that the configuration has for a database', async () => {
    const guarded = await startPostgres({ hba: 'local all all trust\nhost all all all scram-sha-256\n' })
    const name = await guarded.createDatabase()
    await guarded.sql("CREATE USER keeper PASSWORD 'pass word'")
    await guarded.sql('GRANT CREATE ON DATABASE ' + name + ' TO keeper')
    const dir = folder()
    writeFileSync(join(dir, 'password'), 'pass word\n', { mode: 0o600 })
    const to = guarded.url(name, 'keeper')
    const old = await seeded('path = token.db', dir)
    const wrong = await old.run('move', '--to', to)
    expect(wrong).toMatchObject({ code: 78, stdout: '' })
    expect((await old.run('get')).code).toBe(0)
    // A file of a store that has no URL yet: only a move has a use for it.
    const keyed = host('path = token.db\nurl_password_file = password', dir)
    expect((await keyed.run('get')).code).toBe(78)
    expect(await keyed.run('move', '--to', to)).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(host(`url = ${to}\nurl_password_file = password`, dir))
  })
})

describe('what is typed', { timeout: 120_000 }, () => {
  it('a password in what is typed is refused, and shown nowhere', async () => {
    const old = await seeded('path = token.db')
    for (const typed of [
      'postgres://keeper:s3cr3t@127.0.0.1/db',
      'postgres://keeper@127.0.0.1/db?password=s3cr3t',
      'postgresql://keeper:@127.0.0.1/db',
    ]) {
      const { code, stdout, stderr } = await old.run('move', '--to', typed)
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain(
        'url_password_file or url_password_command in [store], PGPASSWORD or ~/.pgpass',
      )
      expect(stderr).not.toContain('s3cr3t')
    }
  })

  it.each([
    ['no new store', []],
    ['an empty one', ['--to', '']],
    ['a row of a file', ['--to', 'x.db', '--name', 'acme']],
    ['a row without a name', ['--to', 'postgres://127.0.0.1/db', '--name', '-x']],
    ['a URL with a parameter that nobody knows', ['--to', 'postgres://127.0.0.1/db?sslmod=disable']],
    ['a host without TLS', ['--to', 'postgres://db.example.com/db?sslmode=disable']],
  ])('%s is wrong usage', async (_, typed) => {
    const { code, stdout } = await host('path = token.db').run('move', ...typed)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('the store where the set is already is no mistake', async () => {
    const old = await seeded('path = token.db')
    expect(await old.run('move', '--to', join(old.dir, 'token.db'))).toMatchObject({
      ...{ code: 0, stdout: '' },
      stderr: `hq-token: the token set is in ${old.dir}/token.db already: nothing was moved\n`,
    })
    const shared = await seeded(`url = ${url}`)
    // The same database by another name.
    const spelled = url.replace('127.0.0.1', 'localhost')
    expect(await shared.run('move', '--to', spelled)).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(shared)
  })

  it('the seat of this host is no new store, nor is the store a seat', async () => {
    const shared = await seeded(`url = ${url}`)
    expect((await shared.run('move', '--to', join(shared.dir, 'token.seat'))).code).toBe(2)
    const old = await seeded('path = token.seat')
    expect((await old.run('move', '--to', url)).code).toBe(2)
    await expectAlive(old)
  })

  it('a new store that holds a set keeps it, unless it is to be replaced', async () => {
    const [old, other] = [await seeded('path = token.db'), host(`url = ${url}`)]
    await other.run('seed', second())
    const refused = await old.run('move', '--to', url)
    expect(refused).toMatchObject({ code: 78, stdout: '' })
    expect(refused.stderr).toContain(`hq-token move --to ${url} --force`)
    await expectAlive(old)
    expect((await old.run('move', '--to', url, '--force')).code).toBe(0)
    await expectAlive(other)
  })

  it('there must be a set to move', async () => {
    const empty = await host('path = token.db').run('move', '--to', url)
    expect(empty).toMatchObject({ code: 4, stdout: '' })
  })
})

describe('when others are at work', { timeout: 240_000 }, () => {
  it('two moves of one set at once move it once', async () => {
    const old = await seeded('path = token.db')
    const both = await Promise.all([old.run('move', '--to', url), old.run('move', '--to', url)])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
    expect(both.filter(({ stderr }) => stderr.includes('since an earlier move')).length).toBe(1)
    await expectAlive(host(`url = ${url}`, old.dir))
  })

  it('two moves in opposite directions do not wait for each other', async () => {
    const wait = '\n[refresh]\nlock_wait = 30s'
    const other = postgres.url(await postgres.createDatabase())
    const [one, two] = [await seeded(`url = ${url}`), host(`url = ${other}${wait}`)]
    await two.run('seed', second())
    const begun = performance.now()
    const ends = await Promise.all([
      one.run('move', '--to', other, '--force'),
      two.run('move', '--to', url, '--force'),
    ])
    expect(performance.now() - begun).toBeLessThan(25_000)
    // Whoever comes second finds its store closed, or moves back the set that has come.
    expect(ends.map(({ code }) => code)).toContain(0)
    for (const { code } of ends) expect([0, 78]).toContain(code)
    const gets = await Promise.all([one.run('get'), two.run('get')])
    expect(gets.map(({ code }) => code).sort()).toEqual([0, 78])
  })

  it('an answer that waits on the disk of another host holds the move back until it is saved', async () => {
    there = await place({ graceMs: 0 })
    const link = await cuttable(postgres.port)
    const through = url.replace(String(postgres.port), String(link.port))
    const [one, other] = [host(`url = ${through}\nlease = 10s`), host(`url = ${url}\nlease = 10s`)]
    await one.run('seed', second())
    const isKept = link.hold(/INSERT INTO hq_token\.answers/)
    const refreshing = one.start(['refresh'])
    await isKept
    refreshing.child.kill('SIGKILL')
    await refreshing.done
    const move = ['move', '--to', join(other.dir, 'moved.db')]
    for (const command of [move, [...move, '--force']]) {
      const { code, stdout, stderr } = await other.run(...command)
      expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
      expect(stderr).toContain(`a refresh begun by ${hostname()} at `)
      expect(stderr).toContain(`finish it on ${hostname()}: hq-token refresh;`)
    }
    expect((await one.run('refresh')).code).toBe(0)
    expect(there.sandbox.refreshes()).toBe(1)
    expect(await other.run(...move)).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(host('path = moved.db', other.dir))
  })

  it('a storm of gets on both configurations during a move asks the server once at most', async () => {
    there = await place({ accessTtl: 3600, graceMs: 0 })
    const old = host('path = token.db')
    await old.run('seed', there.seed)
    const now = host(`url = ${url}`, old.dir)
    const elsewhere = host(`url = ${url}`)
    const gets = [old, now, elsewhere].flatMap((one) => Array.from({ length: 8 }, () => one.run('get')))
    const moved = await old.run('move', '--to', url)
    expect(moved.code, moved.stderr).toBe(0)
    const ended = await Promise.all([...gets, now.run('get'), elsewhere.run('get')])
    expect(there.sandbox.log.filter(({ grantType }) => grantType === 'refresh_token').length).toBe(1)
    expect(there.sandbox.revokedFamilies()).toBe(0)
    const tokens = new Set(ended.map(({ stdout }) => stdout).filter((text) => text !== ''))
    expect(tokens.size).toBe(1)
    for (const { code, stdout, stderr } of ended) {
      expect([0, 4, 78], stderr).toContain(code)
      expect(stdout === '').toBe(code !== 0)
    }
    await expectClosed(old, `set url = ${url}`)
  })
})

describe('when the database is lost in the middle', { timeout: 240_000 }, () => {
  const CLOSE = /'move', \$8/
  const RECEIVE = /jsonb_array_elements/
  let link: Cuttable
  let old: Host
  let now: Host
  let to: string

  beforeEach(async () => {
    link = await cuttable(postgres.port)
    to = url.replace(String(postgres.port), String(link.port))
    const own = await seeded('path = token.db')
    now = host(`url = ${to}\nlease = 10s`, own.dir)
    // A key that only a move has a use for, so that no test waits for long.
    const mover = host('path = token.db\nlease = 10s', own.dir)
    old = { ...own, run: (...args) => (args[0] === 'move' ? mover : own).run(...args) }
  })

  it('a database that is out of reach from the start leaves all as it was', async () => {
    link.refuse()
    expect(await old.run('move', '--to', to)).toMatchObject({ code: 75, stdout: '' })
    await link.allow()
    expect((await old.run('get')).code).toBe(0)
  })

  it.each([
    ['the closing of the new store', CLOSE],
    ['the arrival of the set', RECEIVE],
  ])('the word of %s may be lost', async (_, statement) => {
    const lost = link.swallowAnswerTo(statement)
    expect(await old.run('move', '--to', to)).toMatchObject({ code: 0, stdout: '' })
    await lost
    await expectAlive(now)
  })

  it('a database that is gone after the set has arrived leaves a move that the same command finishes', async () => {
    const lost = link.swallowAnswerTo(RECEIVE).then(() => {
      link.refuse()
    })
    const cut = await old.run('move', '--to', to)
    await lost
    expect(cut).toMatchObject({ code: 75, stdout: '' })
    expect(cut.stderr).toContain(`the same command finishes it: hq-token move --to ${to}`)
    for (const command of ['get', 'status', 'doctor']) {
      const { code, stdout, stderr } = await old.run(command)
      expect({ command, code }).toEqual({ command, code: 78 })
      expect(stdout + stderr).toContain(`is being moved to ${to} (default)`)
      expect(stdout + stderr).toContain(`hq-token move --to ${to}`)
    }
    await link.allow()
    expect((await now.run('get')).code).toBe(0)
    expect(await old.run('move', '--to', to)).toMatchObject({ code: 0, stdout: '' })
    await expectAlive(now)
  })

  it('a database that is gone while it waits for the set tells its hosts of the move, and can be left', async () => {
    const lost = link.swallowAnswerTo(CLOSE).then(() => {
      link.refuse()
    })
    expect((await old.run('move', '--to', to)).code).toBe(75)
    await lost
    await link.allow()
    expect((await old.run('get')).code).toBe(0)
    for (const command of ['get', 'status', 'doctor']) {
      const { code, stdout, stderr } = await now.run(command)
      expect({ command, code }).toEqual({ command, code: 78 })
      expect(stdout + stderr).toContain(`is being moved to ${to} (default) from ${old.dir}/token.db`)
    }
    expect(await now.run('move', '--to', join(old.dir, 'token.db'))).toMatchObject({ code: 0, stdout: '' })
    expect((await now.run('get')).code).toBe(4)
    await expectAlive(old)
  })
})
