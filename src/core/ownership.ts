/** Whose grant a token set is, and whether the configured client may use it. Decides; reads and writes nothing. */
import { clientName, isSameClient, isSameServer, type Client, type NamedClient } from './client.js'
import { OtherClient } from './errors.js'
import { rfc3339 } from './clock.js'
import type { Rescued } from './store-ports.js'
import type { TokenSet } from './token-set.js'

/** A set that no refresh has bound yet is anybody's, because nothing tells whose it is. */
export function isOwn({ client }: Pick<TokenSet, 'client'>, named: NamedClient): boolean {
  return client === null || isSameClient(client, named) === true
}

/**
 * Whether a configuration says where tokens go, and not whose they are: then nothing tells that a bound grant is meant
 * for that place. One that names neither may still print a token.
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
 * The set as the configured client sees it: a failure, a pause or a refusal that another client met tells nothing
 * about this one.
 */
export function asSeenBy(set: TokenSet, named: NamedClient): TokenSet {
  if (set.failureClient === null || isSameClient(set.failureClient, named) !== false) return set
  return { ...set, ...NOTHING_BAD }
}

const NOTHING_BAD = {
  lastFailure: null,
  failureClient: null,
  backoffUntil: null,
  notBefore: null,
  refusedAt: null,
  bareSince: null,
} as const

/** Whether an answer that was kept is one to this very grant. */
export function isOfGrant({ grant = null }: Rescued, set: TokenSet): boolean {
  return grant === set.grant
}

/** As `isOfGrant`, and asked for by a client of it. */
export function belongs(record: Rescued, set: TokenSet): boolean {
  if (!isOfGrant(record, set)) return false
  const { client = null } = record
  if (client === null || set.client === null) return true
  return [set.client, set.intent?.client ?? null].some((own) => own !== null && areSame(own, client))
}

/** Whether two clients that are known in full are one. */
export function areSame(one: Client, other: Client): boolean {
  return isSameClient(one, other) === true
}

/** How a person goes on who wants to begin a grant of the configured client. */
export type Anew = 'login' | 'seed'

/**
 * The error for a set that is another client's, with the ways out.
 *
 * @param where The store, for the message.
 * @param anew The command that was meant to begin a grant, if one was.
 */
export function otherClient(where: string, bound: Client, named: NamedClient, anew?: Anew): OtherClient {
  const message = `the token set in ${where} is that of ${clientName(bound)}, and the configuration names ${clientName(named)}`
  const isMoved = named.clientId === bound.clientId && isSameServer(bound, named) !== true
  const ways = [
    'use the --profile of that client',
    anew === 'seed' ? 'or replace it: hq-token seed --force FILE' : 'or replace it: hq-token login --force',
    ...(isMoved ? ['or, where the same server has a new address: hq-token refresh --rebind'] : []),
  ]
  return new OtherClient(message, { hint: ways.join('; ') })
}

/** The error for an exchange that another client's request has begun, and that may have rotated the token there. */
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
