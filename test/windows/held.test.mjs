// Another program holds a file open: a scanner, a backup, an editor. Nothing is spent, and all works when it lets go.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { place, tidy } from './support/place.mjs'

const HOLDER = join(import.meta.dirname, 'support', 'holder.cjs')
const SHARES = { 'lets others read': 1, 'lets nobody in': 0 }
/** How often the token endpoint was asked. */
const asked = () =>
  here
    .said()
    .split('\n')
    .filter((line) => line.includes('/oauth2/token')).length

let here
before(async () => {
  here = await place()
  const seeded = await here.hq('seed', here.seed)
  assert.equal(seeded.code, 0, seeded.stderr)
  // Once, so that every file of the store is there.
  assert.equal((await here.hq('refresh')).code, 0)
})
after(tidy)

/** Holds a file while the work is done. */
async function holding(file, share, work) {
  const holder = spawn(process.execPath, [HOLDER, file, String(share)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [said] = await once(holder.stdout, 'data')
    assert.equal(String(said), 'held\n')
    return await work()
  } finally {
    const ended = once(holder, 'exit')
    holder.kill()
    await ended
  }
}

for (const [name, how, isServed] of [
  ['token.db', 'lets others read', true],
  ['token.db', 'lets nobody in', false],
  ['token.db-journal', 'lets others read', true],
  ['token.rescue', 'lets others read', true],
  ['token.lock', 'lets others read', true],
  ['token.lock', 'lets nobody in', true],
])
  test(`a program holds ${name} and ${how}: 75 names the file, and nothing is spent`, async () => {
    const before = asked()
    await holding(join(here.dir, name), SHARES[how], async () => {
      const [refreshed, got] = await Promise.all([here.hq('refresh'), here.hq('get')])
      assert.equal(refreshed.code, 75, refreshed.stderr)
      assert.match(refreshed.stderr, /another program holds .* open/)
      assert.ok(refreshed.stderr.includes(`\\${name} open`), refreshed.stderr)
      if (isServed) assert.match(got.stdout, /^access-/, got.stderr)
      else assert.equal(got.code, 75, got.stderr)
    })
    assert.equal(asked(), before, here.said())
  })

test('check and doctor tell of a journal that another program holds, and not of a process that died', async () => {
  assert.equal((await here.hq('refresh')).code, 0)
  const journal = join(here.dir, 'token.db-journal')
  await holding(journal, SHARES['lets nobody in'], async () => {
    const [check, doctor] = await Promise.all([here.hq('check'), here.hq('doctor')])
    assert.equal(check.code, 3, check.stdout)
    assert.equal(doctor.code, 75, doctor.stdout)
    for (const { stdout } of [check, doctor]) {
      assert.match(stdout, /another program holds \S+\\token\.db-journal open/)
      assert.doesNotMatch(stdout, /died/)
    }
  })
})

test('doctor names a file that another program holds', async () => {
  await holding(join(here.dir, 'token.rescue'), SHARES['lets others read'], async () => {
    const { stdout, stderr } = await here.hq('doctor', '--json')
    const found = JSON.parse(stdout).checks.filter(({ name }) => name === 'writable')
    assert.deepEqual(
      found.map(({ status, exit }) => [status, exit]),
      [['fail', 75]],
      stdout + stderr,
    )
    assert.match(found[0].message, /another program holds .*\\token\.rescue open/)
  })
})

test('all works at once when it lets go', async () => {
  const before = asked()
  const refreshed = await here.hq('refresh')
  assert.equal(refreshed.code, 0, refreshed.stderr)
  assert.equal(asked(), before + 1)
})

test('a file that another program reads is not replaced: 75, the old one stays, and no draft', async () => {
  const file = join(here.dir, 'out.txt')
  writeFileSync(file, 'old')
  await holding(file, SHARES['lets others read'], async () => {
    const { code, stderr } = await here.hq('get', '--outfile', file)
    assert.equal(code, 75, stderr)
    assert.ok(stderr.includes(file), stderr)
  })
  assert.equal(readFileSync(file, 'utf8'), 'old')
  assert.deepEqual(
    readdirSync(here.dir).filter((name) => name.startsWith('.hq-token-')),
    [],
  )
  const metrics = join(here.dir, 'hq-token.prom')
  writeFileSync(metrics, 'old')
  await holding(metrics, SHARES['lets others read'], async () => {
    const { code, stdout } = await here.hq('check', '--prometheus', metrics)
    assert.equal(code, 3, stdout)
    assert.match(stdout, /could not be written to \S+ \(another program holds \S+\\hq-token\.prom open\)/)
  })
  assert.equal((await here.hq('get', '--outfile', file)).code, 0)
  assert.match(readFileSync(file, 'utf8'), /^access-/)
})

test('a variable in [store] path is replaced, and a share gets no store', async () => {
  const local = join(here.dir, 'Local')
  mkdirSync(local)
  const config = join(here.dir, 'variable.ini')
  const path = '%LocalAppData%\\hq try\\token.db'
  writeFileSync(
    config,
    here
      .text()
      .replace(/^path = .*$/m, '')
      .concat(`\n[store]\npath = ${path}\n`),
  )
  const env = { HQ_TOKEN_CONFIG: config, LOCALAPPDATA: local }
  const [made, refused] = await Promise.all([
    here.start(['seed', '--force', here.seed], { env }).ended,
    here.start(['seed', '--force', here.seed], { env: { HQ_TOKEN_STORE: '\\\\server\\share\\token.db' } })
      .ended,
  ])
  assert.equal(made.code, 0, made.stderr)
  assert.ok(existsSync(join(local, 'hq try', 'token.db')), readdirSync(local).join())
  assert.equal(refused.code, 78, refused.stderr)
  assert.match(refused.stderr, /network share/)
})
