// The names that a path may have on Windows: many for one file, and some for none.
import assert from 'node:assert/strict'
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { isWine, place, tidy } from './support/place.mjs'

after(tidy)

const noStore = [
  ['nul', 'the name of a device'],
  ['aux.db', 'the name of a device'],
  ['con.txt.db', 'the name of a device'],
  ['com1', 'the name of a device'],
  ['prn\\token.db', 'the name of a device'],
  ['token.db:stream.db', 'a colon'],
  ['token.db::$DATA', 'a colon'],
  ['a|b.db', 'no name on Windows has'],
  ['a*.db', 'no name on Windows has'],
  ['x"y.db', 'a quotation mark'],
  ['s \\token.db', 'ends in dots or spaces'],
  ['...', 'ends in dots or spaces'],
]

test('a name that no file has is refused at once, with 78, and leaves nothing behind', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const before = readdirSync(here.dir)
  for (const [name, words] of noStore) {
    const { code, stderr } = await here.start(['get'], { env: { HQ_TOKEN_STORE: `${here.dir}\\${name}` } })
      .ended
    assert.equal(code, 78, `${name}: ${stderr}`)
    assert.ok(stderr.includes(`HQ_TOKEN_STORE holds `) && stderr.includes(words), `${name}: ${stderr}`)
  }
  const device = await here.start(['get'], { env: { HQ_TOKEN_STORE: '\\\\.\\COM1' } }).ended
  assert.equal(device.code, 78, device.stderr)
  assert.deepEqual(readdirSync(here.dir), before)
})

test('a path of another setting is refused by its name too', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const text = here.text()
  for (const [line, words] of [
    ['path = C:token.db', '[store] path names a drive and no folder on it'],
    ['path = lpt1.db', '[store] path holds lpt1.db'],
  ]) {
    writeFileSync(here.config, text.replace(/^path = .*$/m, line))
    const { code, stderr } = await here.hq('get')
    assert.equal(code, 78, stderr)
    assert.ok(stderr.includes(words), stderr)
  }
  writeFileSync(here.config, text)
  for (const args of [
    ['--config', 'con.ini', 'get'],
    ['get', '--outfile', 'nul'],
    ['get', '--outfile', join(here.dir, 'a:b')],
    ['api', '-o', 'con', '1/sites'],
    ['seed', 'token.ini::$DATA'],
    ['move', '--to', 'aux.db'],
  ]) {
    const { code, stderr, stdout } = await here.start(args, { cwd: here.dir }).ended
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    assert.equal(stdout, '')
  }
  const checked = await here.start(['check', '--prometheus', 'nul.prom'], { cwd: here.dir }).ended
  assert.equal(checked.code, 3, checked.stdout)
  assert.deepEqual(
    readdirSync(here.dir).filter((name) => /^(?:con|nul|aux|a)(?:[.:]|$)/i.test(name)),
    [],
  )
})

test('a file that get writes has the name that other programs open', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const { code, stderr } = await here.hq('get', '--outfile', join(here.dir, 'out.txt. .'))
  assert.equal(code, 0, stderr)
  assert.match(readFileSync(join(here.dir, 'out.txt'), 'utf8'), /^access-/)
  assert.deepEqual(
    readdirSync(here.dir).filter((name) => name.startsWith('out')),
    ['out.txt'],
  )
})

test('the quotes that cmd leaves around a variable are not part of the name', async () => {
  const here = await place()
  const quoted = Object.fromEntries(Object.entries(here.env).map(([name, path]) => [name, `"${path}"`]))
  const seeded = await here.start(['seed', here.seed], { env: quoted }).ended
  assert.equal(seeded.code, 0, seeded.stderr)
  assert.match((await here.start(['get'], { env: quoted }).ended).stdout, /^access-/)
  assert.equal((await here.hq('get')).code, 0)
})

test('a folder named as the store is said to be one, and no hint moves it away', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  for (const store of [here.dir, `${here.dir}\\`, '.', 'C:\\', 'C:'])
    for (const command of store === here.dir ? ['get', 'refresh', 'doctor'] : ['get']) {
      const { code, stderr, stdout } = await here.start([command], { env: { HQ_TOKEN_STORE: store } }).ended
      assert.equal(code, 74, `${command} ${store}: ${stderr}${stdout}`)
      assert.match(stderr + stdout, /is a folder, and the store is a file/)
      assert.doesNotMatch(stderr + stdout, /move |damaged/)
    }
})

test('a store with a second name is refused', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const store = join(here.dir, 'token.db')
  linkSync(store, join(here.dir, 'second.db'))
  for (const path of [store, join(here.dir, 'second.db')]) {
    const { code, stderr } = await here.start(['refresh'], { env: { HQ_TOKEN_STORE: path } }).ended
    assert.equal(code, 74, stderr)
    assert.match(stderr, /has a second name/)
  }
})

test('a store behind a junction is used', { skip: isWine() && 'Wine 8 makes no junction' }, async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const junction = `${here.dir}-junction`
  symlinkSync(here.dir, junction, 'junction')
  try {
    const env = { HQ_TOKEN_STORE: join(junction, 'token.db') }
    const { code, stderr } = await here.start(['refresh'], { env }).ended
    assert.equal(code, 0, stderr)
  } finally {
    rmdirSync(junction)
  }
})

test('a store whose path is longer than 260 characters', async () => {
  const here = await place()
  const store = join(here.dir, 'x'.repeat(100), 'y'.repeat(100), 'z'.repeat(60), 'token.db')
  const [plain, whole] = [store, `\\\\?\\${store}`].map((path) => ({ HQ_TOKEN_STORE: path }))
  const seeded = await here.start(['seed', here.seed], { env: plain }).ended
  assert.equal(seeded.code, 0, seeded.stderr)
  assert.ok(existsSync(dirname(store)))
  const jobs = await Promise.all([plain, whole].map((env) => here.start(['refresh'], { env }).ended))
  for (const { code, stderr } of jobs) assert.equal(code, 0, stderr)
  assert.equal(here.requests(' reused'), 0, here.said())
  assert.match((await here.start(['get'], { env: whole }).ended).stdout, /^access-/)
})

test('a program that opens a store by another spelling reads the same one', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const require = createRequire(join(process.env.APP, 'scenario.cjs'))
  const { SqliteStore } = await import(pathToFileURL(require.resolve('hq-token/sqlite')).href)
  const store = new SqliteStore(`\\\\?\\${join(here.dir, 'token.db')}.`)
  assert.equal((await store.read()).generation, 1)
  await store.close()
  assert.throws(() => new SqliteStore(join(here.dir, 'nul')), { code: 'HQ_STORE_UNUSABLE' })
  mkdirSync(join(here.dir, 'empty'))
  assert.equal(await new SqliteStore(join(here.dir, 'empty', 'token.db')).read(), undefined)
})
