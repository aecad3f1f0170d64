// What the tests of `api` share: an API for each test, which takes one token and remembers what it was asked.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach } from 'vitest'
import { place, type Place } from '../support/place.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

export const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

export async function listening(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An API that takes one token, and remembers what it was asked. */
export let there: Place
export let seen: Seen[]
export let api: string
export const backend: {
  /** Answers a request whose token is taken. */
  answer: RequestListener
  /** Which tokens the API takes: all, unless a test says otherwise. */
  takes: (token: string) => boolean
} = { answer: () => undefined, takes: () => true }

beforeEach(async () => {
  there = await place({}, 3600)
  seen = []
  backend.answer = (_request, response) =>
    void response.setHeader('content-type', 'application/json').end('{"ok":true}')
  backend.takes = () => true
  api = await listening((request, response) => {
    void (async () => {
      const body = (await buffer(request)).toString()
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
      if (backend.takes(token)) backend.answer(request, response)
      else response.writeHead(403).end('Access denied')
    })()
  })
})

export function ask(args: readonly string[], options: WorldOptions = {}): Promise<Told> {
  const env = { HQ_TOKEN_CONFIG: there.config, HQ_TOKEN_API_URL: `${api}/acme/api/` }
  return told(['api', ...args], { ...options, env })
}
