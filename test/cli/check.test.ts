import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { ISSUED, moment } from '../support/token-sets.js'
import { told } from '../support/world.js'
import { assertLine, checked } from './checked.js'
import { changed, contents, later, rewritten, seeded } from './examined.js'

const DAY = 86_400

describe('check', () => {
  it('check tells of a fresh token set, with performance data in seconds', async () => {
    const made = await seeded({ refreshTtl: 365 * DAY })
    const { code, stdout } = await checked(made)
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^HQ_TOKEN OK - fresh; access token (?:1h|59m) left; refresh token 36[45]d left, renewed \ds ago\|access=3[56]\d\ds;;;; refresh=315\d{5}s;1209600:;259200:;; renewed=\ds;;;0; failures=0;;;0;\n$/,
    )
    const own = await checked(made, ['-w', '@0:400d', '-c', '~:500d'])
    expect(own.code).toBe(1)
    expect(own.stdout).toMatch(
      /the refresh token ends in 36[45]d \(\S+Z\): hq-token refresh\|.*s;@34560000;~:43200000;; /,
    )
  })

  it('check, doctor, status and people are told of the end of a short session by its whole life', async () => {
    let now = ISSUED
    const clock = (): ReturnType<typeof moment> => moment(now)
    const made = await place({
      ...{ refreshTtl: 36_000, clock: () => now },
      config: '\n[notify]\ncommand = echo "$HQ_TOKEN_EVENT: $HQ_TOKEN_EVENT_HINT" >> told\n',
    })
    const env = { HQ_TOKEN_CONFIG: made.config, PATH: process.env['PATH'] }
    const run = (...args: string[]): ReturnType<typeof told> => told(args, { env, clock })
    expect((await run('seed', made.seed, '--issued-at', `${ISSUED}`)).code).toBe(0)
    // A refresh brings no new refresh token: the first one stays, and so does its end.
    made.sandbox.setFaults([{ name: 'no-refresh-token', count: Infinity }])
    const states: number[] = []
    const heard: string[] = []
    for (let hour = 1; hour < 10; hour++) {
      now = ISSUED + hour * 3600 + 60
      expect((await run('refresh')).code).toBe(0)
      states.push((await run('check', '--notify')).code)
      const path = join(made.dir, 'told')
      heard.push(existsSync(path) ? readFileSync(path, 'utf8') : '')
    }
    expect(states).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2])
    expect(heard.slice(0, 4)).toEqual(['', '', '', ''])
    expect(heard.at(-1)).toMatch(/^ending: hq-token (?:--config \S+ )?login[^\n]*\n$/)
    expect((await run('status')).stdout).toMatch(/refresh +59m left of 10h until/)
    expect((await run('doctor')).stdout).toMatch(
      /warn +refresh token +59m left; refreshed 0ms ago, which has brought no later end\n +→ hq-token login/,
    )
  })

  it('check leaves out of the performance data what is not known', async () => {
    const made = await seeded()
    changed(made, 'UPDATE token_set SET refresh_expires_at = NULL')
    const { code, stdout } = await checked(made, [], { clock: later(31 * DAY) })
    expect(code).toBe(1)
    expect(stdout).toMatch(
      /the last success was 31d ago .*\|access=-26\d{5}s;;;; renewed=26\d{5}s;;;0; failures=0;;;0;\n$/,
    )
    expect(stdout).not.toContain('U')
  })

  it('check names the profile, and the command as it must be typed', async () => {
    const made = await seeded()
    changed(made, `UPDATE token_set SET refused_at = ${ISSUED}`)
    const dir = folder()
    mkdirSync(join(dir, 'profiles'))
    const text = `${readFileSync(made.config, 'utf8').replace(/^\[store\][^[]*/m, '')}\n[store]\npath = ${join(made.dir, 'token.db')}\n`
    writeFileSync(join(dir, 'profiles', 'acme.ini'), text, { mode: 0o600 })
    const env = { HQ_TOKEN_CONFIG_DIR: dir }
    const said = await told(['--profile', 'acme', 'check'], { env })
    assertLine(said)
    expect(said).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(
        / - acme: a person must log in: hq-token --profile acme login \(refused 2027/,
      ) as string,
    })
  })

  it('check -v has a line for each finding after the first, without performance data', async () => {
    const made = await seeded({ refreshTtl: 365 * DAY })
    changed(
      made,
      `UPDATE token_set SET came_from = 'old', came_at = obtained_at, failures = 1, failure_at = obtained_at, failure_code = 'HQ_CLIENT_REFUSED', failure_message = 'invalid_client'`,
    )
    const { code, stdout, stderr } = await told(['check', '-v'], { env: { HQ_TOKEN_CONFIG: made.config } })
    expect([code, stderr]).toEqual([1, ''])
    const [first, ...more] = stdout.trimEnd().split('\n')
    expect(first).toMatch(
      /^HQ_TOKEN WARNING - the last refresh failed at .*; the store came here from old at .*\|access=/,
    )
    expect(more).toHaveLength(2)
    for (const line of more) expect(line).toMatch(/^WARNING - [^|]+$/)
  })

  it.each<[string, (made: Place) => void, number, RegExp]>([
    [
      'a store of no bytes',
      ({ dir }) => {
        writeFileSync(join(dir, 'token.db'), '')
      },
      2,
      /is damaged/,
    ],
    [
      'a store of other bytes',
      ({ dir }) => {
        writeFileSync(join(dir, 'token.db'), 'x'.repeat(9999))
      },
      2,
      /is damaged \(SQLITE_NOTADB\)/,
    ],
    [
      'a store of a newer schema',
      (made) => {
        changed(made, 'PRAGMA user_version = 999')
      },
      2,
      /written by a newer hq-token/,
    ],
    [
      'a row that is damaged',
      (made) => {
        changed(made, "UPDATE token_set SET failure_client = '{'")
      },
      2,
      /is damaged \(column/,
    ],
    [
      'another program’s database',
      ({ dir }) => {
        rmSync(join(dir, 'token.db'))
        new Database(join(dir, 'token.db')).exec('CREATE TABLE t (a)').close()
        chmodSync(join(dir, 'token.db'), 0o600)
      },
      2,
      /is not a store/,
    ],
    [
      'a store that others may read',
      ({ dir }) => {
        chmodSync(join(dir, 'token.db'), 0o644)
      },
      3,
      /can be read or written by others/,
    ],
    [
      'a config that is missing',
      ({ config }) => {
        rmSync(config)
      },
      3,
      /does not exist/,
    ],
    [
      'a config that is wrong',
      (made) => {
        rewritten(made, (text) => `${text}\n[client]\nfoo = 1\n`)
      },
      3,
      /foo/,
    ],
    [
      'a config that others may change',
      ({ config }) => {
        chmodSync(config, 0o666)
      },
      3,
      /can be changed by others/,
    ],
    [
      'no set, and a seed file',
      ({ dir }) => {
        rmSync(join(dir, 'token.db'))
      },
      1,
      /no token set yet: hq-token get/,
    ],
    [
      'no set, and a bad seed file',
      ({ dir, seed }) => {
        rmSync(join(dir, 'token.db'))
        writeFileSync(seed, '[AUTH]\n', { mode: 0o600 })
      },
      2,
      /no token set, and .*token.ini/,
    ],
    [
      'no set, and no seed file there',
      ({ dir, seed }) => {
        rmSync(join(dir, 'token.db'))
        rmSync(seed)
      },
      2,
      /no token set, and the seed file .* does not exist/,
    ],
    [
      'no set, and no seed file configured',
      (made) => {
        rmSync(join(made.dir, 'token.db'))
        rewritten(made, (text) => text.replace(/^\[seed\]\n.*\n/m, ''))
      },
      2,
      /no token set: hq-token login/,
    ],
    [
      'another client’s set',
      (made) => {
        changed(
          made,
          `UPDATE token_set SET client = '{"token_url":"https://x.example/t","issuer":null,"client_id":"7"}'`,
        )
      },
      2,
      /another client/,
    ],
  ])('check of %s ends as it should', async (_, change, code, words) => {
    const made = await seeded()
    change(made)
    const said = await checked(made)
    expect(said.stdout).toMatch(words)
    expect(said.code).toBe(code)
  })

  it('check of a store that a move has closed calls a person', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config }
    expect((await told(['move', '--to', join(folder(), 'other.db')], { env })).code).toBe(0)
    expect(await checked(made)).toMatchObject({
      code: 2,
      stdout: expect.stringContaining('was moved to') as string,
    })
  })

  it('check of nothing configured says how to begin', async () => {
    const dir = folder()
    const said = await told(['check'], { env: { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir } })
    assertLine(said)
    expect(said.stdout).toBe(
      'HQ_TOKEN UNKNOWN - there is no config file, and HQ_TOKEN_CLIENT_ID is not set: hq-token init\n',
    )
    expect(readdirSync(dir)).toEqual([])
  })

  it.each([
    [['check', '-w', 'x']],
    [['check', '-w', '5:1']],
    [['check', '-w', '']],
    [['check', '-t', '0']],
    [['check', '-t', '1.5']],
    [['check', '-t', '30d']],
    [['check', '--bad']],
    [['check', '--format', 'json']],
    [['check', 'stray']],
    [['check', '--prometheus']],
    [['check', '--prometheus', '']],
    [['check', '--failing-for', 'soon']],
    [['check', '--log-format', 'xml']],
    [['--profile', '../x', 'check']],
    [['--config', 'nowhere', 'check']],
    [['--config', '', 'check']],
    [['-v', '--log-format', 'json', 'check', '--config']],
    [['--profile', 'x', 'check', '--all']],
  ])('check answers %j with one line and 3', async (argv) => {
    const said = await told(argv, { env: { HQ_TOKEN_CONFIG_DIR: folder(), HQ_TOKEN_BAD_NAME: 'x' } })
    assertLine(said)
    expect(said.code).toBe(3)
  })

  it('check --help ends with 0, and a wrong usage of the program before it with 3', async () => {
    expect(await told(['check', '--help'])).toMatchObject({ code: 0, stderr: '' })
    expect(await told(['status', '--bad'])).toMatchObject({ code: 2, stdout: '' })
    expect(await told(['--bad', 'check'])).toMatchObject({ code: 3, stderr: '' })
  })

  it('check ends with 3 where standard output takes nothing', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config }
    expect(await told(['check'], { env, broken: true })).toEqual({ code: 3, stdout: '', stderr: '' })
  })

  it('check says nothing of a misspelt variable, nor with -v and JSON lines', async () => {
    const made = await seeded()
    const env = { HQ_TOKEN_CONFIG: made.config, HQ_TOKEN_CLINT_ID: '1' }
    expect((await told(['-v', '--log-format', 'json', 'check'], { env })).stderr).toBe('')
  })

  it('check makes nothing, changes nothing, runs no command for a secret and needs none', async () => {
    const made = await seeded()
    const mark = join(made.dir, 'ran')
    rewritten(made, (text) =>
      text.replace(/^client_secret *=.*$/m, `client_secret_command = touch ${mark}; exit 1`),
    )
    const before = contents(made.dir)
    expect((await checked(made)).code).toBe(0)
    expect(contents(made.dir)).toEqual(before)
    expect(existsSync(mark)).toBe(false)
  })

  it('check waits for no lock: another process may hold it', async () => {
    const made = await seeded()
    const code = await made.store.exclusive(async () => (await checked(made, ['-t', '1s'])).code, {
      waitMs: 1000,
    })
    expect(code).toBe(0)
  })

  it('check gives up a store that stays busy, in its own time', async () => {
    const made = await seeded()
    const db = new Database(join(made.dir, 'token.db'))
    db.exec('BEGIN EXCLUSIVE')
    const begun = performance.now()
    const said = await checked(made, ['-t', '1s'])
    db.close()
    expect(said).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('nothing could be read in time') as string,
    })
    expect(performance.now() - begun).toBeLessThan(5000)
  })

  it('check holds to one safe line, whatever the store says', async () => {
    const made = await seeded()
    const db = new Database(join(made.dir, 'token.db'))
    const instant = fc.oneof(
      fc.constant(null),
      fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      fc.integer({ min: ISSUED - 40 * DAY, max: ISSUED + 400 * DAY }),
    )
    const text = fc
      .oneof(
        fc.string({ unit: 'binary', maxLength: 2000 }),
        fc.string({ unit: fc.constantFrom(...Array.from('`~$&"\'<>|;\n\tab')), maxLength: 2000 }),
      )
      .map((found) => found.replaceAll('\0', ''))
    const columns = {
      obtained_at: instant.map((at) => at ?? 0),
      lifetime: fc.nat(),
      refresh_expires_at: instant,
      token_type: fc.constantFrom('bearer', 'mac'),
      last_refresh_at: instant,
      failure_at: instant,
      failure_code: fc.oneof(text, fc.constantFrom('HQ_CLIENT_REFUSED', 'HQ_SERVER_UNAVAILABLE')),
      failure_message: text,
      failures: fc.nat(),
      refused_at: instant,
      bare_since: instant,
      not_before: instant,
      intent_attempt: fc.option(fc.nat()),
      intent_at: instant.map((at) => at ?? 0),
      came_from: text,
      came_at: instant.map((at) => at ?? 0),
      user: text,
    }
    const names = Object.keys(columns)
    const update = db.prepare(`UPDATE token_set SET ${names.map((name) => `${name} = @${name}`).join(', ')}`)
    const options = fc.constantFrom([], ['-w', '@0:1000000d'], ['--max-age', '0'], ['-c', '~:0.123456789'])
    await fc.assert(
      fc.asyncProperty(fc.record(columns), options, async (row, args) => {
        update.run(row)
        await checked(made, args, { clock: () => moment(ISSUED + 60) })
      }),
      { numRuns: 200 },
    )
    db.close()
  })
})
