import { rmSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { rfc3339 } from '../../src/core/clock.js'
import { place, type Place } from '../support/place.js'
import { told } from '../support/world.js'
import { changed, examined, later, seeded } from './examined.js'

const DAY = 86_400

describe('the grant', () => {
  it('doctor reports a grant that the server has refused, and ends with 4, with what it said', async () => {
    const made = await seeded({ faults: [{ name: 'invalid-grant', count: 1 }] })
    await told(['refresh'], { env: { HQ_TOKEN_CONFIG: made.config } })
    const got = await examined(made)
    expect(got.code).toBe(4)
    expect(got.check('login')).toMatchObject({
      ...{ status: 'fail', exit: 4, hint: expect.stringContaining('seed FILE') as string },
      message: expect.stringMatching(
        /^the server refused the refresh token .* ago: .*invalid_grant/,
      ) as string,
    })
  })

  it.each([
    ['invalid-client', 'fail', 78, /invalid_client/, /client_secret/],
    ['503', 'warn', 0, /the server asked not to be called for another/, /hq-token refresh/],
  ] as const)(
    'doctor reports a grant whose last refresh met %s: %s',
    async (fault, status, code, message, hint) => {
      const made = await seeded({ faults: [{ name: fault, count: 1 }] })
      await told(['refresh'], { env: { HQ_TOKEN_CONFIG: made.config } })
      // Long enough for a slow machine to look at it.
      if (code === 0) changed(made, 'UPDATE token_set SET not_before = not_before + 600')
      const got = await examined(made)
      expect(got.code).toBe(code)
      expect(got.check('last failure')).toMatchObject({
        status,
        message: expect.stringMatching(message) as string,
        hint: expect.stringMatching(hint) as string,
      })
    },
  )

  it('doctor warns of a refresh token that ends soon, ends with 4 for one that has ended, and does neither for one that never lives long', async () => {
    const made = await seeded({ refreshTtl: 365 * DAY })
    // The server's clock is not what this is about.
    const soon = await examined(made, { clock: later(340 * DAY) })
    expect(soon.code).toBe(0)
    expect(soon.check('refresh token')).toMatchObject({
      status: 'warn',
      hint: 'a refresh brings a new one: hq-token refresh',
    })
    expect(soon.check('access token')?.message).toMatch(/^over since .*: the next `get` renews it$/)
    const over = await examined(made, { clock: later(366 * DAY) })
    expect(over.code).toBe(4)
    expect(over.check('login')).toMatchObject({ status: 'fail', exit: 4 })

    const short = await seeded({ refreshTtl: DAY })
    expect((await examined(short)).check('refresh token')).toMatchObject({ status: 'ok' })

    // Soon is a tenth of a life of two months.
    const months = await seeded({ refreshTtl: 60 * DAY })
    for (const [days, status] of [
      [53, 'ok'],
      [55, 'warn'],
    ] as const)
      expect((await examined(months, { clock: later(days * DAY) })).check('refresh token')).toMatchObject({
        status,
      })
  })

  it('obtained at an instant that is still to come: the clock went back', async () => {
    const made = await seeded()
    expect((await examined(made, { clock: later(-10 * DAY) })).check('access token')).toMatchObject({
      ...{ status: 'warn', message: expect.stringContaining('this machine’s clock was set back') as string },
      hint: expect.stringContaining('timedatectl') as string,
    })
  })

  it('doctor warns of a grant whose store came from another machine', async () => {
    const made = await seeded()
    changed(made, "UPDATE token_set SET came_from = 'old-host', came_at = obtained_at")
    expect((await examined(made)).check('login')).toMatchObject({
      ...{ status: 'warn', message: expect.stringContaining('came here from old-host') as string },
      hint: expect.stringContaining('stop hq-token on one of them') as string,
    })
  })
})

describe('a login', () => {
  /** One that waits, with the secrets that it waits with. */
  async function waiting(made: Place): Promise<{ begun: string; until: string; secrets: string[] }> {
    expect((await told(['login', '--no-browser'], { env: { HQ_TOKEN_CONFIG: made.config } })).code).toBe(0)
    const login = await made.store.login()
    if (login === undefined) throw new Error('no login waits')
    return {
      begun: rfc3339(login.begunAt),
      until: rfc3339(login.begunAt + 1800),
      secrets: [login.state.reveal(), login.verifier.reveal()],
    }
  }

  it('doctor says of a login that waits until when it does and how it is finished, and nothing of what it waits with', async () => {
    const made = await seeded()
    const { begun, until, secrets } = await waiting(made)
    const got = await examined(made)
    expect(got.code).toBe(0)
    expect(got.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: 'hq-token login --complete -' },
      message: `a login waits for its answer, begun at ${begun}, good until ${until}`,
    })
    const { stdout } = await told(['--config', made.config, 'doctor'])
    expect(stdout).toMatch(
      new RegExp(`^ok {5}pending login .*\n {7}→ hq-token --config ${made.config} login --complete -$`, 'm'),
    )
    const json = await told(['--config', made.config, 'doctor', '--json'])
    for (const secret of secrets) expect(stdout + json.stdout).not.toContain(secret)
  })

  it('doctor says that a login is over, its time or its answer, and asks for nothing while the grant is good', async () => {
    const made = await seeded()
    const { begun, until } = await waiting(made)
    const expired = await examined(made, { clock: later(1810) })
    expect(expired.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: null },
      message: `the login begun at ${begun} no longer waits: it expired at ${until}`,
    })
    changed(made, "UPDATE login SET spent = 'abcdef012345'")
    const spent = await examined(made)
    expect(spent.code).toBe(0)
    expect(spent.check('pending login')).toMatchObject({
      ...{ status: 'ok', hint: null },
      message: `the login begun at ${begun} no longer waits: its answer was used`,
    })
  })

  it('doctor reports a login that waits where there is no token set, and ends with 4, and the login is to be finished', async () => {
    const made = await place()
    rmSync(made.seed)
    await waiting(made)
    const got = await examined({ config: made.config })
    expect(got.code).toBe(4)
    expect(got.check('login')?.hint).toMatch(/^hq-token login --complete - /)
    expect(got.check('pending login')).toMatchObject({ status: 'ok', hint: 'hq-token login --complete -' })
  })
})
