import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { startOidcServer } from '../support/oidc.js'
import { start } from '../support/processes.js'

describe.each(['client_secret_post', 'client_secret_basic'] as const)('oidc-provider, with %s', (method) => {
  it('rotates through a run of refreshes, and forgives none twice', { timeout: 180_000 }, async () => {
    const server = await startOidcServer(method)
    const dir = folder()
    const config = join(dir, 'config.ini')
    const client = `[client]\ntoken_url = ${server.tokenUrl}\nclient_id = ${server.clientId}\nclient_secret_file = secret\nauth_method = ${method}\n`
    writeFileSync(config, `${client}[store]\npath = token.db\n`, { mode: 0o600 })
    writeFileSync(join(dir, 'secret'), `${server.clientSecret}\n`, { mode: 0o600 })
    const first = await server.issue()
    const hq = (args: string[], input?: string): ReturnType<typeof start>['done'] =>
      start(args, { env: { HQ_TOKEN_CONFIG: config }, ...(input !== undefined && { input }) }).done

    const seed = `[AUTH]\naccess_token = expired\naccess_expiry = 0\nrefresh_token = ${first}\ntoken_type = bearer\n`
    expect(await hq(['seed', '--issued-at', '2026-01-01T00:00:00Z', '-'], seed)).toMatchObject({ code: 0 })
    const tokens = new Set([(await hq(['get'])).stdout.trim()])
    for (let round = 1; round < 6; round++) {
      // At once: one renews, and the other one prints the token of before or the new one.
      const both = await Promise.all([hq(['refresh']), hq(['get'])])
      expect(both.map(({ code, stderr }) => `${code} ${stderr}`)).toEqual(['0 ', '0 '])
      tokens.add((await hq(['get'])).stdout.trim())
    }
    expect(tokens.size).toBe(6)
    expect(server.requests()).toBe(6)

    // A copy of the store that spends a token again ends the grant: the server says so, and so do we.
    const replayed = await hq(['seed', '--force', '--issued-at', '0', '-'], seed)
    expect(replayed).toMatchObject({ code: 0 })
    const refused = await hq(['get'])
    expect(refused).toMatchObject({ code: 4, stdout: '' })
    expect(refused.stderr).toMatch(/invalid_grant/)
    await server.close()
  })
})
