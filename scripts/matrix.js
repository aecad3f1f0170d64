// Packs the tarball and installs it into empty projects, one for each Node that is supported:
// `npm run test:matrix`. Needs the registry, and takes minutes. Ends non-zero if anything fails.
//
// With each Node: the install (from 22 on without a compiler, and without scripts), every entry of the
// package imported, `hq-token get` on a store that is seeded here, and by the warm path alone, a consumer that
// uses every export run against the sandbox with each undici of its own that this Node takes, and its types under
// each resolution. With an undici that is newer than ours, the tests of the interceptor too, and with the oldest pg
// those of the connection to a database.
import { execFile } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import ts from 'typescript'
import { writeSandboxFiles } from '../build/sandbox/files.js'
import { startSandbox } from '../build/sandbox/server.js'
import { environment, fetchNode, install, MAJORS, needsCompiler, projectFor } from './nodes.js'

const majors = process.argv.length > 2 ? process.argv.slice(2).map(Number) : MAJORS
const RESOLUTIONS = { node16: 'node16', nodenext: 'nodenext', bundler: 'preserve' }
/** The oldest and the newest that are supported, and the first Node that takes them. */
const UNDICIS = [
  { undici: '7.0.0', from: 20 },
  { undici: '8', from: 22, isNewer: true },
]
/** It checks certificates less well than later ones, unless it is told the name. */
const OLDEST_PG = '8.16.0'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const place = mkdtempSync(join(tmpdir(), 'hq-token-matrix-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const [{ filename }] = JSON.parse(
  (
    await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', place], {
      cwd: root,
    })
  ).stdout,
)
const entries = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports)
  .filter((entry) => !entry.endsWith('.json'))
  .map((entry) => `hq-token${entry.slice(1)}`)

async function tried(major) {
  const fetched = await fetchNode(major)
  const node = join(fetched.bin, 'node')
  const project = join(place, `project-${major}`)
  // After the install nothing may be missed that was there for it.
  const env = { ...environment, PATH: fetched.bin }
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
  writeFileSync(join(project, 'package.json'), JSON.stringify(projectFor(fetched)))
  await step('install', async () => {
    await install(fetched, project, [join(place, filename), `@types/node@${major}`])
    const sqlite = JSON.parse(readFileSync(join(project, 'node_modules/better-sqlite3/package.json'), 'utf8'))
    return `${needsCompiler(major) ? 'with scripts' : 'no compiler, no scripts'}, better-sqlite3 ${sqlite.version}`
  })
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
  const tests = async (file, other) => {
    const vitest = [
      join(root, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--project',
      'parts',
      '--reporter',
      'json',
    ]
    const { stdout } = await run(node, [...vitest, file], {
      cwd: root,
      env: { ...env, ...other },
      maxBuffer: 64 * 1024 * 1024,
    })
    return `${JSON.parse(stdout.slice(stdout.indexOf('{'))).numPassedTests} passed`
  }
  const interceptor = () => tests('test/bearer/interceptor', { UNDICI: join(project, 'node_modules/undici') })
  for (const { undici, from, isNewer = false } of UNDICIS) {
    const isTaken = major >= from
    await step(`undici ${undici}`, async () => {
      if (!isTaken) return '-'
      await install(fetched, project, [`undici@${undici}`])
      return call()
    })
    await step(`types, undici ${undici}`, () => (isTaken ? types() : '-'))
    if (isNewer) await step(`interceptor, undici ${undici}`, () => (isTaken ? interceptor() : '-'))
  }
  await step(`connection, pg ${OLDEST_PG}`, async () => {
    await install(fetched, project, [`pg@${OLDEST_PG}`])
    return tests('test/store/postgres/connection', { PG: join(project, 'node_modules/pg') })
  })
  await sandbox.close()
  return { row, failures }
}

const rows = []
const failures = []
for (const major of majors) {
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
