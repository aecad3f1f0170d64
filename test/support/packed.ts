import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { folder } from './folder.js'

const run = promisify(execFile)

/** An empty project that has installed the packed tarball; its folder. */
export async function packed(): Promise<string> {
  const project = folder()
  const root = process.cwd()
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project])
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }]
  await run('tar', ['-xzf', filename], { cwd: project })
  const modules = join(project, 'node_modules')
  mkdirSync(join(modules, '.bin'), { recursive: true })
  renameSync(join(project, 'package'), join(modules, 'hq-token'))
  chmodSync(join(modules, 'hq-token/dist/bin.cjs'), 0o755)
  symlinkSync('../hq-token/dist/bin.cjs', join(modules, '.bin/hq-token'))
  // Production dependencies only: what else the code may reach for is missing, as at a user's.
  for (const name of production()) {
    if (name.includes('/')) mkdirSync(join(modules, name, '..'), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
  return project
}

function production(): Set<string> {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { dev?: boolean; dependencies?: Record<string, string> }>
  }
  const needed = new Set(Object.keys(lock.packages['']?.dependencies ?? {}))
  for (const [path, { dev }] of Object.entries(lock.packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1]
    if (name !== undefined && dev !== true) needed.add(name)
  }
  return needed
}
