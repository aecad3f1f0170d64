// Odd paths and the encodings that programs of Windows write.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { place, tidy } from './support/place.mjs'

after(tidy)

for (const name of [
  'Jürgen Müller',
  'a & b',
  "it's (1)",
  '100% sure',
  'forward/slashes',
  'ends.with.dots',
  '日本',
])
  test(`a store in a folder named ${name}`, async () => {
    const here = await place()
    const store = `${here.dir}\\${name}\\token.db`
    mkdirSync(join(here.dir, name.split('/')[0]), { recursive: true })
    const env = { HQ_TOKEN_STORE: store }
    const seeded = await here.start(['seed', here.seed], { env }).ended
    assert.equal(seeded.code, 0, seeded.stderr)
    assert.equal((await here.start(['refresh'], { env }).ended).code, 0)
    const got = await here.start(['get'], { env }).ended
    assert.match(got.stdout, /^access-/)
  })

for (const [name, encode] of [
  [
    'a byte order mark and CRLF, as Notepad writes',
    (text) => Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n')}`),
  ],
  [
    'UTF-16LE, as `>` of PowerShell 5.1 writes',
    (text) => Buffer.from(`\ufeff${text.replaceAll('\n', '\r\n')}`, 'utf16le'),
  ],
])
  test(`configuration and seed with ${name}`, async () => {
    const here = await place()
    for (const file of [here.config, here.seed]) writeFileSync(file, encode(readFileSync(file, 'utf8')))
    const seeded = await here.hq('seed', here.seed)
    assert.equal(seeded.code, 0, seeded.stderr)
    assert.equal((await here.hq('refresh')).code, 0)
  })

for (const [name, line] of [
  ['a file with CRLF', 'client_secret_file = secret.txt'],
  ['a command of cmd.exe', 'client_secret_command = type secret.txt'],
  [
    'a program in quotes, with quoted arguments',
    `client_secret_command = "${process.execPath}" -p "process.argv[1]" "SECRET"`,
  ],
])
  test(`the client secret comes from ${name}`, async () => {
    const here = await place()
    const text = here.text()
    const [, secret] = /^client_secret = (.*)$/m.exec(text)
    writeFileSync(join(here.dir, 'secret.txt'), `${secret}\r\n`)
    writeFileSync(
      here.config,
      text.replace(/^client_secret = .*$/m, () => line.replace('SECRET', secret)),
    )
    await here.hq('seed', here.seed)
    const refreshed = await here.hq('refresh')
    assert.equal(refreshed.code, 0, refreshed.stderr)
  })

test('the usual places: the configuration in %APPDATA%, the store in %LOCALAPPDATA%', async () => {
  const here = await place()
  const env = {
    ...{ HQ_TOKEN_CONFIG: undefined, HQ_TOKEN_STATE_DIR: undefined },
    ...{ APPDATA: join(here.dir, 'Roaming'), LOCALAPPDATA: join(here.dir, 'Local') },
  }
  mkdirSync(join(here.dir, 'Roaming', 'hq-token'), { recursive: true })
  const text = here
    .text()
    .replace(/^path = .*$/m, '')
    .replace('file = token.ini', `file = ${here.seed}`)
  writeFileSync(join(here.dir, 'Roaming', 'hq-token', 'config.ini'), text)
  const got = await here.start(['get'], { env }).ended
  assert.equal(got.code, 0, got.stderr)
  assert.match(readFileSync(join(here.dir, 'Local', 'hq-token', 'token.db'), 'latin1'), /^SQLite format 3/)
})
