import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { folder } from './support/folder.js'
import { place } from './support/place.js'

const run = promisify(execFile)
const root = process.cwd()

/** A project that has installed the packed tarball. */
let project: string

beforeAll(async () => {
  project = folder()
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], {
    cwd: root,
  })
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }]
  await run('tar', ['-xzf', filename], { cwd: project })
  mkdirSync(join(project, 'node_modules'))
  renameSync(join(project, 'package'), join(project, 'node_modules/hq-token'))
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies: Record<string, string>
  }
  // Production dependencies only: what else the code may reach for is missing, as at a user's.
  const needed = new Set(Object.keys(dependencies))
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1]
    if (name !== undefined && dev !== true) needed.add(name)
  }
  for (const name of needed) {
    if (name.includes('/')) mkdirSync(join(project, 'node_modules', name, '..'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
  }
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
}, 60_000)

describe('the packed tarball', () => {
  it('holds the program, its types, the example and the texts, and nothing else', () => {
    expect(readdirSync(join(project, 'node_modules/hq-token')).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'config.example.ini',
      'dist',
      'docs',
      'package.json',
    ])
    const files = readdirSync(join(project, 'node_modules/hq-token/dist'), { recursive: true }).map(String)
    expect(files).toContain('bin.js')
    expect(files).toContain('index.d.ts')
    expect(files.filter((name) => name.includes('tsbuildinfo'))).toEqual([])
  })

  it('runs', async () => {
    const { config } = await place({}, 3600)
    const bin = join(project, 'node_modules/hq-token/dist/bin.js')
    const env = { ...process.env, HQ_TOKEN_CONFIG: config }
    expect((await run(process.execPath, [bin, 'get'], { env })).stdout).toMatch(/^\S{40,}\n$/)
    expect((await run(process.execPath, [bin, 'refresh'], { env })).stdout).toBe('')
    expect((await run(process.execPath, [bin, 'status'], { env })).stdout).toMatch(/^state +fresh$/m)
  })

  it('is a library: the guard, a store and a server put together by hand', async () => {
    const { config, sandbox, dir } = await place({}, 3600)
    await run(process.execPath, [join(project, 'node_modules/hq-token/dist/bin.js'), 'seed'], {
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
})
