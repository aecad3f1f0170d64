import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { rfc3339, type ClockReading } from '../../src/core/clock.js'
import { entry } from '../../src/core/transitions.js'
import { machineClock } from '../../src/platform/machine.js'
import type { HistoryComparison, HistoryReport } from '../../src/schemas/index.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { BIN } from '../support/processes.js'
import { seedText } from '../support/seed-text.js'
import { HOST, ISSUED, moment, tokenSet } from '../support/token-sets.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

beforeAll(() => {
  requirePrograms('sqlite3')
}, 300_000)

/** A machine with a store of its own, at the server of the place. */
class Machine {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv

  constructor(there: Place, dir: string) {
    this.dir = dir
    this.env = { HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_STORE: join(dir, 'token.db') }
  }

  tell(args: readonly string[], options: WorldOptions = {}): Promise<Told> {
    return told(args, { env: this.env, ...options })
  }

  /** Refreshes so many times, with these exit codes. */
  async refreshes(...codes: readonly number[]): Promise<void> {
    for (const code of codes) expect((await this.tell(['refresh'])).code).toBe(code)
  }

  async history(): Promise<HistoryReport> {
    return JSON.parse((await this.tell(['history', '--json', '--limit', '0'])).stdout) as HistoryReport
  }

  /** What this machine says of the other one's history: to people, and to programs. */
  async compared(other: Machine | HistoryReport): Promise<{ said: string; found: HistoryComparison }> {
    const input = JSON.stringify(other instanceof Machine ? await other.history() : other)
    const people = await this.tell(['history', '--compare', '-'], { input })
    const programs = await this.tell(['history', '--compare', '-', '--json'], { input })
    for (const { code, stderr } of [people, programs])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return { said: people.stdout, found: JSON.parse(programs.stdout) as HistoryComparison }
  }
}

function copyOf(there: Place, machine: Machine): Machine {
  const dir = folder()
  cpSync(machine.dir, dir, { recursive: true })
  return new Machine(there, dir)
}

let there: Place
let here: Machine

/** The fingerprint of the refresh token in the store. */
const held = async (machine: Machine): Promise<string | undefined> =>
  (await machine.history()).entries[0]?.refresh

beforeEach(async () => {
  there = await place({}, 3600)
  const dir = folder()
  mkdirSync(join(dir, 'state'), { mode: 0o700 })
  here = new Machine(there, join(dir, 'state'))
  expect((await here.tell(['seed'])).code).toBe(0)
  await here.refreshes(0, 0)
})

/** A seed of another grant. */
function anotherSeed(): string {
  const path = join(folder(), 'seed.ini')
  writeFileSync(path, seedText(there.sandbox.issue()), { mode: 0o600 })
  return path
}

describe('two copies of one store', { timeout: 60_000 }, () => {
  it('two copies of one store are told apart, and which one has spent what', async () => {
    const other = copyOf(there, here)
    const token = await held(here)
    expect((await here.compared(other)).said).toMatch(
      new RegExp(`^the same history until \\S+ \\(sequence 3, refresh ${token}\\)\n$`),
    )
    await here.refreshes(0, 0, 0)
    const unused = await here.compared(other)
    expect(unused.found).toMatchObject({ relation: 'prefix', common_sequence: 3, common_refresh: token })
    expect(unused.said).toMatch(
      /then this store: 3 refreshes, the other: none\nthe other is a copy that was not used since; used again, it ends the grant of this store\n$/,
    )
    expect((await other.compared(here)).said).toMatch(
      /then this store: no refreshes, the other: 3\nthis store is a copy that was not used since; used again, it ends the grant of the other\n$/,
    )
    await other.refreshes(4)
    const used = await here.compared(other)
    const [refusal] = (await other.history()).entries
    expect(used.found).toMatchObject({
      ...{ relation: 'forked', common_sequence: 3, common_refresh: token },
      here: { store: here.env['HQ_TOKEN_STORE'], host: HOST.name, sequence: 3, refreshes: 3 },
      other: { refreshes: 0, spent_at: refusal?.at, spent_outcome: 'HQ_LOGIN_REQUIRED', left_at: null },
    })
    expect(used.said).toContain(
      `the other sent ${token} last, at ${refusal?.at}, and was refused: stop one of the two\n`,
    )
    expect(refusal?.note).toMatch(/^not spent here since 3: /)
  })

  it('two copies of one store at a server with a time of grace have both spent the token, one of them last', async () => {
    there = await place({ graceMs: 3_600_000 }, 3600)
    here = new Machine(there, folder())
    await here.tell(['seed'])
    await here.refreshes(0)
    const other = copyOf(there, here)
    const token = await held(here)
    await here.refreshes(0, 0)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    await other.refreshes(0)
    const { found, said } = await here.compared(other)
    expect(found).toMatchObject({
      ...{ relation: 'forked', common_sequence: 2, common_refresh: token },
      ...{ here: { refreshes: 2, spent_outcome: 'done' }, other: { refreshes: 1, spent_outcome: 'done' } },
    })
    expect(said).toMatch(/then this store: 2 refreshes, the other: 1\n/)
    expect(said).toMatch(new RegExp(`the other spent ${token} last, at .*: stop one of the two\n$`))
    // From the other side the same.
    expect((await other.compared(here)).said).toMatch(new RegExp(`this store spent ${token} last`))
  })

  it('a backup that was put back in the place of its store is told from what the store had printed', async () => {
    const backup = join(folder(), 'backup.db')
    const path = String(here.env['HQ_TOKEN_STORE'])
    const token = await held(here)
    cpSync(path, backup)
    // By its clock this is the later one.
    const clock = (): ClockReading => ({ ...machineClock(), now: machineClock().now + 60 })
    expect((await here.tell(['refresh'], { clock })).code).toBe(0)
    const printed = await here.history()
    cpSync(backup, path)
    await here.refreshes(4)
    const { found, said } = await here.compared(printed)
    expect(found).toMatchObject({ relation: 'forked', common_refresh: token, other: { refreshes: 1 } })
    expect(said).toMatch(new RegExp(`this store sent ${token} last, at .*, and was refused`))
  })

  it('a store is no copy of itself: what it has printed before is its own past', async () => {
    const printed = await here.history()
    await here.refreshes(0)
    const { said } = await here.compared(printed)
    expect(said).toMatch(/\nthe other is this very store, as it was then: there is no copy\n$/)
  })

  it('two stores with grants of their own are unrelated', async () => {
    const other = new Machine(there, folder())
    await other.tell(['seed', anotherSeed()])
    await other.refreshes(0, 0)
    const { found, said } = await here.compared(other)
    expect(found).toMatchObject({ relation: 'unrelated', common_sequence: null, common_refresh: null })
    expect(said).toBe('not the same grant: no token is in both histories\n')
  })

  it('a store that a move took over is told from a copy of the one before', async () => {
    const backup = copyOf(there, here)
    const token = await held(here)
    const next = new Machine(there, folder())
    expect((await here.tell(['move', '--to', String(next.env['HQ_TOKEN_STORE'])])).code).toBe(0)
    await next.refreshes(0)
    const { found, said } = await next.compared(backup)
    expect(found).toMatchObject({ relation: 'prefix', common_refresh: token, here: { refreshes: 1 } })
    expect(said).toContain('the other is a copy that was not used since')
    // The store that the move has closed says where its history is.
    const closed = await here.tell(['history'])
    expect(closed).toMatchObject({ code: 78, stdout: '' })
    expect(closed.stderr).toContain(String(next.env['HQ_TOKEN_STORE']))
  })

  it('a copy goes by a pipe from one real process to the other, as by ssh', async () => {
    const other = copyOf(there, here)
    await here.refreshes(0)
    const line = `HQ_TOKEN_STORE="$OTHER" "$NODE" "$BIN" history --json --limit 0 | "$NODE" "$BIN" history --compare -`
    const variables = { ...here.env, OTHER: other.env['HQ_TOKEN_STORE'], NODE: process.execPath, BIN }
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { env: variables, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^same until .*\nthe other is a copy that was not used since; /)
  })
})

describe('a history that has gone round its ring', { timeout: 60_000 }, () => {
  /** Notes so many events. */
  async function noted(path: string, from: number, to: number, name: string): Promise<void> {
    await new SqliteStore(path).exclusive(
      async (held) => {
        await held.read()
        for (let sequence = from; sequence <= to; sequence++) {
          const set = tokenSet({ sequence, generation: 1 })
          const pair = `${name}${sequence.toString(16).padStart(11, '0')}`
          await held.note(set, sequence === 1 ? 0 : 1, {
            ...entry(set, 'refresh', 'done', moment(ISSUED + sequence), `note ${sequence}`),
            ...{ access: pair, refresh: pair },
          })
        }
      },
      { waitMs: 0 },
    )
  }

  it('a history that has gone round its ring is shown as Debian’s sqlite3 reads it, and compared by what is left', async () => {
    const one = new Machine(there, folder())
    const path = String(one.env['HQ_TOKEN_STORE'])
    await noted(path, 1, 700, 'a')
    const { entries } = await one.history()
    expect(entries.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 512 }, (_, index) => 700 - index),
    )
    const query =
      'SELECT sequence, at, event, outcome, generation, access, refresh, note, grant_id FROM history WHERE sequence > 0 ORDER BY sequence DESC'
    const { stdout } = spawnSync('sqlite3', ['-readonly', '-json', path, query], { encoding: 'utf8' })
    const rows = JSON.parse(stdout) as (Record<string, unknown> & { at: number })[]
    expect(
      rows.map(({ at, grant_id: grant, ...row }) => ({ ...row, at: rfc3339(at), grant, host: null })),
    ).toEqual(entries.map((one) => ({ ...one })))
    const other = copyOf(there, one)
    await noted(String(other.env['HQ_TOKEN_STORE']), 701, 900, 'b')
    await noted(path, 701, 1000, 'a')
    // 700 is in both still.
    expect((await one.compared(other)).found).toMatchObject({
      ...{ relation: 'forked', common_sequence: 700, common_refresh: 'a000000002bc' },
      ...{ here: { refreshes: 300 }, other: { refreshes: 200 } },
    })
    await noted(path, 1001, 1300, 'a')
    const { found, said } = await one.compared(other)
    expect(found).toMatchObject({ relation: 'forked', common_sequence: null, here: { refreshes: 0 } })
    expect(said).toMatch(
      /^the same grant, but no common entry is left: this history is from 2027-01-15T08:13:09Z to \S+, the other from \S+ to 2027-01-15T08:15:00Z\nwhether both have used it cannot be told: stop one of the two\n$/,
    )
  })
})

describe('the history of a store that hosts share', { timeout: 60_000 }, () => {
  let postgres: Postgres
  let database: string
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  beforeEach(async () => {
    database = await postgres.createDatabase()
  })

  /** A host of the fleet, with a seat of its own. */
  function fleetHost(name: string, url = postgres.url(database)) {
    const dir = folder()
    const config = join(dir, 'config.ini')
    const text = readFileSync(there.config, 'utf8').replace(/^path = .*$/m, `url = ${url}\npath = token.seat`)
    writeFileSync(config, text, { mode: 0o600 })
    const host = { name, id: name, boot: name }
    const tell = (args: readonly string[], options?: WorldOptions): Promise<Told> =>
      told(args, { env: { HQ_TOKEN_CONFIG: config }, host, ...options })
    return { dir, tell }
  }

  it('the history of a store that hosts share names the host of each event, in the table and for programs', async () => {
    const [one, two] = [fleetHost('acme-1').tell, fleetHost('büro-界-2').tell]
    expect((await one(['seed', anotherSeed()])).code).toBe(0)
    expect((await two(['refresh'])).code).toBe(0)
    expect((await one(['refresh'])).code).toBe(0)
    await postgres.sql('UPDATE hq_token.history SET host = NULL WHERE sequence = 1', undefined, database)
    const { code, stdout } = await two(['history'])
    expect(code).toBe(0)
    // The wide letter takes two columns of the nine.
    expect(stdout.split('\n').map((line) => line.replace(/^.*(?:[0-9a-f]{12}|REFRESH {5}) {2}/, ''))).toEqual(
      ['HOST       NOTE', 'acme-1', 'büro-界-2', expect.stringMatching(/^ {11}\/\S+seed\.ini$/), ''],
    )
    expect(stdout).toMatch(/^TIME +EVENT +OUTCOME +GEN +ACCESS +REFRESH +HOST +NOTE$/m)
    const report = JSON.parse((await two(['history', '--json'])).stdout) as HistoryReport
    expect(report).toMatchObject({
      store: `${postgres.url(database)} (default)`,
      host: 'büro-界-2',
      entries: [{ host: 'acme-1' }, { host: 'büro-界-2' }, { host: null, event: 'seed' }],
    })
    // One database seen from two hosts is one history.
    const input = (await one(['history', '--json'])).stdout
    expect((await two(['history', '--compare', '-'], { input })).stdout).toMatch(/^the same history until /)
  })

  it('the history of a store that hosts share is empty where the database is, and nothing is made there or here', async () => {
    const { dir, tell } = fleetHost('acme-1')
    expect(await tell(['history'])).toEqual({ code: 0, stdout: '', stderr: 'hq-token: no history yet\n' })
    const schemas = "SELECT 1 FROM information_schema.schemata WHERE schema_name = 'hq_token'"
    expect(await postgres.sql(schemas, undefined, database)).toEqual([])
    expect(readdirSync(dir)).toEqual(['config.ini'])
  })

  it('the history of a store that hosts share ends with 75 where it is out of reach', async () => {
    const { tell } = fleetHost('acme-1', 'postgres://postgres@127.0.0.1:1/nothing')
    for (const args of [['history'], ['history', '--json']]) {
      const said = await tell(args)
      expect(said).toMatchObject({ code: 75, stdout: '' })
      expect(said.stderr).toContain('ECONNREFUSED')
    }
  })
})
