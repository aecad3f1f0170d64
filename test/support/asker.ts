import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'

const current = new AsyncLocalStorage<string | null>()

// The sandbox serves in this process, so each request can be told apart before the sandbox sees it: by the process at
// the other end, because a token endpoint of its own would be another server.
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

/** Of the process that has a connection from this port; it must be alive. @see proc_net(5) */
function nameOf(port: number): string | null {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const connection = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, from = '']) => from.endsWith(local))
  const inode = connection?.[9] ?? '0'
  if (inode === '0') return null
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && hasSocket(name, inode))
  if (pid === undefined) return null
  const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
  return environment.find((variable) => variable.startsWith('ASKER='))?.slice('ASKER='.length) ?? null
}

function hasSocket(pid: string, inode: string): boolean {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(`${folder}/${fd}`) === `socket:[${inode}]`
      } catch {
        // Closed meanwhile.
        return false
      }
    })
  } catch {
    // Gone, or another user's.
    return false
  }
}
