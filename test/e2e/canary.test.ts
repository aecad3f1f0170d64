// No token, secret or address of a webhook is in what any command says, nor in what people and programs are given.
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import type { Fault } from '../../src/sandbox/faults.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { start, type Ended } from '../support/processes.js'

const DOWN: readonly Fault[] = [{ name: '403-html', count: Infinity }]
const REFUSED: readonly Fault[] = [{ name: 'invalid-grant', count: Infinity }]
/** Keeps all that a command can see, says some of it, and fails. */
const HOOK = `{ cat; env; cat /proc/$$/cmdline /proc/$PPID/cmdline 2>/dev/null | tr '\\0' ' '; echo; } >> seen; echo "$0: $HQ_TOKEN_EVENT_MESSAGE" >&2; exit 7`
const EVENTS = ['failing', 'login_required', 'recovered', 'test']
const PASSWORD = 'cAnArY-pg-password'
const SECRET = 'cAnArY-client-secret'
const HOOK_PARTS = ['cAnArY-hook-path', 'cAnArY-hook-query', 'cAnArY-hook-user', 'cAnArY-hook-password']
const [PATH = '', QUERY = '', USER = '', HOOK_PASSWORD = ''] = HOOK_PARTS

let postgres: Postgres
beforeAll(async () => {
  postgres = await startPostgres()
})

interface Webhook {
  readonly url: string
  readonly bodies: string[]
  status: number
}

/** An address that keeps what it is sent. */
async function webhook(): Promise<Webhook> {
  const made: Webhook = { url: '', bodies: [], status: 500 }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      made.bodies.push(body)
      response.writeHead(made.status).end(request.url)
    })
  })
  onTestFinished(() => {
    server.close().closeAllConnections()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return Object.assign(made, { url: `127.0.0.1:${port}/${PATH}?key=${QUERY}` })
}

/**
 * Three profiles: a file, a database, and one whose webhook is refused for the user name in it.
 *
 * @returns Runs a command, and keeps all that it says, but for the token on standard output.
 */
async function home(): Promise<{
  readonly places: readonly Place[]
  readonly dir: string
  readonly hook: Webhook
  readonly database: string
  readonly run: (line: string, options?: { input?: string; env?: NodeJS.ProcessEnv }) => Promise<Ended>
  readonly said: () => string
}> {
  const hook = await webhook()
  const dir = folder()
  mkdirSync(join(dir, 'profiles'))
  const database = await postgres.createDatabase()
  const address = postgres.url(database).replace(/^(postgres:\/\/[^:@/]+)(?::[^@]*)?@/, `$1:${PASSWORD}@`)
  expect(address).toContain(PASSWORD)
  const profiles = [
    ['acme', `path = ${join(dir, 'acme.db')}`, hook.url],
    ['fleet', `url = ${address}\npath = ${join(dir, 'fleet.seat')}`, hook.url],
    ['named', `path = ${join(dir, 'named.db')}`, `${USER}:${HOOK_PASSWORD}@${hook.url}`],
  ] as const
  const places = await Promise.all(
    profiles.map(async ([name, store, url]) => {
      const made = await place({ clientSecret: SECRET })
      const config = readFileSync(made.config, 'utf8')
        .replace(/^path = .*$/m, store)
        .replace(/^file = .*$/m, `file = ${made.seed}`)
      const notify = `\n[notify]\ncommand = ${HOOK}\nurl = http://${url}\n`
      writeFileSync(join(dir, 'profiles', `${name}.ini`), config + notify, { mode: 0o600 })
      return made
    }),
  )
  const all: string[] = []
  return {
    ...{ places, dir, hook, database },
    run: async (line, { input, env } = {}) => {
      const args = line.split(' ')
      const ended = await start(args, {
        ...(input !== undefined && { input }),
        env: { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir, ...env },
      }).done
      all.push(`$ ${line}`, ended.stderr, ...(args.includes('get') ? [] : [ended.stdout]))
      expect([line, ended.code, ended.stderr]).toEqual([line, expect.any(Number), ended.stderr])
      expect(ended.stderr).not.toContain('bug in hq-token')
      return ended
    },
    said: () => all.join('\n'),
  }
}

/** All tokens in a text that the sandbox has made. */
function tokensIn(text: string): readonly string[] {
  return text.match(/(?:access|refresh)-[\w-]{20,}/g) ?? []
}

it('no token, secret or address of a webhook is in any output, environment, argument, input or body', async () => {
  const { places, dir, hook, database, run, said } = await home()
  const secrets = new Set([...HOOK_PARTS, PASSWORD, SECRET, 'cAnArY-of-exec'])
  const learn = async (): Promise<void> => {
    const files = [...places.map(({ seed }) => seed), join(dir, 'acme.db'), join(dir, 'named.db')]
    const texts = files.map((file) => (existsSync(file) ? readFileSync(file, 'latin1') : ''))
    const rows = await postgres.sql('SELECT token_set FROM hq_token.grants', undefined, database)
    for (const token of tokensIn([...texts, JSON.stringify(rows)].join('\n'))) secrets.add(token)
  }
  const env = {
    ...{ PGPASSWORD: PASSWORD, HQ_TOKEN: 'cAnArY-of-exec', HQ_TOKEN_CLIENT_SECRET: SECRET },
    HQ_TOKEN_NOTIFY_URL: `http://127.0.0.1:9/${PATH}`,
  }
  const everywhere = async (): Promise<void> => {
    for (const profile of ['acme', 'fleet', 'named'])
      for (const line of [
        ...[
          'get -v',
          'get -v --log-format json',
          'refresh -v',
          'refresh -v --log-format json',
          'status --json',
        ],
        ...[
          'check -v',
          'check --notify',
          'check --prometheus -',
          'doctor',
          'notify --test',
          'history --json',
        ],
      ])
        await run(`--profile ${profile} ${line}`)
    await run(`--profile acme notify --test`, { env })
    await run(`--profile acme exec -v -- true`, { env })
    const metrics = join(dir, 'metrics.prom')
    for (const line of [
      'check --all',
      'check --all -v --notify',
      `check --all --prometheus ${metrics}`,
      'status --all',
    ])
      await run(line)
    expect((await run('status --all --json')).code).toBe(0)
    expect(readFileSync(metrics, 'utf8')).not.toContain('cAnArY')
    await learn()
  }
  for (const [faults, status] of [
    [DOWN, 500],
    [REFUSED, 204],
    [[], 500],
  ] as const) {
    hook.status = status
    for (const { sandbox } of places) sandbox.setFaults(faults)
    await everywhere()
  }
  for (const line of ['history', 'status', 'doctor --online -v', 'history --compare -']) {
    const { stdout } = await run('--profile fleet history --json')
    await run(`--profile acme ${line}`, line.endsWith('-') ? { input: stdout } : {})
  }
  for (const target of ['systemd', 'cron', 'launchd', 'windows'])
    expect((await run(`--profile fleet schedule ${target}`)).code).toBe(0)

  const seen = readFileSync(join(dir, 'profiles', 'seen'), 'utf8')
  const bodies = hook.bodies.join('\n')
  // An empty place would show nothing, so each place is seen to hold something.
  const isThere = {
    ...Object.fromEntries(EVENTS.map((event) => [event, seen.includes(`HQ_TOKEN_EVENT=${event}\n`)])),
    ...Object.fromEntries(EVENTS.map((event) => [`${event} sent`, bodies.includes(`"event":"${event}"`)])),
    command: /\[notify\] command gave exit status 7: /.test(said()),
    url: said().includes('[notify] url answered HTTP 500'),
    named: said().includes('must not hold a user name or password'),
    metrics: said().includes('hq_token_check_status{'),
  }
  expect(isThere).toEqual(Object.fromEntries(Object.keys(isThere).map((what) => [what, true])))
  expect(secrets.size).toBeGreaterThan(10)
  const texts = { said: said(), seen, bodies }
  const shown = Object.entries(texts).flatMap(([where, text]) =>
    [...secrets].filter((secret) => text.includes(secret)).map((secret) => `${where}: ${secret}`),
  )
  expect(shown).toEqual([])
}, 300_000)
