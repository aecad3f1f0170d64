import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll } from 'vitest'

/** What one request brought, as one text: start line, headers, body. */
export type Heard = string

/** An authorization server and an API in one, on 127.0.0.1, that keeps every byte it is sent. */
export interface LoggingServer {
  /** `http://127.0.0.1:PORT/`. */
  readonly url: string
  readonly name: string
  readonly clientId: string
  readonly clientSecret: string
  readonly heard: Heard[]
  /** How often tokens were asked for. */
  readonly asked: () => number
  /** Answers requests for tokens from now on; `undefined` for a pair with the server's name in it. */
  answer: (() => { readonly status: number; readonly body: unknown }) | undefined
  /** What it says of itself as an issuer; nothing by default. */
  metadata: object | undefined
  /** A second address of the same server. */
  readonly alias: () => Promise<string>
}

const open: (() => void)[] = []

afterAll(() => {
  for (const close of open.splice(0)) close()
})

export async function loggingServer(name: string): Promise<LoggingServer> {
  const heard: Heard[] = []
  let pairs = 0
  const server: Pick<LoggingServer, 'answer' | 'metadata'> = { answer: undefined, metadata: undefined }
  const listen = async (): Promise<string> => {
    const listener = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        const { method = '', url = '', rawHeaders } = request
        heard.push(`${method} ${url}\n${rawHeaders.join('\n')}\n\n${body}`)
        const said =
          url.startsWith('/token') && method === 'POST'
            ? (server.answer?.() ?? { status: 200, body: pair(name, ++pairs) })
            : url.startsWith('/.well-known/')
              ? { status: server.metadata === undefined ? 404 : 200, body: server.metadata ?? {} }
              : { status: 200, body: {} }
        response.writeHead(said.status, { 'content-type': 'application/json' }).end(JSON.stringify(said.body))
      })
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    open.push(() => {
      listener.closeAllConnections()
      listener.close()
    })
    return `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`
  }
  return Object.assign(server, {
    url: await listen(),
    name,
    clientId: `client-of-${name}`,
    clientSecret: `secret-of-${name}-0123456789`,
    heard,
    asked: () => heard.filter((text) => text.startsWith('POST /token')).length,
    alias: listen,
  })
}

function pair(name: string, number: number): object {
  return {
    access_token: `access-of-${name}-${number}`,
    refresh_token: `refresh-of-${name}-${number}`,
    expires_in: 3600,
    token_type: 'Bearer',
  }
}
