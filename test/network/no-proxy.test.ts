import { createServer } from 'node:net'
import { EnvHttpProxyAgent } from 'undici'
import { describe, expect, it } from 'vitest'
import { isExempt } from '../../src/network/no-proxy.js'
import { listening } from '../support/proxy.js'

/** Names that cannot be resolved: which way was tried shows all the same. */
const SERVERS = [
  'https://a.invalid/',
  'https://b.a.invalid/',
  'https://xa.invalid/',
  'https://A.INVALID:8443/',
  'https://127.0.0.1:1/',
  'https://[::1]:1/',
]
const LISTS = [
  '',
  '*',
  'a.invalid',
  '.a.invalid',
  '*.a.invalid',
  'A.Invalid',
  'a.invalid:443',
  'a.invalid:8443 b.example',
  'b.example,a.invalid:1',
  'a.invalid:0',
  '127.0.0.1',
  '127.0.0.1:2',
  '[::1]',
  '::1',
  'invalid',
  '*,b.example',
]

describe('NO_PROXY means what it means for all other requests', () => {
  it.each(LISTS)('%j', async (noProxy) => {
    let connections = 0
    const port = await listening(
      createServer((socket) => {
        connections += 1
        // Not a connection that is closed: undici would make it again and again.
        socket.on('error', () => undefined).end('HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n')
      }),
      '127.0.0.1',
    )
    for (const server of SERVERS) {
      connections = 0
      const agent = new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: `http://127.0.0.1:${port}`, noProxy })
      const { origin } = new URL(server)
      await agent.request({ origin, path: '/', method: 'GET' }).catch(() => undefined)
      await agent.destroy()
      expect({ server, isExempt: isExempt(new URL(server), noProxy) }).toEqual({
        server,
        isExempt: connections === 0,
      })
    }
  })
})
