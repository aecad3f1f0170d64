import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { RedirectListener, type Arrival, type Page } from '../../src/oauth/redirect-listener.js'

const page = (status: number): Page => ({
  status,
  html: `page ${status}`,
  contentSecurityPolicy: 'default-src',
})

let listener: RedirectListener

afterEach(() => {
  listener.close()
})

/** The answer that is waited for. */
let answer: Promise<Arrival>

async function open(redirectUri: string): Promise<URL> {
  listener = await RedirectListener.open(redirectUri, { elsewhere: page(404), taken: page(409) })
  answer = listener.answer((parameters) => (parameters.get('state') === 'another' ? page(400) : undefined))
  return new URL(listener.redirectUri)
}

/** A request as bytes on the wire; answers with the status that came back. */
function raw({ hostname, port }: URL, text: string, keep = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname.replace(/[[\]]/g, ''))
    socket.on('error', reject)
    socket.on('data', (bytes) => {
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString())?.[1]))
      if (!keep) socket.destroy()
    })
    socket.write(text)
  })
}

describe('the redirect URI that is sent', () => {
  it.each([
    ['http://127.0.0.1/callback', /^http:\/\/127\.0\.0\.1:\d+\/callback$/],
    ['http://127.0.0.1', /^http:\/\/127\.0\.0\.1:\d+$/],
    ['http://127.0.0.1:0/a/../b', /^http:\/\/127\.0\.0\.1:\d+\/a\/\.\.\/b$/],
    ['http://[::1]/callback', /^http:\/\/\[::1\]:\d+\/callback$/],
    ['http://LOCALHOST/Call%7eback', /^http:\/\/LOCALHOST:\d+\/Call%7eback$/],
  ])(
    'the redirect URI that is sent is the text of %s, and a port where that was left open',
    async (configured, sent) => {
      await open(configured)
      expect(listener.redirectUri).toMatch(sent)
    },
  )

  it.each(['https://127.0.0.1/', 'http://firm.example/', 'http://127.example/'])(
    'a redirect URI of %s is not this machine’s to listen at',
    async (redirectUri) => {
      await open('http://127.0.0.1/')
      await expect(
        RedirectListener.open(redirectUri, { elsewhere: page(404), taken: page(409) }),
      ).rejects.toThrow('hq-token cannot listen')
    },
  )
})

describe('what is no answer to a login is shown another page, and the login waits on', () => {
  const requests: [situation: string, request: (host: string) => string][] = [
    ['a target of slashes', (host) => `GET // HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['a target that is no URL', (host) => `GET http://[/?code=a HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['another path', (host) => `GET /other?code=a HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['neither code nor error', (host) => `GET /callback?state=a HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    [
      'another method',
      (host) => `POST /callback?code=a HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`,
    ],
    ['HEAD', (host) => `HEAD /callback?code=a HTTP/1.1\r\nHost: ${host}\r\n\r\n`],
    ['another name of the host', () => 'GET /callback?code=a HTTP/1.1\r\nHost: evil.example\r\n\r\n'],
    [
      'a picture on a page',
      (host) => `GET /callback?code=a HTTP/1.1\r\nHost: ${host}\r\nSec-Fetch-Dest: image\r\n\r\n`,
    ],
    [
      'a browser that looks ahead',
      (host) => `GET /callback?code=a HTTP/1.1\r\nHost: ${host}\r\nSec-Purpose: prefetch\r\n\r\n`,
    ],
  ]

  it.each(requests)(
    'what is no answer to a login is shown another page, and the login waits on: %s',
    async (_, request) => {
      const url = await open('http://127.0.0.1/callback')
      expect(await raw(url, request(url.host))).toBe(404)
      const visit = fetch(`${url.href}?code=good&state=s`)
      const { parameters, show } = await answer
      expect(parameters.get('code')).toBe('good')
      void show(page(200))
      expect((await visit).status).toBe(200)
    },
  )
})

it('a second answer is told that there was one', async () => {
  const url = await open('http://127.0.0.1/callback')
  const first = fetch(`${url.href}?code=a&state=s`)
  const { show } = await answer
  expect((await fetch(`${url.href}?code=b&state=s`)).status).toBe(409)
  void show(page(200))
  expect(await (await first).text()).toBe('page 200')
})

it('a window that was closed meanwhile is not waited for', async () => {
  const url = await open('http://127.0.0.1/callback')
  const socket = connect(Number(url.port), url.hostname)
  socket.write(`GET /callback?code=a&state=s HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
  const { show } = await answer
  socket.destroy()
  await new Promise((resolve) => setTimeout(resolve, 100))
  await show(page(200))
})

it('a window that takes no page is not waited for', { timeout: 120_000 }, async () => {
  const url = await open('http://127.0.0.1/callback')
  const socket = connect(Number(url.port), url.hostname)
  socket.pause()
  socket.write(
    `GET /callback?code=a&state=s HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`.concat(
      `GET /callback?code=b&state=s HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`,
    ),
  )
  const { show } = await answer
  await show({ ...page(200), html: 'x'.repeat(50_000_000) })
  socket.destroy()
})

describe('an answer that is turned away', () => {
  it('an answer that is turned away is shown why, and the login waits on, however many come', async () => {
    const url = await open('http://127.0.0.1/callback')
    for (let count = 0; count < 200; count++)
      expect((await fetch(`${url.href}?error=access_denied&state=another`)).status).toBe(400)
    const visit = fetch(`${url.href}?code=good&state=s`)
    const { parameters, show } = await answer
    expect(parameters.get('code')).toBe('good')
    void show(page(200))
    expect((await visit).status).toBe(200)
  })

  it('an answer that is turned away before there is a login is no answer to one', async () => {
    listener = await RedirectListener.open('http://127.0.0.1/callback', {
      elsewhere: page(404),
      taken: page(409),
    })
    expect((await fetch(`${listener.redirectUri}?code=a&state=s`)).status).toBe(404)
  })
})

it(
  'connections that say nothing keep no browser out, and are not piled up',
  { timeout: 60_000 },
  async () => {
    const url = await open('http://127.0.0.1/callback')
    const silent: Socket[] = []
    let ended = 0
    const opened = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(Number(url.port), url.hostname, resolve)
        socket.on('error', () => undefined).on('close', () => (ended += 1))
        // The beginning of a request that never ends.
        socket.write(`GET /callback?code=${'a'.repeat(10_000)}`)
        silent.push(socket)
      })
    for (let count = 0; count < 500; count++) await opened()
    const visit = fetch(`${url.href}?code=good&state=s`)
    const { show } = await answer
    // One that has asked is not among those that give way.
    for (let count = 0; count < 200; count++) await opened()
    void show(page(200))
    expect(await (await visit).text()).toBe('page 200')
    await expect.poll(() => ended, { timeout: 10_000 }).toBeGreaterThanOrEqual(700 - 65)
    for (const socket of silent) socket.destroy()
  },
)
