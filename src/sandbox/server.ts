// Starts and stops the sandbox's HTTP server, and keeps its log. Listens on loopback only.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { deliver, formatFor, reply } from './answers.js'
import { apiEndpoints, failure, nothingThere } from './api.js'
import { authorizeEndpoint } from './authorize.js'
import type { Fault } from './faults.js'
import { FaultQueue, REDIRECTED_PATH } from './faults.js'
import type { IssuedTokens } from './grants.js'
import { Grants } from './grants.js'
import { welcomePage } from './pages.js'
import type { Endpoint, Handled, Received, SandboxRequest } from './request.js'
import { bodyOf, isOwnHost, MOST_FILE, MOST_FORM, targetOf } from './request.js'
import { tokenEndpoint } from './token-endpoint-server.js'

const DEFAULT_USER = 'someone@example.com'
const YEAR = 31_536_000
const API = '/sandbox/api/'

export interface SandboxOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number
  /** Seconds of life of an access token; 300 by default. */
  readonly accessTtl?: number
  /** Seconds of life of a refresh token from its own issue; a year by default. */
  readonly refreshTtl?: number
  /** Answers in XML, whatever is asked for. */
  readonly xml?: boolean
  /** Milliseconds before each answer; the refresh has rotated before that wait. */
  readonly latencyMs?: number
  /** Milliseconds for which a rotated refresh token still works; 0 by default. */
  readonly graceMs?: number
  /** They strike refreshes one after another, each for its count. */
  readonly faults?: readonly Fault[]
  readonly clientId?: string
  /** 32 random characters by default. */
  readonly clientSecret?: string
  /** Epoch seconds, also fractional. */
  readonly clock?: () => number
  /** Called for each request as soon as it is in the log. */
  readonly onRequest?: (request: SandboxRequest) => void
}

/** A running stand-in for one HighQ instance, on 127.0.0.1 only. */
export interface Sandbox {
  /** The instance: `http://127.0.0.1:PORT/sandbox/`. */
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
  /** Every request, oldest first. */
  readonly log: readonly SandboxRequest[]
  /** A first token set, of a family of its own, for a seed. */
  issue(user?: string): IssuedTokens
  /** Replaces all faults; `[]` removes them. */
  setFaults(faults: readonly Fault[]): void
  /** Adds a fault that strikes after the others. */
  addFault(fault: Fault): void
  /** While true every grant is refused, as for a registration that an administrator archived. */
  setArchived(archived: boolean): void
  /** The number of times a refresh token was rotated, whether or not the answer arrived. */
  refreshes(): number
  /** The number of families that a reuse has revoked. */
  revokedFamilies(): number
  /** Drops all connections at once. */
  close(): Promise<void>
}

/**
 * Starts a sandbox: HighQ's URLs, rotation with reuse detection, faults on demand.
 *
 * @throws the system's error, such as `EADDRINUSE`, if the port cannot be had.
 */
export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const {
    port = 0,
    accessTtl = 300,
    refreshTtl = YEAR,
    xml = false,
    latencyMs = 0,
    graceMs = 0,
    clientId = '1012',
    clientSecret = randomBytes(24).toString('base64url'),
    clock = () => Date.now() / 1_000,
    onRequest,
  } = options
  const grants = new Grants({ accessTtl, refreshTtl, graceMs, clock })
  const faults = new FaultQueue()
  faults.set(options.faults ?? [])
  const log: SandboxRequest[] = []

  const server = createServer()
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sandbox/`

  const endpoints: Readonly<Record<string, Endpoint>> = {
    '/': welcome,
    '/sandbox': welcome,
    '/sandbox/': welcome,
    '/sandbox/authorize.action': authorizeEndpoint({
      grants,
      clientId,
      issuer: url,
      user: DEFAULT_USER,
      clock,
    }),
    '/sandbox/api/oauth2/token': tokenEndpoint({
      grants,
      faults,
      registration: { clientId, clientSecret },
      clock,
    }),
    [REDIRECTED_PATH]: () => ({
      answer: reply(200, 'text/plain', 'A redirect was followed'),
      outcome: 'followed',
    }),
  }

  const record = ({ method, path }: Pick<Received, 'method' | 'path'>, handled: Handled): void => {
    const { outcome, grantType = null, presented = null, issued = null } = handled
    const entry: SandboxRequest = { at: clock(), method, path, grantType, outcome, presented, issued }
    log.push(entry)
    onRequest?.(entry)
  }
  server.on('request', requestListener({ endpoints, api: apiEndpoints(grants, API), xml, latencyMs, record }))

  return {
    url,
    clientId,
    clientSecret,
    log,
    issue: (user = DEFAULT_USER) => grants.issue(user),
    setFaults: (next) => {
      faults.set(next)
    },
    addFault: (fault) => {
      faults.add(fault)
    },
    setArchived: (archived) => {
      grants.archived = archived
    },
    refreshes: () => grants.rotations,
    revokedFamilies: () => grants.revokedFamilies,
    close: async () => {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

interface Desk {
  readonly endpoints: Readonly<Record<string, Endpoint>>
  readonly api: ReturnType<typeof apiEndpoints>
  /** Answer in XML whatever is asked for. */
  readonly xml: boolean
  readonly latencyMs: number
  readonly record: (head: Pick<Received, 'method' | 'path'>, handled: Handled) => void
}

/** From a request to its answer: the body, the endpoint, the log, the wait. */
function requestListener(desk: Desk): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    // A throw of `answer` stays unhandled: a bug must not look like a fault that was asked for.
    const isUpload = targetOf(request.url ?? '').path === `${API}1/files`
    bodyOf(request, isUpload ? MOST_FILE : MOST_FORM).then(
      (body) => answer(desk, request, body, response),
      // The client gave up before its request was whole.
      () => response.destroy(),
    )
  }
}

async function answer(
  desk: Desk,
  request: IncomingMessage,
  body: Buffer | null,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', headers } = request
  const { path, query } = targetOf(request.url ?? '/')
  const handled = handle(desk, headers.host, body, {
    method,
    path,
    query,
    contentType: headers['content-type'] ?? '',
    authorization: headers.authorization,
    format: formatFor(headers.accept, desk.xml),
  })
  desk.record({ method, path }, handled)
  if (desk.latencyMs > 0) await sleep(desk.latencyMs, undefined, { ref: false })
  await deliver(handled.answer, response)
}

function handle(
  { endpoints, api }: Desk,
  host: string | undefined,
  bytes: Buffer | null,
  head: Omit<Received, 'body' | 'bytes'>,
): Handled {
  if (!isOwnHost(host)) return refuse(failure(421, 'Only a loopback name is answered', head.format))
  if (bytes === null) return refuse(failure(413, 'Too large', head.format))
  const endpoint = Object.hasOwn(endpoints, head.path) ? endpoints[head.path] : api(head.path)
  return (endpoint ?? nothingThere)({ ...head, bytes, body: bytes.toString() })
}

const welcome: Endpoint = () => ({ answer: welcomePage(), outcome: 'served' })

function refuse(answer: Handled['answer']): Handled {
  return { answer, outcome: 'refused' }
}
