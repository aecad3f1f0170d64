// Each command does on Windows what it does elsewhere.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { place, start, tidy } from './support/place.mjs'

after(tidy)

test('the version and the help are printed', async () => {
  const [version, help] = await Promise.all([start(['--version']).ended, start(['--help']).ended])
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/)
  assert.equal(version.code, 0)
  assert.match(help.stdout, /Usage: hq-token/)
  assert.equal(/[^\x00-\x7f]/.test(help.stdout), false)
  assert.equal(help.code, 0)
})

test('a seed is imported, handed out, refreshed and shown', async () => {
  const here = await place()
  const seeded = await here.hq('seed', here.seed)
  assert.equal(seeded.code, 0, seeded.stderr)
  const first = await here.hq('get')
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^\S+\n$/)
  assert.equal(first.stderr, '')
  const refreshed = await here.hq('refresh')
  assert.equal(refreshed.code, 0, refreshed.stderr)
  assert.equal(refreshed.stdout, '')
  const second = await here.hq('get')
  assert.notEqual(second.stdout, first.stdout)
  const status = await here.hq('status')
  assert.equal(status.code, 0)
  assert.match(status.stdout, /^state +fresh$/m)
  assert.equal(/[^\x00-\x7f]/.test(status.stdout), false, 'a file of Windows gets ASCII')
  const json = JSON.parse((await here.hq('status', '--json')).stdout)
  assert.deepEqual([json.state, json.generation], ['fresh', 2])
  const doctor = await here.hq('doctor', '--online')
  assert.equal(doctor.code, 0, doctor.stdout)
  const history = await here.hq('history', '--json')
  assert.deepEqual(
    JSON.parse(history.stdout).entries.map(({ event }) => event),
    ['refresh', 'seed'],
  )
  const check = await here.hq('check')
  assert.match(check.stdout, /^HQ_TOKEN OK - /)
  assert.deepEqual([check.code, check.stderr], [0, ''])
})

test('init writes a configuration from flags and standard input', async () => {
  const here = await place()
  const config = join(here.dir, 'new folder', 'hq.ini')
  const made = await here.start(
    ['init', '--no-doctor', '--instance', here.instance, '--client-id', '1012', '--client-secret', '-'],
    { env: { HQ_TOKEN_CONFIG: config }, input: 'the-secret\r\n' },
  ).ended
  assert.equal(made.code, 0, made.stderr)
  const text = readFileSync(config, 'utf8')
  assert.match(text, /client_secret\s*=\s*the-secret\r?\n/)
})

test('a login without a browser: the address is followed by hand', async () => {
  const here = await place()
  const begun = await here.hq('login', '--no-browser')
  assert.equal(begun.code, 0, begun.stderr)
  const back = await authorized(begun.stdout.trim())
  const ended = await here.hq('login', '--complete', back)
  assert.equal(ended.code, 0, ended.stderr)
  assert.equal((await here.hq('get')).code, 0)
  const out = await here.hq('logout')
  assert.equal(out.code, 0, out.stderr)
  assert.equal(JSON.parse((await here.hq('status', '--json')).stdout).state, 'empty')
})

test('api calls with the token, and writes bytes as they are', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const page = await here.hq('api', '1/sites')
  assert.equal(page.code, 0, page.stderr)
  assert.doesNotThrow(() => JSON.parse(page.stdout), page.stdout)
  const file = join(here.dir, 'sites.json')
  const kept = await here.hq('api', '1/sites', '-o', file)
  assert.equal(kept.code, 0, kept.stderr)
  assert.equal(readFileSync(file, 'utf8'), page.stdout)
})

test('a credential helper gets the token in its format', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const token = (await here.hq('get')).stdout.trim()
  const answer = await here.hq('credential', '--protocol', 'kubernetes')
  assert.equal(answer.code, 0, answer.stderr)
  assert.equal(JSON.parse(answer.stdout).status.token, token)
  const { protocol, host } = new URL(here.instance)
  const asked = `protocol=${protocol.slice(0, -1)}\nhost=${host}\n\n`
  const git = await here.start(['credential', '--protocol', 'git', 'get'], { input: asked }).ended
  assert.deepEqual([git.code, git.stderr], [0, ''])
  assert.ok(git.stdout.split('\n').includes(`password=${token}`), git.stdout)
  const bazel = await here.start(['credential', '--protocol', 'bazel', 'get'], {
    input: JSON.stringify({ uri: `${here.instance}/api` }),
  }).ended
  assert.equal(bazel.code, 0, bazel.stderr)
  assert.ok(JSON.parse(bazel.stdout).headers.Authorization[0].endsWith(token), bazel.stdout)
  const outfile = join(here.dir, 'token.txt')
  assert.equal((await here.hq('get', '--outfile', outfile)).code, 0)
  assert.equal(readFileSync(outfile, 'utf8').trim(), token)
  const powershell = await here.hq('get', '--format', 'powershell')
  assert.match(powershell.stdout, /^\$env:HQ_TOKEN = '/)
  const again = await here.start(['get', '--rejected', '-'], { input: `\ufeff${token}\r\n` }).ended
  assert.equal(again.code, 0, again.stderr)
  assert.notEqual(again.stdout.trim(), token)
})

test('exec hands the token to a program, with its arguments as they are, and its exit code comes back', async () => {
  const here = await place()
  await here.hq('seed', here.seed)
  const token = (await here.hq('get')).stdout.trim()
  const print = join(here.dir, 'print.cjs')
  writeFileSync(
    print,
    'process.stdout.write(JSON.stringify([process.env.HQ_TOKEN, ...process.argv.slice(2)])); process.exitCode = 7',
  )
  const words = ['a b', 'say "hi"', 'é', '', '%PATH%', 'c:\\x\\', '&']
  const ran = await here.hq('exec', '--', process.execPath, print, ...words)
  assert.equal(ran.code, 7, ran.stderr)
  assert.deepEqual(JSON.parse(ran.stdout), [token, ...words])
})

test('a wrong command ends with 2, a missing configuration with 78, an empty store with 4', async () => {
  const here = await place()
  assert.equal((await here.hq('gett')).code, 2)
  const none = await start(['get'], { env: { HQ_TOKEN_CONFIG: 'C:\\no\\none.ini' } }).ended
  assert.deepEqual([none.code, none.stdout], [78, ''])
  rmSync(here.seed)
  const empty = await here.hq('get')
  assert.deepEqual([empty.code, empty.stdout], [4, ''], empty.stderr)
  assert.match(empty.stderr, /hq-token\.cmd login/)
})

/** Allows it on the sandbox's page, as a person would. @returns The address that the browser is sent to. */
async function authorized(url) {
  const page = await (await fetch(url)).text()
  const [, nonce] = /name="nonce" value="([^"]*)"/.exec(page)
  const body = new URLSearchParams({ nonce, decision: 'allow' })
  const answer = await fetch(url, { method: 'POST', redirect: 'manual', body })
  return answer.headers.get('location')
}
