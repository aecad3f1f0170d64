import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'

const current = new AsyncLocalStorage<string | null>()

// The sandbox serves in this process, so each request can be told apart before the sandbox sees it.
subscribe('http.server.request.start', (message) => {
  const { 'x-asker': name } = (message as { request: IncomingMessage }).request.headers
  current.enterWith(typeof name === 'string' ? name : null)
})

/** Makes a process sign its requests by a header of its own, which `held.js` puts on them. */
export function signing(name: string): NodeJS.ProcessEnv {
  return { ASKER: name }
}

/** In the sandbox's `onRequest`: which process has asked. */
export function asker(): string {
  return current.getStore() ?? 'nobody'
}
