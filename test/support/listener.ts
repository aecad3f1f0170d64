// A service on the loopback address that takes signs of life, as healthchecks.io does, and remembers the paths.
import { createServer } from 'node:http'
import { listening } from './proxy.js'

export interface Listener {
  readonly url: string
  readonly paths: string[]
}

/**
 * Runs until the end of the test.
 *
 * @param statuses Of the first answers; all others are 200.
 */
export async function listener(...statuses: number[]): Promise<Listener> {
  const paths: string[] = []
  const server = createServer((request, response) => {
    paths.push(request.url ?? '')
    response.writeHead(statuses.shift() ?? 200).end('OK')
  })
  return { url: `http://127.0.0.1:${await listening(server, '127.0.0.1')}`, paths }
}
