import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { rootCertificates } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { Network } from '../../src/network/network.js'
import { sendOnce } from '../../src/network/send-once.js'
import { STRAIGHT } from '../../src/network/settings.js'
import { tlsOptions } from '../../src/network/tls.js'
import type { TrustRuntime } from '../../src/platform/authorities.js'
import { authority, pem, type Authority } from '../support/authority.js'
import { requirePrograms } from '../support/debian.js'
import { listening } from '../support/proxy.js'

// Real servers, whose authority nothing but the system's store has.
describe('a server whose authority the system’s store alone has', { timeout: 60_000 }, () => {
  let firm: Authority
  let serve: () => Promise<URL>

  beforeAll(() => {
    requirePrograms('openssl')
    firm = authority()
    const certificate = firm.issue('127.0.0.1')
    serve = async (): Promise<URL> => {
      const server = createServer(pem(certificate), (_, response) => response.end('{}'))
      return new URL(`https://127.0.0.1:${await listening(server, '127.0.0.1')}/`)
    }
  })

  const on = (platform: NodeJS.Platform): TrustRuntime => ({
    ...{ platform, env: {}, version: process.version },
    getCACertificates: (type) => (type === 'system' ? [readFileSync(firm.cert, 'utf8')] : rootCertificates),
  })
  const refresh = (url: URL, runtime: TrustRuntime, ca: string | null = null) => {
    const tls = tlsOptions({ ca, client: null }, runtime)
    const request = { url, headers: { 'content-length': '1' }, body: 'x' }
    return sendOnce(request, { ...STRAIGHT, tls }, { timeoutMs: 10_000 })
  }
  const call = async (url: URL, runtime: TrustRuntime): Promise<number> => {
    const agent = new Network(STRAIGHT, runtime).agent({ connectMs: 5_000, idleMs: 5_000 })
    const { statusCode, body } = await agent.request({ origin: url.origin, path: '/', method: 'GET' })
    await body.dump()
    await agent.close()
    return statusCode
  }

  it.each(['win32', 'darwin'] as const)(
    'is reached on %s, by a refresh and by all other requests',
    async (platform) => {
      const url = await serve()
      expect(await refresh(url, on(platform))).toMatchObject({ sent: true, status: 200, failure: null })
      expect(await refresh(url, on(platform), readFileSync(authority().cert, 'utf8'))).toMatchObject({
        status: 200,
      })
      expect(await call(url, on(platform))).toBe(200)
    },
  )

  it('is sent nothing on Linux, nor where Node cannot give that store', async () => {
    const url = await serve()
    for (const runtime of [on('linux'), { ...on('win32'), getCACertificates: undefined }]) {
      expect(await refresh(url, runtime)).toMatchObject({
        sent: false,
        failure: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      })
      await expect(call(url, runtime)).rejects.toThrow()
    }
  })
})
