// What is asked, in a process of its own: a token endpoint over TLS that rotates at each request and answers at
// once, the same without TLS, and an API beside it. Tells its parent where it listens, and of each exchange.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { finished } from 'node:stream/promises'

const [folder, lifetime] = process.argv.slice(2)
const SITES = JSON.stringify({ site: [{ id: 1, sitename: 'One' }] })
let exchanges = 0

/** As long as tokens are. */
const named = (kind) => `${kind}${exchanges}.`.padEnd(400, 'x')

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://localhost')
  await finished(request.resume())
  response.setHeader('content-type', 'application/json')
  if (pathname.endsWith('/token')) {
    exchanges++
    process.send('exchange')
    const tokens = { access_token: named('access'), refresh_token: named('refresh') }
    response.end(JSON.stringify({ ...tokens, token_type: 'bearer', expires_in: Number(lifetime) }))
  } else if (pathname.endsWith('/openid-configuration')) {
    const issuer = `http://${request.headers.host}/`
    const endpoints = { token_endpoint: `${issuer}token`, authorization_endpoint: `${issuer}authorize` }
    const supported = { scopes_supported: ['openid'], grant_types_supported: ['refresh_token'] }
    response.end(JSON.stringify({ issuer, ...endpoints, ...supported, response_types_supported: ['code'] }))
  } else response.end(SITES)
}

const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(`${folder}/${name}`))
const urls = []
for (const [scheme, server] of [
  ['https', https.createServer({ key, cert }, answer)],
  ['http', http.createServer(answer)],
]) {
  // A connection that waits for its next request is not what is measured.
  server.keepAliveTimeout = 600_000
  await once(server.listen(0, '127.0.0.1', 4096), 'listening')
  urls.push(`${scheme}://127.0.0.1:${server.address().port}/`)
}
process.send(urls)
process.on('disconnect', () => process.exit())
