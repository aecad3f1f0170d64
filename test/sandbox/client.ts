import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:http'
import { onTestFinished } from 'vitest'

import type { Sandbox, SandboxOptions } from '../../src/sandbox/server.js'
import { startSandbox } from '../../src/sandbox/server.js'

/** A sandbox that ends with the test. */
export async function sandboxFor(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options)
  onTestFinished(() => sandbox.close())
  return sandbox
}

/** A clock that stands still until it is moved. */
export function movableClock(now = 1_800_000_000): { (): number; forward: (seconds: number) => void } {
  let at = now
  return Object.assign(() => at, {
    forward: (seconds: number) => {
      at += seconds
    },
  })
}

export const JSON_PLEASE = { accept: 'application/json' }

export function post(
  sandbox: Sandbox,
  form: Record<string, string>,
  headers: Record<string, string> = JSON_PLEASE,
): Promise<Response> {
  return fetch(`${sandbox.url}api/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: sandbox.clientId, client_secret: sandbox.clientSecret, ...form }),
    headers,
    redirect: 'manual',
  })
}

export function refresh(
  sandbox: Sandbox,
  refreshToken: string,
  headers?: Record<string, string>,
): Promise<Response> {
  return post(sandbox, { grant_type: 'refresh_token', refresh_token: refreshToken }, headers)
}

export function sites(sandbox: Sandbox, accessToken: string, headers = JSON_PLEASE): Promise<Response> {
  return fetch(`${sandbox.url}api/1/sites`, {
    headers: { ...headers, authorization: `Bearer ${accessToken}` },
  })
}

export async function record(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}

/** What arrives of an answer, byte for byte, with nothing decoded and also where it breaks off. */
export interface Arrived {
  readonly status: number | null
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly complete: boolean
}

export function rawRefresh(
  sandbox: Sandbox,
  refreshToken: string,
  { headers = JSON_PLEASE, forMs = 5_000 }: { headers?: Record<string, string>; forMs?: number } = {},
): Promise<Arrived> {
  const form = new URLSearchParams({
    client_id: sandbox.clientId,
    client_secret: sandbox.clientSecret,
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
  })
  return new Promise((resolve) => {
    const sent = request(`${sandbox.url}api/oauth2/token`, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    })
    const nothing = (): void => {
      resolve({ status: null, headers: {}, body: Buffer.alloc(0), complete: false })
    }
    sent.on('error', nothing)
    const timer = setTimeout(() => sent.destroy(), forMs)
    sent.on('close', () => {
      clearTimeout(timer)
    })
    sent.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => undefined)
      response.on('close', () => {
        const { statusCode = null, headers: received, complete } = response
        resolve({ status: statusCode, headers: received, body: Buffer.concat(chunks), complete })
      })
    })
    sent.end(form.toString())
  })
}

export function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}
