// hq-token asks Windows about the machine and the account: ids, certificates, the proxy, the folders of all users.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isWine, place, tidy, until } from './support/place.mjs'

after(tidy)

const Database = createRequire(join(process.env.APP, 'package.json'))('better-sqlite3')
const SETTINGS = 'HKCU\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Internet Settings'

test('a token set is of the machine whose id the registry has', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  assert.equal((await here.hq('refresh')).code, 0)
  const database = new Database(join(here.dir, 'token.db'), { readonly: true })
  const { host_id } = database.prepare('SELECT host_id FROM token_set').get()
  database.close()
  const guid = reg('query', 'HKLM\\SOFTWARE\\Microsoft\\Cryptography', '/v', 'MachineGuid', '/reg:64')
  const [own] = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(guid.toLowerCase())
  // The id itself is the machine's own secret.
  assert.equal(host_id, createHash('sha256').update(`hq-token ${own}`).digest('hex').slice(0, 12))
})

test('doctor names the certificates of Windows as trusted', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const [trust] = await findings(here, 'trust')
  assert.equal(trust.status, 'ok')
  assert.match(trust.message, /Windows/)
})

if (isWine())
  // On another machine a person's browser would go by this setting meanwhile.
  test('doctor --online names the proxy of Internet Options, and uses none', async () => {
    const here = await place()
    await here.hq('seed', here.seed)
    reg('add', SETTINGS, '/v', 'ProxyEnable', '/t', 'REG_DWORD', '/d', '1', '/f')
    reg('add', SETTINGS, '/v', 'ProxyServer', '/d', 'http=web:80;https=proxy.example.com:8080', '/f')
    try {
      const all = await findings(here, 'proxy', { options: ['--online'] })
      assert.match(all[0].message, /^none; Windows has proxy\.example\.com:8080 \(Internet Options\)/)
      const online = await here.hq('refresh')
      assert.equal(online.code, 0, online.stderr)
    } finally {
      for (const name of ['ProxyEnable', 'ProxyServer']) reg('delete', SETTINGS, '/v', name, '/f')
    }
  })

for (const session of ['', 'Services'])
  test(`a login in the session ${JSON.stringify(session)} opens no browser, and takes the answer of one elsewhere on the machine`, async () => {
    const here = await place()
    const login = here.start(['login'], { env: { SESSIONNAME: session } })
    await until(() => /^ +http\S+$/m.test(login.said.stderr), 'the address of a login')
    assert.match(login.said.stderr, /open this address in a browser on this machine/)
    assert.match(login.said.stderr, /hq-token\.cmd login --no-browser/)
    const address = /^ +(http\S+)$/m.exec(login.said.stderr)[1]
    const nonce = /name="nonce" value="([^"]*)"/.exec(await (await fetch(address)).text())[1]
    const body = new URLSearchParams({ nonce, decision: 'allow' })
    const shown = await fetch(address, { method: 'POST', body })
    assert.equal(shown.status, 200, await shown.text())
    const ended = await login.ended
    assert.equal(ended.code, 0, ended.stderr)
    assert.match((await here.hq('get')).stdout, /^access-/)
  })

test('a configuration in %ProgramData% that a user has made is refused with 78', async () => {
  const here = await place()
  const folder = join(process.env.ProgramData, 'hq-token')
  assert.ok(!existsSync(folder), `${folder} is there`)
  mkdirSync(folder)
  try {
    writeFileSync(join(folder, 'config.ini'), here.text().replace('token.ini', here.seed))
    const env = {
      ...{ HQ_TOKEN_CONFIG: undefined, HQ_TOKEN_CONFIG_DIR: undefined },
      APPDATA: join(here.dir, 'nothing here'),
    }
    const { code, stdout, stderr } = await here.start(['get'], { env }).ended
    assert.deepEqual([code, stdout], [78, ''], stderr)
    assert.ok(stderr.includes(join(folder, 'config.ini')), stderr)
    assert.match(stderr, /HQ_TOKEN_CONFIG|icacls/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a new store outside of the profile is made in a closed folder, or says that Windows did not tell', async () => {
  const here = await place()
  const folder = `C:\\hq-try-${process.pid}`
  const env = { HQ_TOKEN_STORE: join(folder, 'new', 'token.db') }
  try {
    const seeded = await here.start(['seed', here.seed], { env }).ended
    assert.equal(seeded.code, 0, seeded.stderr)
    assert.equal(/not looked at/.test(seeded.stderr), isWine(), seeded.stderr)
    assert.match((await here.start(['get'], { env }).ended).stdout, /^access-/)
    assert.deepEqual(
      readdirSync('C:\\').filter((name) => name.startsWith('.hq-token-')),
      [],
    )
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  }
})

test('a store in the part of the profile that Windows copies to other machines gets a warning', async () => {
  const here = await place()
  const roaming = join(here.dir, 'Roaming')
  const env = { APPDATA: roaming, HQ_TOKEN_STORE: join(roaming, 'token.db') }
  const seeded = await here.start(['seed', here.seed], { env }).ended
  assert.equal(seeded.code, 0, seeded.stderr)
  assert.match(seeded.stderr, /warning: .*token\.db.*other machines/)
})

test('the file of exec --token-file lies in no %TEMP%, be it of a session or of all', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const [shared, local] = [`C:\\hq-temp-${process.pid}`, join(here.dir, 'Local')]
  const ofSession = join(local, 'Temp', '2')
  for (const folder of [shared, ofSession]) mkdirSync(folder, { recursive: true })
  const print = ['-p', 'process.env.HQ_TOKEN_FILE']
  try {
    for (const temporary of [shared, ofSession]) {
      const env = { TEMP: temporary, TMP: temporary, LOCALAPPDATA: local }
      const ran = await here.start(['exec', '--token-file', '--', process.execPath, ...print], { env }).ended
      assert.equal(ran.code, 0, ran.stderr)
      assert.ok(ran.stdout.startsWith(`${local}\\hq-token-exec-`), ran.stdout)
    }
    assert.deepEqual([readdirSync(shared), readdirSync(local), readdirSync(ofSession)], [[], ['Temp'], []])
  } finally {
    rmSync(shared, { recursive: true, force: true })
  }
})

test('doctor tries the files of the store, and says ok of no folder', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const [files, folder] = await findings(here, 'writable')
  assert.deepEqual([files.status, folder.status], ['ok', 'skip'])
  assert.match(folder.message, /was not tried/)
})

if (isWine())
  // A real Windows starts no Node without it.
  test('where Windows’ programs cannot be started, doctor says so, and is no bug', async () => {
    const here = await place()
    await here.hq('seed', here.seed)
    const env = { SystemRoot: 'C:\\none' }
    for (const name of ['permissions', 'store access']) {
      const [found] = await findings(here, name, { env })
      assert.equal(found.status, 'skip')
      assert.match(found.message, /^not looked at/)
    }
  })

/** The findings of `doctor` under one name. */
async function findings(here, wanted, { options = [], env = {} } = {}) {
  const { stdout, stderr } = await here.start(['doctor', '--json', ...options], { env }).ended
  assert.match(stdout, /^\{/, stderr)
  const found = JSON.parse(stdout).checks.filter(({ name }) => name === wanted)
  assert.notEqual(found.length, 0, stdout + stderr)
  return found
}

function reg(...args) {
  const file = join(process.env.SystemRoot, 'System32', 'reg.exe')
  const { status, stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
  return stdout
}
