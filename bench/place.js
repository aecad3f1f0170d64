// Where everything is measured: an endpoint, and hq-token set up as for a cron job, with a token set in its store.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { CLEAN } from './processes.js'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))
const { bin, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** The Node that runs this, and this checkout. */
export const HERE = {
  major: Number(process.versions.node.split('.')[0]),
  path: process.execPath,
  root: ROOT,
}

/** Seconds. */
const LIFETIME = 36_000

/** An entry of the package, as `./undici`. */
export const entry = (name) => import(pathToFileURL(join(ROOT, exports[name].default)))

/** A program of this folder. */
export const program = (name) => fileURLToPath(new URL(name, import.meta.url))

const programOf = ({ root }) => join(root, bin['hq-token'])

/** Gone when the process ends. */
export async function makePlace() {
  const dir = mkdtempSync(join(tmpdir(), 'hq-token-bench-'))
  process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'key.pem']
  const cert = ['-x509', '-subj', '/CN=bench', '-addext', 'subjectAltName=IP:127.0.0.1', '-out', 'cert.pem']
  execFileSync('openssl', ['req', ...key, ...cert], { cwd: dir, stdio: 'pipe' })

  const endpoint = fork(program('endpoint.js'), [dir, LIFETIME], { env: CLEAN })
  const [[tls, plain]] = await once(endpoint, 'message')
  let exchanges = 0
  endpoint.on('message', () => exchanges++)

  const now = Math.floor(Date.now() / 1000)
  return {
    dir,
    tls,
    plain,
    /** Whose access token is fresh. */
    fresh: makeStore(join(dir, 'fresh'), tls, now),
    /** Whose access token is over. */
    expired: makeStore(join(dir, 'expired'), tls, now - LIFETIME),
    /** The same without TLS. */
    expiredPlain: makeStore(join(dir, 'expired-plain'), plain, now - LIFETIME),
    /** How many there have been. */
    exchanges: () => exchanges,
    close: () => endpoint.disconnect(),
  }
}

/** @param where What the configuration says of its store, which is in the folder `store`. */
export function makeStore(folder, url, issuedAt, where = 'path = store/token.db') {
  const [config, store, copy] = ['config.ini', 'store', 'copy'].map((name) => join(folder, name))
  mkdirSync(folder, { mode: 0o700 })
  const settings = {
    instance: url,
    client_id: '1012',
    client_secret: 'secret',
    redirect_uri: 'http://127.0.0.1/',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  writeFileSync(config, `[client]\n${lines.join('')}\n[store]\n${where}\n`, { mode: 0o600 })
  const env = { HQ_TOKEN_CONFIG: config }
  execFileSync(HERE.path, [programOf(HERE), 'seed', '-'], {
    env: { ...CLEAN, ...env },
    input: `[AUTH]
access_token = ${'access.'.padEnd(400, 'x')}
access_expiry = ${LIFETIME}
refresh_token = ${'refresh.'.padEnd(400, 'x')}
issued_at = ${issuedAt}
`,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  cpSync(store, copy, { recursive: true })
  return {
    env,
    database: join(store, 'token.db'),
    get: (node = HERE) => ({
      argv: [node.path, programOf(node), 'get'],
      env,
      prints: /^access[\w.]{394}\n$/,
    }),
    /** Back to the token set that it was seeded with. */
    reset() {
      rmSync(store, { recursive: true })
      cpSync(copy, store, { recursive: true })
    },
  }
}
