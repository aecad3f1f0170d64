import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { pgbouncer } from '../support/pgbouncer.js'
import { ended, isHeld, letGo, withoutNews, type Ended, type Running } from '../support/processes.js'
import { fleet, fleetCluster, type Fleet, type FleetHost } from './fleet-stage.js'
import { full, report } from '../faults/figures.js'

// Crowds on an expired token of a shared store: one of them refreshes, and all are served. And hosts whose clocks
// differ: none takes the token of another for expired.

vi.setConfig({ testTimeout: 300_000 })

const tried: string[] = []
let lost = 0
const seen: string[] = []
afterAll(() => {
  report('fleet-crowd', { tried: tried.join('; '), lost, seen: seen.join('; ') })
})

async function many(all: Fleet, count: number): Promise<FleetHost[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => all.host(`host ${index + 1}`)))
}

function connectionsOf(hosts: readonly FleetHost[]): number {
  return hosts.reduce((sum, { link }) => sum + link.connections, 0)
}

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1)

describe('a storm', () => {
  const PROCESSES = full ? 200 : 16
  /** So many load their modules at a time. */
  const BATCH = 10

  it.each([1, 4])(`a storm of ${PROCESSES} processes on %i hosts is one request`, async (count) => {
    const postgres = await fleetCluster()
    const all = await fleet(postgres, { latencyMs: 1000 })
    const hosts = await many(all, count)
    // Each has seen the row.
    for (const host of hosts) expect(await host.tell(['status'])).toMatchObject({ code: 0 })
    const before = connectionsOf(hosts)
    const running: Running[] = []
    while (running.length < PROCESSES) {
      const batch = Array.from({ length: Math.min(BATCH, PROCESSES - running.length) }, (_, index) =>
        (hosts[(running.length + index) % count] as FleetHost).start(['get'], { held: 'start' }),
      )
      await Promise.all(batch.map(isHeld))
      running.push(...batch)
    }
    const since = performance.now()
    letGo(running)
    const said = await Promise.all(running.map(({ done }) => done.then(withoutNews)))
    const connections = connectionsOf(hosts) - before
    tried.push(`${PROCESSES} processes on ${count} hosts`)
    seen.push(
      `${all.requests()} request, ${connections} ${count === 1 ? 'connection' : 'connections'}, ${seconds(since)} s`,
    )
    lost += all.sandbox.revokedFamilies()
    expect(new Set(said.map(({ code, stderr }) => `${code} ${stderr}`))).toEqual(new Set(['0 ']))
    expect(new Set(said.map(({ stdout }) => stdout)).size).toBe(1)
    expect(all.requests()).toBe(1)
    // One process of each host asks the database, and the others wait for what it finds.
    expect(connections).toBe(count)
    await postgres.stop('immediate')
  })
})

/** Lets so many clients go at one instant, in a few processes. */
async function clients(
  all: Fleet,
  count: number,
  port: number,
  known: 'known' | 'new' = 'new',
): Promise<number> {
  const hosts = Array.from({ length: count }, () => all.plainHost(port))
  const script = fileURLToPath(new URL('fleet-clients.mjs', import.meta.url))
  const WORKERS = 8
  const workers = await Promise.all(
    Array.from({ length: WORKERS }, async (_, nth) => {
      const configs = hosts.filter((_host, index) => index % WORKERS === nth)
      const child = spawn(process.execPath, [script, known, ...configs], { stdio: 'pipe' })
      const done = ended(child)
      await once(child.stdout, 'data')
      return { child, done }
    }),
  )
  const since = performance.now()
  for (const { child } of workers) child.stdin.end('!')
  const said = await Promise.all(workers.map(({ done }) => done))
  const took = performance.now() - since
  const heard = said.map(({ stdout, stderr }) => {
    const [, json] = /^here\n(.+)$/s.exec(stdout) ?? []
    if (json === undefined) throw new Error(stderr)
    return JSON.parse(json) as Ended[]
  })
  const served = heard.flat()
  lost += all.sandbox.revokedFamilies()
  const failed = served.filter(({ code }) => code !== 0).map(({ stderr }) => stderr)
  expect(failed).toEqual([])
  expect(served).toHaveLength(count)
  expect(new Set(served.map(({ stdout }) => stdout)).size).toBe(1)
  expect(all.requests()).toBe(1)
  return took
}

describe('a crowd', () => {
  const CLIENTS = full ? 1000 : 100

  it(`a crowd of ${CLIENTS} clients through pgbouncer's transactions and a pool of 10 is one request`, async () => {
    const postgres = await fleetCluster()
    const bouncer = await pgbouncer(postgres, { pool: 10, mode: 'transaction' })
    // The best of three: this machine may have other work.
    let took = Infinity
    for (let round = 0; round < 3 && took >= 10_000; round++)
      took = Math.min(took, await clients(await fleet(postgres), CLIENTS, bouncer.port))
    tried.push(`${CLIENTS} clients through pgbouncer (transactions, a pool of 10)`)
    seen.push(`1 request, all served in ${(took / 1000).toFixed(1)} s`)
    expect(took).toBeLessThan(10_000)
    await postgres.stop('immediate')
  })

  it('a crowd of clients that is larger than what the database lets in is served', async () => {
    const count = full ? 300 : 60
    const postgres = await fleetCluster({ config: { max_connections: '20' } })
    const all = await fleet(postgres)
    const took = await clients(all, count, postgres.port, 'known')
    tried.push(`${count} clients where max_connections is 20`)
    seen.push(`1 request, all served in ${(took / 1000).toFixed(1)} s`)
    expect(took).toBeLessThan(90_000)
    await postgres.stop('immediate')
  })
})

describe.concurrent('hosts whose clocks differ', () => {
  const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'
  const LIVES = full ? 4 : 2
  const TTL = 8
  const cases = ['+10m', '-10m', '+1d', '-1d']

  it.each(full ? cases : cases.slice(1, 3))(
    'hosts whose clocks differ by %s refresh once in each life',
    async (shift) => {
      requirePrograms(['faketime', 'faketime'])
      expect(existsSync(LIBRARY)).toBe(true)
      const postgres = await fleetCluster()
      const all = await fleet(postgres, {
        accessTtl: TTL,
        config: '[refresh]\nmin_valid = 0s\nearly = 0s\n',
      })
      const hosts = await many(all, 2)
      const env = { LD_PRELOAD: LIBRARY, FAKETIME: shift, DONT_FAKE_MONOTONIC: '1' }
      let born = 0
      for (let life = 1; life <= LIVES; life++) {
        for (const round of [1, 2, 3])
          for (const [index, host] of hosts.entries()) {
            if (round === 1 && index === 0) born = performance.now()
            const { code, stdout, stderr } = await host.start(['get'], index === life % 2 ? { env } : {}).done
            expect(code, stderr).toBe(0)
            if (performance.now() - born < TTL * 1000) expect(await all.works(stdout.trim())).toBe(true)
            else throw new Error('this machine is too slow for such short lives')
          }
        expect(all.requests()).toBe(life)
        await sleep(born + (TTL + 2) * 1000 - performance.now())
      }
      tried.push(`two hosts ${shift} apart over ${LIVES} lives`)
      seen.push(`${all.requests()} refreshes`)
      lost += all.sandbox.revokedFamilies()
      await postgres.stop('immediate')
    },
  )
})
