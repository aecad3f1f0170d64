// Hosts that share one token set through PostgreSQL, told as it happens, against a local stand-in for HighQ and a real
// database of its own. Ends non-zero if anything is not as told.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeSandboxFiles } from '../build/sandbox/files.js'
import { startSandbox } from '../build/sandbox/server.js'
import { startCluster } from './servers/postgres.js'
import { end, expect, folder, shown, short, start, tell, typed } from './story.js'

if (process.platform === 'win32') {
  console.error('this demonstration starts a PostgreSQL, which it can do on Linux and macOS only')
  process.exit(1)
}

const LIFE = 8
/** The shortest that may be set; 20 s without a setting. */
const LEASE = 10
const GRACE = 60

// A folder that the database's own user can reach.
const place = mkdtempSync(join(tmpdir(), 'hq-token-demo-database-'))
process.on('exit', () => rmSync(place, { recursive: true, force: true }))
const database = await startCluster(place)
const sql = (text) => database.sql(text, 'postgres', 'hq_token')
await database.sql('CREATE DATABASE hq_token')
// It answers late: the worst moment to be killed. Only a server that takes the replaced token once more can then help.
const sandbox = await startSandbox({ accessTtl: LIFE, latencyMs: 400, graceMs: GRACE * 1000 })
const settings = `[store]
url = ${database.url('hq_token', 'hq_token')}
path = token.seat
lease = ${LEASE}s
`

/** A folder and a configuration; nothing else is shared but the database. */
const [one, two, three] = [1, 2, 3].map((number) => {
  const name = `host-${number}`
  const config = join(folder, name, 'config.ini')
  mkdirSync(join(folder, name), { mode: 0o700 })
  const client = { instance: sandbox.url, client_id: sandbox.clientId, client_secret: sandbox.clientSecret }
  const lines = Object.entries(client).map(([key, value]) => `${key} = ${value}\n`)
  writeFileSync(config, `[client]\n${lines.join('')}\n${settings}`, { mode: 0o600 })
  return {
    name,
    folder: join(folder, name),
    start: (...args) => start(config, ...args),
    run: (...args) => start(config, ...args).done,
  }
})
const hosts = [one, two, three]
const typedOn = ({ name }, ...args) => {
  process.stdout.write(`  ${name}:`)
  typed(...args)
}
/** Refreshes since the last time that this was asked. */
const refreshes = () => {
  const before = refreshes.seen ?? 0
  refreshes.seen = sandbox.refreshes()
  return refreshes.seen - before
}
const untilRotated = async () => {
  while (sandbox.refreshes() === refreshes.seen) await sleep(5)
}
const expiry = async (what) => {
  tell(`${what} Waiting until the token has expired (${LIFE} s) …`)
  await sleep((LIFE + 0.5) * 1000)
}

tell(
  'The owner of a PostgreSQL database runs what hq-token prints, once, and makes a user with the least rights.',
)
typedOn(one, 'doctor --sql | psql hq_token')
const schema = await one.run('doctor', '--sql')
await sql(schema.stdout)
await sql('CREATE USER hq_token; GRANT hq_token_keeper TO hq_token')
const tables = await sql(
  "SELECT relname FROM pg_class WHERE relnamespace = 'hq_token'::regnamespace AND relkind = 'r'",
)
expect(
  `the tables are there: ${tables
    .map(({ relname }) => relname)
    .sort()
    .join(', ')}`,
  tables.length === 5,
)

tell('Three hosts have a configuration with the address of that database, and share nothing else.')
shown(settings)

tell('A person has logged in once. The first token is imported on one of the hosts.')
const { seed } = await writeSandboxFiles(join(folder, 'person'), sandbox, { accessTtl: LIFE })
typedOn(one, 'seed token.ini')
const seeding = await one.run('seed', seed)
shown(seeding.stderr)
expect('the seed was taken', seeding.code === 0 && seeding.stdout === '')

tell('Each host has the token now.')
const first = []
for (const host of hosts) {
  typedOn(host, 'get')
  first.push(await host.run('get'))
}
console.log(`  ${short(first[0].stdout)}`)
expect(
  'the same token on each, and no refresh',
  first.every(({ code, stdout }) => code === 0 && stdout === first[0].stdout) && refreshes() === 0,
)

await expiry('Then fifteen jobs ask at one instant, five on each host.')
for (const host of hosts) typedOn(host, 'get &   (five times)')
const storm = await Promise.all(hosts.flatMap(({ run }) => Array.from({ length: 5 }, () => run('get'))))
const tokens = new Set(storm.map(({ stdout }) => stdout))
const stormRefreshes = refreshes()
console.log(
  `  ${storm.filter(({ code }) => code === 0).length} of 15 have a token; different tokens: ${tokens.size}; refreshes that the server saw: ${stormRefreshes}`,
)
expect(
  'one refresh served them all',
  storm.every(({ code }) => code === 0) && tokens.size === 1 && stormRefreshes === 1,
)

tell('The database crashes. The token is good still.')
await database.stop('immediate')
// A host looks into the database again after a tenth of the token's life.
await sleep(1000)
typedOn(three, 'get')
const without = await three.run('get')
console.log(`  ${short(without.stdout)}`)
shown(without.stderr)
expect(
  'the host hands out its copy, with a warning, and spends nothing',
  without.code === 0 && tokens.has(without.stdout) && without.stderr !== '' && refreshes() === 0,
)
await database.start()

await expiry('The database is back. Then a host is killed (kill -9) in the middle of a refresh.')
typedOn(one, 'get &   and kill -9')
const victim = one.start('get')
await untilRotated()
victim.child.kill('SIGKILL')
const killedAt = Date.now()
const { signal } = await victim.done
expect(
  'the server has replaced the refresh token, and nobody has its answer',
  signal === 'SIGKILL' && victim.stdout === '' && refreshes() === 1,
)

tell(`Another host follows. It waits for the end of the lease (${LEASE} s), because the holder might live …`)
typedOn(two, 'get')
const following = two.start('get')
const holder = JSON.parse((await three.run('status', '--json')).stdout).holder
expect(`status tells who has the lease: ${holder?.host}`, holder !== null)
const followed = await following.done
const waited = Math.round((Date.now() - killedAt) / 1000)
console.log(`  ${short(followed.stdout)}`)
shown(followed.stderr)
expect(
  `a token after ${waited} s, and no person was needed`,
  followed.code === 0 && waited >= LEASE - 1 && refreshes() === 1,
)

await expiry('Then the database crashes in the middle of a refresh, and another host asks while it is down.')
typedOn(three, 'get &')
const refreshing = three.start('get')
await untilRotated()
await database.stop('immediate')
typedOn(one, 'get &')
const waiting = one.start('get')
await sleep(2000)
tell('The database is started again, after two seconds.')
await database.start()
const [saved, served] = await Promise.all([refreshing.done, waiting.done])
console.log(`  ${short(saved.stdout)}`)
shown(saved.stderr + served.stderr)
expect(
  'both have the new token, by one refresh',
  saved.code === 0 && served.code === 0 && saved.stdout === served.stdout && refreshes() === 1,
)
const answer = await fetch(new URL('api/1/sites', sandbox.url), {
  headers: { authorization: `Bearer ${served.stdout.trim()}` },
})
expect(`the API takes it: HTTP ${answer.status}`, answer.status === 200)
await answer.body?.cancel()

tell('How it stands, on any host:')
typedOn(two, 'status')
const status = await two.run('status')
shown(status.stdout)
expect('no grant was lost', status.code === 0 && sandbox.revokedFamilies() === 0)

tell('A person logs out on one host. The others see it at their next look at the database, within a minute.')
typedOn(two, 'logout')
const logout = await two.run('logout')
shown(logout.stderr)
expect('the token set is forgotten', logout.code === 0)
await sleep(1000)
for (const host of [one, three]) {
  typedOn(host, 'get')
  const { code, stdout, stderr } = await host.run('get')
  shown(stderr)
  expect(`${host.name} has no token any more: exit code ${code}`, code === 4 && stdout === '')
}
const left = await sql(
  'SELECT count(token_set)::int AS sets, (SELECT count(*)::int FROM hq_token.answers) AS answers FROM hq_token.grants',
)
const seats = hosts.flatMap((host) => readdirSync(host.folder).map((name) => join(host.folder, name)))
expect(
  'nor has the database, nor a file of any host',
  left[0].sets === 0 &&
    left[0].answers === 0 &&
    !seats.some((path) => readFileSync(path, 'latin1').includes(served.stdout.trim())),
)

await sandbox.close()
await database.stop()
end()
