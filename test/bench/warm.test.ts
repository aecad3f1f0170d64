import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openedBeyondBare, Stopwatch, tooHeavy, type Command } from '../../bench/processes.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'

const {
  bin: { 'hq-token': BIN },
} = JSON.parse(readFileSync('package.json', 'utf8')) as { bin: { 'hq-token': string } }

/** As `npm run bench` finds it, the CPU time with room for what a busy machine makes of it. */
const LIMITS = { cpu: 2, files: 11, packages: ['better-sqlite3'] }

/** The same of a `check`, which may cost at most 2.7 times a bare Node. */
const CHECK_LIMITS = { cpu: 3.5, files: 42, packages: ['better-sqlite3', 'bindings', 'file-uri-to-path'] }

/** The same of a refresh, which asks a server without TLS. */
const REFRESH_LIMITS = { cpu: 5, files: 48, packages: ['better-sqlite3', 'bindings', 'file-uri-to-path'] }

let stopwatch: Stopwatch
let get: (root: string) => Command

beforeAll(async () => {
  requirePrograms('python3', 'strace')
  stopwatch = new Stopwatch()
  const { config, run } = await place({}, 3600)
  expect(await run(['get'])).toMatchObject({ code: 0 })
  get = (root) => ({
    argv: [process.execPath, join(root, BIN), 'get'],
    env: { HQ_TOKEN_CONFIG: config },
    prints: /^\S{40,}\n$/,
  })
})

afterAll(() => {
  stopwatch.close()
})

describe('a `get` of a fresh token', { timeout: 300_000 }, () => {
  it('a `get` of a fresh token costs little more than a bare Node', async () => {
    expect(await tooHeavy(get(process.cwd()), LIMITS, stopwatch)).toEqual([])
  })

  it('a `get` of a fresh token loads `vm` of Node’s own modules, and no other', () => {
    const {
      argv: [node = '', ...words],
      env,
    } = get(process.cwd())
    const script = join(folder(), 'loaded.cjs')
    writeFileSync(
      script,
      `process.on('exit', () => process.stderr.write(process.moduleLoadList.filter((one) => /^NativeModule (?!internal)/.test(one)).join()))`,
    )
    const loaded = (...rest: readonly string[]): string[] =>
      spawnSync(node, ['--require', script, ...rest], { env: { ...process.env, ...env }, encoding: 'utf8' })
        .stderr.split(',')
        .map((one) => one.replace('NativeModule ', ''))
    const bare = loaded('-e', '0')
    expect(bare.length).toBeGreaterThan(10)
    expect(loaded(...words).filter((one) => !bare.includes(one))).toEqual(['vm'])
  })

  it('a `get` of a fresh token costs no more where somebody else is renewing the token, which is still good', async () => {
    const { config, run, store } = await place({}, 3600)
    const nearlyOver = new Date(Date.now() - 3_350_000).toISOString()
    expect(await run(['seed', '--issued-at', nearlyOver])).toMatchObject({ code: 0 })
    const here = { ...get(process.cwd()), env: { HQ_TOKEN_CONFIG: config } }
    await store.exclusive(
      async () => {
        // It looks at the lock too.
        expect(await tooHeavy(here, { ...LIMITS, files: 12 }, stopwatch, 5)).toEqual([])
      },
      { waitMs: 0 },
    )
  })

  // A guard is only trusted after it has failed.
  it.each(['undici', 'zod'])(
    'a `get` of a fresh token is seen to cost more by each measure when it loads %s',
    async (heavy) => {
      expect(await tooHeavy(get(planted(heavy)), LIMITS, stopwatch, 7)).toEqual([
        expect.stringMatching(/^CPU time/),
        expect.stringMatching(/^files/),
        expect.stringMatching(new RegExp(`^packages: .*${heavy}`)),
      ])
    },
  )
})

describe('a `check` of a fresh token', { timeout: 300_000 }, () => {
  it('a `check` of a fresh token costs less than three bare Nodes, and loads no package but those of the store', async () => {
    const { argv, ...rest } = get(process.cwd())
    const check = { ...rest, argv: [...argv.slice(0, -1), 'check'], prints: /^HQ_TOKEN OK/ }
    expect(await tooHeavy(check, CHECK_LIMITS, stopwatch)).toEqual([])
  })
})

describe('a `refresh`', { timeout: 300_000 }, () => {
  const refresh = async (root: string): Promise<Command> => ({
    argv: [process.execPath, join(root, BIN), 'refresh'],
    env: { HQ_TOKEN_CONFIG: (await place({}, 3600)).config },
    prints: /^$/,
  })

  it('a `refresh` costs little more than a bare Node and an exchange', async () => {
    expect(await tooHeavy(await refresh(process.cwd()), REFRESH_LIMITS, stopwatch)).toEqual([])
  })

  it('a `refresh` is seen to cost more by each measure when it loads undici, and Node’s own fetch with it', async () => {
    const copy = planted('undici', 'dist/refresh.cjs', 'new Headers()')
    expect(await tooHeavy(await refresh(copy), REFRESH_LIMITS, stopwatch, 7)).toEqual([
      expect.stringMatching(/^CPU time/),
      expect.stringMatching(/^files/),
      expect.stringMatching(/^packages: .*undici/),
    ])
  })

  it('a `refresh` is seen to open more when it loads oauth4webapi', async () => {
    const copy = planted('oauth4webapi', 'dist/refresh.cjs')
    expect(await tooHeavy(await refresh(copy), REFRESH_LIMITS, stopwatch, 3)).toContainEqual(
      expect.stringMatching(/^packages: .*oauth4webapi/),
    )
  })
})

describe('a `get` that refreshes', { timeout: 120_000 }, () => {
  it('a `get` that refreshes loads no package but those of the store and the seed, and none of Node’s own fetch', async () => {
    expect(await loadedByRefresh(process.cwd())).toEqual({ packages: LIGHT, isFetchLoaded: false })
  })

  it('a `get` that refreshes loads no other where an issuer has named the token endpoint before', async () => {
    expect(await loadedByRefresh(process.cwd(), named)).toEqual({ packages: LIGHT, isFetchLoaded: false })
  })

  it.each(['undici', 'oauth4webapi', 'zod'])(
    'a `get` that refreshes is seen to load %s when it does',
    async (heavy) => {
      const copy = planted(heavy, 'dist/refresh.cjs')
      const { packages } = await loadedByRefresh(copy)
      expect(packages).toContain(heavy)
      expect(packages).not.toEqual(LIGHT)
    },
  )

  it('a `get` that refreshes is seen to load Node’s own fetch when it does', async () => {
    const copy = planted('node:http', 'dist/refresh.cjs', 'new Headers()')
    expect(await loadedByRefresh(copy)).toEqual({ packages: LIGHT, isFetchLoaded: true })
  })
})

/** Packages that a whole refresh may load: those of the store, and what reads a seed. */
const LIGHT = ['better-sqlite3', 'bindings', 'fastest-levenshtein', 'file-uri-to-path']

/** The configuration names an issuer alone, and the store keeps what that one has named. */
async function named({ config, sandbox, store }: Place): Promise<void> {
  const issuer = 'https://login.example.com'
  writeFileSync(config, readFileSync(config, 'utf8').replace(/instance = .*/, `issuer = ${issuer}`))
  const tokenUrl = new URL('api/oauth2/token', sandbox.url).href
  const found = { issuer, authorizeUrl: null, tokenUrl, revocationUrl: null, at: 0 }
  await store.exclusive((held) => held.pin(found), { waitMs: 1000 })
}

/** What one refresh loads. */
async function loadedByRefresh(
  root: string,
  prepare?: (here: Place) => Promise<void>,
): Promise<{ readonly packages: readonly string[]; readonly isFetchLoaded: boolean }> {
  const here = await place()
  await prepare?.(here)
  const { config, dir, sandbox } = here
  const [preload, list] = [join(dir, 'preload.cjs'), join(dir, 'modules')]
  writeFileSync(
    preload,
    `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(list)}, process.moduleLoadList.join()))`,
  )
  const { packages } = await openedBeyondBare({
    argv: [process.execPath, join(root, BIN), 'get'],
    env: { HQ_TOKEN_CONFIG: config, NODE_OPTIONS: `--require=${preload}` },
  })
  expect(sandbox.refreshes()).toBe(1)
  return {
    packages: packages.toSorted(),
    isFetchLoaded: readFileSync(list, 'utf8').includes('internal/deps/undici'),
  }
}

const copies: string[] = []

afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true })
})

/** The program with an import more, where it finds its packages; by default in the file that is loaded first. */
function planted(heavy: string, into: string = BIN, and = ''): string {
  mkdirSync('artifacts', { recursive: true })
  const copy = mkdtempSync(join(process.cwd(), 'artifacts/planted-'))
  copies.push(copy)
  for (const name of ['package.json', 'dist']) cpSync(name, join(copy, name), { recursive: true })
  const file = join(copy, into)
  const text = readFileSync(file, 'utf8')
  const [interpreter = '', ...rest] = text.split('\n')
  const planted =
    into === BIN
      ? [interpreter, `require('${heavy}')`, ...rest].join('\n')
      : `void import('${heavy}')\n${and}\n${text}`
  writeFileSync(file, planted)
  return copy
}
