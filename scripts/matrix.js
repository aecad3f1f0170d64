// Packs the tarball and installs it into empty projects, one for each Node that is supported:
// `npm run test:matrix`. Needs the registry, and takes minutes. Ends non-zero if anything fails.
//
// With each Node: the install (from 22 on without a compiler, and without scripts), every entry of the
// package imported, `hq-token get` on a store that is seeded here, and by the warm path alone, a consumer that
// uses every export run against the sandbox with each undici of its own that this Node takes, and its types under
// each resolution. With an undici that is newer than ours, the tests of the interceptor too.
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { writeSandboxFiles } from '../build/sandbox/files.js'
import { startSandbox } from '../build/sandbox/server.js'

const MAJORS = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [20, 22, 24, 26]
const RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', bundler: 'preserve' }
/** The oldest and the newest that are supported, and the first Node that takes them. */
const UNDICIS = [
  { undici: '7.0.0', from: 20 },
  { undici: '8', from: 22, isNewer: true },
]

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'hq-token-matrix-'))
const npm =
  process.env.npm_execpath ?? join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')
// Not npm's own: `npm run` leaves settings of this project in the environment.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))

process.on('exit', () => rmSync(place, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const [{ filename }] = JSON.parse(
  (
    await run(process.execPath, [npm, 'pack', '--json', '--ignore-scripts', '--pack-destination', place], {
      cwd: root,
    })
  ).stdout,
)
const entries = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => `hq-token${entry.slice(1)}`)

/** A folder with this Node, a shell, and nothing else: what a compiler would have to be found by. */
async function bare(major) {
  const folder = join(place, `node-${major}`)
  const platform = `node-${process.platform.replace('win32', 'win')}-${process.arch}`
  mkdirSync(join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  await run(process.execPath, [npm, 'install', '--no-audit', '--no-fund', `${platform}@${major}`], {
    cwd: folder,
    env: environment,
  })
  symlinkSync(join(folder, 'node_modules', platform, 'bin/node'), join(folder, 'bin/node'))
  symlinkSync('/bin/sh', join(folder, 'bin/sh'))
  return join(folder, 'bin')
}

async function tried(major) {
  const bin = await bare(major)
  const node = join(bin, 'node')
  const project = join(place, `project-${major}`)
  const needsCompiler = major < 22
  const env = { ...environment, PATH: needsCompiler ? `${bin}${delimiter}${process.env.PATH}` : bin }
  const row = { version: (await run(node, ['--version'])).stdout.trim() }
  const failures = []
  const step = async (name, work) => {
    const started = performance.now()
    // Without the package nothing else would tell anything.
    if (row.install === 'FAILED') {
      row[name] = '-'
      return
    }
    try {
      const said = await work()
      row[name] = said ?? `${((performance.now() - started) / 1000).toFixed(1)} s`
    } catch (error) {
      row[name] = 'FAILED'
      failures.push(`${name} under ${row.version}:\n${error.stdout ?? ''}${error.stderr ?? error.stack}`)
    }
  }

  mkdirSync(project)
  const allowScripts = needsCompiler ? { 'better-sqlite3': true } : {}
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ private: true, type: 'module', allowScripts }),
  )
  const install = (...packages) => {
    const scripts = needsCompiler ? [] : ['--ignore-scripts']
    return run(node, [npm, 'install', '--no-audit', '--no-fund', ...scripts, ...packages], {
      cwd: project,
      env,
    })
  }
  await step('install', async () => {
    await install(join(place, filename), `@types/node@${major}`)
    const sqlite = JSON.parse(readFileSync(join(project, 'node_modules/better-sqlite3/package.json'), 'utf8'))
    return `${needsCompiler ? 'with scripts' : 'no compiler, no scripts'}, better-sqlite3 ${sqlite.version}`
  })
  // From here on nothing may be missed that was there for the install.
  env.PATH = bin
  await step('import', async () => {
    const code = entries.map((entry) => `await import('${entry}')`).join(';')
    await run(node, ['--input-type=module', '-e', code], { cwd: project, env })
    return `${entries.length} entries`
  })

  const sandbox = await startSandbox({ accessTtl: 3600 })
  const { config } = await writeSandboxFiles(join(project, 'sandbox'), sandbox, { accessTtl: 3600 })
  const hqToken = (...args) =>
    run(join(project, 'node_modules/.bin/hq-token'), args, {
      cwd: project,
      env: { ...env, HQ_TOKEN_CONFIG: config },
    })
  await step('get', async () => {
    // A token that is over: the lock is taken by the addon alone, and handed to the package as a whole.
    await hqToken('seed', '--issued-at', new Date(Date.now() - 7_200_000).toISOString())
    const { stdout, stderr } = await hqToken('get')
    if (sandbox.refreshes() !== 1) throw new Error(`get made ${sandbox.refreshes()} refreshes`)
    // The refresh that spends the seed says so, once.
    const rest = stderr.replace(/^hq-token: the seed file \S+ can be removed now: .*\n/, '')
    if (!/^\S{40,}\n$/.test(stdout) || rest !== '') throw new Error(`get printed: ${stdout}${stderr}`)
    await hqToken('refresh')
    if ((await hqToken('get')).stdout === stdout) throw new Error('refresh did not refresh')
  })
  // By the addon of whichever better-sqlite3 this Node takes: without the rest there is no other way.
  await step('warm get', async () => {
    const rest = join(project, 'node_modules/hq-token/dist/refresh.cjs')
    renameSync(rest, `${rest}.away`)
    try {
      await hqToken('get')
    } finally {
      renameSync(`${rest}.away`, rest)
    }
  })
  const consumer = readFileSync(join(root, 'test/matrix/consumer.ts'), 'utf8')
  const call = async () => {
    const options = {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
    }
    writeFileSync(
      join(project, 'consumer.js'),
      ts.transpileModule(consumer, { compilerOptions: options }).outputText,
    )
    const { stdout } = await run(node, ['consumer.js'], {
      cwd: project,
      env: { ...env, HQ_TOKEN_CONFIG: config, API: new URL('api/1/sites', sandbox.url).href },
    })
    const told = JSON.parse(stdout)
    if (told.statuses.join() !== '200,200,200' || told.did.join() !== 'false,false') throw new Error(stdout)
    return told.statuses.join(', ')
  }
  copyFileSync(join(root, 'test/matrix/consumer.ts'), join(project, 'consumer.ts'))
  const types = () =>
    Promise.all(
      Object.entries(RESOLUTIONS).map(([resolution, module]) =>
        run(
          process.execPath,
          [
            ...[
              join(root, 'node_modules/typescript/bin/tsc'),
              '--noEmit',
              '--strict',
              '--exactOptionalPropertyTypes',
              '--noUnusedLocals',
            ],
            ...['--target', 'es2022', '--types', 'node'],
            ...['--module', module, '--moduleResolution', resolution, 'consumer.ts'],
          ],
          { cwd: project },
        ),
      ),
    ).then(() => Object.keys(RESOLUTIONS).join(', '))
  const interceptor = async () => {
    const vitest = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      'parts',
      '--reporter',
      'json',
    ]
    const { stdout } = await run(node, [...vitest, 'test/bearer/interceptor'], {
      cwd: root,
      env: { ...env, UNDICI: join(project, 'node_modules/undici') },
      maxBuffer: 64 * 1024 * 1024,
    })
    return `${JSON.parse(stdout.slice(stdout.indexOf('{'))).numPassedTests} passed`
  }
  for (const { undici, from, isNewer = false } of UNDICIS) {
    const isTaken = major >= from
    await step(`undici ${undici}`, async () => {
      if (!isTaken) return '-'
      await install(`undici@${undici}`)
      return call()
    })
    await step(`types, undici ${undici}`, () => (isTaken ? types() : '-'))
    if (isNewer) await step(`interceptor, undici ${undici}`, () => (isTaken ? interceptor() : '-'))
  }
  await sandbox.close()
  return { row, failures }
}

const rows = []
const failures = []
for (const major of MAJORS) {
  process.stderr.write(`Node ${major} …\n`)
  const { row, failures: more } = await tried(major)
  rows.push(row)
  failures.push(...more)
}

const heads = Object.keys(rows[0])
const cells = [heads, ...rows.map((row) => heads.map((head) => row[head]))]
const widths = heads.map((_, column) => Math.max(...cells.map((line) => line[column].length)))
for (const line of cells)
  console.log(
    line
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  )
if (failures.length > 0) {
  process.stderr.write(`\n${failures.join('\n\n')}\n\n${failures.length} steps failed\n`)
  process.exitCode = 1
}
