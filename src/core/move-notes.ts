// Words what a move has noted in a store: the error for everybody else who opens it. Pure.
import { rfc3339 } from './clock.js'
import { ConfigInvalid } from './errors.js'
import type { Host } from './host.js'
import type { MoveNote, StoreAddress } from './move-ports.js'
import { shellWord } from './shell-quoting.js'

/**
 * The way out where a move can never be finished. Nothing else is safe: a file that nobody can look into may hold the
 * set, and whoever opened this store again would let two of them spend it.
 */
export const BEGIN_ANEW = 'name another store or row in [store], then: hq-token login'

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

/** This host, for what is said of a closed store. */
export interface Here {
  /** `null` if unknown: then no path is taken for a file of this host. */
  readonly host: Pick<Host, 'name' | 'id'> | null
  readonly names: NamesStore
}

/** Whether the other store of a note is a file of another host, where its path names another file or none. */
export function isElsewhere({ other, host }: MoveNote, here: Here['host']): boolean {
  return 'path' in other && (host.name !== here?.name || host.id !== here.id)
}

/**
 * The error for a store that a move has closed.
 *
 * @param isEmpty Whether the set is gone from it.
 */
export function closedByMove(
  store: { readonly name: string; readonly address: StoreAddress },
  note: MoveNote,
  isEmpty: boolean,
  here: Here = { host: null, names: inConfig },
): ConfigInvalid {
  const { direction, other, at } = note
  const isOthers = isElsewhere(note, here.host)
  const host =
    isOthers && note.host.name === here.host?.name ? `another host named ${note.host.name}` : note.host.name
  const there = 'path' in other ? `${other.path} on ${host}` : addressText(other)
  const hint = (plain: string, onHost: string): { hint: string } => ({
    hint: isOthers ? `${onHost}; if ${host} is gone for good, ${BEGIN_ANEW}` : plain,
  })
  if (direction === 'from') {
    const finish = `with the configuration of ${addressText(other)}: ${moveCommand(store.address)}`
    return new ConfigInvalid(
      `a token set is being moved to ${store.name} from ${there} since ${rfc3339(at)}, and the move is not finished`,
      hint(finish, `finish it on ${host}, ${finish}`),
    )
  }
  if (!isEmpty)
    return new ConfigInvalid(
      `the token set in ${store.name} is being moved to ${there} since ${rfc3339(at)}, and the move is not finished`,
      hint(moveCommand(other), `finish it on ${host}: ${moveCommand(other)}`),
    )
  return new ConfigInvalid(
    `the token set in ${store.name} was moved to ${there} at ${rfc3339(at)}`,
    hint(
      here.names(other),
      `only ${host} can use it; to share it again, on ${host}: ${moveCommand(store.address)}`,
    ),
  )
}
