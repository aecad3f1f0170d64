// Installs and builds what is missing or stale; run by `npm start` and `npm test` on a fresh clone.
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const at = (path) => join(root, path)
const age = (path) => (existsSync(at(path)) ? statSync(at(path)).mtimeMs : 0)
/** From this Node on better-sqlite3 13 runs, which has its binaries in the package; the lock has 12, which runs everywhere. */
const HAS_BINARY = Number(process.versions.node.split('.')[0]) >= 22

/** Quiet unless it fails: what follows is what was asked for. */
function run(command, args, env = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  })
  return { ok: status === 0, said: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` }
}

function must(command, ...args) {
  const { ok, said } = run(command, args)
  if (ok) return
  process.stderr.write(`${said}\n${command} ${args.join(' ')} failed\n`)
  process.exit(1)
}

function newest(folder) {
  const files = readdirSync(at(folder), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Math.max(...files.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs))
}

// By what is installed (npm keeps account of it), not by date: a checkout dates its files as it likes.
const packagesOf = (lock) => (existsSync(at(lock)) ? JSON.parse(readFileSync(at(lock), 'utf8')).packages : {})

function isComplete() {
  const installed = packagesOf('node_modules/.package-lock.json')
  return Object.entries(packagesOf('package-lock.json')).every(([path, { version, optional }]) => {
    if (path === '' || optional) return true
    const is = installed[path]?.version
    if (path === SQLITE && HAS_BINARY && is?.startsWith('13.')) return true
    // npm counts it as installed before it is built, and after an installation without scripts.
    if (path === SQLITE && !existsSync(at(`${SQLITE}/build/Release/better_sqlite3.node`))) return false
    return is === version
  })
}

const SQLITE = 'node_modules/better-sqlite3'
const LOG = 'artifacts/npm-ci.log'

function install() {
  process.stderr.write('Installing the packages (a minute, once) …\n')
  const ci = ['ci', '--include=dev', '--no-audit', '--no-fund']
  const { ok, said } = run('npm', ci, headers())
  if (ok) return
  const log = [said]
  if (HAS_BINARY && isSqlite(said)) {
    // The newer one needs neither compiler nor headers, and `package.json` allows it.
    const newer = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', 'better-sqlite3@13']
    const isThere = [[...ci, '--ignore-scripts'], newer].every((args) => {
      const next = run('npm', args)
      log.push(next.said)
      return next.ok
    })
    if (isThere) return
  }
  mkdirSync(at('artifacts'), { recursive: true })
  writeFileSync(at(LOG), log.join('\n'))
  process.stderr.write(`${missing(said)}; all that npm said is in ${at(LOG)}\n`)
  process.exit(1)
}

function isSqlite(said) {
  return /better-sqlite3|node-gyp|prebuild-install|gyp ERR!/.test(said)
}

/** Where Node's headers lie beside it, node-gyp need not fetch them from nodejs.org. What the user has set stays. */
function headers() {
  if (process.platform === 'win32' || process.env.npm_config_nodedir) return {}
  const set = run('npm', ['config', 'get', 'nodedir']).said.trim()
  if (set !== '' && set !== 'undefined' && set !== 'null') return {}
  const folder = [dirname(dirname(realpathSync(process.execPath))), '/usr', '/usr/local'].find(
    (one) => versionIn(one) === process.versions.node,
  )
  return folder === undefined ? {} : { npm_config_nodedir: folder }
}

function versionIn(folder) {
  try {
    const text = readFileSync(join(folder, 'include/node/node_version.h'), 'utf8')
    return ['MAJOR', 'MINOR', 'PATCH']
      .map((part) => new RegExp(`#define NODE_${part}_VERSION (\\d+)`).exec(text)?.[1])
      .join('.')
  } catch {
    return undefined
  }
}

/** The way out with a Node whose package needs no build. */
const OTHERWISE = HAS_BINARY
  ? 'nor could better-sqlite3 13 be installed, which has a binary for this Node in it'
  : 'or use Node 22 or later, where a binary is in the package'

/** Says in one line why an installation failed, and what helps. */
function missing(said) {
  if (!isSqlite(said))
    return /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ECONNRESET|EAI_AGAIN|network/.test(said)
      ? 'npm ci failed: the registry of npm cannot be reached; check: npm ping (a mirror or a proxy: npm config set registry URL, npm config set proxy URL)'
      : 'npm ci failed'
  const failed = 'better-sqlite3 cannot be built'
  if (/Could not find any Python|find Python.*not/i.test(said))
    return `${failed}: there is no Python 3; install python3, make and a C++ compiler, ${OTHERWISE}`
  if (
    /not found: make|`make` failed to run|(?:g\+\+|c\+\+|cc): (?:command )?not found|make: \S+: No such file/.test(
      said,
    )
  )
    return `${failed}: there is no make or no C++ compiler; install both (Debian: apt-get install make g++), ${OTHERWISE}`
  if (/gyp http GET|nodejs\.org|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN/.test(said))
    return `${failed}: github.com has its binary and nodejs.org the headers of Node ${process.version}, and neither can be reached; npm_config_nodedir=DIR npm start, where DIR/include/node/node.h is (Node's own archive has it), ${OTHERWISE}`
  return `${failed}; it needs Python 3, make and a C++ compiler, ${OTHERWISE}`
}

if (!isComplete()) install()
// A stamp of our own: the compiler writes its `.tsbuildinfo` when it only checks, too.
if (
  age('build/.built') <
  Math.max(
    newest('src'),
    age('scripts/bundle.js'),
    age('scripts/bin.cjs'),
    age('scripts/compile.cjs'),
    age('tsconfig.json'),
  )
) {
  process.stderr.write('Building …\n')
  must(process.execPath, at('node_modules/typescript/bin/tsc'), '-p', root)
  must(process.execPath, at('scripts/bundle.js'))
  writeFileSync(at('build/.built'), '')
}
