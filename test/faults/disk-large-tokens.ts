import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll } from 'vitest'
import type { Sandbox } from '../../src/sandbox/server.js'

const closing: (() => void)[] = []

afterAll(() => {
  for (const close of closing) close()
})

/**
 * Stands before the sandbox and makes its access tokens `bytes` longer, as servers do that issue JWTs:
 * a pair that needs pages of its own, where the sandbox's fits into what was there.
 *
 * @returns The instance's URL.
 */
export async function withLargeTokens(sandbox: Sandbox, bytes: number): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      const { authorization, accept = '*/*', 'content-type': type = '' } = request.headers
      const answer = await fetch(new URL(request.url ?? '/', sandbox.url), {
        method: 'POST',
        headers: { accept, 'content-type': type, ...(authorization === undefined ? {} : { authorization }) },
        body: await text(request),
      })
      const tokens = (await answer.json()) as Record<string, unknown>
      const larger = { ...tokens, access_token: `${String(tokens['access_token'])}.${'x'.repeat(bytes)}` }
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(larger))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/sandbox/`
}
