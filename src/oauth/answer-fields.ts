// Turns the text of an answer into named values: JSON, form or XML, and one level of wrapping. Pure but for loading
// the XML parser.

/** The value of a name, spelled as in the standard, or in another case or without `_`. */
export type Fields = (name: string) => unknown

export type Named = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is Named {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function fieldsOf(named: Named): Fields {
  const exact = new Map(Object.entries(named))
  const folded = new Map([...exact].map(([name, value]) => [fold(name), value]))
  return (name) => exact.get(name) ?? folded.get(fold(name))
}

function fold(name: string): string {
  return name.replace(/[_.-]/g, '').toLowerCase()
}

/** Prefixes that keep scripts of other sites from reading JSON: `)]}',`, `while(1);`, `for(;;);`. */
const GUARD = /^(?:\)\]\}'?,?|(?:while|for)\s*\([^)]{0,10}\)\s*;|&&&(?:START&&&)?)\s*/

export function jsonIn(text: string): unknown {
  return parsed(text) ?? parsed(text.replace(GUARD, ''))
}

export function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Unwraps an object: itself, the only element of an array, or JSON in a string. */
export function unwrapped(value: unknown): unknown {
  if (Array.isArray(value) && value.length === 1) return (value as unknown[])[0]
  return typeof value === 'string' && /^\s*[{[]/.test(value) ? unwrappedArray(parsed(value)) : value
}

function unwrappedArray(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? (value as unknown[])[0] : value
}

/** The objects one level below. */
export function inner(named: Named): readonly Named[] {
  return Object.values(named).map(unwrapped).filter(isObject)
}

/**
 * An access token, if it is one. Allows more than RFC 6750's `b64token`, but nothing that could end a header line
 * or a shell word early.
 */
export function accessTokenOf(value: unknown): string | undefined {
  const token = typeof value === 'string' ? value.trim() : ''
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined
}

/**
 * The objects that may be a token answer: the object itself, else each object one level below that holds an access
 * token. Fields that such an object lacks are taken from the object around it; a refresh token also from an object
 * beside it.
 */
export function candidatesIn(named: Named): readonly Fields[] {
  const own = fieldsOf(named)
  if (accessTokenOf(own('access_token')) !== undefined) return [own]
  const objects = inner(named).map(fieldsOf)
  const holders = objects.filter((fields) => accessTokenOf(fields('access_token')) !== undefined)
  return holders.map((holder) => (name: string) => {
    const value = holder(name) ?? own(name)
    if (value !== undefined || name !== 'refresh_token') return value
    return objects.map((fields) => fields(name)).find((beside) => beside !== undefined)
  })
}

export const FORM = /^[^\s<>{}"=&]+=[^\r\n<>{}"]*$/

export function formIn(text: string): Named | undefined {
  if (!FORM.test(text)) return undefined
  const parameters = new URLSearchParams(text)
  // A parameter with two different values has no value (RFC 6749 section 3.2), because nobody can tell which one
  // counts.
  const value = (name: string): string | readonly string[] => {
    const [first = '', ...more] = new Set(parameters.getAll(name))
    return more.length === 0 ? first : [first, ...more]
  }
  return Object.fromEntries([...parameters.keys()].map((name) => [name, value(name)]))
}

/** Matches a form that ends in a token or in a name: without a known length its value may be cut. */
const TOKEN_LAST = /(?:^|&)(?:(?:access|refresh|id)_?token=[^&]*|[^=&]*)$/i

/** Whether a form is whole. Only a length, a last chunk or the kind of its last parameter can tell. */
export function isWholeForm(text: string, whole: boolean, isFramed: boolean | undefined): boolean {
  return whole && (isFramed !== false || !TOKEN_LAST.test(text))
}

/** An entity other than the five of XML. Character references do not match. */
export const FOREIGN_ENTITY = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i

/** The elements of an XML text, root included: `<error>invalid_grant</error>` alone is an answer too. */
export async function xmlIn(text: string): Promise<Named | undefined> {
  if (!/^<[?!\w]/.test(text) || /<!(?:doctype|entity)/i.test(text) || FOREIGN_ENTITY.test(text))
    return undefined
  try {
    const { XMLParser } = await import('fast-xml-parser')
    const parser = new XMLParser({
      ignoreDeclaration: true,
      ignorePiTags: true,
      maxNestedTags: 3,
      parseTagValue: false,
      // The parser would leave `&#43;` standing in a token.
      processEntities: false,
      removeNSPrefix: true,
    })
    // `true`: it validates first, and throws; without, it reads a cut-off element as a whole one.
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- its successor is one more package for the same code
    const [root, ...more] = Object.entries(parser.parse(text, true) as Named)
    if (root === undefined || more.length > 0) return undefined
    const [name, value] = root
    const content = withoutReferences(value)
    return { [name]: content, ...(isObject(content) ? content : {}) }
  } catch {
    return undefined
  }
}

function withoutReferences(value: unknown): unknown {
  if (typeof value === 'string') return dereferenced(value)
  if (Array.isArray(value)) return value.map(withoutReferences)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withoutReferences(one)]))
}

const FIVE = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }))

/** Replaces the five entities and character references. @see XML 1.0 section 4.1 */
export function dereferenced(text: string): string {
  return text.replace(
    /&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi,
    (reference, decimal?: string, hex?: string, name?: string) => {
      const point =
        decimal !== undefined ? Number(decimal) : hex !== undefined ? parseInt(hex, 16) : undefined
      if (point === undefined) return FIVE.get(name ?? '') ?? reference
      return point <= 0x10ffff ? String.fromCodePoint(point) : '\uFFFD'
    },
  )
}
