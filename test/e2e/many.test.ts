import { spawn } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { place } from '../support/place.js'
import { BIN, ended, withoutNews } from '../support/processes.js'

const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i))

describe('thirty processes at once on an expired token', () => {
  it('make one request, and all print the same live token', { timeout: 300_000 }, async () => {
    const { run, sandbox } = await place({ latencyMs: 500 })
    await run(['seed'])
    const ended = await Promise.all(times(30, () => run(['get']).then(withoutNews)))
    expect(ended.map(({ code, stderr }) => ({ code, stderr }))).toEqual(
      times(30, () => ({ code: 0, stderr: '' })),
    )
    expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1)
    expect(sandbox.log).toHaveLength(1)
    const answer = await fetch(new URL('api/1/sites', sandbox.url), {
      headers: { authorization: `Bearer ${ended[0]?.stdout.trim()}` },
    })
    expect(answer.status).toBe(200)
  })

  it('make one refresh when all of them report the same token as refused', { timeout: 300_000 }, async () => {
    const { run, sandbox } = await place({ latencyMs: 300 }, 3600)
    await run(['seed'])
    const refused = (await run(['get'])).stdout
    const ended = await Promise.all(times(20, () => run(['get', '--rejected', '-'], { input: refused })))
    expect(new Set(ended.map(({ code }) => code))).toEqual(new Set([0]))
    expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1)
    expect(ended[0]?.stdout).not.toBe(refused)
    expect(sandbox.refreshes()).toBe(1)
  })

  it('ask a server that is down once, and all say try again later', { timeout: 300_000 }, async () => {
    const { run, sandbox } = await place({ faults: [{ name: '503', count: Infinity }], latencyMs: 3000 })
    await run(['seed'])
    const ended = await Promise.all(times(20, () => run(['get'])))
    expect(new Set(ended.map(({ code, stdout }) => `${code} ${stdout}`))).toEqual(new Set(['75 ']))
    expect(sandbox.log).toHaveLength(1)
  })

  it('ask nobody where the lock may only be read: it would be everybody’s', async () => {
    requirePrograms(['setpriv', 'util-linux'])
    const { run, sandbox, dir, config } = await place({}, 1)
    await run(['seed'])
    chmodSync(join(dir, 'token.lock'), 0o400)
    // Root may write all the same, but for one without privileges.
    const setpriv = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, BIN, 'get']
    const env = { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config }
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const all = await Promise.all(times(4, () => ended(spawn('setpriv', setpriv, { env }))))
    for (const { code, stdout, stderr } of all) {
      expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
      expect(stderr).toMatch(/token\.lock cannot be written: .*mode 400\n.*chmod 600/)
    }
    expect(sandbox.log).toEqual([])
  })

  it('import a seed once', { timeout: 300_000 }, async () => {
    const { run, store } = await place({}, 3600)
    const ended = await Promise.all(times(20, () => run(['get'])))
    expect(new Set(ended.map(({ code }) => code))).toEqual(new Set([0]))
    expect(new Set(ended.map(({ stdout }) => stdout)).size).toBe(1)
    expect((await store.history()).filter(({ event }) => event === 'seed')).toHaveLength(1)
  })
})

describe('`get` killed with SIGKILL', () => {
  it(
    '`get` killed with SIGKILL never costs the grant, twenty times at random, where the server forgives a repeated refresh',
    { timeout: 240_000 },
    async () => {
      // Every call must refresh: no token is good for an hour here.
      const config = '[refresh]\nmin_valid = 1h\n'
      const { run, start, sandbox, store } = await place({
        accessTtl: 1,
        latencyMs: 60,
        // For as long as a busy machine takes for all of them.
        graceMs: 3_600_000,
        config,
      })
      await run(['seed'])
      let unfinished = 0
      for (let round = 0; round < 20; round++) {
        const before = sandbox.log.length
        const victim = start(['get'])
        // Half of them at any time, half of them while the server holds the answer back.
        if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 150 + Math.random() * 400))
        else
          while (victim.child.exitCode === null && sandbox.log.length === before)
            await new Promise((resolve) => setTimeout(resolve, 3))
        if (round % 2 === 1) await new Promise((resolve) => setTimeout(resolve, Math.random() * 90))
        victim.child.kill('SIGKILL')
        await victim.done
        if ((await store.read())?.intent !== null) unfinished++
      }
      // The first one after the last kill carries on, whatever was left behind.
      expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })
      expect(sandbox.revokedFamilies()).toBe(0)
      expect(await store.read()).toMatchObject({ refusedAt: null, intent: null })
      expect(unfinished, 'kills that fell into an exchange').toBeGreaterThan(1)
    },
  )
})

describe.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('%s while the server answers', (signal) => {
  it('a signal while the server answers ends the process only when the new pair is saved', async () => {
    const { run, start, sandbox, store } = await place({ latencyMs: 700 })
    await run(['seed'])
    const victim = start(['get'])
    while (sandbox.refreshes() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    victim.child.kill(signal)
    expect(await victim.done).toMatchObject({ signal, stdout: '' })
    expect((await store.read())?.generation).toBe(2)
    expect(withoutNews(await run(['get']))).toMatchObject({ code: 0, stderr: '' })
    expect(sandbox.refreshes()).toBe(1)
  })
})

it('a waiter that gets SIGTERM is gone at once', async () => {
  const { run, start, sandbox } = await place({ latencyMs: 12_000 })
  await run(['seed'])
  const holder = start(['get'])
  while (sandbox.refreshes() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  const waiter = start(['get'])
  await new Promise((resolve) => setTimeout(resolve, 800))
  const asked = performance.now()
  waiter.child.kill('SIGTERM')
  expect(await waiter.done).toMatchObject({ signal: 'SIGTERM', stdout: '' })
  // Long before the holder, however busy the machine is.
  expect(performance.now() - asked).toBeLessThan(8000)
  expect(await holder.done).toMatchObject({ code: 0 })
})
