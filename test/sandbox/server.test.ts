import { request } from 'node:http'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, it } from 'vitest'

import type { Sandbox } from '../../src/sandbox/server.js'
import { startSandbox } from '../../src/sandbox/server.js'
import { movableClock, rawRefresh, record, refresh, sandboxFor, sites } from './client.js'

function statusFor(sandbox: Sandbox, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(sandbox.url, { headers: { host }, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })
}

describe('the API', () => {
  it('the API gives sites for a token that works, as JSON and as XML', async () => {
    const sandbox = await sandboxFor()
    const { accessToken } = sandbox.issue()
    const json = await sites(sandbox, accessToken)
    expect(json.status).toBe(200)
    expect(await record(json)).toMatchObject({ site: [{ id: 101, sitename: 'Deal room' }, { id: 102 }, {}] })
    const xml = await sites(sandbox, accessToken, { accept: '*/*' })
    expect(xml.headers.get('content-type')).toMatch('application/xml')
    expect(await xml.text()).toMatch(/^<sites><site><id>101<\/id>.*Research &#38; know-how.*<\/sites>$/)
  })

  it('the API answers an expired token with 403 and not with 401, and the refreshed one with 200', async () => {
    const clock = movableClock()
    const sandbox = await sandboxFor({ clock, accessTtl: 60 })
    const { accessToken, refreshToken } = sandbox.issue()
    clock.forward(59.9)
    expect((await sites(sandbox, accessToken)).status).toBe(200)
    clock.forward(0.1)
    const refused = await sites(sandbox, accessToken)
    expect([refused.status, await record(refused)]).toEqual([403, { status: 403, message: 'Access denied' }])
    const fields = await record(await refresh(sandbox, refreshToken))
    expect(fields['expires_in']).toBe(60)
    expect((await sites(sandbox, String(fields['access_token']))).status).toBe(200)
  })

  it.each(['Bearer', 'Bearer access-unknown', 'Basic eDp5', ''])(
    'the API denies “%s”',
    async (authorization) => {
      const { url } = await sandboxFor()
      const response = await fetch(`${url}api/1/sites`, { headers: { authorization } })
      expect([response.status, await response.text()]).toMatchObject([
        403,
        expect.stringContaining('Access denied'),
      ])
    },
  )

  it('the API denies a refresh token', async () => {
    const sandbox = await sandboxFor()
    expect((await sites(sandbox, sandbox.issue().refreshToken)).status).toBe(403)
  })

  it.each(['api/1/nothing', 'api/1/sites/', '../etc', 'toString', '__proto__'])(
    'the API has nothing at %s',
    async (path) => {
      const sandbox = await sandboxFor()
      expect((await fetch(sandbox.url + path)).status).toBe(404)
    },
  )

  it('the API deletes nothing', async () => {
    const sandbox = await sandboxFor()
    const headers = { authorization: `Bearer ${sandbox.issue().accessToken}` }
    expect((await fetch(`${sandbox.url}api/1/sites`, { method: 'DELETE', headers })).status).toBe(405)
  })
})

describe('the sandbox', () => {
  it.each(['/', '/sandbox', '/sandbox/'])('the sandbox says at %s what it is', async (path) => {
    const { url } = await sandboxFor()
    const response = await fetch(new URL(path, url))
    expect([response.status, await response.text()]).toMatchObject([
      200,
      expect.stringContaining('<h1>hq-token sandbox</h1>'),
    ])
  })

  it('the sandbox listens on loopback alone', async () => {
    const { url } = await sandboxFor()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sandbox\/$/)
    const { port } = new URL(url)
    const outward = Object.values(networkInterfaces())
      .flat()
      .filter((address) => address?.family === 'IPv4' && !address.internal)
    // Another address of the loopback network, where there is no other at all.
    for (const host of ['127.0.0.2', ...outward.map((address) => address?.address ?? '')])
      await expect(connected(host, Number(port))).rejects.toThrow()
  })

  it('the sandbox answers to loopback names alone', async () => {
    const sandbox = await sandboxFor()
    const port = new URL(sandbox.url).port
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', `[::1]:${port}`])
      expect(await statusFor(sandbox, host)).toBe(200)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
    ])
      expect(await statusFor(sandbox, host)).toBe(421)
  })

  it('the sandbox takes the port it is given, and says when that is taken', async () => {
    const first = await sandboxFor()
    const port = Number(new URL(first.url).port)
    await expect(startSandbox({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    await first.close()
    expect((await sandboxFor({ port })).url).toBe(first.url)
  })

  it('the sandbox keeps running when a client goes away before its answer, or in the middle of its request', async () => {
    const sandbox = await sandboxFor({ latencyMs: 150 })
    await rawRefresh(sandbox, sandbox.issue().refreshToken, { forMs: 50 })
    const socket = await connected('127.0.0.1', Number(new URL(sandbox.url).port))
    socket.write(
      'POST /sandbox/api/oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\ngrant',
    )
    await new Promise((resolve) => setTimeout(resolve, 50))
    socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await refresh(sandbox, sandbox.issue().refreshToken)).status).toBe(200)
    expect(sandbox.refreshes()).toBe(2)
    expect(sandbox.log).toHaveLength(2)
  })

  it('the sandbox drops open connections when it closes, also those that wait for an answer', async () => {
    const sandbox = await startSandbox({ faults: [{ name: 'silence', count: Infinity }] })
    const waiting = rawRefresh(sandbox, sandbox.issue().refreshToken)
    await expect.poll(() => sandbox.log.length).toBe(1)
    const begun = performance.now()
    await sandbox.close()
    expect(await waiting).toMatchObject({ status: null })
    expect(performance.now() - begun).toBeLessThan(5000)
    await sandbox.close()
    await expect(fetch(sandbox.url)).rejects.toThrow()
  })

  it('the sandbox keeps many clients at once apart', async () => {
    const sandbox = await sandboxFor()
    const seeds = Array.from({ length: 50 }, () => sandbox.issue())
    const answers = await Promise.all(seeds.map(({ refreshToken }) => refresh(sandbox, refreshToken)))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    expect(sandbox.refreshes()).toBe(50)
  })

  it('the sandbox gives one winner where many spend the same refresh token, and revokes the family', async () => {
    const sandbox = await sandboxFor()
    const { refreshToken } = sandbox.issue()
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(sandbox, refreshToken)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(sandbox.revokedFamilies()).toBe(1)
  })
})

function connected(host: string, port: number): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: 2_000 }, () => {
      resolve(socket)
    })
    socket.on('error', reject)
    socket.on('timeout', () => {
      reject(new Error('no answer'))
    })
  })
}
