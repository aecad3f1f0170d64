import type { Host } from '../../src/core/host.js'
import type { ClockReading } from '../../src/core/clock.js'
import { Secret } from '../../src/core/secret.js'
import type { Seed, TokenPair, TokenSet } from '../../src/core/token-set.js'
import { seeded } from '../../src/core/transitions.js'

/** The instant at which the tokens of these tests are issued. */
export const ISSUED = 1_800_000_000

export function moment(
  now = ISSUED,
  uptime = now - ISSUED + 1000,
  boot: string | null = 'boot-1',
): ClockReading {
  return { now, boot, uptime }
}

export function pair(changes: Partial<TokenPair> = {}): TokenPair {
  return {
    accessToken: new Secret('access-1'),
    refreshToken: new Secret('refresh-1'),
    tokenType: 'bearer',
    scope: null,
    obtained: moment(),
    lifetime: 3600,
    isLifetimeGuessed: false,
    refreshExpiresAt: ISSUED + 31_536_000,
    ...changes,
  }
}

export function seed(changes: Partial<TokenPair> = {}): Seed {
  return { pair: pair(changes), user: 'someone@example.com', source: 'token.ini' }
}

/** The grant of these tests' sets. */
export const GRANT = 'grant-1'

export const HOST: Host = { name: 'acme-1', id: 'id-1', boot: 'boot-1' }

export function tokenSet(changes: Partial<TokenSet> = {}): TokenSet {
  return {
    ...seeded(seed(), undefined, { generation: 0, sequence: 0 }, HOST, { grant: GRANT, client: null }),
    ...changes,
  }
}
