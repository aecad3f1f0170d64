import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { withoutNews } from '../support/processes.js'
import { aim, GOOD, NEW_ACCESS, REFRESH, type Aim } from '../faults/network-aim.js'
import { CERTIFICATE, http } from '../oauth/loopback.js'
import { listening } from '../support/proxy.js'

// A process that is asked to stop while it connects spends nothing, and leaves the store as it was.

const trusting = { NODE_EXTRA_CA_CERTS: new URL(CERTIFICATE).pathname }

/** Takes connections, and speaks TLS on them only from when it is told to. */
class Delayed {
  requests = 0
  readonly #waiting: Socket[] = []
  #isOpen = false
  readonly #tls = createTlsServer(
    {
      key: readFileSync(new URL('../oauth/fixtures/localhost.key', import.meta.url)),
      cert: readFileSync(CERTIFICATE),
    },
    (socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        this.requests += 1
        socket.end(http(200, GOOD))
      })
    },
  )
  readonly server: Server = createServer((socket) => {
    socket.on('error', () => undefined)
    if (this.#isOpen) this.#tls.emit('connection', socket)
    else this.#waiting.push(socket)
  })

  constructor() {
    this.#tls.on('tlsClientError', () => undefined)
    onTestFinished(() => {
      for (const socket of this.#waiting) socket.destroy()
    })
  }

  get isReached(): boolean {
    return this.#waiting.length > 0
  }

  open(): void {
    this.#isOpen = true
    for (const socket of this.#waiting) this.#tls.emit('connection', socket)
  }
}

async function connecting(config = ''): Promise<{ server: Delayed; aimed: Aim }> {
  const server = new Delayed()
  const port = await listening(server.server, '127.0.0.1')
  return { server, aimed: aim(`https://localhost:${port}/token`, { config }) }
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}

describe('a signal while the refresh is connecting', { timeout: 60_000 }, () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s ends it at once: no request, a clear store, and no failure for others',
    async (signal) => {
      const { server, aimed } = await connecting()
      const { child, done } = aimed.start(['get'], { env: trusting })
      await until(() => server.isReached)
      const begin = performance.now()
      child.kill(signal)
      expect(withoutNews(await done)).toEqual({ code: null, signal, stdout: '', stderr: '' })
      expect(performance.now() - begin).toBeLessThan(5000)
      server.open()
      const set = await aimed.store.read()
      expect(set).toMatchObject({ intent: null, lastFailure: null, failures: 0, generation: 1 })
      expect(set?.pair.refreshToken.reveal()).toBe(REFRESH)
      expect(set).toMatchObject({ backoffUntil: null, notBefore: null, refusedAt: null })
      expect(server.requests).toBe(0)
      expect((await aimed.store.history())[0]).toMatchObject({ event: 'refresh', note: signal })

      const next = await aimed.start(['get'], { env: trusting }).done
      expect(withoutNews(next)).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n`, stderr: '' })
      expect(server.requests).toBe(1)
    },
  )

  it('a waiting process goes on with the refresh in its place', async () => {
    const { server, aimed } = await connecting()
    const first = aimed.start(['get'], { env: trusting })
    await until(() => server.isReached)
    const second = aimed.start(['get'], { env: trusting })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    first.child.kill('SIGTERM')
    expect(await first.done).toMatchObject({ signal: 'SIGTERM', stdout: '' })
    server.open()
    expect(withoutNews(await second.done)).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n`, stderr: '' })
    expect(server.requests).toBe(1)
  })

  it('a signal while the refresh waits for a proxy that says nothing ends the program likewise', async () => {
    const taken: Socket[] = []
    const silent = createServer((socket) => {
      taken.push(socket)
      socket.on('error', () => undefined)
    })
    const port = await listening(silent, '127.0.0.1')
    const aimed = aim('https://there.example/token', {
      config: `[network]\nproxy = http://127.0.0.1:${port}\n`,
    })
    const { child, done } = aimed.start(['get'])
    await until(() => taken.length > 0)
    child.kill('SIGTERM')
    expect(await done).toMatchObject({ code: null, signal: 'SIGTERM', stdout: '' })
    expect(await aimed.store.read()).toMatchObject({ intent: null, lastFailure: null })
    for (const socket of taken) socket.destroy()
  })
})

describe('a signal that comes when the request has left', { timeout: 60_000 }, () => {
  it('a signal that comes when the request has left waits for the answer, which is saved', async () => {
    const { server, aimed } = await connecting()
    server.open()
    const { child, done } = aimed.start(['get'], { env: trusting })
    await until(() => server.requests > 0)
    child.kill('SIGTERM')
    const { signal, stdout } = await done
    expect(signal === 'SIGTERM' || stdout === `${NEW_ACCESS}\n`).toBe(true)
    expect(await aimed.store.read()).toMatchObject({ generation: 2, intent: null })
  })
})
