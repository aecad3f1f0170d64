// Sends oauth4webapi's requests through the program's dispatcher. Sends nothing itself.
import { fetch, type Dispatcher } from 'undici'

/**
 * A `fetch` for oauth4webapi that uses the given dispatcher. undici's classes are not Node's own, but behave the
 * same.
 */
export function fetchThrough(dispatcher: Dispatcher): (url: string, request: object) => Promise<Response> {
  const send = fetch as unknown as (url: string, request: object) => Promise<Response>
  return (url, request) => send(url, { ...request, dispatcher })
}

/**
 * Why a `fetch` failed: the code of the deepest cause, else its name, never a message. Names the proxy if that
 * failed.
 */
export function networkCode(error: unknown): string {
  let code = (error as Error).name
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code: own, proxy } = at as NodeJS.ErrnoException & { readonly proxy?: string }
    if (proxy !== undefined) return `${own ?? code}, at the proxy ${proxy}`
    if (typeof own === 'string') code = own
  }
  return code
}
