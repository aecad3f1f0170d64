// Reads and adds headers in every form that undici takes. Sends nothing.
import type { Dispatcher } from 'undici'

type Headers = Dispatcher.DispatchOptions['headers']
type Pair = readonly [name: string, value: string | string[] | undefined]

/** A field without a value does not count, because undici leaves it out. */
export function hasAuthorization(headers: Headers): boolean {
  return pairsOf(headers).some(
    ([name, value]) => name.toLowerCase() === 'authorization' && value !== undefined,
  )
}

/** An object stays an object, because undici's own retry can add to nothing else. */
export function withAuthorization(headers: Headers, field: string): NonNullable<Headers> {
  if (headers && Symbol.iterator in headers)
    return [...pairsOf(headers).flat(), 'authorization', field] as string[]
  return Object.assign({}, headers, { authorization: field })
}

/** Reads all forms that undici takes: a list of names and values in turn, pairs, an object. */
function pairsOf(headers: Headers): readonly Pair[] {
  if (!headers) return []
  if (!(Symbol.iterator in headers)) return Object.entries(headers)
  const list = [...(headers as Iterable<string | Pair>)]
  const pairs: Pair[] = []
  for (let at = 0; at < list.length; at++) {
    const one = list[at]
    pairs.push(typeof one === 'string' ? [one, list[++at] as string] : (one as Pair))
  }
  return pairs
}
