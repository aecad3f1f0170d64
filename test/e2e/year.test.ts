// A year of a host that nobody looks at, in a minute: its clock and the server's are set, all else is real. `npm run year`
// writes what people are told into docs/monitoring.md; without it the test compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { ClockReading } from '../../src/core/clock.js'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import { startSandbox, type Sandbox } from '../../src/sandbox/server.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { moment } from '../support/token-sets.js'
import { told } from '../support/world.js'

const DAY = 86_400
/** The first day, at 04:17 UTC. */
const FIRST = Date.UTC(2027, 0, 1, 4, 17) / 1000
const PAGE = 'docs/monitoring.md'

const sandboxes: Sandbox[] = []
afterAll(async () => {
  await Promise.all(sandboxes.map((sandbox) => sandbox.close()))
})

class Host {
  day = 0
  /** Seconds that this host's clock is ahead. */
  ahead = 0
  readonly rows: string[] = []
  readonly #dir = folder()
  #sandbox: Sandbox | undefined

  get sandbox(): Sandbox {
    if (this.#sandbox === undefined) throw new Error('not begun')
    return this.#sandbox
  }

  /** The server's time. */
  readonly #now = (): number => FIRST + Math.round(this.day * DAY)

  readonly #clock = (): ClockReading => {
    const now = this.#now() + this.ahead
    return moment(now, 1000 + Math.round(this.day * DAY))
  }

  async begin(): Promise<void> {
    this.#sandbox = await startSandbox({ accessTtl: 14 * DAY, clock: this.#now })
    sandboxes.push(this.#sandbox)
    const { config, seed } = await writeSandboxFiles(this.#dir, this.#sandbox, { accessTtl: 14 * DAY })
    const hook = 'echo "$HQ_TOKEN_EVENT: $HQ_TOKEN_EVENT_SUBJECT" >> told'
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n[notify]\ncommand = ${hook}\n`, { mode: 0o600 })
    expect((await this.run(['seed', seed, '--issued-at', `${FIRST}`])).code).toBe(0)
  }

  run(args: readonly string[]): ReturnType<typeof told> {
    const env = { HQ_TOKEN_CONFIG: join(this.#dir, 'config.ini'), PATH: process.env['PATH'] }
    return told(args, { env, clock: this.#clock })
  }

  /** Notes what people are told, under what has happened. */
  note(event: string): void {
    const path = join(this.#dir, 'told')
    const messages = existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
    writeFileSync(path, '')
    const words = messages
      .filter((line) => line !== '')
      .map((line) => `\`${line.split(': ')[0] ?? ''}\`: ${line.split(': ').slice(2).join(': ')}`)
    if (event !== '' || words.length > 0)
      this.rows.push(`| ${this.day} | ${event} | ${words.join('; ') || '–'} |`)
  }

  async logIn(): Promise<void> {
    const { stdout, stderr } = await this.run(['login', '--no-browser'])
    const address = /http:\S+authorize\S+/.exec(stdout + stderr)?.[0] ?? ''
    const { code } = await this.run(['login', '--complete', await decided(address, 'allow')])
    expect(code).toBe(0)
  }
}

const DOWN = [{ name: '403-html', count: Infinity }] as const
const REFUSED = [{ name: 'invalid-grant', count: Infinity }] as const

it('people are told what they would want to know in 400 days, and nothing else', async () => {
  const host = new Host()
  await host.begin()
  const power = { isOff: false }
  const events: Readonly<Record<number, readonly [string, () => void | Promise<void>]>> = {
    40: [
      'the server is down',
      () => {
        host.sandbox.setFaults(DOWN)
      },
    ],
    43: [
      'the server is back',
      () => {
        host.sandbox.setFaults([])
      },
    ],
    100: [
      'the server ends the grant',
      () => {
        host.sandbox.setFaults(REFUSED)
      },
    ],
    120: [
      'a person logs in',
      async () => {
        host.sandbox.setFaults([])
        await host.logIn()
      },
    ],
    200: [
      'the host’s clock jumps two days ahead',
      () => {
        host.ahead = 2 * DAY
      },
    ],
    203: [
      'the clock is right again',
      () => {
        host.ahead = 0
      },
    ],
    300: [
      'the host is off',
      () => {
        power.isOff = true
      },
    ],
    320: [
      'the host is on again',
      () => {
        power.isOff = false
      },
    ],
  }
  for (host.day = 0; host.day < 400; host.day++) {
    const [what, happens] = events[host.day] ?? ['', () => undefined]
    await happens()
    if (!power.isOff) await host.run(['refresh', '--if-older', '7d'])
    host.note(what)
  }
  const { stdout } = await host.run(['status', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({ state: 'fresh', last_error: null })
  held('with the keep-alive', ['day', 'event', 'people are told'], host.rows)
}, 300_000)

it('without a keep-alive people are told in time that the refresh token ends, and the check says so', async () => {
  const host = new Host()
  await host.begin()
  let before = ''
  for (host.day = 0; host.day < 370; host.day++) {
    const { code, stdout } = await host.run(['check', '--notify'])
    const state = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'][code] ?? ''
    const words = stdout.split(/ - |\|/)[1] ?? ''
    host.note(state === before ? '' : `${state}: ${words.replace(/ *\(.*/, '')}`)
    before = state
  }
  held('without the keep-alive', ['day', '`hq-token check`', 'people are told'], host.rows)
}, 300_000)

it('of 289 jobs in a day of a refused grant one has people told, and the one of the next day reminds them', async () => {
  const host = new Host()
  await host.begin()
  host.sandbox.setFaults(REFUSED)
  for (let nth = 0; nth <= 288; nth++) {
    host.day = 20 + nth / 288
    expect((await host.run(['get'])).code).toBe(4)
    host.note('')
  }
  expect(host.rows).toEqual([20, 21].map((day) => `| ${day} |  | \`login_required\`: a person must log in |`))
}, 60_000)

it('people are told in time that a grant ends which refreshes do not prolong, and of nothing else', async () => {
  const host = new Host()
  await host.begin()
  // A refresh brings no new refresh token: the first one stays, and so does its end.
  host.sandbox.setFaults([{ name: 'no-refresh-token', count: Infinity }])
  let before = ''
  for (host.day = 0; host.day < 380; host.day++) {
    if (host.day === 370) await host.logIn()
    await host.run(['refresh', '--if-older', '7d'])
    const { code, stdout } = await host.run(['check'])
    const state = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'][code] ?? ''
    const words = (stdout.split(/ - |\|/)[1] ?? '').replace(/ *\(.*/, '')
    const event = host.day === 370 ? 'a person logs in; ' : ''
    host.note(state === before ? '' : `${event}${state}: ${words}`)
    before = state
  }
  held('with a fixed end', ['day', '`hq-token check`', 'people are told'], host.rows)
}, 300_000)

/** Compares a table of the docs, or writes it with `YEAR=write`. */
function held(mark: string, head: readonly string[], rows: readonly string[]): void {
  const table = [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows].join('\n')
  const docs = readFileSync(PAGE, 'utf8')
  const [begin, end] = [`<!-- ${mark} -->\n`, '<!-- end -->']
  const at = docs.indexOf(begin) + begin.length
  const to = docs.indexOf(end, at)
  expect(at).toBeGreaterThan(begin.length)
  if (process.env['YEAR'] === 'write') {
    writeFileSync(PAGE, `${docs.slice(0, at)}\n${table}\n\n${docs.slice(to)}`)
    process.stdout.write(`\n${table}\n`)
  } else expect(docs.slice(at, to).trim()).toBe(table)
}
