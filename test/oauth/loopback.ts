import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { onTestFinished } from 'vitest'

const fixture = (name: string) => new URL(`fixtures/${name}`, import.meta.url)

/** Valid from 2020 to 2120, for `localhost` and 127.0.0.1, signed by itself. */
export const CERTIFICATE = fixture('localhost.crt')

/** A server of one test that speaks bytes: what came, and whether the client has let go. */
export interface Loopback {
  readonly port: number
  /** Whole requests, as they came. */
  readonly requests: string[]
  readonly connections: number
  /** Resolves when no connection is open. */
  readonly allClosed: () => Promise<void>
}

export interface LoopbackOptions {
  readonly tls?: boolean
  readonly onConnection?: (socket: Socket) => void
  readonly onRequest?: (socket: Socket, request: string) => void
}

export async function loopback({ tls = false, onConnection, onRequest }: LoopbackOptions): Promise<Loopback> {
  const requests: string[] = []
  const open = new Set<Socket>()
  let connections = 0
  const accept = (socket: Socket): void => {
    connections += 1
    open.add(socket)
    socket.on('close', () => open.delete(socket)).on('error', () => undefined)
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const [head = '', body] = text.split('\r\n\r\n')
      const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)
      if (body === undefined || body.length < length) return
      requests.push(text)
      onRequest?.(socket, text)
      text = ''
    })
    onConnection?.(socket)
  }
  const server: Server = tls
    ? createTlsServer(
        { key: readFileSync(fixture('localhost.key')), cert: readFileSync(CERTIFICATE) },
        accept,
      )
    : createServer(accept)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    get connections() {
      return connections
    },
    allClosed: async () => {
      while (open.size > 0) await new Promise((resolve) => setTimeout(resolve, 5))
    },
  }
}

/** An HTTP/1.1 answer with its length, as bytes on the wire. */
export function http(
  status: number,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Buffer {
  const fields = Object.entries({
    'content-type': 'application/json',
    'content-length': String(body.length),
    ...headers,
  })
  const head = `HTTP/1.1 ${status} Because\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  return Buffer.concat([Buffer.from(head), Buffer.from(body)])
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
