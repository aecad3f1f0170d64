// What else prints a token, each set up as its users do; a command for each, or an error that says what is missing.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { program } from './place.js'
import { CLEAN } from './processes.js'

/** @throws where it is not installed. */
function installed(name) {
  const { status, stdout } = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${name} was not found`)
  return stdout.trim()
}

/** @throws with what it says where it fails. */
function run(argv, env = {}) {
  const [name, ...args] = argv
  const { status, stdout, stderr } = spawnSync(installed(name), args, {
    env: { ...CLEAN, ...env },
    encoding: 'utf8',
    timeout: 30_000,
  })
  if (status !== 0) throw new Error(`${name}: ${stderr.trim()}`)
  return stdout.trim()
}

export const PEERS = {
  'a script with simple-oauth2 and a JSON file': ({ dir, plain }) => {
    const file = join(dir, 'token.json')
    const token = { access_token: 'access.', refresh_token: 'refresh.', expires_at: Date.now() + 36_000_000 }
    writeFileSync(file, JSON.stringify(token), { mode: 0o600 })
    return {
      argv: [process.execPath, program('peers/simple-oauth2.js'), file, plain],
      prints: /^access\.\n$/,
    }
  },

  '`gh auth token`': ({ dir }) => {
    const folder = join(dir, 'gh')
    mkdirSync(folder)
    const token = 'gho_'.padEnd(40, '0')
    writeFileSync(
      join(folder, 'hosts.yml'),
      `github.com:\n    user: someone\n    oauth_token: ${token}\n    git_protocol: https\n`,
    )
    return { argv: [installed('gh'), 'auth', 'token'], env: { GH_CONFIG_DIR: folder }, prints: /^gho_0+\n$/ }
  },

  '`oidc-token`, its agent running': ({ dir, plain }) => {
    const folder = join(dir, 'oidc-agent')
    mkdirSync(folder)
    const env = { OIDC_CONFIG_DIR: folder }
    const { socket, dpid } = JSON.parse(
      run(['oidc-agent', '--json', `--socket-path=${join(folder, 'socket')}`], env),
    )
    process.on('exit', () => process.kill(dpid))
    env.OIDC_SOCK = socket
    const client = ['--client-id=1012', '--client-secret=secret', '--redirect-uri=http://localhost:8765']
    const grant = ['--rt=refresh.', '--scope=openid offline_access']
    const unattended = ['--pw-cmd=echo password', '--prompt=none', '--confirm-default']
    run(['oidc-gen', 'bench', `--iss=${plain}`, ...client, ...grant, ...unattended], env)
    return { argv: [installed('oidc-token'), 'bench'], env, prints: /^access[\w.]{394}\n$/ }
  },

  'a Python script with sqlite3': ({ fresh }) => {
    // The system's own, where there is one: others load more before they begin.
    const python = existsSync('/usr/bin/python3')
      ? '/usr/bin/python3'
      : run(['python3', '-c', 'import sys; print(sys.executable)'])
    return { argv: [python, program('peers/store.py'), fresh.database], prints: /^access[\w.]{394}\n$/ }
  },
}
