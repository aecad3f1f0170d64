/** Decides whose grant a token set is, and whether the configured client may use it. Reads and writes nothing. */
import { clientName, isSameClient, isSameServer, type Client, type NamedClient } from './client.js'
import { OtherClient } from './errors.js'
import { rfc3339 } from './clock.js'
import type { Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/**
 * Whether the configured client may use a set. Any client may use one that no refresh has bound yet, because its
 * owner is unknown.
 */
export function isOwn({ client }: Pick<TokenSet, 'client'>, named: NamedClient): boolean {
  return client === null || isSameClient(client, named) === true
}

/**
 * Whether the configuration names a place for tokens but no client: then nothing shows that a bound grant is meant
 * for that place. A configuration that names neither may still print a token.
 */
export function isStray(
  { client }: Pick<TokenSet, 'client'>,
  named: NamedClient,
  apiUrl: URL | null,
): boolean {
  const { tokenUrl, issuer, clientId } = named
  return client !== null && apiUrl !== null && [tokenUrl, issuer, clientId].every((one) => one === null)
}

/** Whether the configured client may see what a set holds, and send it to where the configuration says. */
export function mayUse(set: Pick<TokenSet, 'client'>, named: NamedClient, apiUrl: URL | null): boolean {
  return isOwn(set, named) && !isStray(set, named, apiUrl)
}

/**
 * The set as the configured client sees it: without a failure, a pause or a refusal that another client met,
 * because they say nothing about this client.
 */
export function asSeenBy(set: TokenSet, named: NamedClient): TokenSet {
  if (set.failureClient === null || isSameClient(set.failureClient, named) !== false) return set
  return { ...set, ...NOTHING_BAD }
}

const NOTHING_BAD = {
  failures: 0,
  lastFailure: null,
  failureClient: null,
  backoffUntil: null,
  notBefore: null,
  refusedAt: null,
  bareSince: null,
} as const

/** Whether a kept answer belongs to this very grant. */
export function isOfGrant({ grant = null }: Rescued, set: TokenSet): boolean {
  return grant === set.grant
}

/** Like `isOfGrant`, and also requested by a client of that grant. */
export function belongs(record: Rescued, set: TokenSet): boolean {
  if (!isOfGrant(record, set)) return false
  const { client = null } = record
  if (client === null || set.client === null) return true
  return [set.client, set.intent?.client ?? null].some((own) => own !== null && areSame(own, client))
}

/** Whether two clients that are known in full are the same. */
export function areSame(one: Client, other: Client): boolean {
  return isSameClient(one, other) === true
}

/** The command by which a person begins a grant of the configured client. */
export type Anew = 'login' | 'seed'

/**
 * The error for a set of another client, with the ways out.
 *
 * @param where The store, for the message.
 * @param anew The command that was about to begin a grant, if there was one.
 */
export function otherClient(where: string, bound: Client, named: NamedClient, anew?: Anew): OtherClient {
  const message = `the token set in ${where} belongs to ${clientName(bound)}, but the configuration names ${clientName(named)}`
  const isMoved = named.clientId === bound.clientId && isSameServer(bound, named) !== true
  const ways = [
    'use the --profile of that client',
    anew === 'seed' ? 'or replace it: hq-token seed --force FILE' : 'or replace it: hq-token login --force',
    ...(isMoved ? ['or, where the same server has a new address: hq-token refresh --rebind'] : []),
  ]
  return new OtherClient(message, { hint: ways.join('; ') })
}

/** The error for an exchange that another client has begun, and that may have rotated the token there. */
export function begunElsewhere(
  { at }: { readonly at: number },
  there: Client,
  here: NamedClient,
): OtherClient {
  return new OtherClient(
    `a refresh begun at ${rfc3339(at)} as ${clientName(there)} is unfinished, and is not repeated as ${clientName(here)}`,
    {
      hint: 'finish it with the configuration that it was begun with: hq-token refresh; where that server is gone for good: hq-token login --force',
    },
  )
}
