import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Secret } from '../../src/core/secret.js'
import { startOidcServer } from '../support/oidc.js'
import { decided } from '../support/person.js'
import { place } from '../support/place.js'
import { told } from '../support/world.js'
import { asked, home } from './login-home.js'

describe('a logout', () => {
  it('a logout says what it cannot do at HighQ, and leaves no token in any file', async () => {
    const there = await home()
    await there.tell(['login', '--complete', await decided(await asked(there), 'allow')])
    const token = (await there.tell(['get'])).stdout.trim()
    await there.tell(['refresh'])
    await asked(there)
    const [set, login] = [await there.store.read(), await there.store.login()]
    const secrets = [set?.pair, set?.previous, login]
      .flatMap((kept): unknown[] => Object.values(kept ?? {}))
      .filter((value) => value instanceof Secret)
      .map((secret) => secret.reveal())
    expect(secrets).toHaveLength(6)
    expect(secrets).toContain(token)
    const found = (): string[] =>
      readdirSync(dirname(there.store.name)).filter((name) => {
        const bytes = readFileSync(join(dirname(there.store.name), name))
        return secrets.some((secret) => bytes.includes(secret))
      })
    expect(found()).toContain('token.db')
    const { code, stdout, stderr } = await there.tell(['logout'])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('a system administrator archives the registration')
    expect(found()).toEqual([])
    expect(await there.tell(['get'])).toMatchObject({ code: 4, stdout: '' })
    expect((await there.tell(['logout'])).stderr).toContain('there was nothing to forget')
  })

  it('a logout makes no store where there is none', async () => {
    const there = await home()
    const { code, stderr } = await there.tell(['logout'])
    expect([code, stderr]).toEqual([0, expect.stringContaining('there was nothing to forget')])
    expect(
      readdirSync(there.dir).filter((name) => name.startsWith('token.') && name !== 'token.ini'),
    ).toEqual([])
  })

  it('a logout warns of the seed file, whose grant no later `get` brings back', async () => {
    const there = await place()
    const env = { HQ_TOKEN_CONFIG: there.config }
    await told(['get'], { env })
    await told(['refresh'], { env })
    const { code, stderr } = await told(['logout'], { env })
    const asked = there.sandbox.log.length
    for (const command of [['get'], ['seed']]) {
      const after = await told(command, { env })
      expect(after).toMatchObject({ code: 4, stdout: '' })
      expect(after.stderr).toContain('holds the grant that a logout ended at 20')
    }
    expect(there.sandbox.log).toHaveLength(asked)
    expect(await told(['seed', '--force'], { env })).toMatchObject({ code: 0 })
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining(`the seed file ${there.seed} may still hold a token`),
    ])
  })

  it('a logout revokes where the server can, and keeps all where it could not be told', async () => {
    const server = await startOidcServer('client_secret_post')
    onTestFinished(() => server.close())
    const there = await home()
    const seed = join(there.dir, 'oidc.ini')
    const refreshToken = await server.issue()
    writeFileSync(
      seed,
      `[AUTH]\naccess_token = an-expired-token\naccess_expiry = 1\nrefresh_token = ${refreshToken}\n`,
      {
        mode: 0o600,
      },
    )
    const config = (revocation: string): void => {
      writeFileSync(
        there.config,
        `[client]\ntoken_url = ${server.tokenUrl}\nrevocation_url = ${server.issuer}${revocation}\nclient_id = ${server.clientId}\nclient_secret = "${server.clientSecret}"\n[store]\npath = token.db\n`,
      )
    }
    config('/nowhere')
    await there.tell(['seed', seed])
    const failed = await there.tell(['logout'])
    expect(failed.code).toBe(75)
    expect(failed.stderr).toContain('hq-token logout --local')
    expect(await there.tell(['refresh'])).toMatchObject({ code: 0 })

    config('/token/revocation')
    const refreshed = (await there.store.read())?.pair.refreshToken.reveal() ?? ''
    expect((await there.tell(['logout'])).stderr).toContain(
      'the grant is revoked at the server, and the tokens are forgotten here',
    )
    writeFileSync(
      seed,
      `[AUTH]\naccess_token = an-expired-token\naccess_expiry = 1\nrefresh_token = ${refreshed}\n`,
      {
        mode: 0o600,
      },
    )
    await there.tell(['seed', seed])
    expect((await there.tell(['refresh'])).stderr).toContain('refused the refresh token')

    config('/nowhere')
    expect(await there.tell(['logout', '--local'])).toMatchObject({ code: 0 })
    expect(await there.store.read()).toBeUndefined()
  })
})
