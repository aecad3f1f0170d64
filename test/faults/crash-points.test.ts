import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import type { Sandbox } from '../../src/sandbox/server.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { start, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'
import { full, report } from './figures.js'
import { eachOf } from './strace.js'
import { sandboxWith, subject, type Command, type Subject } from './subject.js'

// What kill.test.ts does by strace at each system call, wherever there is none: the real program dies at
// each of its own steps, without a hook in it.

const PRELOAD = new URL('crash-points.preload.mjs', import.meta.url).href

/** From the server's rotation to the first byte of its answer on disk: no client could save the grant. */
const UNHEARD = [
  'after the request left',
  'as the answer begins',
  'as the answer ends',
  'before write token.rescue #1',
]

/** From the request to the answer’s safety the grant is at stake. */
const AT_STAKE = /request left|answer|write token\.rescue #1/

/** In the short run one in `step`, and all that are like `always`. */
const sample = (points: readonly string[], step: number, always: RegExp): readonly string[] =>
  full ? points : points.filter((point, i) => i % step === 0 || always.test(point))

const total = { points: 0, lost: 0, unheard: new Set<string>() }

afterAll(() => {
  const { points, lost, unheard } = total
  report('crash-points', {
    tried: `${points} points`,
    lost,
    beyondAnyClient: lost,
    seen: `each without grace and ${UNHEARD.filter((point) => unheard.has(point)).join(', ')}`,
  })
})

describe('killed at every step', { timeout: 600_000 }, () => {
  it('nothing is lost when a process is killed at every step of a get, 60 s grace', async () => {
    expect(await killed('get', 60_000)).toEqual([])
  })

  it('a token is lost at most between the request and the answer’s first byte, at every step of a get, no grace', async () => {
    // That one and no fewer: a harness that misses it would miss others too.
    expect(await killed('get', 0, /request|answer|rescue/)).toContain('before write token.rescue #1')
  })

  it('no more is lost at every step of a refresh of a second pair, no grace, than of the first', async () => {
    expect(await killed('refresh', 0)).toContain('before write token.rescue #1')
  })

  it('the next get has the seed when a process is killed at every step of a first seed', async () => {
    expect(await killed('seed', 0)).toEqual([])
  })
})

describe('a login killed at every step', { timeout: 600_000 }, () => {
  /** A store that a login is about to be begun or finished in. */
  interface AtLogin {
    readonly dir: string
    readonly login: (env?: NodeJS.ProcessEnv) => Promise<Ended>
    readonly get: () => Promise<Ended>
    readonly refresh: () => Promise<Ended>
  }

  async function atLogin(sandbox: Sandbox, half: 'begun' | 'finished', isSeeded: boolean): Promise<AtLogin> {
    const dir = folder()
    const { config } = await writeSandboxFiles(dir, sandbox, { accessTtl: isSeeded ? 3600 : 0 })
    const text = readFileSync(config, 'utf8').replace(
      /redirect_uri = .*/,
      'redirect_uri = https://firm.example/',
    )
    writeFileSync(config, isSeeded ? text : text.replace(/\[seed\]\nfile = .*/, ''))
    const env = { HQ_TOKEN_CONFIG: config }
    if (isSeeded) await told(['seed'], { env })
    let args: readonly string[] = ['login', '--no-browser']
    if (half === 'finished') {
      const { stdout } = await told(args, { env })
      args = ['login', '--complete', await decided(stdout.trim(), 'allow')]
    }
    return {
      dir,
      login: (more) => start(args, { env: { ...env, ...more } }).done,
      get: () => start(['get'], { env }).done,
      refresh: () => start(['refresh'], { env }).done,
    }
  }

  it.each([
    ['as it begins leaves the old grant', 'begun', true],
    ['leaves the old grant, or the new one', 'finished', true],
    ['with none before leaves the new one, or the next login to a person', 'finished', false],
  ] as const)('a login killed at every step: %s', async (_, half, isSeeded) => {
    const sandbox = await sandboxWith({})
    const whole = await atLogin(sandbox, half, isSeeded)
    expect(await whole.login(dying(whole))).toMatchObject({ code: 0 })
    const points = readFileSync(logOf(whole), 'utf8').trimEnd().split('\n')
    const kept = points.findIndex((point) => point.startsWith('after write token.rescue'))
    if (half === 'finished') expect(kept).toBeGreaterThan(points.indexOf('as the answer begins'))
    const broken: string[] = []
    await eachOf(sample(points, 12, AT_STAKE), async (point) => {
      const one = await atLogin(sandbox, half, isSeeded)
      const { signal } = await one.login(dying(one, point))
      if (signal !== 'SIGKILL') broken.push(`${point}: was not reached again`)
      const { code, stdout, stderr } = await one.get()
      const isHere = code === 0 && (await worksAt(sandbox, stdout.trim()))
      // Before its answer is on disk a first login is lost with its process; the person is at hand.
      const mayBeLost = !isSeeded && points.indexOf(point) < kept && code === 4
      if (!isHere && !mayBeLost) broken.push(`${point}: ${String(code)} ${stderr}`)
      // The access token of a grant that is lost works on until its end.
      const dead = isHere ? await deadGrant(sandbox, one) : undefined
      if (dead !== undefined) broken.push(`${point}: the grant is lost: ${dead}`)
      total.points++
    })
    expect(broken).toEqual([])
  })

  /** What a refresh said where it brought no pair that works. */
  async function deadGrant(sandbox: Sandbox, { dir, refresh }: AtLogin): Promise<string | undefined> {
    // The first may be content with taking up what the login had received.
    await refresh()
    const { code, stderr } = await refresh()
    const stored = (await new SqliteStore(join(dir, 'token.db')).read())?.pair
    const isRenewed = sandbox.log.some(
      ({ grantType, issued }) => grantType === 'refresh_token' && issued === stored?.refreshToken.fingerprint,
    )
    const isAlive = code === 0 && isRenewed && (await worksAt(sandbox, stored?.accessToken.reveal() ?? ''))
    return isAlive ? undefined : `${String(code)} ${stderr.trim()}`
  }
})

async function worksAt({ url }: Sandbox, accessToken: string): Promise<boolean> {
  const headers = { authorization: `Bearer ${accessToken}` }
  return (await fetch(`${url}api/1/sites`, { headers })).status === 200
}

it('a new file has a name that lasts before anything else is done', async () => {
  const points = await passed(await subject(await sandboxWith({}), 'seed'))
  const done = points.filter((point) => point.startsWith('after'))
  for (const name of ['token.db', 'token.rescue'])
    expect(done[done.indexOf(`after rename ${name}.new #1`) + 2]).toMatch(/^after fsync its folder/)
})

/** @returns The points that cost the grant, all of them among `UNHEARD`. */
async function killed(command: Command, graceMs: number, always = AT_STAKE): Promise<readonly string[]> {
  const sandbox = await sandboxWith({ graceMs })
  const lost: string[] = []
  const broken: string[] = []
  await eachOf(sample(await pointsOf(await subject(sandbox, command)), 8, always), async (point) => {
    const one = await subject(sandbox, command)
    const { signal, stdout } = await one.run(dying(one, point))
    if (signal !== 'SIGKILL') broken.push(`${point}: was not reached again`)
    if (!(await one.knows())) broken.push(`${point}: a request left of which the store does not know`)

    const asked = one.history().length
    const { alive, faults, said } = await one.heal()
    broken.push(...faults.map((fault) => `${point}: ${fault}`))
    if (!alive) lost.push(point)
    if (!alive && !one.history().some(({ issued }) => issued !== null))
      broken.push(`${point}: lost, and the server had given no other`)
    if (!alive && !UNHEARD.includes(point)) broken.push(`${point}: the grant is lost; then get: ${said}`)
    if (stdout !== '' && (one.history().length > asked || !(await one.works(stdout.trim()))))
      broken.push(`${point}: a token was printed that was in no file`)
    total.points++
    one.discard()
  })
  if (sandbox.revokedFamilies() > lost.length)
    broken.push(`${sandbox.revokedFamilies()} families were revoked`)
  expect(broken).toEqual([])
  total.lost += lost.length
  for (const point of lost) total.unheard.add(point)
  return lost
}

/** The points of an undisturbed run that differ in what is on disk. */
async function pointsOf(one: Subject): Promise<readonly string[]> {
  const points = await passed(one)
  // Where a step begins the disk is as it was where the one before had ended.
  return points.filter((point, i) => !(/^before .* #/.test(point) && points[i - 1]?.startsWith('after ')))
}

async function passed(one: Subject): Promise<readonly string[]> {
  const { code, stderr } = await one.run(dying(one))
  expect(code, stderr).toBe(0)
  const points = readFileSync(logOf(one), 'utf8').trimEnd().split('\n')
  one.discard()
  expect(points).toEqual(expect.arrayContaining(['before COMMIT token.db #1', 'after COMMIT token.db #1']))
  return points
}

function dying(one: Pick<Subject, 'dir'>, point?: string): NodeJS.ProcessEnv {
  return {
    NODE_OPTIONS: `--import=${PRELOAD}`,
    CRASH_FOLDER: one.dir,
    CRASH_LOG: logOf(one),
    ...(point !== undefined && { CRASH_AT: point }),
  }
}

const logOf = ({ dir }: Pick<Subject, 'dir'>): string => join(dir, 'crash-points.log')
