import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './place.js'
import { kB, MB, missing, row } from './rows.js'

/** What a user downloads and gets. */
export function size({ place }) {
  const folder = join(place.dir, 'install')
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const npm = (cwd, ...args) =>
    execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const packed = npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder)
  const [{ filename, size: ours }] = JSON.parse(packed.slice(packed.indexOf('[')))
  npm(folder, 'install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', `./${filename}`)

  const modules = join(folder, 'node_modules')
  const files = filesOf(modules)
  const installed = packagesOf(join(modules, '.package-lock.json'))
  const wanted = new Set(packagesOf(join(ROOT, 'package-lock.json'), ({ dev }) => dev !== true))
  const others = installed.filter((name) => name !== 'hq-token' && !wanted.has(name))
  return [
    row({ what: 'package, packed', unit: kB, ours, most: 300_000, target: 'at most 300 kB' }),
    row({ what: 'production install, size', unit: MB, ours: sum(files) }),
    row({ what: 'production install, files', ours: files.length }),
    row({ what: 'production install, packages', ours: installed.length }),
    row({
      what: `packages in it that no runtime dependency needs${others.map((name) => ` ${name}`).join()}`,
      ...{ ours: others.length, most: 0, target: 'none' },
    }),
  ]
}

function packagesOf(lock, isMeant = () => true) {
  const { packages } = JSON.parse(readFileSync(lock, 'utf8'))
  return Object.keys(packages).flatMap((path) =>
    path !== '' && isMeant(packages[path]) ? [path.replace(/.*node_modules\//, '')] : [],
  )
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => statSync(join(file.parentPath, file.name)).size)
}

const sum = (sizes) => sizes.reduce((total, one) => total + one, 0)

/** How long a developer waits for the first time; a quarter of an hour, so only where it is asked for. */
export function clone({ place, withClone }) {
  const what = '`npm ci && npm test` on a fresh clone'
  const target = 'under 15 minutes on 2 cores'
  if (!withClone) return [missing(what, '', target, new Error('asked for by `npm run bench -- --clone`'))]
  const folder = join(place.dir, 'clone')
  execFileSync('git', ['clone', '--quiet', ROOT, folder])
  const begun = performance.now()
  execFileSync('sh', ['-c', 'npm ci && npm test'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1e9,
  })
  const ours = (performance.now() - begun) / 60_000
  return [row({ what, unit: (minutes) => `${minutes.toFixed(1)} min`, ours, most: 15, target })]
}
