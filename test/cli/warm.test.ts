import fc from 'fast-check'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { runPlain } from '../../src/cli/run-plain.js'
import { plainCommand } from '../../src/cli/plain.js'
import { warmAnswer } from '../../src/cli/warm.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { entry } from '../../src/core/transitions.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'
import { told, worldFor, type Told } from '../support/world.js'

/** What most of the configurations name. */
const OURS = { tokenUrl: 'http://127.0.0.1:1/token', issuer: null, clientId: '1012' }

/** What a store may hold; the token lives an hour. */
const STATES: Readonly<Record<string, TokenSet | null>> = {
  empty: null,
  good: tokenSet(),
  refused: tokenSet({ refusedAt: ISSUED + 10 }),
  rejected: tokenSet({ rejectedAt: ISSUED + 10 }),
  unfinished: tokenSet({ intent: { attempt: 2, at: ISSUED + 5, boot: null, salvaged: null, client: null } }),
  failing: tokenSet({ failures: 3, backoffUntil: ISSUED + 4000, notBefore: ISSUED + 4000 }),
  mac: tokenSet({ pair: { ...tokenSet().pair, tokenType: 'mac' } }),
  theirs: tokenSet({ client: { ...OURS, clientId: '7' } }),
  ours: tokenSet({ client: OURS }),
  odd: tokenSet({ pair: { ...tokenSet().pair, tokenType: 'BEARER' } }),
}

/** As many more as there are good ones, so that all of them are seen at every run. */
const state = fc.oneof({ weight: 8, arbitrary: fc.constant('good') }, fc.constantFrom(...Object.keys(STATES)))

const oneOf = (usual: string, ...others: readonly string[]) =>
  fc.oneof({ weight: 5 * others.length, arbitrary: fc.constant(usual) }, fc.constantFrom(...others))

/** Lines of a config, one of each key, mostly as they should be. */
const lines = fc.record({
  head: oneOf('', '; a comment', '[refresh]', 'stray = 1', '\ufeff', '<html>'),
  instance: oneOf(
    'token_url = http://127.0.0.1:1/token',
    'instance = http://127.0.0.1:1/acme/',
    'token_url = http://example.com/',
    'token_url = nowhere',
    'instance = https://user@example.com/',
    'tokenurl = x',
  ),
  id: oneOf('client_id = 1012', 'client_id = your_client_id', 'client_id =', 'client_id = "10;12"', ''),
  secret: oneOf(
    'client_secret = abc#def',
    'client_secret = <secret>',
    'client_secret_file = secret.txt',
    'client_secret = a\nclient_secret_command = b',
    'auth_method = none',
    'auth_method = client_secret_basic\nclient_secret = x',
    'auth_method = client_secret_basic_plain\nclient_secret = x',
    'auth_method = hmac',
  ),
  more: oneOf('', 'redirect_uri = http://127.0.0.1/cb', 'redirect_uri = /cb', 'scope = a b', 'client_id = 2'),
  early: oneOf('', 'early = 0s', 'early = 50%', 'early = 101%', 'early = soon', 'early = 2d'),
  valid: oneOf('', 'min_valid = 0', 'min_valid = 59m', 'min_valid = -1', 'min_valid = 1h1s'),
  rest: oneOf(
    '',
    'timeout = 0s',
    'timeout = 1s',
    'lock_wait = 0s',
    'lock_wait = 2d',
    'default_lifetime = 9y',
  ),
  network: oneOf(
    '',
    '[network]\nproxy = none',
    '[network]\nproxy = ftp://x',
    '[network]\nclient_key_file = k.pem',
    '[network]\nca_file = missing.pem',
  ),
  end: oneOf(
    '',
    '[Store]',
    '[store]\nurl = postgres://x',
    '[seed]\nfile = nowhere.ini',
    '  indented = 1',
    '[x]',
  ),
})

const environment: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 6, arbitrary: fc.constant({}) },
  fc.record(
    {
      HQ_TOKEN_MIN_VALID: fc.constantFrom('', '5m', 'x'),
      HQ_TOKEN_EARLY: fc.constantFrom('1h', '99%', '!'),
      HQ_TOKEN_CLIENT_SECRET: fc.constantFrom('other', ' '),
      HQ_TOKEN_PROFILE: fc.constantFrom('acme', 'No', ''),
      HTTPS_PROXY: fc.constantFrom('http://proxy.example:3128', 'nowhere at all'),
      HQ_TOKEN_STORE_URL: fc.constantFrom('x'),
      HQ_TOKEN_STORE: fc.constantFrom('', 'HERE/token.db'),
      HQ_TOKEN_CONFIG_DIR: fc.constantFrom('', 'HERE', 'nowhere'),
      HQ_TOKEN_STATE_DIR: fc.constantFrom('', 'HERE', 'nowhere'),
      HQ_TOKEN_STROE: fc.constantFrom('x', ''),
      HQ_TOKEN_SERVICE_HOST: fc.constantFrom('10.0.0.1'),
    },
    { requiredKeys: [] },
  ),
  // By the two folders alone: then a profile has a file and a store there too.
  {
    weight: 3,
    arbitrary: fc.record(
      {
        HQ_TOKEN_CONFIG: fc.constantFrom('', 'CONFIG'),
        HQ_TOKEN_STORE: fc.constant(''),
        HQ_TOKEN_CONFIG_DIR: fc.constant('HERE'),
        HQ_TOKEN_STATE_DIR: fc.constant('HERE'),
        HQ_TOKEN_PROFILE: fc.constantFrom('acme', 'token', ''),
      },
      { requiredKeys: ['HQ_TOKEN_CONFIG', 'HQ_TOKEN_STORE', 'HQ_TOKEN_CONFIG_DIR', 'HQ_TOKEN_STATE_DIR'] },
    ),
  },
)

const word = fc.oneof(
  { weight: 6, arbitrary: fc.constant(['get']) },
  fc.constantFrom(
    ['--min-valid', '5m'],
    ['--min-valid=10'],
    ['-t', '1h'],
    ['-t5m'],
    ['--time', '70m'],
    ['--min-valid', 'soon'],
    ['--min-valid'],
    ['--format', 'json'],
    ['--format=env'],
    ['--format', 'curl'],
    ['--format', 'yaml'],
    ['--outfile', 'OUT'],
    ['--outfile', '-'],
    ['--outfile', 'nowhere/OUT'],
    ['--rejected', '-'],
    ['-v'],
    ['--verbose'],
    ['--verbose=yes'],
    ['--log-format', 'json'],
    ['--config', 'CONFIG'],
    ['--config', 'missing.ini'],
    ['--profile', 'acme'],
    ['--profile', '-x'],
    ['--'],
    ['-vt', '5m'],
    ['--form', 'json'],
    ['status'],
    ['get'],
    ['help'],
    [''],
  ),
)

/** Mostly a `get` with some options behind it. */
const argv: fc.Arbitrary<string[]> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(word, { maxLength: 3 })
      .map((words) => ['get', ...words.filter(([one]) => one !== 'get').flat()]),
  },
  fc.array(word, { maxLength: 4 }).map((words) => words.flat()),
)

const situation = fc.record({
  state,
  lines,
  argv,
  env: environment,
  mode: fc.oneof({ weight: 6, arbitrary: fc.constant(0o600) }, fc.constantFrom(0o644, 0o666, 0o640)),
  age: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: -7200, max: 7200 })),
  boot: fc.boolean(),
  /** What the warm path leaves to the others takes them long. */
  isSample: fc.integer({ min: 0, max: 9 }).map((number) => number === 0),
})

type Situation = typeof situation extends fc.Arbitrary<infer T> ? T : never

const kept = folder()
const here = folder()
const config = join(here, 'config.ini')
const out = join(here, 'OUT')

beforeAll(async () => {
  for (const [name, set] of Object.entries(STATES)) {
    mkdirSync(join(kept, name), { mode: 0o700 })
    if (set === null) continue
    const store = new SqliteStore(join(kept, name, 'token.db'))
    await store.exclusive((held) => held.note(set, 0, entry(set, 'seed', 'done', moment())), { waitMs: 0 })
  }
})

/** The same place again for each way of going through it. */
function place({ state: name, lines: text, mode }: Situation): void {
  rmSync(out, { force: true })
  for (const stem of ['token', 'acme']) {
    for (const end of ['db', 'db-journal', 'lock', 'rescue'])
      rmSync(join(here, `${stem}.${end}`), { force: true })
    const database = join(kept, name, 'token.db')
    if (existsSync(database)) copyFileSync(database, join(here, `${stem}.db`))
    writeFileSync(join(here, `${stem}.lock`), '', { mode: 0o600 })
  }
  const { head, instance, id, secret, more, early, valid, rest, network, end } = text
  writeFileSync(
    config,
    [head, '[client]', instance, id, secret, more, '[refresh]', early, valid, rest, network, end].join('\n'),
  )
  chmodSync(config, mode)
  mkdirSync(join(here, 'profiles'), { recursive: true })
  copyFileSync(config, join(here, 'profiles', 'acme.ini'))
}

interface Answer extends Told {
  readonly file: string | undefined
}

async function answered(situation: Situation, run: () => Promise<Told>): Promise<Answer> {
  place(situation)
  const { code, stdout, stderr } = await run()
  return { code, stdout, stderr, file: existsSync(out) ? readFileSync(out, 'utf8') : undefined }
}

describe('the short ways of a `get`', { timeout: 300_000 }, () => {
  it('say what the long one says, or that they do not know', async () => {
    const seen = { warm: 0, plain: 0, handovers: 0, runs: 0, profiles: 0 }
    await fc.assert(
      fc.asyncProperty(situation, async (one) => {
        const args = one.argv.map((arg: string) => arg.replace('OUT', out).replace('CONFIG', config))
        const at = moment(ISSUED + one.age, undefined, one.boot ? 'another boot' : undefined)
        const options = {
          env: {
            ...{ HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: join(here, 'token.db') },
            ...Object.fromEntries(
              Object.entries(one.env).map(([name, text]) => [
                name,
                text.replace('HERE', here).replace('CONFIG', config),
              ]),
            ),
          },
          clock: () => at,
        }
        seen.runs++
        const plain = plainCommand(args)
        if (plain?.name !== 'get') return
        seen.plain++

        place(one)
        const { env, platform, homedir, clock } = worldFor(options).world
        const { text: warm, handover } = warmAnswer(plain, { env, platform, homedir, clock })
        seen.handovers += handover?.lock.isHeld === true ? 1 : 0
        handover?.lock.release()
        expect(existsSync(out)).toBe(false)
        if (warm === undefined && !one.isSample) return
        const long = await answered(one, () => told(args, options))
        if (one.isSample) {
          const short = await answered(one, async () => {
            const { world, said } = worldFor(options)
            const { handover } = warmAnswer(plain, world)
            return { code: await runPlain(plain, { ...world, handover }), ...said() }
          })
          expect(short).toEqual(long)
        }
        if (warm === undefined) return
        seen.warm++
        if ([...args, one.env['HQ_TOKEN_PROFILE']].includes('acme')) seen.profiles++
        const { outfile } = plain.flags
        if (outfile === undefined || outfile === '-')
          expect(long).toEqual({ code: 0, stdout: warm, stderr: '', file: undefined })
        else if (outfile === out) expect(long).toEqual({ code: 0, stdout: '', stderr: '', file: warm })
      }),
      { numRuns: 3000 },
    )
    // None of the five is for show.
    expect(seen.plain).toBeGreaterThan(seen.runs / 4)
    expect(seen.warm).toBeGreaterThan(seen.runs / 20)
    expect(seen.handovers).toBeGreaterThan(seen.runs / 50)
    expect(seen.profiles).toBeGreaterThan(seen.runs / 200)
  })

  it.each([
    [['get']],
    [['get', '--min-valid', '5m', '--format', 'json']],
    [['--config', 'a.ini', 'get', '-t', '90', '--outfile', 'x']],
    [['get', '--profile', 'acme', '-v']],
  ])('the short ways of a `get` are taken by %j', (args) => {
    expect(plainCommand(args)).toBeDefined()
  })
})
