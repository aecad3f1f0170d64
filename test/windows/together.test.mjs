// Several processes want the same token at one moment, and one of them may be killed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { place, until, tidy } from './support/place.mjs'

after(tidy)

const ROTATED = ' rotated'

test('20 jobs at one moment: one refresh, and one token for all', async () => {
  const here = await place('--latency', '1s')
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString()
  await here.hq('seed', here.seed, '--issued-at', hourAgo)
  const jobs = await Promise.all(Array.from({ length: 20 }, () => here.hq('get')))
  assert.deepEqual([...new Set(jobs.map(({ code }) => code))], [0], jobs.map(({ stderr }) => stderr).join(''))
  assert.equal(new Set(jobs.map(({ stdout }) => stdout)).size, 1)
  assert.equal(here.requests(ROTATED), 1, here.said())
})

test('a job that is killed in the middle of its refresh: those that wait take over', async () => {
  const here = await place('--grace', '60s', '--latency', '6s')
  await here.hq('seed', here.seed)
  const victim = here.start(['refresh'])
  await until(here.begun, 'a refresh that is under way')
  const waiters = [here.hq('refresh'), here.hq('refresh')]
  spawnSync(join(process.env.SystemRoot, 'System32', 'taskkill.exe'), [
    '/F',
    '/PID',
    String(victim.child.pid),
  ])
  await victim.ended
  for (const waiter of await Promise.all(waiters)) assert.equal(waiter.code, 0, waiter.stderr)
  const after = await here.hq('get')
  assert.match(after.stdout, /^access-/)
  assert.equal((await here.hq('doctor')).code, 0)
  assert.equal(here.requests(' reused'), 0, here.said())
})

test('two spellings of one store have one lock', async () => {
  const here = await place('--latency', '1s')
  const long = join(here.dir, 'a store with a long name.db')
  await here.start(['seed', here.seed], { env: { HQ_TOKEN_STORE: long } }).ended
  const spellings = [long, long.toUpperCase(), `${long}.`, `${long} `.trimEnd(), short(long)]
  const jobs = await Promise.all(
    spellings.map((store) => here.start(['refresh'], { env: { HQ_TOKEN_STORE: store } }).ended),
  )
  assert.deepEqual(
    jobs.map(({ code }) => code),
    spellings.map(() => 0),
    jobs.map(({ stderr }) => stderr).join(''),
  )
  assert.equal(here.requests(' reused'), 0, here.said())
  const names = readdirSync(here.dir).filter((name) => /store with/i.test(name))
  assert.deepEqual(names.filter((name) => /\.lock$/i.test(name)).length, 1, names.join())
  assert.deepEqual(names.filter((name) => /\.rescue$/i.test(name)).length, 1, names.join())
})

test('a folder that anybody may make on the current drive stops no refresh', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  for (const folder of [
    'C:\\var\\tmp',
    'C:\\dev\\shm',
    'C:\\proc\\sys\\kernel\\random\\boot_id',
    'C:\\etc\\machine-id',
  ])
    mkdirSync(folder, { recursive: true })
  for (const folder of ['C:\\var\\tmp', 'C:\\dev\\shm'])
    mkdirSync(join(folder, `hq-token-0-${'0'.repeat(16)}-abcdef.rescue`), { recursive: true })
  assert.equal((await here.hq('refresh')).code, 0)
  assert.equal((await here.hq('get')).code, 0)
})

/** The name in the form of DOS, or the same where the disk keeps none. */
function short(path) {
  const { stdout } = spawnSync(
    'cmd.exe',
    ['/d', '/c', 'for', '%i', 'in', `("${path}")`, 'do', '@echo', '%~si'],
    {
      encoding: 'utf8',
      windowsVerbatimArguments: true,
    },
  )
  const found = stdout.trim()
  return found !== '' && existsSync(found) ? found : path
}
