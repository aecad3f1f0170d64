/**
 * Holds all that each command says to people against test/golden/NAME.txt, to the character. To write the
 * files anew after a change that is wanted, and then read the difference:
 * `npx vitest run --project parts test/cli/golden.test.ts --update`.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { rfc3339 } from '../../src/core/clock.js'
import { machineClock } from '../../src/platform/machine.js'
import { place, type Place } from '../support/place.js'
import { ISSUED, moment } from '../support/token-sets.js'
import { told, type WorldOptions } from '../support/world.js'

const FOLDER = join(import.meta.dirname, '../golden')
const GOLDEN = [
  'check-fresh',
  'check-login-required',
  'doctor-all-well',
  'doctor-unreachable',
  'history-compare',
  'history',
  'init',
  'login-no-browser',
  'logout',
  'move',
  'notify-test',
  'refresh',
  'schedule-cron',
  'schedule-launchd',
  'schedule-systemd',
  'schedule-windows',
  'seed',
  'status-due',
  'status-empty',
  'status-ended',
  'status-expired',
  'status-fresh',
  'status-login-required',
  'status-moved',
  'status-other-client',
] as const

/** A machine whose clock stands still, so many seconds after the seed was issued. */
const after = (seconds: number): WorldOptions => ({ clock: () => moment(ISSUED + seconds) })

/** Root of another machine. */
const ELSEWHERE: WorldOptions = {
  user: { uid: 0, username: 'root' },
  homedir: '/root',
  program: { node: '/usr/bin/node', script: '/usr/lib/node_modules/hq-token/dist/bin.cjs' },
}

interface Home extends Pick<Place, 'dir' | 'sandbox'> {
  /** The sandbox's time, standing still: a clock that differs from the server's is warned of. */
  readonly now: number
  readonly today: WorldOptions
  readonly tell: (args: readonly string[], options?: WorldOptions) => Promise<void>
  readonly golden: (
    name: (typeof GOLDEN)[number],
    args: readonly string[],
    options?: WorldOptions,
  ) => Promise<void>
  readonly rewrite: (change: (text: string) => string) => void
}

/** A configuration for a sandbox of its own, and a seed that was issued at 2027-01-15T08:00:00Z for an hour. */
async function home(): Promise<Home> {
  const { dir, config, sandbox } = await place({}, 3600)
  const reading = machineClock()
  const replaced = [
    [dir, 'DIR'],
    [new URL(sandbox.url).host, '127.0.0.1:PORT'],
    [rfc3339(reading.now + 3600), 'IN-AN-HOUR'],
  ] as const
  const env = { HQ_TOKEN_CONFIG: config, NO_COLOR: '1' }
  return {
    dir,
    sandbox,
    now: reading.now,
    today: { clock: () => reading },
    tell: async (args, more = {}) => {
      await told(args, { ...after(0), ...more, env: { ...env, ...more.env } })
    },
    golden: async (name, args, more = {}) => {
      const said = await told(args, { ...after(0), ...more, env: { ...env, ...more.env } })
      const text = `$ hq-token ${args.join(' ')}\n--- standard output\n${said.stdout}--- standard error\n${said.stderr}--- exit code ${said.code}\n`
      expect(text).not.toMatch(/(?:access|refresh)-[\w-]{6}/)
      await expect(steady(text, replaced)).toMatchFileSnapshot(join(FOLDER, `${name}.txt`))
    },
    rewrite: (change) => {
      writeFileSync(config, change(readFileSync(config, 'utf8')))
    },
  }
}

/** The text without what another run, machine or disk says differently. */
function steady(text: string, replaced: readonly (readonly [was: string, is: string])[]): string {
  return (
    replaced
      .reduce((done, [was, is]) => done.replaceAll(was, is), text)
      .replaceAll(/\b(state|code_challenge)=[\w-]{43}/g, '$1=RANDOM')
      // Tokens are drawn anew at each run; a table of a place's fingerprints is as wide as ever.
      .replaceAll(/\b[0-9a-f]{12}\b/g, 'FINGERPRINT.')
      .replaceAll(/\d+ MiB left/g, 'N MiB left')
      .replaceAll(
        /hint: hq-token schedule (?:systemd|cron|launchd) keeps/g,
        'hint: hq-token schedule TARGET keeps',
      )
      .replace(/^\w+ +file system .*\n(?: +→.*\n)?/m, 'ok     file system    local\n')
  )
}

describe('golden texts', () => {
  it('status of a fresh token set reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('status-fresh', ['status'], after(60))
  })

  it('status of a token set that is due reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('status-due', ['status'], after(3400))
  })

  it('status of an expired token set reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('status-expired', ['status'], after(7200))
  })

  it('status of a token set whose refresh token has ended reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('status-ended', ['status'], after(366 * 86_400))
  })

  it('status of a grant that the server has refused reads as in its golden text', async () => {
    const { tell, golden, sandbox } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    await tell(['get'], after(7200))
    await golden('status-login-required', ['status'], after(7260))
  })

  it('check of a fresh token set reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('check-fresh', ['check'], after(60))
  })

  it('check of a grant that the server has refused reads as in its golden text', async () => {
    const { tell, golden, sandbox } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    await tell(['get'], after(7200))
    await golden('check-login-required', ['check', '-v'], after(7260))
  })

  it('status of an empty store reads as in its golden text', async () => {
    const { golden } = await home()
    await golden('status-empty', ['status'])
  })

  it('status of another client’s grant reads as in its golden text', async () => {
    const { tell, golden, rewrite } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`, '--refresh'])
    rewrite((text) => text.replace('client_id = 1012', 'client_id = 2024'))
    await golden('status-other-client', ['status'], after(60))
  })

  it('doctor where all is well reads as in its golden text', async () => {
    const { tell, golden, now, today } = await home()
    await tell(['seed', '--issued-at', `${now}`], today)
    await golden('doctor-all-well', ['doctor'], today)
  })

  it('doctor where the server cannot be reached reads as in its golden text', async () => {
    const { tell, golden, rewrite, sandbox } = await home()
    // Nothing listens at port 1.
    rewrite((text) => text.replace(sandbox.url, 'http://127.0.0.1:1/'))
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('doctor-unreachable', ['doctor'])
  })

  it('init with flags reads as in its golden text', async () => {
    const { golden, sandbox, dir, today } = await home()
    const env = { HQ_TOKEN_CONFIG: undefined, XDG_CONFIG_HOME: dir, XDG_STATE_HOME: dir }
    const args = ['init', '--instance', sandbox.url, '--client-id', '1012', '--client-secret', '-']
    await golden('init', args, { ...today, env, input: 's3cr3t-0123456789' })
  })

  it('seed of a first token set reads as in its golden text', async () => {
    const { golden } = await home()
    await golden('seed', ['seed', '--issued-at', `${ISSUED}`])
  })

  it('notify --test reads as in its golden text', async () => {
    const { rewrite, golden } = await home()
    rewrite((text) => `${text}\n[notify]\ncommand = echo no such mailbox; exit 67\n`)
    await golden('notify-test', ['notify', '--test'], after(60))
  })

  it('refresh at a terminal reads as in its golden text', async () => {
    const { tell, golden, now, today } = await home()
    await tell(['seed', '--issued-at', `${now}`], today)
    await golden('refresh', ['refresh'], { ...today, terminal: 80 })
  })

  it.each(['systemd', 'cron', 'launchd'] as const)(
    'schedule %s reads as in its golden text',
    async (target) => {
      const { golden, dir } = await home()
      const env = { HQ_TOKEN_CONFIG: undefined, HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
      await golden(`schedule-${target}`, ['schedule', target, '--at', '04:17'], { ...ELSEWHERE, env })
    },
  )

  it('schedule windows reads as in its golden text', async () => {
    const { golden, dir } = await home()
    const env = {
      HQ_TOKEN_CONFIG: undefined,
      HQ_TOKEN_CONFIG_DIR: dir,
      HQ_TOKEN_STATE_DIR: `${dir}/J\u00fcrg & 50% 'x'`,
    }
    await golden('schedule-windows', ['schedule', 'windows', '--at', '04:17'], { ...ELSEWHERE, env })
  })

  it('logout reads as in its golden text', async () => {
    const { tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('logout', ['logout'], after(60))
  })

  it('move reads as in its golden text, and so does the status of the store that the set has left', async () => {
    const { dir, tell, golden } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await golden('move', ['move', '--to', join(dir, 'moved.db')], after(60))
    await golden('status-moved', ['status'], after(120))
  })

  it('history reads as in its golden text, and so does the comparison with a copy that was used', async () => {
    const { dir, tell, golden, sandbox } = await home()
    await tell(['seed', '--issued-at', `${ISSUED}`])
    await tell(['refresh'], after(60))
    cpSync(join(dir, 'token.db'), join(dir, 'copy.db'))
    await tell(['refresh'], after(120))
    sandbox.setFaults([{ name: '503', count: 1 }])
    await tell(['refresh'], after(180))
    const copy = { env: { HQ_TOKEN_STORE: join(dir, 'copy.db') } }
    await tell(['refresh'], { ...after(240), ...copy })
    const { stdout: input } = await told(['history', '--json'], {
      env: { HQ_TOKEN_CONFIG: join(dir, 'config.ini'), ...copy.env },
    })
    await golden('history', ['history'], after(300))
    await golden('history-compare', ['history', '--compare', '-'], { ...after(300), input })
  })

  it('login --no-browser reads as in its golden text', async () => {
    const { golden } = await home()
    await golden('login-no-browser', ['login', '--no-browser'])
  })

  it('the folder of golden texts holds those of the tests above, and no other', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(GOLDEN.map((name) => `${name}.txt`))
  })
})
