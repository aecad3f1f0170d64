import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { PluggableAuthClient } from 'google-auth-library'
import { afterEach, expect, it, vi } from 'vitest'
import { place, type PlaceOptions } from '../support/place.js'
import { BIN } from '../support/processes.js'

const JWT = 'urn:ietf:params:oauth:token-type:jwt'

const closing: (() => void)[] = []

afterEach(() => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0)) close()
})

/** Google's own library with hq-token as its executable, and what its token exchange was asked. */
async function client(
  options: PlaceOptions,
  seedTtl: number,
): Promise<{ client: PluggableAuthClient; asked: URLSearchParams[]; token: () => Promise<string> }> {
  const { config, run } = await place(options, seedTtl)
  vi.stubEnv('GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES', '1')
  vi.stubEnv('HQ_TOKEN_CONFIG', config)
  const asked: URLSearchParams[] = []
  const exchange = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push(new URLSearchParams(body))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ access_token: 'of google', expires_in: 3600, token_type: 'Bearer' }))
    })
  })
  exchange.listen(0, '127.0.0.1')
  await once(exchange, 'listening')
  closing.push(() => {
    exchange.closeAllConnections()
    exchange.close()
  })
  return {
    asked,
    token: async () => (await run(['get'])).stdout.trim(),
    client: new PluggableAuthClient({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b',
      subject_token_type: JWT,
      token_url: `http://127.0.0.1:${(exchange.address() as AddressInfo).port}/v1/token`,
      credential_source: {
        executable: {
          command: `"${process.execPath}" "${BIN}" credential --protocol google`,
          timeout_millis: 60_000,
        },
      },
    }),
  }
}

it('Google’s library takes the token, and exchanges it', async () => {
  const { client: google, asked, token } = await client({}, 3600)
  expect((await google.getAccessToken()).token).toBe('of google')
  expect(asked).toHaveLength(1)
  expect(Object.fromEntries(asked[0] ?? [])).toMatchObject({
    subject_token: await token(),
    subject_token_type: JWT,
  })
})

it('Google’s library shows why there is no token: the JSON, and nothing else', async () => {
  const { client: google, asked } = await client({ faults: [{ name: 'invalid-grant', count: 1 }] }, 0)
  await expect(google.getAccessToken()).rejects.toThrow(
    /exit code: 4 and error message: \{"version":1,"success":false,"code":"HQ_LOGIN_REQUIRED","message":"[^"]*"\}\s*\.?$/,
  )
  expect(asked).toEqual([])
})
