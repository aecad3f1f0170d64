import { fetch, type Dispatcher } from 'undici'

/** A `fetch` for oauth4webapi that goes the program's way. Its classes are not Node's own, and look the same. */
export function fetchThrough(dispatcher: Dispatcher): (url: string, request: object) => Promise<Response> {
  const send = fetch as unknown as (url: string, request: object) => Promise<Response>
  return (url, request) => send(url, { ...request, dispatcher })
}
