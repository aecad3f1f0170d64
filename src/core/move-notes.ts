// Words what a move has noted in a store: the error for everybody else who opens it. Pure.
import { rfc3339 } from './clock.js'
import { ConfigInvalid } from './errors.js'
import type { MoveNote, StoreAddress } from './move-ports.js'
import { shellWord } from './shell-quoting.js'

/** Says how this host's configuration names another store. */
export type NamesStore = (address: StoreAddress) => string

/** The address for people. */
export function addressText(address: StoreAddress): string {
  return 'path' in address ? address.path : `${address.url} (${address.name})`
}

export function isSameAddress(one: StoreAddress, other: StoreAddress): boolean {
  return addressText(one) === addressText(other)
}

/** The command that moves a token set there. */
export function moveCommand(address: StoreAddress): string {
  if ('path' in address) return `hq-token move --to ${shellWord(address.path)}`
  const name = address.name === 'default' ? '' : ` --name ${address.name}`
  return `hq-token move --to ${shellWord(address.typed ?? address.url)}${name}`
}

/** The keys of the configuration that name a store, without a word of where the configuration is. */
export const inConfig: NamesStore = (address) =>
  'path' in address
    ? `set path = ${address.path} in [store], without url`
    : `set url = ${address.typed ?? address.url} and name = ${address.name} in [store], in place of path`

/**
 * The error for a store that a move has closed.
 *
 * @param isEmpty Whether the set is gone from it.
 */
export function closedByMove(
  store: { readonly name: string; readonly address: StoreAddress },
  { direction, other, host, at }: MoveNote,
  isEmpty: boolean,
  names: NamesStore = inConfig,
): ConfigInvalid {
  const there = 'path' in other ? `${other.path} on ${host}` : addressText(other)
  if (direction === 'from')
    return new ConfigInvalid(
      `a token set is being moved to ${store.name} from ${there} since ${rfc3339(at)}, and the move is not finished`,
      { hint: `with the configuration of ${addressText(other)}: ${moveCommand(store.address)}` },
    )
  if (!isEmpty)
    return new ConfigInvalid(
      `the token set in ${store.name} is being moved to ${there} since ${rfc3339(at)}, and the move is not finished`,
      { hint: moveCommand(other) },
    )
  return new ConfigInvalid(`the token set in ${store.name} was moved to ${there} at ${rfc3339(at)}`, {
    hint: names(other),
  })
}
