// The main job, told as it happens, against a local stand-in for HighQ. Ends non-zero if anything
// is not as told.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeSandboxFiles } from '../build/sandbox/files.js'
import { startSandbox } from '../build/sandbox/server.js'
import * as story from './story.js'

const { end, expect, folder, shown, short, tell, typed } = story
const LIFE = 6
// It rotates at once and answers late: the worst moment to be killed. Only a server that takes the
// replaced token once more can then help, and many do, for some seconds.
const sandbox = await startSandbox({ accessTtl: LIFE, latencyMs: 400, graceMs: 10_000 })
const { config, seed } = await writeSandboxFiles(folder, sandbox, { accessTtl: LIFE })
const start = (...args) => story.start(config, ...args)
const run = (...args) => start(...args).done

tell('A person has logged in once and put the first token into an INI file.')
shown(readFileSync(seed, 'utf8').replace(/(token\s*=\s*.{8}).*/g, '$1…'))

tell('It is imported into the store, once.')
typed('seed', 'token.ini')
const seeding = await run('seed', seed)
shown(seeding.stderr)
expect('the seed was taken', seeding.code === 0 && seeding.stdout === '')

tell('From now on a script asks for a token whenever it needs one.')
typed('get')
const first = await run('get')
console.log(`  ${short(first.stdout)}`)
expect(
  'a token on standard output, nothing on standard error, no request made',
  first.code === 0 && first.stderr === '' && sandbox.refreshes() === 0,
)

tell(`The access token of this stand-in lives ${LIFE} seconds. Waiting until it has expired …`)
await sleep((LIFE + 0.5) * 1000)
typed('get')
const second = await run('get')
console.log(`  ${short(second.stdout)}`)
expect(
  'another token: the refresh token was spent, its successor saved',
  second.code === 0 && second.stdout !== first.stdout && sandbox.refreshes() === 1,
)

tell('Twenty cron jobs at one instant, and the token has expired again …')
await sleep((LIFE + 0.5) * 1000)
typed('get &   (twenty times)')
const twenty = await Promise.all(Array.from({ length: 20 }, () => run('get')))
const tokens = new Set(twenty.map(({ stdout }) => stdout))
console.log(
  `  ${twenty.filter(({ code }) => code === 0).length} of 20 have a token; different tokens: ${tokens.size}; refreshes that the server saw: ${sandbox.refreshes() - 1}`,
)
expect(
  'one refresh served them all',
  twenty.every(({ code }) => code === 0) && tokens.size === 1 && sandbox.refreshes() === 2,
)

tell('A job is killed (kill -9) in the middle of a refresh, when the server has rotated already …')
await sleep((LIFE + 0.5) * 1000)
typed('get &   and kill -9')
const victim = start('get')
while (sandbox.refreshes() === 2) await sleep(5)
victim.child.kill('SIGKILL')
const { signal } = await victim.done
expect('it died, with nothing on standard output', signal === 'SIGKILL' && victim.stdout === '')
const unfinished = JSON.parse((await run('status', '--json')).stdout)
expect(
  `the store knows of an unfinished refresh, since ${unfinished.unfinished_since}`,
  unfinished.unfinished_since !== null,
)

tell('… and the next job carries on.')
typed('get')
const healed = await run('get')
console.log(`  ${short(healed.stdout)}`)
shown(healed.stderr)
expect('a token that works, and no person was needed', healed.code === 0 && sandbox.refreshes() === 4)
const answer = await fetch(new URL('api/1/sites', sandbox.url), {
  headers: { authorization: `Bearer ${healed.stdout.trim()}` },
})
expect(`the API takes it: HTTP ${answer.status}`, answer.status === 200)
await answer.body?.cancel()

tell('How it stands:')
typed('status')
const last = await run('status')
shown(last.stdout)
expect('no grant was lost', last.code === 0 && sandbox.revokedFamilies() === 0)

await sandbox.close()
end()
