import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { asker, signing } from '../support/asker.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { hasOpen, stop } from '../support/proc.js'
import { isHeld, letGo, withoutNews, type Running, type StartOptions } from '../support/processes.js'
import { full, report } from './figures.js'

const STORMS = full
  ? [
      { processes: 200, seconds: 3 },
      { processes: 100, seconds: 8 },
    ]
  : [{ processes: 24, seconds: 1 }]
const WAITERS = full ? 60 : 8
/** So many load their modules at a time. */
const BATCH = 10

const sum = { processes: 0, signals: 0, longestWait: 0 }
const stages: Stage[] = []
afterAll(() => {
  report('storm', {
    tried: `${sum.processes} processes, up to ${Math.max(...STORMS.map(({ processes }) => processes))} at one instant`,
    lost: stages.reduce((lost, { sandbox }) => lost + sandbox.revokedFamilies(), 0),
    seen:
      `${stages.flatMap(({ asked }) => asked).length} requests for ${stages.length} tokens that were over, ` +
      `longest wait ${(sum.longestWait / 1000).toFixed(1)} s, ${sum.signals} waiters gone by a signal`,
  })
})

interface Stage extends Place {
  /** Who has asked the token endpoint. */
  readonly asked: readonly string[]
  /** So many processes of `get`, ready and held. */
  readonly hold: (count: number, where?: StartOptions['held']) => Promise<Running[]>
  /** A `get` that stands still between its request and the answer. */
  readonly stoppedHolder: () => Promise<Running>
}

async function stage(options: PlaceOptions, seedTtl?: number): Promise<Stage> {
  const asked: string[] = []
  const onRequest: PlaceOptions['onRequest'] = ({ grantType }) => {
    if (grantType !== null) asked.push(asker())
  }
  const made = await place({ ...options, onRequest }, seedTtl)
  const { start } = made
  const get = (name: string, options: StartOptions = {}): Running => {
    sum.processes++
    // Every other one by the long way: the lock is taken in two places.
    const long = sum.processes % 2 === 0 ? ['-t0', '-v'] : []
    return start(['get', ...long], { ...options, env: signing(name) })
  }
  const stage: Stage = {
    ...made,
    asked,
    hold: async (count, held = 'start') => {
      const all: Running[] = []
      while (all.length < count) {
        const size = Math.min(BATCH, count - all.length)
        const batch = Array.from({ length: size }, (_, index) => get(`${all.length + index}`, { held }))
        await Promise.all(batch.map(isHeld))
        all.push(...batch)
      }
      return all
    },
    stoppedHolder: async () => {
      const holder = get('holder')
      while (asked.length === 0) await sleep(2)
      expect(await stop(holder.child)).toBe(true)
      return holder
    },
  }
  stages.push(stage)
  return stage
}

/** What they have said, each thing once. */
async function said(processes: readonly Running[]): Promise<string[]> {
  const ended = await Promise.all(processes.map(({ done }) => done.then(withoutNews)))
  // With `-v` a `get` names the end of the refresh token.
  const others = (stderr: string): string => stderr.replace(/^hq-token: the refresh token ends at .*\n/m, '')
  return [
    ...new Set(
      ended.map(({ code, signal, stdout, stderr }) => `${code ?? signal} ${stdout}${others(stderr)}`),
    ),
  ]
}

const ONE_TOKEN = [expect.stringMatching(/^0 access-[\w-]{43}\n$/)]

describe.each(STORMS)('$processes processes at one instant on an expired token', ({ processes, seconds }) => {
  it(`make one request, which takes ${seconds} s, and print the same live token`, async () => {
    const { run, hold, asked, works } = await stage({ latencyMs: seconds * 1000 })
    await run(['seed'])
    const all = await hold(processes)
    const since = performance.now()
    letGo(all)
    const answers = await said(all)
    sum.longestWait = Math.max(sum.longestWait, performance.now() - since)
    expect(answers).toEqual(ONE_TOKEN)
    expect(asked).toHaveLength(1)
    expect(await works(answers[0]?.slice(2).trim() ?? '')).toBe(true)
  }, 600_000)
})

it('whoever found the token expired and gets the lock when it has been renewed asks nobody', async () => {
  const { run, hold, asked } = await stage({})
  await run(['seed'])
  const late = await hold(WAITERS, 'lock')
  const renewed = await run(['get'])
  letGo(late)
  expect(await said(late)).toEqual([`0 ${renewed.stdout}`])
  expect(asked).toHaveLength(1)
}, 120_000)

describe('while the process that refreshes stands still', { timeout: 120_000 }, () => {
  // However slow the machine, nothing here may be over before it goes on.
  const PATIENT = '[refresh]\ntimeout = 1h\n'

  it('a token that is still good is served to all others at once', async () => {
    const { run, hold, stoppedHolder, asked, seed } = await stage(
      { latencyMs: 500, config: `${PATIENT}early = 50%\nlock_wait = 1h\n` },
      3600,
    )
    // In the second half of its life: due.
    await run(['seed', '--issued-at', `${Math.floor(Date.now() / 1000) - 2400}`])
    const holder = await stoppedHolder()
    const others = await hold(WAITERS)
    letGo(others)
    const [, stored] = /^access_token = (.*)$/m.exec(readFileSync(seed, 'utf8')) ?? []
    expect(await said(others)).toEqual([`0 ${stored}\n`])
    await goesOn(holder, run, asked)
  })

  it('whoever needs another token gives up when lock_wait is over, and asks nobody', async () => {
    const { run, hold, stoppedHolder, asked } = await stage({
      latencyMs: 500,
      config: `${PATIENT}lock_wait = 2s\n`,
    })
    await run(['seed'])
    const holder = await stoppedHolder()
    const others = await hold(WAITERS)
    const since = performance.now()
    letGo(others)
    expect(await said(others)).toEqual([
      expect.stringMatching(/^75 hq-token: error: another process has been refreshing for more than 2 s\n/),
    ])
    expect(performance.now() - since).toBeGreaterThan(2000)
    await goesOn(holder, run, asked)
  })

  it('a waiter is gone at once by a signal; the one that refreshes is when it has saved', async () => {
    const { run, hold, stoppedHolder, asked, dir } = await stage({ latencyMs: 500, config: PATIENT })
    await run(['seed'])
    const holder = await stoppedHolder()
    const others = await hold(WAITERS)
    letGo(others)
    const lock = join(dir, 'token.lock')
    while (!others.every(({ child }) => hasOpen(child, lock))) await sleep(20)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      for (const { child, done } of others.splice(0, 2)) {
        const since = performance.now()
        child.kill(signal)
        expect(await done).toMatchObject({ signal, stdout: '', stderr: '' })
        expect(performance.now() - since).toBeLessThan(500)
        sum.signals++
      }
    holder.child.kill('SIGTERM')
    holder.child.kill('SIGCONT')
    await holder.done
    const answers = await said(others)
    expect(answers).toEqual(ONE_TOKEN)
    expect(`0 ${(await run(['get'])).stdout}`).toBe(answers[0])
    expect(asked).toEqual(['holder'])
  })

  it('an answer that came meanwhile is taken, though the time for it is over', async () => {
    const { run, stoppedHolder, asked } = await stage({
      latencyMs: 300,
      config: '[refresh]\ntimeout = 2s\n',
    })
    await run(['seed'])
    const holder = await stoppedHolder()
    await sleep(3000)
    await goesOn(holder, run, asked)
  })

  it('a signal that came meanwhile acts when it has saved', async () => {
    const { run, store, stoppedHolder } = await stage({ latencyMs: 300, config: PATIENT })
    await run(['seed'])
    const holder = await stoppedHolder()
    // By then both wait for it: the answer and the signal.
    await sleep(1000)
    holder.child.kill('SIGTERM')
    holder.child.kill('SIGCONT')
    expect(await said([holder])).toEqual(['SIGTERM '])
    expect((await store.read())?.generation).toBe(2)
  })

  async function goesOn(holder: Running, run: Place['run'], asked: readonly string[]): Promise<void> {
    expect(asked).toEqual(['holder'])
    holder.child.kill('SIGCONT')
    const answers = await said([holder])
    expect(answers).toEqual(ONE_TOKEN)
    // And the next one is served what it has got.
    expect(`0 ${(await run(['get'])).stdout}`).toBe(answers[0])
    expect(asked).toEqual(['holder'])
  }
})
