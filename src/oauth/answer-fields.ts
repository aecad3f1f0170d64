// From the text of an answer to named values: JSON, form or XML, and one level of what is wrapped around them.

/** The value under a name: as the standard spells it, else in another case or without `_`. */
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

/** What keeps a script of another site from reading JSON: `)]}',`, `while(1);`, `for(;;);`. */
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

/** The object itself, the only one of an array, or what a string holds. */
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

/** Wider than the `b64token` of RFC 6750, and nothing that could end a header line or a shell word early. */
export function accessTokenOf(value: unknown): string | undefined {
  const token = typeof value === 'string' ? value.trim() : ''
  return /^[\x21-\x7e]+$/.test(token) ? token : undefined
}

/**
 * What may be read as a token answer: the object itself, else each object one level below that holds an access
 * token. What such a one does not have is looked for around it, and a refresh token beside it.
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
  return FORM.test(text) ? Object.fromEntries(new URLSearchParams(text)) : undefined
}

/** A parameter's name that ends a form whose own end does not show: then its value may be cut. */
const TOKEN_LAST = /(?:^|&)(?:(?:access|refresh|id)_?token=[^&]*|[^=&]*)$/i

/** Whether the end of a form is there, which only a length, a last chunk or its last parameter can tell. */
export function isWholeForm(text: string, whole: boolean, isFramed: boolean | undefined): boolean {
  return whole && (isFramed !== false || !TOKEN_LAST.test(text))
}

/** An entity other than the five. References to characters are none. */
export const FOREIGN_ENTITY = /&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[\da-f]+);)/i

/** The root element and those in it, side by side: `<error>invalid_grant</error>` alone is an answer too. */
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
      // It would leave `&#43;` standing in a token.
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

/** @see XML 1.0 section 4.1 */
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
