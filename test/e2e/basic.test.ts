import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { withoutNews } from '../support/processes.js'
import { aim, GOOD, NEW_ACCESS, REFRESH } from '../faults/network-aim.js'
import { startOidcServer } from '../support/oidc.js'
import { listening } from '../support/proxy.js'

// Servers read the credentials of HTTP Basic in two ways; each of them is served by one of the two methods.

const ID = 'app'
const SECRET = 'se;cret~of#the client'

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}

/** Compares what comes with what `curl -u` would send, as servers do that decode nothing. */
async function plainServer() {
  const asked: string[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      asked.push(`${request.url ?? ''} ${body}`)
      const isKnown =
        request.headers.authorization === `Basic ${Buffer.from(`${ID}:${SECRET}`).toString('base64')}`
      response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' })
      response.end(isKnown ? GOOD : '{"error":"invalid_client"}')
    })
  })
  const port = await listening(server, '127.0.0.1')
  return { asked, url: `http://127.0.0.1:${port}` }
}

function place(url: string, method: string, id = ID, secret = SECRET) {
  const aimed = aim(`${url}/token`)
  const text = readFileSync(aimed.config, 'utf8')
    .replace(/client_id = .*/, `client_id = "${id}"`)
    .replace(/client_secret = .*/, 'client_secret_file = secret')
    .replace('[store]', `auth_method = ${method}\nrevocation_url = ${url}/revoke\n[store]`)
  writeFileSync(aimed.config, text, { mode: 0o600 })
  writeFileSync(`${aimed.dir}/secret`, `${secret}\n`, { mode: 0o600 })
  return aimed
}

describe('a server that does not decode HTTP Basic', { timeout: 60_000 }, () => {
  it('a server that does not decode HTTP Basic refuses client_secret_basic once, and the hint names the other method', async () => {
    const { url, asked } = await plainServer()
    const { start, store, told } = place(url, 'client_secret_basic')
    const { code, stdout, stderr } = await start(['get']).done
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toContain('refused the client (invalid_client)')
    expect(stderr).toContain(
      'try auth_method = client_secret_basic_plain in [client] of the config, then: hq-token refresh',
    )
    expect(asked).toHaveLength(1)
    expect((await store.read())?.pair.refreshToken.reveal()).toBe(REFRESH)
    const { stdout: examined } = await told(['doctor'])
    expect(examined.replace(/\s+/g, ' ')).toContain('try auth_method = client_secret_basic_plain')
    expect(examined).not.toContain(SECRET)
  })

  it('a server that does not decode HTTP Basic takes client_secret_basic_plain, at the token endpoint and where a grant is revoked', async () => {
    const { url, asked } = await plainServer()
    const { start } = place(url, 'client_secret_basic_plain')
    expect(withoutNews(await start(['get']).done)).toMatchObject({
      code: 0,
      stdout: `${NEW_ACCESS}\n`,
      stderr: '',
    })
    expect(await start(['logout']).done).toMatchObject({ code: 0, stdout: '' })
    expect(asked.map((line) => line.split(' ')[0])).toEqual(['/token', '/revoke'])
    expect(asked.join()).not.toMatch(/client_secret|client_id/)
  })

  it('a server that does not decode HTTP Basic gets nothing that client_secret_basic_plain cannot say', async () => {
    const { url, asked } = await plainServer()
    const { start, told } = place(url, 'client_secret_basic_plain', 'a:b')
    const { code, stderr } = await start(['get']).done
    expect({ code, asked }).toEqual({ code: 78, asked: [] })
    expect(stderr).toContain('client_id holds a colon')
    expect((await told(['doctor'])).stdout.replace(/\s+/g, ' ')).toContain('client_id holds a colon')
  })
})

describe('oidc-provider, which decodes', { timeout: 60_000 }, () => {
  it.each([
    ['client_secret_basic', 0],
    ['client_secret_basic_plain', 78],
  ])('oidc-provider decodes, and %s ends with %i', async (method, exit) => {
    const server = await startOidcServer('client_secret_basic')
    const aimed = place(server.issuer, method, server.clientId, server.clientSecret)
    const first = await server.issue()
    writeFileSync(aimed.seed, readFileSync(aimed.seed, 'utf8').replace(REFRESH, first), { mode: 0o600 })
    const { code, stderr } = await aimed.start(['get']).done
    expect({ code }, stderr).toEqual({ code: exit })
    expect(stderr).not.toContain('client_secret_basic_plain in [client]')
    await server.close()
  })
})
