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

/** Lets the program hand out a made-up token, because V8 keeps the functions that have run. */
function compile() {
  const draft = `${FILE}.${process.pid}`
  let place
  try {
    place = fs.mkdtempSync(join(tmpdir(), 'hq-token-'))
    const [config, seed] = ['config.ini', 'seed.ini'].map((name) => join(place, name))
    const write = (path, ...lines) => fs.writeFileSync(path, lines.join('\n'), { mode: 0o600 })
    write(
      config,
      '[client]',
      'instance = https://highq.invalid/',
      'client_id = 1',
      'client_secret = of-nobody',
    )
    write(seed, '[AUTH]', 'access_token = of-nobody', 'refresh_token = of-nobody')
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STORE: join(place, 'store', 'token.db') }
    run([join(__dirname, 'bin.cjs'), 'seed', seed], env)
    run(['--require', __filename, join(__dirname, 'bin.cjs'), 'get'], { ...env, COMPILE_INTO: draft })
    fs.renameSync(draft, FILE)
  } catch {
    fs.rmSync(draft, { force: true })
  } finally {
    if (place !== undefined) fs.rmSync(place, { recursive: true, force: true })
  }
}

function run(args, env) {
  spawnSync(process.execPath, args, {
    env: { PATH: process.env.PATH, SystemRoot: process.env.SystemRoot, ...env },
    stdio: 'ignore',
    timeout: 30_000,
  })
}

function writeAtTheEnd(draft) {
  process.once('hq-token: loaded', (script, key) => {
    process.on('exit', (status) => {
      if (status !== 0) return
      const code = script.createCachedData()
      const fd = fs.openSync(draft, 'wx')
      fs.fchmodSync(fd, fs.statSync(join(__dirname, 'start.cjs')).mode)
      fs.writeFileSync(fd, Buffer.concat([Buffer.from(`${key}\n`), code, code]))
      fs.fsyncSync(fd)
      fs.closeSync(fd)
    })
  })
}
