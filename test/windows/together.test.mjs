// Several processes want the same token at one moment, and one of them may be killed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
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

test('all spellings of one store have one lock and one rescue file', async () => {
  const here = await place('--latency', '1s')
  const long = join(here.dir, 'a store with a long name.db')
  await here.start(['seed', here.seed], { env: { HQ_TOKEN_STORE: long } }).ended
  const spellings = [
    long,
    long.toUpperCase(),
    `${long}.`,
    `${long} .`,
    // The quotes, as cmd leaves them, keep the space at the end.
    `"${long} "`,
    join(`${here.dir}.`, basename(long)),
    long.replaceAll('\\', '/'),
    `\\\\?\\${long}.`,
    `\\\\.\\${long}`,
    short(long),
  ]
  const jobs = await Promise.all(
    spellings.map((store) => here.start(['refresh'], { env: { HQ_TOKEN_STORE: store } }).ended),
  )
  assert.deepEqual(
    jobs.map(({ code }) => code),
    spellings.map(() => 0),
    jobs.map(({ stderr }) => stderr).join(''),
  )
  assert.equal(here.requests(' reused'), 0, here.said())
  for (const store of spellings) {
    const { stdout } = await here.start(['status', '--json'], { env: { HQ_TOKEN_STORE: store } }).ended
    assert.equal(JSON.parse(stdout).generation, 1 + here.requests(ROTATED), store)
  }
  const names = readdirSync(here.dir).filter((name) => /store with/i.test(name))
  assert.deepEqual(names.filter((name) => /\.db[. ]*$/i.test(name)).length, 1, names.join())
  assert.deepEqual(names.filter((name) => /\.lock$/i.test(name)).length, 1, names.join())
  assert.deepEqual(names.filter((name) => /\.rescue$/i.test(name)).length, 1, names.join())
})

test('what anybody may make on the current drive stops no refresh, is not looked at, and tells of no process', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const made = []
  const plant = (path, content) => {
    made.push(highestNew(path))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, content)
  }
  try {
    const copies = ['C:\\var\\tmp', 'C:\\dev\\shm'].map((folder) =>
      join(folder, `${copyPrefix(join(here.dir, 'token.db'))}abcdef012345.rescue`),
    )
    for (const copy of copies) plant(copy, 'planted')
    plant('C:\\proc\\sys\\kernel\\random\\boot_id', 'planted')
    plant('C:\\etc\\machine-id', 'planted')
    assert.equal((await here.hq('refresh')).code, 0)
    for (const copy of copies) assert.equal(readFileSync(copy, 'utf8'), 'planted')
    // The draft of a process that lives: by the planted boot it would have died long ago.
    const draft = join(here.dir, `.hq-token-0-00000000-${process.pid}-0-abcdef012345`)
    writeFileSync(draft, '')
    utimesSync(draft, 0, 0)
    const got = await here.hq('get', '--outfile', join(here.dir, 'out.txt'))
    assert.equal(got.code, 0, got.stderr)
    assert.ok(existsSync(draft), readdirSync(here.dir).join())
  } finally {
    for (const path of made.reverse()) if (path !== undefined) rmSync(path, { recursive: true, force: true })
  }
})

/** How the name of a last copy of a store begins. */
function copyPrefix(store) {
  assert.ok(existsSync(store))
  const real = join(realpathSync.native(dirname(store)), basename(store).toLowerCase())
  return `hq-token-0-${createHash('sha256').update(real).digest('hex').slice(0, 16)}-`
}

/** The highest folder on the way to a file that is not there yet, or the file. */
function highestNew(path) {
  if (existsSync(path)) return undefined
  return highestNew(dirname(path)) ?? path
}

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
