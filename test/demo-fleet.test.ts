// Holds `npm run demo:fleet` to what it tells, and to leaving nothing behind.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ordinary } from '../scripts/servers/guarded.js'
import { ended, type Ended } from './support/processes.js'
import { asUser, canBeOthers, inProject, shared } from './support/users.js'

const SCRIPT = 'scripts/demo-fleet.js'

function expectTold({ code, stdout, stderr }: Ended, temporary: string): void {
  expect({ code, stderr, unlike: stdout.match(/NOT AS IT SHOULD BE.*/g) }).toEqual({
    ...{ code: 0, stderr: '', unlike: null },
  })
  for (const shown of [
    'as it should be: the same token on each, and no refresh',
    '15 of 15 have a token; different tokens: 1; refreshes that the server saw: 1',
    'as it should be: the host hands out its copy, with a warning, and spends nothing',
    'as it should be: the server has replaced the refresh token, and nobody has its answer',
    'as it should be: both have the new token, by one refresh',
    'as it should be: no grant was lost',
    'as it should be: nor has the database, nor a file of any host',
  ])
    expect(stdout).toContain(`  ${shown}\n`)
  expect(stdout).toMatch(/ {2}as it should be: a token after 1\d s, and no person was needed\n/)
  expect(stdout.trimEnd().split('\n').at(-1)).toBe('All as it should be.')
  expect(stdout).not.toMatch(/(?:access|refresh)-[\w-]{6}/)
  expect(readdirSync(temporary).filter((name) => name.startsWith('hq-token-demo-'))).toEqual([])
}

describe.concurrent('the demonstration of many hosts', { timeout: 300_000 }, () => {
  it('the demonstration of many hosts is as it tells, and is what `npm run demo:fleet` starts', async () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      scripts: Record<string, string>
    }
    expect(scripts['demo:fleet']).toBe(`node scripts/set-up.js && node ${SCRIPT}`)
    const TMPDIR = shared()
    const env = { PATH: process.env['PATH'], HOME: TMPDIR, TMPDIR }
    expectTold(await ended(spawn(process.execPath, [SCRIPT], { env })), TMPDIR)
  })

  it.runIf(canBeOthers)('the demonstration of many hosts runs as an ordinary user too', async () => {
    const TMPDIR = shared()
    const command = [process.execPath, inProject(SCRIPT)]
    // Somebody whom the system knows, because initdb asks for the name.
    const said = await asUser(Number(ordinary.uid), command, { env: { HOME: TMPDIR, TMPDIR } })
    expectTold(said, TMPDIR)
  })
})
