/** Reads an HTTP answer that Node's parser has refused or did not finish. Pure and total. */

/** The content of one HTTP answer, as far as it can be understood. */
export interface LenientMessage {
  /** `null` if there is no status line. */
  readonly status: number | null
  /** By name in lower case; if a field comes twice, the first one. */
  readonly fields: ReadonlyMap<string, string>
  /** The body after the head, without the framing of chunks; all bytes if there is no head. */
  readonly body: Buffer
  /** The bytes after a `Content-Length` that was met, or after the last good chunk. */
  readonly surplus: Buffer
  /** True if a length was named and met, or the last chunk has come. */
  readonly isWhole: boolean
}

/** An empty line; lines end in LF, CRLF or CR. */
const HEAD_END = /\r?\n\r?\n|\r\r/
const LINE_END = /\r?\n|\r/
/** Bytes that are searched for the end of a head: more than a head may have. */
const LONGEST_HEAD = 1024 * 1024 + 4096
const STATUS_LINE = /^\s*(?:HTTP|ICY)(?:\/[\d.]*)?[ \t]+(\d{3})\b/i
const FIELD = /^([^\s:{}<>"]+)[ \t]*:(.*)$/s

export function readLeniently(bytes: Uint8Array): LenientMessage {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let rest = all
  for (;;) {
    const head = headOf(rest)
    if (head === undefined) return { ...NO_HEAD, body: all === rest ? all : rest }
    rest = rest.subarray(head.length)
    // Skip an interim answer (RFC 9110 section 15.2): the final one follows.
    const isInterim = head.status !== null && head.status >= 100 && head.status < 200
    if (!isInterim)
      return { status: head.status, fields: head.fields, ...bodyOf(rest, head.fields, head.lengths) }
  }
}

const NOTHING = Buffer.alloc(0)
const NO_HEAD = { status: null, fields: new Map<string, string>(), surplus: NOTHING, isWhole: false }

interface Head {
  readonly status: number | null
  readonly fields: ReadonlyMap<string, string>
  /** All values of `Content-Length`. */
  readonly lengths: readonly string[]
  /** Bytes, with the empty line. */
  readonly length: number
}

/** `undefined` if the bytes do not begin with a head: the body came bare. */
function headOf(bytes: Buffer): Head | undefined {
  const text = bytes.toString('latin1', 0, LONGEST_HEAD)
  const end = HEAD_END.exec(text)
  // Without an end, only a status line shows that this is a head.
  if (end === null && !STATUS_LINE.test(text)) return undefined
  const lines = text.slice(0, end?.index).trimStart().split(LINE_END)
  const [first = '', ...others] = lines
  const status = STATUS_LINE.exec(first)?.[1]
  // Without a status line every line must look like a field, because some gateways pass on a CGI program's head as
  // it is.
  const fieldLines = status === undefined ? lines : others
  if (status === undefined && !fieldLines.every((line) => FIELD.test(line))) return undefined
  const pairs = fieldLines.flatMap((line): [string, string][] => {
    const [, name, value] = FIELD.exec(line) ?? []
    return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value.trim()]]
  })
  const fields = new Map([...pairs].reverse())
  const told = status ?? /^\d{3}\b/.exec(fields.get('status') ?? '')?.[0]
  return {
    status: told === undefined ? null : Number(told),
    fields,
    lengths: pairs.flatMap(([name, value]) => (name === 'content-length' ? value.split(/\s*,\s*/) : [])),
    length: end === null ? headless(text, fieldLines) : end.index + end[0].length,
  }
}

/** The end of a head without an empty line: before the first line that does not look like a field. */
function headless(text: string, fieldLines: readonly string[]): number {
  const first = fieldLines.find((line) => line !== '' && !FIELD.test(line))
  // The last line of a head that is cut off is not a body.
  const isBody = first !== undefined && /^\s*[{<[]|=/.test(first)
  return isBody ? text.indexOf(first, LINE_END.exec(text)?.index ?? 0) : text.length
}

type Body = Pick<LenientMessage, 'body' | 'surplus' | 'isWhole'>

function bodyOf(rest: Buffer, fields: Head['fields'], lengths: readonly string[]): Body {
  if (/\bchunked\b/i.test(fields.get('transfer-encoding') ?? '')) {
    const body = chunksOf(rest)
    if (body !== undefined) return body
  }
  const [length, ...more] = new Set(lengths)
  // Two different lengths mean nothing.
  if (length === undefined || more.length > 0 || !/^\d{1,9}$/.test(length))
    return { body: rest, surplus: NOTHING, isWhole: false }
  const end = Number(length)
  return { body: rest.subarray(0, end), surplus: rest.subarray(end), isWhole: rest.byteLength >= end }
}

/**
 * Joins the chunks as far as they are good; the rest is the surplus.
 *
 * @returns `undefined` if not even the first is a chunk: an intermediary may have removed the framing.
 * @see RFC 9112 section 7.1
 */
function chunksOf(bytes: Buffer): Body | undefined {
  const parts: Buffer[] = []
  const broken = (): Body => {
    const good = Buffer.concat(parts)
    const all = withoutFraming(Buffer.concat([good, bytes.subarray(at)]))
    return { body: all.subarray(0, good.byteLength), surplus: all.subarray(good.byteLength), isWhole: false }
  }
  let at = 0
  while (at < bytes.byteLength) {
    const line = CHUNK_LINE.exec(bytes.toString('latin1', at, at + 256))
    if (line === null)
      return at === 0 && !/^[\da-f]*\r?$/i.test(bytes.toString('latin1')) ? undefined : broken()
    const size = parseInt(line[1] ?? '', 16)
    const from = at + line[0].length
    if (size === 0) return { body: Buffer.concat(parts), surplus: NOTHING, isWhole: true }
    parts.push(bytes.subarray(from, from + size))
    at = from + size
  }
  return broken()
}

const CHUNK_LINE = /^(?:\r?\n)?([\da-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n/i

/** Removes the line end, or the whole last chunk, after a chunk, because they remain if the sizes are wrong. */
function withoutFraming(body: Buffer): Buffer {
  const end = /\r?\n(?:0+\r?\n(?:\r?\n)?)?$/.exec(body.toString('latin1'))
  return end === null ? body : body.subarray(0, end.index)
}
