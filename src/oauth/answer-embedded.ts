// Finds token answers inside other text: after a notice, before a page, in a script or in markup. Linear in time.
import {
  candidatesIn,
  dereferenced,
  formIn,
  isObject,
  isWholeForm,
  parsed,
  xmlIn,
  type Named,
} from './answer-fields.js'

/** Keys that are looked at, and beginnings of objects that are tried for each. */
const MOST_KEYS = 16
const MOST_BEGINNINGS = 24
/** How often each character may be read, on average. */
const MOST_READS = 8

/** Everything in an answer's text that may be a token answer and has its end. */
export async function embedded(
  text: string,
  whole: boolean,
  isFramed: boolean | undefined,
): Promise<readonly Named[]> {
  const ways = [
    () => objectsIn(text),
    () => (text.includes('&quot;') ? objectsIn(dereferenced(text)) : []),
    () => (text.includes('\\"') ? objectsIn(text.replaceAll('\\"', '"')) : []),
    () => formsIn(text, whole, isFramed),
    () => elementsIn(text),
  ]
  for (const way of ways) {
    const found = await way()
    if (found.length > 0) return found
  }
  return []
}

/** JSON objects with a key `access_token`, each with the object around it, if there is one. */
function objectsIn(text: string): readonly Named[] {
  const found: Named[] = []
  let reads = MOST_READS * text.length
  let readTo = 0
  const keys = [...firstMatches(/"access_?token"\s*:/gi, text, MOST_KEYS)]
  for (const key of keys) {
    if (key < readTo || reads <= 0) continue
    let best: Named | undefined
    let from = key
    const floor = readTo
    for (let tries = 0; tries < MOST_BEGINNINGS && from > floor; tries++) {
      from = text.lastIndexOf('{', from - 1)
      if (from < floor) break
      const end = endOf(text, from, reads)
      reads -= (end ?? text.length) - from
      if (reads <= 0) break
      const value = end === undefined || end < key ? undefined : parsed(text.slice(from, end))
      if (!isObject(value) || (best !== undefined && candidatesIn(value).length === 0)) continue
      best = value
      readTo = Math.max(readTo, end ?? 0)
    }
    if (best !== undefined) found.push(best)
  }
  return found
}

function* firstMatches(pattern: RegExp, text: string, most: number): Iterable<number> {
  for (const { index } of text.matchAll(pattern)) {
    if (most-- <= 0) return
    yield index
  }
}

/** The position after the brace that closes the one at `from`; `undefined` if none does. */
function endOf(text: string, from: number, reads: number): number | undefined {
  let depth = 0
  const last = Math.min(text.length, from + reads)
  for (let at = from; at < last; at++) {
    const character = text[at]
    if (character === '"') {
      for (at++; at < last && text[at] !== '"'; at++) if (text[at] === '\\') at++
    } else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return at + 1
  }
  return undefined
}

/** Forms on a line of their own. */
function formsIn(text: string, whole: boolean, isFramed: boolean | undefined): readonly Named[] {
  if (!/^[^\r\n]*\baccess_?token=/im.test(text)) return []
  const lines = text.split(/\r?\n/)
  const forms = lines.map((line, nth) => {
    const isLast = nth === lines.length - 1
    const trimmed = line.trim()
    if (!/(?:^|&)access_?token=/i.test(trimmed)) return undefined
    return isLast && !isWholeForm(trimmed, whole, isFramed) ? undefined : formIn(trimmed)
  })
  return forms.filter((form) => form !== undefined)
}

const ACCESS_TOKEN = /^(?:[\w.-]+:)?access_?token$/i

/** The elements around each `<access_token>`. */
async function elementsIn(text: string): Promise<readonly Named[]> {
  if (!/<(?:[\w.-]+:)?access_?token[\s>]/i.test(text)) return []
  const slices: string[] = []
  const open: { readonly name: string; readonly at: number; holds: boolean }[] = []
  const names = new Map<string, number>()
  const close = (): (typeof open)[number] | undefined => {
    const element = open.pop()
    if (element !== undefined) names.set(element.name, (names.get(element.name) ?? 1) - 1)
    return element
  }
  for (const match of text.matchAll(/<(\/?)([a-z_][\w:.-]*)(?:\s[^<>]*)?(\/?)>/gi)) {
    const [tag, isEnd, name = '', isEmpty] = match
    if (isEmpty !== '' || tag.endsWith('/>')) continue
    if (isEnd === '') {
      const parent = open.at(-1)
      if (ACCESS_TOKEN.test(name) && parent !== undefined) parent.holds = true
      open.push({ name, at: match.index, holds: false })
      names.set(name, (names.get(name) ?? 0) + 1)
      continue
    }
    // Skip it: a page leaves elements open.
    if ((names.get(name) ?? 0) === 0) continue
    let element = close()
    while (element !== undefined && element.name !== name) element = close()
    if (element?.holds === true && slices.length < MOST_KEYS)
      slices.push(text.slice(element.at, match.index + tag.length))
  }
  const read = await Promise.all(slices.map((slice) => xmlIn(slice)))
  return read.filter((named) => named !== undefined)
}
