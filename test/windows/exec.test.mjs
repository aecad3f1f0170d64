// `exec` on Windows: the kinds of programs that it starts, and the arguments that a batch file gets.
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { place, tidy, until } from './support/place.mjs'

after(tidy)

const HOLDER = join(import.meta.dirname, 'support', 'holder.cjs')
/** Wine expands what a batch file hands on once more, so there is no `%` in these. */
const NASTY = [
  ...['a b', 'say "hi"', 'é', 'a&b', '^', '!X!', '', 'x\\', 'x\\"y', '(', ')', 'a|b', '<>', ',;='],
  ...['"&echo PWNED', '"&echo PWNED&"', '"', '""', '\\\\server\\share\\', '--x=y z'],
]
const PATH = Object.keys(process.env).find((name) => name.toUpperCase() === 'PATH')

/** A place with a token, and programs in a folder of the path. */
async function programs() {
  const here = await place()
  await here.hq('seed', here.seed)
  const folder = join(here.dir, 'bin dir')
  mkdirSync(folder)
  const print = join(folder, 'print.cjs')
  writeFileSync(print, 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7')
  const batch = `@"${process.execPath}" "${print}" %*\r\n`
  writeFileSync(join(folder, 'job.cmd'), batch)
  writeFileSync(join(folder, 'other job.bat'), batch)
  writeFileSync(join(folder, 'notes.txt'), 'text')
  copyFileSync(process.execPath, join(folder, 'own-node.exe'))
  const env = { [PATH]: `"${folder}";${process.env[PATH]}` }
  const exec = (words, options = {}) => here.start(['exec', '--', ...words], { env, ...options }).ended
  return { folder, print, exec }
}

test('a batch file that PATHEXT names gets every argument as it is', async () => {
  const { exec } = await programs()
  const { code, stdout, stderr } = await exec(['job', ...NASTY])
  assert.deepEqual([code, stdout], [7, `${JSON.stringify(NASTY)}\n`], stderr)
})

test('a batch file with spaces in its path, a program by its name, and a path from where one stands', async () => {
  const { exec, folder, print } = await programs()
  const all = await Promise.all([
    exec([join(folder, 'other job.bat'), 'a b']),
    exec(['other job', 'a b']),
    exec(['own-node', print, 'a b']),
    exec(['.\\job', 'a b'], { cwd: folder }),
  ])
  for (const { code, stdout, stderr } of all) assert.deepEqual([code, stdout], [7, '["a b"]\n'], stderr)
})

test('a command in the folder where one stands is not taken by its name, because anybody may have put it there', async () => {
  const { exec, folder } = await programs()
  const { code, stderr } = await exec(['job'], { cwd: folder, env: { [PATH]: 'C:\\windows\\system32' } })
  assert.equal(code, 127)
  assert.match(stderr, /hq-token\.cmd exec -- \.\\job/)
})

for (const [what, words, status, said] of [
  ['a path where nothing is', ['C:\\no\\such.exe'], 127, /no such file/],
  ['a name that nobody knows', ['nosuchcommand'], 127, /where\.exe nosuchcommand/],
  ['a folder', ['C:\\windows'], 126, /C:\\windows/],
  ['a line break for a batch file', ['job', 'a\nb'], 126, /line/],
  ['a line that is too long', ['job', 'x'.repeat(9000)], 126, /8191/],
])
  test(`${what}: ${status}, and why`, async () => {
    const { exec } = await programs()
    const { code, stdout, stderr } = await exec(words)
    assert.deepEqual([code, stdout], [status, ''])
    assert.match(stderr, said)
  })

for (const how of ['holds the token file open', 'stands in its folder'])
  test(`what a command leaves behind ${how}: the exit code is the command’s, and the next exec removes the file`, async () => {
    const here = await place()
    await here.hq('seed', here.seed)
    const { leave, end, env } = leaving(here, how)
    try {
      const job = ['exec', '--token-file', '--', process.execPath, leave]
      const { code, stdout, stderr } = await here.start(job, { env }).ended
      assert.equal(code, 5, stderr)
      assert.match(
        stderr,
        /^hq-token: warning: the (?:token file|folder) \S+ could not be removed \(E[A-Z]+\)/,
      )
      assert.equal(existsSync(stdout), how === 'holds the token file open')
    } finally {
      await end()
    }
    const next = await here.start(['exec', '--', process.execPath, '-e', '0'], { env }).ended
    assert.equal(next.code, 0, next.stderr)
    assert.deepEqual(readdirSync(env.TEMP), [])
  })

/** A command that says where its token file is, leaves a process behind, and ends with 5. */
function leaving(here, how) {
  const [TEMP, leave, pid] = ['Temp', 'leave.cjs', 'left.pid'].map((name) => join(here.dir, name))
  mkdirSync(TEMP)
  const left =
    how === 'stands in its folder'
      ? "[['-e', 'console.log(0); setInterval(() => 0, 1000)'], dirname(file)]"
      : `[[${JSON.stringify(HOLDER)}, file, '1'], undefined]`
  writeFileSync(
    leave,
    `const { dirname } = require('node:path')
const file = process.env.HQ_TOKEN_FILE
const [args, cwd] = ${left}
const child = require('node:child_process').spawn(process.execPath, args, { cwd, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
require('node:fs').writeFileSync(${JSON.stringify(pid)}, String(child.pid))
child.stdout.once('data', () => { process.stdout.write(file); process.exit(5) })`,
  )
  const end = async () => {
    const left = Number(readFileSync(pid, 'utf8'))
    process.kill(left)
    await until(() => !isAlive(left), 'the end of what was left')
  }
  return { leave, end, env: { TEMP, TMP: TEMP, LOCALAPPDATA: TEMP } }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('a secret command that hangs costs ten seconds', async () => {
  const here = await place()
  const text = here.text().replace(/^client_secret = .*$/m, 'client_secret_command = ping -n 40 127.0.0.1')
  writeFileSync(here.config, text)
  await here.hq('seed', here.seed)
  const begun = performance.now()
  const job = here.start(['refresh'])
  // The wait is for the end of the streams, which no descendant of the command may hold open.
  const { code } = await job.ended
  assert.equal(code, 78, job.said.stderr)
  assert.ok(performance.now() - begun < 30_000)
  assert.match(job.said.stderr, /client_secret_command.*10 s/)
})
