import { describe, expect, it } from 'vitest'
import {
  clientName,
  isSameClient,
  wholeClient,
  type Client,
  type NamedClient,
} from '../../src/core/client.js'
import { OtherClient, ServerUnavailable } from '../../src/core/errors.js'
import { asSeenBy, belongs } from '../../src/core/ownership.js'
import { Secret } from '../../src/core/secret.js'
import { failed } from '../../src/core/transitions.js'
import { granted, invalidGrant, raw } from '../support/fake-server.js'
import { GRANT, moment, pair, tokenSet } from '../support/token-sets.js'
import { EXPIRED, FRESH, ISSUED, Stage } from './stage.js'

const T = 'https://acme.highq.com/acme/api/oauth2/token'
const I = 'https://login.example.com'
const bound = (changes: Partial<Client> = {}): Client => ({
  ...{ tokenUrl: T, issuer: null, clientId: '1012' },
  ...changes,
})

describe('whether a grant is that of the configured client', () => {
  it.each([
    ['https://ACME.highq.com/acme/api/oauth2/token', true],
    ['https://acme.highq.com:443/acme/api/oauth2/token', true],
    ['https://acme.highq.com/acme/api/oauth2/token/', true],
    ['https://acme.highq.com/acme/./api/oauth2/token', true],
    ['https://acme.highq.com:8443/acme/api/oauth2/token', false],
    ['http://acme.highq.com/acme/api/oauth2/token', false],
    ['https://acme.highq.com/ACME/api/oauth2/token', false],
    ['https://acme.highq.com/beta/api/oauth2/token', false],
    ['https://acme.highq.com.evil.example/acme/api/oauth2/token', false],
    ['https://acme.highq.com/acme/api/oauth2/token?tenant=2', false],
  ])('a grant at %s is that of the configured client: %s', (tokenUrl, expected) => {
    expect(isSameClient(bound(), { tokenUrl, issuer: null, clientId: '1012' })).toBe(expected)
  })

  const cases: [why: string, one: Client, named: NamedClient, expected: boolean | undefined][] = [
    ['another client id', bound(), { tokenUrl: T, issuer: null, clientId: '7' }, false],
    ['a client id that differs in case', bound({ clientId: 'a' }), { ...bound(), clientId: 'A' }, false],
    ['nothing but the client id named', bound(), { tokenUrl: null, issuer: null, clientId: '1012' }, true],
    ['nothing named', bound(), { tokenUrl: null, issuer: null, clientId: null }, true],
    ['nothing but another id named', bound(), { tokenUrl: null, issuer: null, clientId: '7' }, false],
    [
      'nothing but another address named',
      bound(),
      { tokenUrl: `${T}2`, issuer: null, clientId: null },
      false,
    ],
    [
      'the issuer, spelt with a slash',
      bound({ issuer: I }),
      { ...bound(), tokenUrl: null, issuer: `${I}/` },
      true,
    ],
    ['another issuer', bound({ issuer: I }), { ...bound(), tokenUrl: null, issuer: `${I}.example` }, false],
    ['an issuer and its own token endpoint', bound({ issuer: I }), bound(), true],
    ['a token endpoint, and the issuer that names it', bound(), bound({ issuer: I }), true],
    [
      'the same issuer, and another token endpoint',
      bound({ issuer: I }),
      bound({ issuer: I, tokenUrl: `${T}2` }),
      false,
    ],
    ['an issuer that was never asked', bound(), { ...bound(), tokenUrl: null, issuer: I }, undefined],
    ['a grant known by its issuer only', bound({ tokenUrl: null, issuer: I }), bound(), undefined],
  ]
  it.each(cases)(
    'a grant is told apart from that of the configured client: %s',
    (_, one, named, expected) => {
      expect(isSameClient(one, named)).toBe(expected)
    },
  )

  it('clientName names a client by its id and its address', () => {
    expect(clientName(bound())).toBe(`client 1012 at ${T}`)
    expect(clientName({ tokenUrl: null, issuer: I, clientId: null })).toBe(`a client at ${I}`)
    expect(wholeClient({ tokenUrl: null, issuer: null, clientId: '1012' })).toBeUndefined()
  })
})

describe('what another client met', () => {
  const theirs = failed(
    tokenSet({ client: bound() }),
    new ServerUnavailable('down'),
    moment(),
    { refused: true, notBefore: 9 },
    bound({ tokenUrl: `${T}2` }),
  )

  it('what another client met tells nothing about this one', () => {
    expect(asSeenBy(theirs, bound())).toMatchObject({
      ...{ refusedAt: null, notBefore: null, backoffUntil: null, lastFailure: null, failures: 0 },
      pair: theirs.pair,
    })
  })

  it('what another client met stays with the one that it is about, and where nobody knows', () => {
    expect(asSeenBy(theirs, bound({ tokenUrl: `${T}2` }))).toBe(theirs)
    const unknown = { ...theirs, failureClient: null }
    expect(asSeenBy(unknown, bound())).toBe(unknown)
  })
})

const record = {
  ...{ generation: 1, attempt: 2, spent: pair().refreshToken.fingerprint, grant: GRANT },
  answer: raw(granted('access-2', 'refresh-2'), moment(ISSUED + EXPIRED)),
}

describe('an answer that was kept', () => {
  it.each([
    ['another grant', { ...record, grant: 'of an older life' }, false],
    ['no grant, of an older version', { ...record, grant: null }, false],
    ['another client of the same grant', { ...record, client: bound({ clientId: '7' }) }, false],
    ['its own client', { ...record, client: bound() }, true],
  ])('an answer that was kept to %s is landed: %#', async (_, kept, isLanded) => {
    const set = tokenSet({ client: bound() })
    expect(belongs(kept, set)).toBe(isLanded)
    const stage = new Stage(set).pass(EXPIRED)
    stage.server.named = bound()
    stage.store.leave(kept)
    stage.server.answers(granted('access-3', 'refresh-3'))
    const { secret } = await stage.guard().token()
    expect(secret.reveal()).toBe(isLanded ? 'access-2' : 'access-3')
    expect(stage.server.sent).toEqual(isLanded ? [] : ['refresh-1'])
  })

  it('an answer that was kept to a request at the new address of the server is landed, and binds the grant there', async () => {
    const there = bound({ tokenUrl: `${T}2` })
    const intent = { attempt: 2, at: 1, boot: null, salvaged: null, client: there }
    const stage = new Stage(tokenSet({ client: bound(), intent })).pass(EXPIRED)
    stage.server.named = there
    stage.store.leave({ ...record, client: there })
    const { rebound } = await stage.guard().refresh({ rebind: true })
    expect(stage.server.sent).toEqual([])
    expect(rebound).toEqual({ from: bound(), to: there })
    expect(await stage.stored()).toMatchObject({ client: there, previousClient: bound(), grant: GRANT })
  })
})

describe('an answer with a refresh token that cannot be used', () => {
  it.each([
    [GRANT, true],
    ['of an older life', false],
  ])(
    'an unusable refresh token in a record of the grant %s explains a refusal of this one: %s',
    async (grant, explains) => {
      const stage = new Stage(tokenSet({ generation: 2, client: bound() })).pass(EXPIRED)
      stage.server.named = bound()
      const answer = raw(granted('access-2', null, { isRefreshTokenUnusable: true }))
      stage.store.leave({ ...record, generation: 1, grant, answer })
      stage.server.answers(invalidGrant())
      const error = await stage
        .guard()
        .token()
        .catch((thrown: unknown) => (thrown as Error).message)
      expect(/had sent a new refresh token that cannot be used/.test(error as string)).toBe(explains)
    },
  )
})

describe('a set whose issuer was never asked', () => {
  const named = { tokenUrl: null, issuer: I, clientId: '1012' }

  it.each([
    [T, 'access-1'],
    [`${T}2`, undefined],
  ])(
    'a set whose issuer was never asked is handed out where the issuer turns out to name %s: %s',
    async (tokenUrl, token) => {
      const stage = new Stage(tokenSet({ client: bound() })).pass(FRESH)
      stage.server.named = named
      stage.server.preparation = () => {
        stage.server.named = { ...named, tokenUrl }
        return Promise.resolve()
      }
      const asked = stage.guard().token()
      if (token === undefined) await expect(asked).rejects.toThrow(OtherClient)
      else expect((await asked).secret.reveal()).toBe(token)
      expect(stage.server.sent).toEqual([])
    },
  )
})

describe('a set whose server turns out to be another', () => {
  it('a set whose server turns out to be another is not spent, once the token endpoint is known for certain', async () => {
    const stage = new Stage(tokenSet({ client: bound({ issuer: I }) })).pass(EXPIRED)
    stage.server.named = { tokenUrl: null, issuer: I, clientId: '1012' }
    stage.server.preparation = () => {
      stage.server.named = { tokenUrl: `${T}2`, issuer: I, clientId: '1012' }
      return Promise.resolve()
    }
    await expect(stage.guard().token()).rejects.toThrow(OtherClient)
    expect(stage.server.sent).toEqual([])
    expect((await stage.stored()).intent).toBeNull()
  })
})

describe('an unfinished exchange', () => {
  const elsewhere = bound({ tokenUrl: `${T}2` })
  const intent = { attempt: 2, at: 1, boot: null, salvaged: new Secret('salvaged'), client: elsewhere }

  it('an unfinished exchange that was begun at another address is not repeated here, and a good token is served', async () => {
    const stage = new Stage(tokenSet({ client: bound(), intent })).pass(FRESH)
    stage.server.named = bound()
    expect((await stage.guard().token()).secret.reveal()).toBe('access-1')
    stage.pass(EXPIRED)
    await expect(stage.guard().token()).rejects.toThrow(/is unfinished, and is not repeated as/)
    expect(stage.server.sent).toEqual([])
  })
})

describe('a login’s answer that nobody waits for', () => {
  const answer = raw(granted('access-9', 'refresh-9'), moment(ISSUED + EXPIRED))
  const planted = {
    generation: 1,
    attempt: 2,
    spent: 'x',
    login: true,
    grant: 'of a stranger',
    answer,
  } as const

  it('a login’s answer that nobody waits for is not taken up where no login was begun', async () => {
    const stage = new Stage().pass(EXPIRED)
    stage.store.leave(planted)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.guard().token()).secret.reveal()).toBe('access-2')
    await expect(stage.logins().takeUp()).resolves.toBeUndefined()
  })

  it('a login’s answer that nobody waits for is not taken up by a login that waits for another', async () => {
    const stage = new Stage().pass(EXPIRED)
    const waiting = { state: new Secret('s'), verifier: new Secret('v'), redirectUri: 'http://127.0.0.1/' }
    await stage.logins().begin(waiting)
    stage.store.leave(planted)
    stage.server.answers(granted('access-2', 'refresh-2'))
    expect((await stage.guard().token()).secret.reveal()).toBe('access-2')
  })
})
