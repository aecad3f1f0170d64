import { describe, expect, it } from 'vitest'
import type { Client } from '../../src/core/client.js'
import { landing } from '../../src/core/landing.js'
import { Secret } from '../../src/core/secret.js'
import type { TokenSet } from '../../src/core/token-set.js'
import { pair, tokenSet } from '../support/token-sets.js'

const CLIENT: Client = { tokenUrl: 'https://acme.example/token', issuer: null, clientId: '1012' }
const OTHER: Client = { ...CLIENT, clientId: '7' }

const stored = (changes: Partial<TokenSet> = {}): TokenSet =>
  tokenSet({ generation: 4, client: CLIENT, ...changes })

/** The pair that follows generation 4. */
const NEXT = tokenSet({
  ...{ generation: 5, client: CLIENT, previousClient: CLIENT },
  pair: pair({ accessToken: new Secret('access-5'), refreshToken: new Secret('refresh-5') }),
})

describe('a pair that was received', () => {
  it.each<[string, TokenSet | undefined, ReturnType<typeof landing>]>([
    ['follows its generation', stored(), 'save'],
    ['follows it in a store of an older version', stored({ grant: null, client: null }), 'save'],
    ['is of another grant of the same generation', stored({ grant: 'grant-2' }), 'overtaken'],
    ['finds a store that was put back', stored({ generation: 2 }), 'save'],
    [
      'finds another grant in a store that was put back',
      stored({ generation: 2, grant: 'grant-2' }),
      'overtaken',
    ],
    ['finds no grant id in a store that was put back', stored({ generation: 2, grant: null }), 'overtaken'],
    [
      'finds another client in a store that was put back',
      stored({ generation: 2, client: OTHER }),
      'overtaken',
    ],
    ['is there already', NEXT, 'already'],
    ['comes second', stored({ generation: 5 }), 'overtaken'],
    ['comes late', stored({ generation: 9 }), 'overtaken'],
    ['finds nothing', undefined, 'stray'],
  ])('a pair that was received %s', (_what, found, expected) => {
    expect(landing(found, NEXT, 4, false)).toBe(expected)
  })

  it('a pair that was received from a new address lands on the set of the old one', () => {
    const moved = { ...NEXT, client: OTHER, previousClient: CLIENT }
    expect(landing(stored(), moved, 4, false)).toBe('save')
  })

  it('a pair that is no refresh’s lands in an empty store', () => {
    expect(landing(undefined, NEXT, 0, false)).toBe('save')
  })

  it.each<[string, TokenSet | undefined, ReturnType<typeof landing>]>([
    ['replaces another grant', stored({ grant: 'grant-2', client: OTHER }), 'save'],
    ['replaces what a backup has put back', stored({ generation: 2, grant: 'grant-2' }), 'save'],
    ['lands in an emptied store', undefined, 'save'],
    ['comes after a refresh of the old grant', stored({ generation: 5, grant: 'grant-2' }), 'overtaken'],
    ['is there already', NEXT, 'already'],
  ])('a login’s pair %s', (_what, found, expected) => {
    expect(landing(found, NEXT, 4, true)).toBe(expected)
  })
})
