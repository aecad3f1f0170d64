import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cuttable } from '../support/cuttable.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import {
  isHeld,
  letGo,
  start,
  withoutNews,
  type Ended,
  type Running,
  type StartOptions,
} from '../support/processes.js'

let postgres: Postgres
let there: Place
let database: string

/** A host: a folder with a config, and its own seat. */
interface Host {
  readonly dir: string
  readonly start: (args: readonly string[], options?: StartOptions) => Running
  readonly run: (...args: string[]) => Promise<Ended>
}

function host(config = '', url = postgres.url(database)): Host {
  const dir = folder()
  const file = join(dir, 'config.ini')
  const whole = readFileSync(there.config, 'utf8')
    .replace(/^path = .*$/m, `url = ${url}\npath = token.seat\n${config}`)
    .replace(/^file = .*$/m, `file = ${there.seed}`)
  writeFileSync(file, whole, { mode: 0o600 })
  const begin = (args: readonly string[], options: StartOptions = {}): Running =>
    start(args, { ...options, env: { HQ_TOKEN_CONFIG: file, ...options.env } })
  return { dir, start: begin, run: (...args) => begin(args).done }
}

beforeAll(async () => {
  postgres = await startPostgres()
})

describe('hosts that share a token set', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    database = await postgres.createDatabase()
    there = await place()
  })
  const rows = (query: string): ReturnType<Postgres['sql']> => postgres.sql(query, undefined, database)
  const got = async (one: Host): Promise<string> => {
    const said = withoutNews(await one.run('get'))
    expect(said).toMatchObject({ code: 0, stderr: '' })
    return said.stdout.trim()
  }

  it('hosts that share a token set refresh once, and each hands out the new token', async () => {
    const [one, two] = [host(), host()]
    const first = await got(one)
    expect(await got(two)).toBe(first)
    expect(await there.works(first)).toBe(true)
    expect(there.sandbox.refreshes()).toBe(1)
  })

  it('hosts that share a token set hand it out for a minute without the database', async () => {
    const one = host()
    const first = await got(one)
    await rows('DROP SCHEMA hq_token CASCADE')
    expect(await got(one)).toBe(first)
    // What the full path answers, too.
    expect(await one.run('get', '--verbose')).toMatchObject({ code: 0, stdout: `${first}\n` })
  })

  it('hosts that share a token set and cannot reach it serve a good token with a warning, and spend nothing', async () => {
    const link = await cuttable(postgres.port)
    const url = postgres.url(database).replace(String(postgres.port), String(link.port))
    const one = host('recheck = 0\nlease = 10s\n[refresh]\nlock_wait = 20s\n', url)
    const first = await got(one)
    link.refuse()
    link.reset()
    const said = await one.run('get')
    expect(said).toMatchObject({ code: 0, stdout: `${first}\n` })
    expect(said.stderr).toMatch(/^hq-token: warning: .*ECONNREFUSED.*the token set is as of 20/)
    expect(said.stderr).toContain('hint:')
    const failed = await Promise.all(
      [['refresh'], ['login', '--no-browser'], ['logout']].map((args) => one.run(...args)),
    )
    for (const { code, stdout } of failed) expect({ code, stdout }).toEqual({ code: 75, stdout: '' })
    const status = JSON.parse((await one.run('status', '--json')).stdout) as object
    expect(status).toMatchObject({ state: 'fresh', store: 'postgres', holder: null, last_saver: null })
    const doctor = await one.run('doctor')
    expect(doctor).toMatchObject({ code: 75 })
    expect(doctor.stdout).toMatch(/fail +store +.*ECONNREFUSED/)
    await link.allow()
    // Not asked again at once, because each try could take long.
    const soon = await one.run('get')
    expect(soon).toMatchObject({ code: 0, stdout: `${first}\n` })
    expect(soon.stderr).toContain('was out of reach a moment ago')
    expect(await one.run('refresh')).toMatchObject({ code: 0 })
    expect(await got(one)).not.toBe(first)
    expect(there.sandbox.refreshes()).toBe(2)
  })

  it('hosts that share a token set are seen in status, and found well by doctor', async () => {
    const one = host()
    await got(one)
    const status = await one.run('status')
    expect(status.stdout).toMatch(
      new RegExp(`^store +postgres://postgres@127.0.0.1:${postgres.port}/${database} \\(default\\)$`, 'm'),
    )
    expect(status.stdout).toMatch(new RegExp(`^last saver +${hostname()}$`, 'm'))
    expect(JSON.parse((await one.run('status', '--json')).stdout)).toMatchObject({
      ...{ store: 'postgres', holder: null, last_saver: hostname(), generation: 2 },
    })
    await rows(
      "UPDATE hq_token.grants SET lease_seat = gen_random_uuid(), lease_host = 'acme-9', lease_at = now()",
    )
    expect((await one.run('status')).stdout).toMatch(/^refreshing +acme-9, last heard of at 20/m)
    const doctor = await one.run('doctor')
    expect(doctor.code).toBe(0)
    expect(doctor.stdout).toMatch(
      /^ok +database +PostgreSQL 18\.\d+ as postgres, without TLS, on this machine$/m,
    )
    expect(doctor.stdout).toMatch(/^ok +rights +postgres may do all that is needed$/m)
    expect(doctor.stdout).toMatch(/^warn +lease +acme-9 has it/m)
  })

  it('hosts that share a token set need an owner who makes the tables, and doctor prints what he runs', async () => {
    await postgres.sql('CREATE USER small')
    const one = host('', postgres.url(database, 'small'))
    const refused = await one.run('get')
    expect(refused).toMatchObject({ code: 74 })
    expect(refused.stderr.match(/postgres:/g)).toHaveLength(1)
    expect(refused.stderr).toContain('(default) refuses: permission denied for database')
    const doctor = await one.run('doctor')
    expect(doctor.stdout).toMatch(/^fail +schema +.*small may not make them/m)
    expect(doctor.stdout).toContain('hq-token doctor --sql')
    await rows((await one.run('doctor', '--sql')).stdout)
    expect((await one.run('doctor')).stdout).toMatch(
      /^fail +rights +.*small lacks USAGE on hq_token, SELECT on/m,
    )
    await rows('GRANT hq_token_keeper TO small')
    expect((await one.run('doctor')).stdout).toMatch(/^ok +rights/m)
    expect(await there.works(await got(one))).toBe(true)
  })

  it.each<[what: string, change: string, message: string, hint: string]>([
    [
      'in tables of another program',
      'CREATE SCHEMA hq_token; CREATE TABLE hq_token.grants (id int)',
      'the schema hq_token in this database is not hq-token’s',
      'name another database in [store] url',
    ],
    [
      'in half of their tables',
      'TABLES; DROP TABLE hq_token.answers, hq_token.meta',
      'the schema hq_token is half-made (missing or changed: hq_token.meta, hq_token.answers)',
      'DROP SCHEMA hq_token CASCADE;',
    ],
    [
      'in tables without their version',
      'TABLES; DELETE FROM hq_token.meta',
      'has lost the row of hq_token.meta',
      'INSERT INTO hq_token.meta (version, compatible) VALUES (1, 1);',
    ],
  ])(
    'hosts that share a token set find none %s, and every command says the same',
    async (_, sql, message, hint) => {
      const one = host()
      const tables = (await one.run('doctor', '--sql')).stdout
      await rows(sql.replace('TABLES', () => tables))
      for (const args of [['get'], ['seed', there.seed], ['status'], ['login', '--no-browser']]) {
        const said = await one.run(...args)
        expect({ args, ...said }).toMatchObject({ args, code: 74 })
        expect(said.stderr).toContain(message)
        expect(said.stderr).toContain(hint)
      }
      const doctor = await one.run('doctor')
      expect(doctor.code).toBe(74)
      expect(doctor.stdout).toMatch(
        new RegExp(`^fail +(?:schema|store) +.*${message.replace(/[()]/g, '\\$&')}`, 'm'),
      )
      expect(doctor.stdout).toContain(hint)
    },
  )

  it('hosts that share a token set are not sent to log in where row-level security hides its row', async () => {
    const owner = host()
    const token = await got(owner)
    await postgres.sql('CREATE USER secured')
    const security = (await owner.run('doctor', '--sql')).stdout.replace(
      /^-- (?=DO|BEGIN|  |END|\$role|ALTER|DROP|CREATE)/gm,
      '',
    )
    await rows(`${security}; GRANT hq_token_keeper TO secured`)
    const one = host('', postgres.url(database, 'secured'))
    const hidden = 'the database shows secured the row of its own name only'
    for (const args of [['get'], ['seed', there.seed], ['status'], ['login', '--no-browser']]) {
      const said = await one.run(...args)
      expect({ args, ...said }).toMatchObject({ args, code: 74 })
      expect(said.stderr).toContain(hidden)
      expect(said.stderr).toContain('set name = secured in [store]')
    }
    const doctor = await one.run('doctor')
    expect(doctor.code).toBe(74)
    expect(doctor.stdout).toMatch(new RegExp(`^fail +rights +.*${hidden}`, 'm'))
    await rows('GRANT hq_token_all TO secured')
    expect(await got(one)).toBe(token)
    expect((await one.run('doctor')).stdout).toMatch(/^ok +rights/m)
  })

  it('hosts that share a token set hand out nothing that somebody has made of it', async () => {
    const one = host('recheck = 0\n')
    await got(one)
    const changed = [
      '\'"x"\'',
      'token_set || \'{"access_token": ""}\'',
      'token_set || \'{"access_token": "a\\nb: c"}\'',
    ]
    const [{ token_set: whole } = {}] = await rows('SELECT token_set::text FROM hq_token.grants')
    for (const value of changed) {
      await rows(`UPDATE hq_token.grants SET token_set = ${value}`)
      rmSync(join(one.dir, 'token.seat'), { force: true })
      const said = await one.run('get', '--format', 'header')
      expect(said).toMatchObject({ code: 74, stdout: '' })
      expect(said.stderr).toContain('the row was left as it is')
      await rows(`UPDATE hq_token.grants SET token_set = '${String(whole)}'`)
    }
    await rows(`UPDATE hq_token.history SET entry = '"x"'`)
    expect(await one.run('status')).toMatchObject({ code: 0 })
  })

  it('hosts that share a token set lose nothing with a damaged seat', async () => {
    const one = host()
    const token = await got(one)
    const seat = join(one.dir, 'token.seat')
    writeFileSync(seat, 'garbage'.repeat(20))
    const said = await one.run('get')
    expect(said).toMatchObject({ code: 74, stdout: '' })
    expect(said.stderr).toContain(`hint: remove it (rm ${seat}): the database has the token set`)
    rmSync(seat)
    expect(await got(one)).toBe(token)
  })

  it('hosts that share a token set show no password that is not encoded', async () => {
    const url = 'postgres://pw:12/34@127.0.0.1/db'
    for (const args of [['get'], ['doctor'], ['status']]) {
      const { code, stdout, stderr } = await host('', url).run(...args)
      expect(code).toBe(78)
      expect(stdout + stderr).toContain('[store] url has an @ behind its hosts')
      expect(stdout + stderr).not.toMatch(/12\/|34/)
    }
  })

  it('hosts that share a token set finish a login that another began', async () => {
    const [one, two] = [host(), host()]
    await got(one)
    const begun = await one.run('login', '--no-browser')
    const address = begun.stdout.trim()
    const answer = await decided(address, 'allow')
    expect(await two.run('login', '--complete', answer)).toMatchObject({ code: 0 })
    const renewed = await got(two)
    expect(await there.works(renewed)).toBe(true)
    expect(await one.run('refresh')).toMatchObject({ code: 0 })
    expect(await got(one)).not.toBe(renewed)
  })

  it('hosts that share a token set log out together', async () => {
    const [one, two] = [host('recheck = 0\n'), host('recheck = 0\n')]
    const token = await got(one)
    await got(two)
    expect(await one.run('logout')).toMatchObject({ code: 0 })
    expect(await two.run('get')).toMatchObject({ code: 4, stdout: '' })
    for (const { dir } of [one, two])
      expect(readFileSync(join(dir, 'token.seat'), 'latin1')).not.toContain(token)
    expect((await rows('SELECT token_set, generation FROM hq_token.grants'))[0]).toEqual({
      token_set: null,
      generation: '3',
    })
  })

  it('hosts that share a token set keep several of them, by the profile’s name or their own', async () => {
    await got(host('name = acme\n'))
    expect(await rows('SELECT name FROM hq_token.grants')).toEqual([{ name: 'acme' }])
  })

  it('hosts that share a token set have people told once, and each host is reminded by the same memory', async () => {
    const dir = folder()
    const told = join(dir, 'told')
    const hook = `[notify]\ncommand = echo $HQ_TOKEN_EVENT >> ${told}\n`
    const [one, two] = [host(hook), host(hook)]
    const events = (): string[] => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : [])
    await got(one)
    await got(two)
    there.sandbox.setFaults([{ name: 'invalid-grant', count: Infinity }])
    const ends = await Promise.all([one, two, one, two].map((each) => each.run('refresh')))
    expect(ends.map(({ code }) => code)).toEqual([4, 4, 4, 4])
    for (const each of [one, two]) await each.run('check', '--notify')
    expect(events()).toEqual(['login_required'])
    await rows('UPDATE hq_token.notice SET told_at = told_at - 86400, due_at = due_at - 86400 WHERE told > 0')
    await two.run('check', '--notify')
    await one.run('check', '--notify')
    expect(events()).toEqual(['login_required', 'login_required'])
    there.sandbox.setFaults([])
    await Promise.all([one, two].map((each) => each.run('refresh')))
    expect(events()).toEqual(['login_required', 'login_required', 'recovered'])
  })

  it('many processes of one host ask the database a few times, and refresh once', async () => {
    const one = host()
    await got(one)
    await rows('UPDATE hq_token.grants SET token_set = token_set || \'{"obtained_at": 1}\'')
    rmSync(join(one.dir, 'token.seat'))
    const running = Array.from({ length: 20 }, () => one.start(['get'], { held: 'start' }))
    await Promise.all(running.map(isHeld))
    letGo(running)
    const said = await Promise.all(running.map(({ done }) => done))
    expect(new Set(said.map(({ code, stdout }) => `${code} ${stdout}`)).size).toBe(1)
    expect(there.sandbox.refreshes()).toBe(2)
  })
})
