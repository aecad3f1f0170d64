import { readFileSync, rmSync, writeFileSync } from 'node:fs'
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
    expect(await one.run('get')).toMatchObject({ code: 74 })
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
