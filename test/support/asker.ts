import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import type { Sandbox } from '../../src/sandbox/server.js'

const current = new AsyncLocalStorage<string | null>()

// The sandbox serves in this process, so each request can be told apart before the sandbox sees it.
subscribe('http.server.request.start', (message) => {
  const { url = '/' } = (message as { request: IncomingMessage }).request
  current.enterWith(new URL(url, 'http://localhost').searchParams.get('asker'))
})

/** Makes a process sign its requests to the token endpoint; the sandbox does not look at a query. */
export function signing(name: string, { url }: Pick<Sandbox, 'url'>): NodeJS.ProcessEnv {
  return { HQ_TOKEN_TOKEN_URL: `${url}api/oauth2/token?asker=${name}` }
}

/** In the sandbox's `onRequest`: which process has asked. */
export function asker(): string {
  return current.getStore() ?? 'nobody'
}
