import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { place, type Place } from '../support/place.js'
import { ended, type Ended } from '../support/processes.js'

const module = (path: string): string => JSON.stringify(pathToFileURL(join('dist', path)).href)

/** Says when it is ready, waits for a byte, then calls the API and tells the statuses. */
const SCRIPT = `
  import { Agent } from 'undici'
  import { openGuard } from ${module('index.js')}
  import { bearer, tokenFetch } from ${module('undici.js')}

  const [way, url, calls] = process.argv.slice(1)
  const guard = await openGuard()
  const agent = new Agent().compose(bearer(guard))
  const fetch = tokenFetch(guard)
  const { origin, pathname: path } = new URL(url)
  process.stdout.write('ready\\n')
  await new Promise((resolve) => process.stdin.once('data', resolve))
  for (let call = 0; call < Number(calls); call++) {
    if (way === 'fetch') {
      const { status, body } = await fetch(url)
      await body.cancel()
      console.log(status)
    } else {
      const { statusCode, body } = await agent.request({ origin, path, method: 'GET' })
      await body.dump()
      console.log(statusCode)
    }
  }
  await agent.close()
  process.stdin.destroy()`

const WAYS = ['fetch', 'interceptor']

/** All at once, once all are ready. */
async function together({ config }: Place, url: string, count: number, calls = 1): Promise<Ended[]> {
  const children = Array.from({ length: count }, (_, nth) => {
    const way = WAYS[nth % WAYS.length] ?? ''
    const args = ['--input-type=module', '-e', SCRIPT, way, url, String(calls)]
    const { HOME, PATH } = process.env
    const env = { HOME, PATH, HQ_TOKEN_CONFIG: config, HQ_TOKEN_API_URL: new URL(url).origin }
    const child = spawn(process.execPath, args, { env })
    onTestFinished(() => void child.kill('SIGKILL'))
    return { child, done: ended(child), ready: once(child.stdout, 'data') }
  })
  await Promise.all(children.map(({ ready, done }) => Promise.race([ready, done])))
  for (const { child } of children) child.stdin.write('!')
  return Promise.all(children.map(({ done }) => done))
}

/** A store whose access token looks fresh, and which the API refuses. */
async function refusedPlace(): Promise<Place> {
  const made = await place({}, 3600)
  const seed = readFileSync(made.seed, 'utf8')
  writeFileSync(made.seed, seed.replace(/^access_token = .*$/m, 'access_token = long-since-forgotten'))
  expect((await made.run(['seed'])).code).toBe(0)
  return made
}

/** An API of one test; its URL. */
async function listening(answer: RequestListener): Promise<string> {
  const api = createServer(answer)
  await once(api.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => {
    api.close()
    api.closeAllConnections()
  })
  return `http://127.0.0.1:${(api.address() as AddressInfo).port}/`
}

describe('the library on an access token that the API refuses', { timeout: 300_000 }, () => {
  it('the library on an access token that the API refuses refreshes once, repeats once, and has its answer', async () => {
    for (const count of [1, 2]) {
      const here = await refusedPlace()
      const ends = await together(here, `${here.sandbox.url}api/1/sites`, count)
      expect(ends).toMatchObject(Array(count).fill({ code: 0, stdout: 'ready\n200\n', stderr: '' }))
      expect(here.sandbox.refreshes()).toBe(1)
    }
  })

  it('the library on an access token that the API refuses refreshes once for ten processes at once', async () => {
    const here = await refusedPlace()
    // Answers nobody before all have sent the old token: until then nobody has the new one.
    const waiting: ServerResponse[] = []
    let served = 0
    const url = await listening(({ headers }, response) => {
      if (headers.authorization !== 'Bearer long-since-forgotten') {
        served++
        response.end('served')
      } else if (waiting.push(response) === 10) {
        for (const one of waiting) one.writeHead(403).end('no')
      }
    })
    const ends = await together(here, url, 10)
    expect(ends).toMatchObject(Array(10).fill({ code: 0, stdout: 'ready\n200\n', stderr: '' }))
    expect([waiting.length, served]).toEqual([10, 10])
    expect(here.sandbox.refreshes()).toBe(1)
    expect(here.sandbox.revokedFamilies()).toBe(0)
    expect((await here.store.read())?.rejectedAt).toBeNull()
  })

  it('the library on an access token that the API refuses refreshes once for all calls of all processes while the refusal lasts', async () => {
    const here = await refusedPlace()
    const url = await listening((_, response) => response.writeHead(403).end('no'))
    const ends = await together(here, url, 4, 10)
    expect(ends).toMatchObject(Array(4).fill({ code: 0, stdout: `ready\n${'403\n'.repeat(10)}` }))
    // Each process is told once, however many of its calls meet it.
    for (const { stderr } of ends) expect(stderr.match(/a refresh does not help/g)).toHaveLength(1)
    expect(here.sandbox.refreshes()).toBe(1)
  })
})
