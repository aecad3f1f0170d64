import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
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
      `hq-token: hint: set url = ${url} in [store] of ${old.config}, in place of path; do the same on each other host that used ${old.dir}/token.db or is to use ${url} (default)`,
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
})
