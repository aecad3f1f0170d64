import { execFile } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { beforeAll, describe, expect, it } from 'vitest'
import { modulesOf } from './support/modules.js'
import { packed } from './support/packed.js'
import { place } from './support/place.js'

const run = promisify(execFile)
const root = process.cwd()

const { exports: faces } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { readonly types: string; readonly default: string }>
}
const ENTRIES = Object.entries(faces).flatMap(([entry, face]): [string, { types: string }][] =>
  typeof face === 'string' ? [] : [[`hq-token${entry.slice(1)}`, face]],
)

let project: string
const filesIn = (folder: string): string[] =>
  readdirSync(join(project, folder), { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => relative(join(project, folder), join(file.parentPath, file.name)))
    .sort()
let bin: string

beforeAll(async () => {
  project = await packed()
  bin = join(project, 'node_modules/.bin/hq-token')
}, 180_000)

describe('the packed tarball', () => {
  it('the packed tarball is at most 300 kB', () => {
    const [tarball = ''] = readdirSync(project).filter((name) => name.endsWith('.tgz'))
    expect(statSync(join(project, tarball)).size).toBeLessThanOrEqual(300_000)
  })

  it('the packed tarball holds the program, its types and the references that its messages name, and nothing else', () => {
    const installed = join(project, 'node_modules/hq-token')
    expect(readdirSync(installed).sort()).toEqual([
      'LICENSE',
      'README.md',
      'config.example.ini',
      'dist',
      'docs',
      'man',
      'package.json',
    ])
    expect(readdirSync(join(installed, 'docs')).sort()).toEqual(['exit-codes.md', 'schemas'])
    const files = filesIn('node_modules/hq-token/dist')
    expect(files).toContain('bin.cjs')
    // The only ES modules are those that others import by name.
    const modules = Object.values(faces).flatMap((face) => (typeof face === 'string' ? [] : [face.default]))
    expect(files.filter((name) => name.endsWith('.js')).map((name) => `./dist/${name}`)).toEqual(
      modules.toSorted(),
    )
    expect(files.filter((name) => !/\.(?:cjs|js|d\.ts)$/.test(name))).toEqual([])
  })

  it('the packed tarball holds each declaration that an entry of the library reaches, and no other', () => {
    const installed = join(project, 'node_modules/hq-token')
    const types = ENTRIES.map(([, face]) => join(installed, face.types))
    const program = ts.createProgram(types, { module: ts.ModuleKind.NodeNext, types: [] })
    const reached = program
      .getSourceFiles()
      .map(({ fileName }) => relative(join(installed, 'dist'), fileName))
      .filter((name) => !name.startsWith('..'))
    expect(filesIn('node_modules/hq-token/dist').filter((name) => name.endsWith('.d.ts'))).toEqual(
      reached.toSorted(),
    )
    expect(reached).toContain('core/guard.d.ts')
  })

  it('the packed tarball holds each class once, so that none exists twice in a process', () => {
    const dist = join(project, 'node_modules/hq-token/dist')
    const classes = readdirSync(dist)
      .filter((name) => name.endsWith('.cjs'))
      .flatMap(
        (name) => readFileSync(join(dist, name), 'utf8').match(/\w+=class\b|\bclass (?!extends)\w+/g) ?? [],
      )
    expect(classes.length).toBeGreaterThan(50)
    expect(classes.filter((one, nth) => classes.indexOf(one) !== nth)).toEqual([])
  })

  it('the packed tarball runs on a Node that cannot `require` an ES module, as 22.0 cannot', async () => {
    const dist = join(project, 'node_modules/hq-token/dist')
    const required = readdirSync(dist)
      .filter((name) => name.endsWith('.cjs'))
      .flatMap((name) => [
        ...readFileSync(join(dist, name), 'utf8').matchAll(/\brequire\("(?!node:|\.)([^"]+)"\)/g),
      ])
      .map(([, name = '']) => name)
    expect(required).toContain('commander')
    const script = `for (const name of ${JSON.stringify(required)}) require(name)`
    const flags = ['--no-experimental-require-module', '--input-type=commonjs']
    await run(process.execPath, [...flags, '-e', script], { cwd: project })
  })

  it('the packed tarball holds what its texts link to, or the repository does', () => {
    const installed = join(project, 'node_modules/hq-token')
    const texts = readdirSync(installed, { recursive: true })
      .map(String)
      .filter((name) => name.endsWith('.md'))
    const dead = texts.flatMap((name) =>
      [...readFileSync(join(installed, name), 'utf8').matchAll(/\]\((?!#|[a-z]+:)([^)\s#]+)/g)]
        .map(([, link = '']) => join(name, '..', link))
        .filter((path) => !existsSync(join(installed, path)) && !existsSync(path)),
    )
    expect(texts.length).toBeGreaterThan(1)
    expect(dead).toEqual([])
  })

  it('the packed tarball keeps its compiled code when npm runs its script', async () => {
    const cwd = join(project, 'node_modules/hq-token')
    const { scripts } = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')) as {
      scripts: { postinstall: string }
    }
    const kept = join(cwd, 'dist/start.cjs.compiled')
    expect(existsSync(kept)).toBe(false)
    expect(await run('sh', ['-c', scripts.postinstall], { cwd })).toEqual({ stdout: '', stderr: '' })
    expect(existsSync(kept)).toBe(true)
  })

  it('the packed tarball runs', async () => {
    const { config } = await place({}, 3600)
    const env = { ...process.env, HQ_TOKEN_CONFIG: config }
    expect((await run(process.execPath, [bin, 'get'], { env })).stdout).toMatch(/^\S{40,}\n$/)
    expect((await run(process.execPath, [bin, 'refresh'], { env })).stdout).toBe('')
    expect((await run(process.execPath, [bin, 'status'], { env })).stdout).toMatch(/^state +fresh$/m)
  })

  it('the packed tarball is a library: the guard, a store and a server put together by hand', async () => {
    const { config, sandbox, dir } = await place({}, 3600)
    await run(process.execPath, [bin, 'seed'], {
      env: { ...process.env, HQ_TOKEN_CONFIG: config },
    })
    writeFileSync(
      join(project, 'use.js'),
      `import { expiryPolicy, machineClock, Secret, TokenGuard } from 'hq-token'
       import { TokenEndpoint } from 'hq-token/oauth'
       import { SqliteStore } from 'hq-token/sqlite'

       const server = new TokenEndpoint({
         tokenUrl: new URL('api/oauth2/token', ${JSON.stringify(sandbox.url)}),
         clientId: ${JSON.stringify(sandbox.clientId)},
         clientSecret: async () => new Secret(process.env.SECRET),
         authMethod: 'client_secret_post',
         scope: null,
         clock: machineClock,
         userAgent: 'test',
       })
       const store = new SqliteStore(${JSON.stringify(join(dir, 'token.db'))})
       const guard = new TokenGuard({ store, server, clock: machineClock, policy: expiryPolicy({ percent: 10 }, 60) })
       const first = await guard.token()
       const second = await guard.token({ minValid: 300, rejected: first.secret })
       console.log(JSON.stringify([first.secret.equals(second.secret), String(second.secret), second.expiresAt > Date.now() / 1000]))`,
    )
    const { stdout } = await run(process.execPath, ['use.js'], {
      cwd: project,
      env: { ...process.env, SECRET: sandbox.clientSecret },
    })
    expect(JSON.parse(stdout)).toEqual([false, '[secret]', true])
    expect(sandbox.refreshes()).toBe(1)
  })

  it('the packed tarball is a library: what the command line uses, and a fetch and an interceptor that carry its token', async () => {
    const { config, sandbox } = await place()
    writeFileSync(
      join(project, 'call.js'),
      `import { openGuard } from 'hq-token'
       import { bearer, tokenFetch } from 'hq-token/undici'
       import { Agent } from 'undici'

       const guard = await openGuard()
       const url = new URL('1/sites', guard.apiUrl)
       const first = await tokenFetch(guard)(url, { headers: { accept: 'application/json' } })
       const agent = new Agent().compose(bearer(guard))
       const second = await agent.request({ origin: url.origin, path: url.pathname, method: 'GET' })
       console.log(first.status, (await first.json()).site.length, second.statusCode)
       await second.body.dump()
       await agent.close()`,
    )
    const env = { ...process.env, HQ_TOKEN_CONFIG: config }
    expect(await run(process.execPath, ['call.js'], { cwd: project, env })).toEqual({
      stdout: '200 3 200\n',
      stderr: '',
    })
    expect(sandbox.refreshes()).toBe(1)
  })

  // `start.cjs` has the errors and the rules of time, which the library shares with the warm path.
  it.each([
    ['hq-token', ['index.cjs', 'index.js', 'index.names.cjs', 'start.cjs'], []],
    [
      'hq-token/undici',
      ['rolldown-runtime.cjs', 'start.cjs', 'undici.cjs', 'undici.js', 'undici.names.cjs'],
      [],
    ],
    [
      'hq-token/oauth',
      ['index.cjs', 'oauth.cjs', 'oauth.js', 'oauth.names.cjs', 'rolldown-runtime.cjs', 'start.cjs'],
      [],
    ],
    [
      'hq-token/sqlite',
      ['index.cjs', 'rolldown-runtime.cjs', 'sqlite.cjs', 'sqlite.js', 'sqlite.names.cjs', 'start.cjs'],
      ['better-sqlite3'],
    ],
    [
      'hq-token/schemas',
      ['rolldown-runtime.cjs', 'schemas.cjs', 'schemas.js', 'schemas.names.cjs', 'start.cjs'],
      ['zod'],
    ],
  ])('the packed tarball is a library: %s loads what it needs, and no more', async (entry, own, others) => {
    const { files, packages } = await modulesOf(`await import('${entry}')`, project)
    const loaded = [...files].flatMap((path) => /\/hq-token\/dist\/(.*)$/.exec(path)?.[1] ?? [])
    expect(loaded.sort()).toEqual(own)
    expect([...packages].filter((name) => name !== 'hq-token')).toEqual(others)
  })

  it('the packed tarball is a library whose classes are the same, whichever entry makes one', async () => {
    writeFileSync(
      join(project, 'classes.js'),
      `import { Secret, StoreUnusable, TokenError } from 'hq-token'
       import { TokenEndpoint } from 'hq-token/oauth'
       import { SqliteStore } from 'hq-token/sqlite'

       const thrown = await new SqliteStore('/dev/null/token.db').read().catch((error) => error)
       console.log(thrown instanceof StoreUnusable, thrown instanceof TokenError, TokenEndpoint.name, Secret.name)`,
    )
    const { stdout } = await run(process.execPath, ['classes.js'], { cwd: project })
    expect(stdout).toBe('true true TokenEndpoint Secret\n')
  })
})

describe('the schemas of the packed tarball', () => {
  it('are JSON files too, by the name of each', async () => {
    const script = `import { createRequire } from 'node:module'
      import { schemas } from 'hq-token/schemas'
      const require = createRequire(import.meta.url)
      for (const name of Object.keys(schemas)) console.log(require('hq-token/schemas/' + name + '.json').title)`
    writeFileSync(join(project, 'schemas.js'), script)
    const { stdout } = await run(process.execPath, ['schemas.js'], { cwd: project })
    expect(stdout).toMatch(/^hq-token get --format json\nhq-token status --json\n(?:hq-token .*\n){8}$/)
  })
})

describe('the types of the packed tarball', { timeout: 300_000 }, () => {
  beforeAll(() => {
    copyFileSync('test/matrix/consumer.ts', join(project, 'consumer.ts'))
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
    // A copy that is not ours: its classes are others, whatever their names.
    cpSync('node_modules/undici', join(project, 'others/node_modules/undici'), { recursive: true })
    copyFileSync('test/matrix/consumer.ts', join(project, 'others/consumer.ts'))
  })

  it.each(['node16', 'nodenext', 'bundler'])(
    'resolve under %s, with no copy of undici in common',
    async (how) => {
      const module = how === 'bundler' ? 'preserve' : how
      const options = [
        '--noEmit',
        '--strict',
        '--exactOptionalPropertyTypes',
        '--noUnusedLocals',
        // The compiler's own; ours and those of others are checked.
        '--skipDefaultLibCheck',
        '--target',
        'es2022',
        '--types',
        'node',
      ]
      const tsc = join(root, 'node_modules/typescript/bin/tsc')
      const files = ['consumer.ts', 'others/consumer.ts']
      const said = await run(
        process.execPath,
        [tsc, ...options, '--module', module, '--moduleResolution', how, ...files],
        { cwd: project },
      ).then(
        ({ stdout }) => stdout,
        (error: unknown) => (error as { stdout: string }).stdout,
      )
      expect(said).toBe('')
    },
  )

  // The compiler has seen to it that what is imported is used.
  it.each(ENTRIES)(
    'the types of the packed tarball are all imported by the consumer that they are tried with: %s',
    (entry, { types }) => {
      const program = ts.createProgram([types], { module: ts.ModuleKind.NodeNext })
      const checker = program.getTypeChecker()
      const face = checker.getSymbolAtLocation(program.getSourceFile(types) as ts.Node) as ts.Symbol
      const exported = checker.getExportsOfModule(face).map(({ name }) => name)
      const list = new RegExp(`^import \\{([^}]*)\\} from '${entry}'$`, 'm')
      const [, imported = ''] = list.exec(readFileSync('test/matrix/consumer.ts', 'utf8')) ?? []
      expect(imported.match(/\w+(?=,|\s*$)/g)?.sort()).toEqual(exported.sort())
    },
  )
})
