// Run once when the package is installed, as pip compiles what it installs: keeps V8's compiled code of start.cjs beside
// it, because compiling that takes longer than handing out a fresh token. The file belongs to whoever installs, as all
// others of the package do. Everything works without it, so this says nothing and never fails.
'use strict'
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const FILE = join(__dirname, 'start.cjs.compiled')

if (process.env.COMPILE_INTO === undefined) compile()
else writeAtTheEnd(process.env.COMPILE_INTO)

/** Lets the program hand out a made-up token, and wait for another, because V8 keeps the functions that have run. */
function compile() {
  const draft = `${FILE}.${process.pid}`
  let place
  try {
    place = fs.mkdtempSync(join(tmpdir(), 'hq-token-'))
    const [config, seed, fresh, expired] = ['config.ini', 'seed.ini', 'fresh.db', 'expired.db'].map((name) =>
      join(place, name),
    )
    write(config, [
      '[client]',
      'instance = https://highq.invalid/compiled/',
      'client_id = 1',
      'client_secret = of-nobody',
      'redirect_uri = http://127.0.0.1:8765/callback',
      '[store]',
      `path = ${fresh}`,
    ])
    write(seed, ['[AUTH]', 'access_token = of-nobody', 'refresh_token = of-nobody'])
    const program = join(__dirname, 'bin.cjs')
    run([program, 'seed', seed], { HQ_TOKEN_CONFIG: config })
    run([program, 'seed', '--issued-at', '1000000000', seed], {
      HQ_TOKEN_CONFIG: config,
      HQ_TOKEN_STORE: expired,
    })
    const { status } = run(['--require', __filename, program, 'get'], {
      HQ_TOKEN_CONFIG: config,
      COMPILE_INTO: draft,
      EXPIRED: expired,
    })
    // On a full disk there is a part of it.
    if (status !== 0) throw new Error('not compiled')
    fs.renameSync(draft, FILE)
  } catch {
    fs.rmSync(draft, { force: true })
  } finally {
    if (place !== undefined) fs.rmSync(place, { recursive: true, force: true })
  }
}

function write(path, lines) {
  fs.writeFileSync(path, lines.join('\n'), { mode: 0o600 })
}

function run(args, env) {
  return spawnSync(process.execPath, args, {
    env: { PATH: process.env.PATH, SystemRoot: process.env.SystemRoot, ...env },
    stdio: 'ignore',
    timeout: 30_000,
  })
}

function writeAtTheEnd(draft) {
  process.once('hq-token: loaded', (script, key) => {
    if (key === undefined) return
    const { exit } = process
    // The fresh token is out.
    process.exit = () => {
      process.exit = exit
      waitInVain()
      const code = script.createCachedData()
      const fd = fs.openSync(draft, 'wx')
      fs.fchmodSync(fd, fs.statSync(join(__dirname, 'start.cjs')).mode)
      fs.writeFileSync(fd, Buffer.concat([Buffer.from(`${key}\n`), code, code]))
      fs.fsyncSync(fd)
      fs.closeSync(fd)
      exit()
    }
  })
}

/** Runs the program as where another process holds the lock, for no time at all. */
function waitInVain() {
  const Database = require('better-sqlite3')
  new Database(process.env.EXPIRED.replace(/\.db$/, '.lock')).exec('BEGIN EXCLUSIVE')
  process.env.HQ_TOKEN_STORE = process.env.EXPIRED
  process.env.HQ_TOKEN_LOCK_WAIT = '0s'
  require(join(__dirname, 'start.cjs')).start()
}
