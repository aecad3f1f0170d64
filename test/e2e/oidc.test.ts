import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { startOidcServer } from '../support/oidc.js'
import { start } from '../support/processes.js'

describe.each(['client_secret_post', 'client_secret_basic'] as const)('oidc-provider, with %s', (method) => {
  it(
    'oidc-provider rotates through a run of refreshes, and forgives none twice',
    { timeout: 180_000 },
    async () => {
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
    },
  )
})

describe('oidc-provider, by its issuer and a seed file', () => {
  it(
    'oidc-provider, by its issuer and a seed file is asked for its endpoints by the seed, or by the refresh that needs them',
    { timeout: 60_000 },
    async () => {
      const server = await startOidcServer('client_secret_basic')
      const dir = folder()
      const seed = join(dir, 'token.ini')
      const client = `[client]\nissuer = ${server.issuer}\nclient_id = ${server.clientId}\nclient_secret_file = secret\nauth_method = client_secret_basic\n`
      writeFileSync(join(dir, 'config.ini'), `${client}[seed]\nfile = token.ini\n`, { mode: 0o600 })
      writeFileSync(join(dir, 'secret'), `${server.clientSecret}\n`, { mode: 0o600 })
      const hq = (store: string, ...args: string[]): ReturnType<typeof start>['done'] =>
        start(args, { env: { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: join(dir, store) } }).done

      for (const [store, commands] of [
        ['seeded', [['seed'], ['get']]],
        ['unattended', [['get']]],
      ] as const) {
        const token = await server.issue()
        writeFileSync(seed, `[AUTH]\naccess_token = over\naccess_expiry = 0\nrefresh_token = ${token}\n`, {
          mode: 0o600,
        })
        const before = server.requests()
        for (const [command] of commands)
          expect((await hq(store, command)).code, `${store}: ${command}`).toBe(0)
        expect(server.requests() - before).toBe(1)
        expect(await hq(store, 'refresh')).toMatchObject({ code: 0, stderr: '' })
        const status = JSON.parse((await hq(store, 'status', '--json')).stdout) as Record<string, unknown>
        expect(status).toMatchObject({ state: 'fresh', instance: server.issuer, generation: 3 })
      }
      await server.close()
    },
  )
})
