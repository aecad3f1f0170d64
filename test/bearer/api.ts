import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Call {
  readonly method: string
  readonly path: string
  readonly token: string | null
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Api {
  readonly origin: string
  /** Whole requests, oldest first. */
  readonly calls: readonly Call[]
  /** Paths with the tokens that they came with. */
  readonly seen: readonly string[]
  /** How many connections there have been, and how many are open. */
  readonly connections: { readonly all: number; readonly open: number }
}

export interface ApiOptions {
  /** The tokens that it takes, `access-2` alone by default. */
  readonly takes?: (token: string | null, path: string) => boolean
  /** How it refuses; 403 and a sentence by default, as HighQ does. */
  readonly refuse?: (response: ServerResponse) => void
  /** What it answers on a path, whatever the token; a string is where it redirects to. */
  readonly on?: Record<string, string | ((request: IncomingMessage, response: ServerResponse) => void)>
}

export const REFUSED = '{"status":403,"message":"Access denied"}'

/** An API of one test. */
export async function api(options: ApiOptions = {}): Promise<Api> {
  const takes = options.takes ?? ((token) => token === 'access-2')
  const refuse = options.refuse ?? ((response) => response.writeHead(403).end(REFUSED))
  const calls: Call[] = []
  const seen: string[] = []
  const open = new Set<Socket>()
  let all = 0

  const server = createServer((request, response) => {
    void answer(request, response)
  })
  server.on('connection', (socket) => {
    all++
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request
    const handle = options.on?.[path]
    if (typeof handle === 'function') {
      handle(request, response)
      return
    }
    let body = ''
    try {
      for await (const chunk of request.setEncoding('utf8')) body += chunk as string
    } catch {
      return
    }
    const token = /^Bearer (.*)$/.exec(headers.authorization ?? '')?.[1] ?? null
    calls.push({ method, path, token, headers, body })
    seen.push(`${path} ${token ?? '-'}`)
    if (typeof handle === 'string') response.writeHead(307, { location: handle }).end('elsewhere')
    else if (takes(token, path)) response.end(`${method} ${path}`)
    else refuse(response)
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    seen,
    connections: {
      get all() {
        return all
      },
      get open() {
        return open.size
      },
    },
  }
}
