import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterAll } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { start, type Running, type StartOptions } from '../support/processes.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

const fixture = (name: string): Buffer => readFileSync(new URL(`../oauth/fixtures/${name}`, import.meta.url))

export type Behaviour = (socket: Socket, nth: number) => void

/** A server that speaks bytes, for all of a test file: what reached it, and when. */
export interface Target {
  readonly port: number
  /** Whole requests, each with its time. */
  readonly requests: { readonly text: string; readonly at: number }[]
  connections: number
  /** When the last connection ended. */
  closedAt: number
  /** What it does from the next request on. */
  onRequest: Behaviour
  onConnection: (socket: Socket) => void
}

const servers: Server[] = []
const sockets = new Set<Socket>()

afterAll(() => {
  for (const socket of sockets) socket.destroy()
  for (const server of servers) server.close()
})

/** @param certificate Makes it a TLS server; with the key of `test/oauth/fixtures`. */
export async function target(onRequest: Behaviour, certificate?: string | Buffer): Promise<Target> {
  const accept = (socket: Socket): void => {
    made.connections += 1
    sockets.add(socket)
    socket
      .on('error', () => undefined)
      .on('close', () => {
        sockets.delete(socket)
        made.closedAt = performance.now()
      })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const [head = '', body] = text.split('\r\n\r\n')
      if (body === undefined || body.length < Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0)) return
      made.requests.push({ text, at: performance.now() })
      text = ''
      made.onRequest(socket, made.requests.length)
    })
    made.onConnection(socket)
  }
  const server: Server =
    certificate === undefined
      ? createServer(accept)
      : createTlsServer({ key: fixture('localhost.key'), cert: certificate }, accept)
  server.on('tlsClientError', () => undefined)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const made: Target = {
    port: (server.address() as AddressInfo).port,
    requests: [],
    connections: 0,
    closedAt: 0,
    onRequest,
    onConnection: () => undefined,
  }
  return made
}

export const ACCESS = 'AT-seed-7c1e9a52d3'
export const REFRESH = 'RT-seed-5b8d20f6e4'
export const SECRET = 'CS-client-91ad37be'
export const NEW_ACCESS = 'AT-new-e80b4471aa'
export const NEW_REFRESH = 'RT-new-3f6c92d510'
export const GOOD = JSON.stringify({
  access_token: NEW_ACCESS,
  refresh_token: NEW_REFRESH,
  expires_in: 3600,
  token_type: 'Bearer',
})
const SECRETS = [ACCESS, REFRESH, SECRET, NEW_ACCESS, NEW_REFRESH]

/** Which of the secrets, or what is left of them, stand in a text that others may read. */
export const leaked = (text: string): string[] =>
  SECRETS.filter((secret) => text.includes(secret.slice(0, 12)) || text.includes(secret.slice(-8)))

/** A configuration for one token endpoint and a seed that has expired: `get` must refresh. */
export interface Aim {
  readonly dir: string
  readonly config: string
  readonly seed: string
  readonly store: SqliteStore
  /** A real process. */
  readonly start: (args: readonly string[], options?: StartOptions) => Running
  /** The same command in this process. */
  readonly told: (args: readonly string[], options?: WorldOptions) => Promise<Told>
}

export function aim(url: string, { config = '', accessTtl = 0 } = {}): Aim {
  const dir = folder()
  const path = join(dir, 'config.ini')
  const seed = join(dir, 'token.ini')
  writeFileSync(
    path,
    `[client]\ntoken_url = ${url}\nclient_id = 1012\nclient_secret = ${SECRET}\n[store]\npath = token.db\n[seed]\nfile = token.ini\n${config}`,
    { mode: 0o600 },
  )
  writeFileSync(
    seed,
    `[AUTH]\naccess_token = ${ACCESS}\naccess_expiry = ${accessTtl}\nrefresh_token = ${REFRESH}\n`,
    { mode: 0o600 },
  )
  return {
    dir,
    config: path,
    seed,
    store: new SqliteStore(join(dir, 'token.db')),
    start: (args, options = {}) =>
      start(args, { ...options, env: { HQ_TOKEN_CONFIG: path, ...options.env } }),
    told: (args, options = {}) => told(args, { ...options, env: { HQ_TOKEN_CONFIG: path, ...options.env } }),
  }
}
