import { homedir } from 'node:os'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { warmAnswer } from '../../src/cli/warm.js'
import type { ClockReading } from '../../src/core/clock.js'
import { http } from '../oauth/loopback.js'
import { aim, target, type Aim, type Target } from './network-aim.js'
import { full, report } from './figures.js'

// A machine whose clocks lie, beside a server whose clock is right: what is handed out is never over by
// the server's, and no error of a clock becomes a request at every call.

const LIFETIME = 3600
const BEGIN = 1_800_000_000
const figures = { situations: 0, calls: 0, quick: 0, requests: 0, dead: 0, hammered: 0, zones: 0, status: 0 }

afterAll(() => {
  report('clock', {
    tried: `${figures.situations} situations and ${figures.zones} zones, ${figures.calls} calls (${figures.quick} by the warm path too)`,
    seen: `${figures.dead} expired tokens handed out, ${figures.requests} requests, ${figures.hammered} too many`,
  })
})

/** What the machine believes, so many true seconds after its first token was issued. */
type Belief = (elapsed: number) => ClockReading

const right: Belief = (elapsed) => ({ now: BEGIN + elapsed, boot: 'first', uptime: 1000 + elapsed })
const shifted =
  (seconds: number, changes: Partial<ClockReading> = {}): Belief =>
  (elapsed) => ({ ...right(elapsed), now: BEGIN + elapsed + seconds, ...changes })
const rebooted =
  (belief: Belief): Belief =>
  (elapsed) => ({ ...belief(elapsed), boot: 'second', uptime: 5 + (elapsed % 1000) })
const since1970: Belief = (elapsed) => ({ ...right(elapsed), now: 5 + (elapsed % 100_000) })

const DAY = 86_400
const SITUATIONS: Record<string, Belief> = {
  right: right,
  'a day ahead': shifted(DAY),
  'a day back': shifted(-DAY),
  'an hour back': shifted(-3600),
  'half an hour back': shifted(-1800),
  'half a minute back': shifted(-30),
  'ten years ahead': shifted(3650 * DAY),
  '1970': since1970,
  'a day ahead after a restart': rebooted(shifted(DAY)),
  'a day back after a restart': rebooted(shifted(-DAY)),
  '1970 after a restart': rebooted(since1970),
  restarted: rebooted(right),
  'suspended: the uptime stands still': (elapsed) => ({ ...right(elapsed), uptime: 1000 }),
  'without a name of the boot': (elapsed) => ({ ...right(elapsed), boot: null }),
  'without a name of the boot, a day back': shifted(-DAY, { boot: null }),
}
/** So many at each instant: a request at every one of them would show. */
const CALLS = full ? 10 : 4
const ELAPSED = [10, 1700, 3200, 3500, 3595, 3700, 40_000, 90_000]

interface Stage extends Aim {
  readonly server: Target
  /** True seconds since the first token, by the server. */
  elapsed: number
  /** It gives no tokens: then nothing covers up for what is over. */
  isDown: boolean
  /** When each access token was issued. */
  readonly issued: Map<string, number>
}

async function stage(): Promise<Stage> {
  const issued = new Map<string, number>()
  const server = await target((socket, nth) => {
    if (made.isDown) {
      socket.end(http(404, ''))
      return
    }
    issued.set(`AT-${nth}`, made.elapsed)
    const body = { access_token: `AT-${nth}`, refresh_token: `RT-${nth}`, expires_in: LIFETIME }
    socket.end(http(200, JSON.stringify(body)))
  })
  const made: Stage = {
    ...aim(`http://127.0.0.1:${server.port}/token`),
    server,
    issued,
    elapsed: 0,
    isDown: false,
  }
  return made
}

describe('with its clock', () => {
  it.each(Object.entries(SITUATIONS))('%s, a machine hands out what is good', async (_situation, belief) => {
    for (const jump of ELAPSED) {
      const stand = await stage()
      const { told, server, issued, config } = stand
      // Seeded and refreshed while all was well.
      expect((await told(['get'], { clock: () => right(0) })).code).toBe(0)
      expect(server.requests).toHaveLength(1)

      const clock = (): ClockReading => belief(stand.elapsed)
      if (jump >= LIFETIME) {
        Object.assign(stand, { elapsed: jump, isDown: true })
        expect(await told(['get'], { clock }), `${jump} s`).toMatchObject({ code: 75, stdout: '' })
        stand.isDown = false
        figures.calls += 1
      }
      const before = server.requests.length
      for (let call = 0; call < CALLS; call++) {
        stand.elapsed = jump + call
        const asked = server.requests.length
        const status = await told(['status'], { clock })
        figures.status += status.code === 0 ? 0 : 1
        expect(server.requests).toHaveLength(asked)
        const around = { env: { HQ_TOKEN_CONFIG: config }, platform: process.platform, homedir, clock }
        const { text: quick, handover } = warmAnswer(
          { name: 'get', options: {}, flags: { format: 'bare' } },
          around,
        )
        handover?.lock.release()
        const { code, stdout, stderr } = await told(['get'], { clock })
        expect(code, stderr).toBe(0)
        // The quick way knows the same token or none.
        expect(quick ?? stdout).toBe(stdout)
        figures.quick += quick === undefined ? 0 : 1
        figures.calls += 1
        figures.dead += stand.elapsed < (issued.get(stdout.trim()) ?? -Infinity) + LIFETIME ? 0 : 1
        figures.hammered += server.requests.length > before + 1 ? 1 : 0
      }
      figures.requests += server.requests.length
      expect(server.requests.length).toBeLessThanOrEqual(before + 1)

      // And when somebody sets it right.
      stand.elapsed += 20
      for (let call = 0; call < 3; call++) {
        const { code, stdout } = await told(['get'], { clock: () => right(stand.elapsed) })
        expect(code).toBe(0)
        figures.calls += 1
        figures.dead += stand.elapsed < (issued.get(stdout.trim()) ?? -Infinity) + LIFETIME ? 0 : 1
      }
      expect(server.requests.length).toBeLessThanOrEqual(before + 2)
    }
    expect({ dead: figures.dead, hammered: figures.hammered, status: figures.status }).toEqual({
      dead: 0,
      hammered: 0,
      status: 0,
    })
    figures.situations += 1
  })
})

describe('in every zone', () => {
  const zone = process.env['TZ']
  afterEach(() => {
    if (zone === undefined) delete process.env['TZ']
    else process.env['TZ'] = zone
  })

  it('status and get tell the same instants, in UTC', { timeout: 300_000 }, async () => {
    const { told } = await stage()
    expect((await told(['get'], { clock: () => right(0) })).code).toBe(0)
    const say = async (name: string, at: number): Promise<string> => {
      process.env['TZ'] = name
      const clock = () => right(at)
      const answers = [
        await told(['status', '--json'], { clock }),
        await told(['status'], { clock }),
        await told(['get', '--format', 'json'], { clock }),
      ]
      figures.status += answers.filter(({ code }) => code !== 0).length
      return answers.map(({ stdout }) => stdout).join('')
    }
    const utc = await say('UTC', 100)
    expect(utc).toContain('2027-01-15T09:00:00Z')
    const zones = Intl.supportedValuesOf('timeZone').filter((_, nth) => full || nth % 8 === 0)
    for (const name of zones) {
      expect(await say(name, 100), name).toBe(utc)
      figures.zones += 1
    }
    expect(figures.status).toBe(0)
  })

  it.each([
    ['Europe/Berlin', '2027-03-28T01:00:00Z'],
    ['Europe/Berlin', '2027-10-31T01:00:00Z'],
    ['America/New_York', '2027-03-14T07:00:00Z'],
    ['America/New_York', '2027-11-07T06:00:00Z'],
    ['Australia/Lord_Howe', '2027-04-03T15:00:00Z'],
  ])('%s at %s, daylight changes neither age nor end', async (name, change) => {
    process.env['TZ'] = name
    const { told, server } = await stage()
    const base = Date.parse(change) / 1000 - 1800
    const at = (elapsed: number) => () => ({ now: base + elapsed, boot: null, uptime: 0 })
    expect((await told(['get'], { clock: at(0) })).code).toBe(0)
    for (const elapsed of [0, 1700, 1799, 1801, 1900, 3000]) {
      const { stdout } = await told(['get', '--format', 'json'], { clock: at(elapsed) })
      expect(JSON.parse(stdout)).toMatchObject({ access_token: 'AT-1', expires_in: LIFETIME - elapsed })
    }
    expect(server.requests).toHaveLength(1)
    await told(['get'], { clock: at(3601) })
    expect(server.requests).toHaveLength(2)
    figures.situations += 1
  })
})
