import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { Grant, GrantsOptions, IssuedTokens } from '../../src/sandbox/grants.js'
import { Grants } from '../../src/sandbox/grants.js'
import { challengeOf, movableClock } from './client.js'

const YEAR = 31_536_000

function setUp(options: Partial<GrantsOptions> = {}) {
  const clock = movableClock()
  const grants = new Grants({ accessTtl: 300, refreshTtl: YEAR, graceMs: 0, clock, ...options })
  return { clock, grants, first: grants.issue('someone@example.com') }
}

function tokens(grant: Grant): IssuedTokens {
  if (grant.kind === 'refused') throw new Error(grant.description)
  return grant.tokens
}

describe('rotation', () => {
  it('rotation replaces both tokens', () => {
    const { grants, first } = setUp()
    const grant = grants.refresh(first.refreshToken)
    expect(grant).toMatchObject({ outcome: 'rotated', tokens: { expiresIn: 300, refreshExpiresIn: YEAR } })
    expect(tokens(grant).accessToken).not.toBe(first.accessToken)
    expect(tokens(grant).refreshToken).not.toBe(first.refreshToken)
    expect(grants.rotations).toBe(1)
  })

  it('rotation leaves the access token of before valid until its own expiry', () => {
    const { grants, clock, first } = setUp()
    clock.forward(299.9)
    grants.refresh(first.refreshToken)
    expect(grants.userOf(first.accessToken)).toBe('someone@example.com')
    clock.forward(0.1)
    expect(grants.userOf(first.accessToken)).toBeUndefined()
  })

  it('rotation gives every refresh token a year of its own', () => {
    const { grants, clock, first } = setUp()
    clock.forward(YEAR - 1)
    const second = tokens(grants.refresh(first.refreshToken))
    clock.forward(YEAR - 1)
    const third = tokens(grants.refresh(second.refreshToken))
    clock.forward(YEAR)
    expect(grants.refresh(third.refreshToken)).toMatchObject({ outcome: 'refused', error: 'invalid_grant' })
    expect(grants.revokedFamilies).toBe(0)
  })

  it('rotation can give a new access token alone', () => {
    const { grants, clock, first } = setUp()
    clock.forward(1_000)
    const grant = grants.refresh(first.refreshToken, { rotate: false })
    expect(grant).toMatchObject({
      outcome: 'kept',
      tokens: { refreshToken: first.refreshToken, refreshExpiresIn: YEAR - 1_000 },
    })
    expect(grants.userOf(tokens(grant).accessToken)).toBe('someone@example.com')
    expect(grants.rotations).toBe(0)
    expect(grants.refresh(first.refreshToken)).toMatchObject({ outcome: 'rotated' })
  })

  it('rotation gives nothing for a token it does not know', () => {
    expect(setUp().grants.refresh('refresh-unknown')).toMatchObject({ outcome: 'refused' })
  })
})

describe('reuse', () => {
  it('reuse revokes the whole family, access tokens too, and no other', () => {
    const { grants, first } = setUp()
    const other = grants.issue('another@example.com')
    const second = tokens(grants.refresh(first.refreshToken))
    expect(grants.refresh(first.refreshToken)).toMatchObject({ outcome: 'reused', error: 'invalid_grant' })
    expect(grants.refresh(second.refreshToken)).toMatchObject({ outcome: 'refused', error: 'invalid_grant' })
    expect(grants.userOf(first.accessToken)).toBeUndefined()
    expect(grants.userOf(second.accessToken)).toBeUndefined()
    expect(grants.userOf(other.accessToken)).toBe('another@example.com')
    expect(grants.refresh(other.refreshToken)).toMatchObject({ outcome: 'rotated' })
    expect(grants.revokedFamilies).toBe(1)
  })

  it('reuse is reuse also where the clock went back', () => {
    const { grants, clock, first } = setUp()
    grants.refresh(first.refreshToken)
    clock.forward(-60)
    expect(grants.refresh(first.refreshToken)).toMatchObject({ outcome: 'reused' })
  })

  it('reuse is forgiven within the grace period, and both children live', () => {
    const { grants, clock, first } = setUp({ graceMs: 5_000 })
    const child = tokens(grants.refresh(first.refreshToken))
    clock.forward(4.9)
    const grant = grants.refresh(first.refreshToken)
    expect(grant).toMatchObject({ outcome: 'grace' })
    expect(grants.rotations).toBe(2)
    expect(grants.refresh(child.refreshToken)).toMatchObject({ outcome: 'rotated' })
    expect(grants.refresh(tokens(grant).refreshToken)).toMatchObject({ outcome: 'rotated' })
  })

  it('reuse is not forgiven longer because of an earlier forgiveness', () => {
    const { grants, clock, first } = setUp({ graceMs: 5_000 })
    grants.refresh(first.refreshToken)
    clock.forward(4)
    grants.refresh(first.refreshToken)
    clock.forward(1)
    expect(grants.refresh(first.refreshToken)).toMatchObject({ outcome: 'reused' })
  })
})

/** Whatever is sent and whenever: what a family may get, told by its history alone. */
describe('under any sequence of refreshes', () => {
  const step = fc.record({
    pick: fc.nat(),
    waitMs: fc.constantFrom(0, 1, 400, 999, 1_000, 1_001, 5_000),
    rotate: fc.boolean(),
  })

  it.each([0, 1_000])(
    'any sequence of refreshes with a grace of %d ms has one line of descent, and nothing after a reuse',
    (graceMs) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
          let nowMs = 1_800_000_000_000
          const grants = new Grants({
            accessTtl: 300,
            refreshTtl: YEAR,
            graceMs,
            clock: () => nowMs / 1_000,
          })
          const families = ['a', 'b'].map((user) => {
            const { refreshToken, accessToken } = grants.issue(user)
            return {
              user,
              dead: false,
              access: [accessToken],
              refresh: [{ token: refreshToken, spentMs: -1 }],
            }
          })
          for (const { pick, waitMs, rotate } of steps) {
            nowMs += waitMs
            const family = families[pick % 2] as (typeof families)[number]
            const sent = family.refresh[pick % family.refresh.length] as (typeof family.refresh)[number]
            const spent = sent.spentMs >= 0
            const late = spent && nowMs - sent.spentMs >= graceMs
            const grant = grants.refresh(sent.token, { rotate })

            expect(grant.kind).toBe(family.dead || late ? 'refused' : 'granted')
            if (grant.kind === 'granted') {
              family.access.push(grant.tokens.accessToken)
              if (rotate) {
                if (!spent) sent.spentMs = nowMs
                family.refresh.push({ token: grant.tokens.refreshToken, spentMs: -1 })
              }
            } else family.dead = true

            const unspent = family.refresh.filter(({ spentMs }) => spentMs < 0)
            if (graceMs === 0) expect(unspent).toHaveLength(1)
            for (const { dead, access, user } of families)
              expect(new Set(access.map((token) => grants.userOf(token)))).toEqual(
                new Set([dead ? undefined : user]),
              )
          }
          expect(grants.revokedFamilies).toBe(families.filter(({ dead }) => dead).length)
        }),
      )
    },
  )
})

describe('an authorization code', () => {
  const authorization = {
    clientId: '1012',
    redirectUri: 'http://127.0.0.1:8765/callback',
    challenge: null,
    user: 'someone@example.com',
  }
  const request = { clientId: '1012', redirectUri: authorization.redirectUri, verifier: null }
  const verifier = 'v'.repeat(43)

  it('an authorization code gives a token set for the one who allowed it', () => {
    const { grants } = setUp()
    const code = grants.authorize({ ...authorization, user: 'partner@example.com' })
    const grant = grants.exchange({ ...request, code })
    expect(grant).toMatchObject({ outcome: 'issued', tokens: { user: 'partner@example.com' } })
    expect(grants.refresh(tokens(grant).refreshToken)).toMatchObject({ outcome: 'rotated' })
  })

  it('an authorization code works once; a second use revokes what the first gave', () => {
    const { grants } = setUp()
    const code = grants.authorize(authorization)
    const given = tokens(grants.exchange({ ...request, code }))
    expect(grants.exchange({ ...request, code })).toMatchObject({ kind: 'refused', error: 'invalid_grant' })
    expect(grants.userOf(given.accessToken)).toBeUndefined()
    expect(grants.refresh(given.refreshToken)).toMatchObject({ kind: 'refused' })
  })

  it('an authorization code lives 30 minutes', () => {
    const { grants, clock } = setUp()
    const [one, two] = [grants.authorize(authorization), grants.authorize(authorization)]
    clock.forward(1_799)
    expect(grants.exchange({ ...request, code: one })).toMatchObject({ outcome: 'issued' })
    clock.forward(1)
    expect(grants.exchange({ ...request, code: two })).toMatchObject({ error: 'invalid_grant' })
  })

  it.each([
    ['another client', { ...request, clientId: '1013' }],
    ['another redirect_uri', { ...request, redirectUri: 'http://127.0.0.1:9999/callback' }],
    ['no redirect_uri', { ...request, redirectUri: null }],
    ['a code_verifier that was not announced', { ...request, verifier }],
  ])('an authorization code is refused to %s, and spent', (_, wrong) => {
    const { grants } = setUp()
    const code = grants.authorize(authorization)
    expect(grants.exchange({ ...wrong, code })).toMatchObject({ error: 'invalid_grant' })
    expect(grants.exchange({ ...request, code })).toMatchObject({ error: 'invalid_grant' })
  })

  it('an authorization code wants the code_verifier of its code_challenge', () => {
    const { grants } = setUp()
    const challenged = { ...authorization, challenge: challengeOf(verifier) }
    const attempt = (sent: string | null) =>
      grants.exchange({ ...request, code: grants.authorize(challenged), verifier: sent })
    expect(attempt(verifier)).toMatchObject({ outcome: 'issued' })
    expect(attempt('w'.repeat(43))).toMatchObject({ error: 'invalid_grant' })
    expect(attempt(challengeOf(verifier))).toMatchObject({ error: 'invalid_grant' })
    expect(attempt(null)).toMatchObject({ error: 'invalid_grant' })
  })
})

describe('an archived registration', () => {
  it('an archived registration refuses every grant, spends nothing, and can be set back', () => {
    const { grants, first } = setUp()
    const authorization = { clientId: '1012', redirectUri: 'https://a.example/', challenge: null, user: 'u' }
    const exchange = { ...authorization, code: grants.authorize(authorization), verifier: null }
    grants.archived = true
    expect(grants.refresh(first.refreshToken)).toMatchObject({ error: 'unauthorized_client' })
    expect(grants.exchange(exchange)).toMatchObject({ error: 'unauthorized_client' })
    grants.archived = false
    expect(grants.refresh(first.refreshToken)).toMatchObject({ outcome: 'rotated' })
    expect(grants.exchange(exchange)).toMatchObject({ outcome: 'issued' })
  })
})
