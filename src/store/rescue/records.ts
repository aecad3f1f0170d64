/** The format of records in a rescue file and a last copy: each has its length and SHA-256. Pure. */
import { createHash } from 'node:crypto'
import type { RawAnswer } from '../../core/ports.js'
import type { Rescued } from '../../core/store-ports.js'

/** Bytes that a rescue file may have, and a last copy. Only unreadable answers pile up so high. */
export const MAX_BYTES = 8 * 1024 * 1024

/** Makes a record: one line of JSON, the bytes of the body, a line end. */
export function serialize({ answer, ...about }: Rescued): Uint8Array {
  const { body, ...head } = answer
  const line = JSON.stringify({ ...about, answer: head, length: body.byteLength, sha256: sha256(body) })
  return Buffer.concat([Buffer.from(`${line}\n`), body, Buffer.from('\n')])
}

/** A record, and its place in the file in bytes. */
export interface Placed {
  readonly record: Rescued
  readonly start: number
  readonly end: number
}

/** The whole records, oldest first. Nothing behind a half-written one counts. */
export function parse(content: Buffer): Placed[] {
  const placed: Placed[] = []
  for (let start = 0; ;) {
    const lineEnd = content.indexOf(0x0a, start)
    if (content[start] !== 0x7b || lineEnd === -1) return placed
    const record = parseRecord(content.subarray(start, lineEnd), content.subarray(lineEnd + 1))
    if (record === undefined) return placed
    const end = lineEnd + 1 + record.answer.body.byteLength + 1
    placed.push({ record, start, end })
    start = end
  }
}

/** The whole records in the bytes of a file, oldest first. */
export function recordsIn(content: Buffer): Rescued[] {
  return parse(content).map(({ record }) => record)
}

function parseRecord(line: Buffer, rest: Buffer): Rescued | undefined {
  try {
    const {
      length,
      sha256: digest,
      answer,
      ...about
    } = JSON.parse(line.toString('utf8')) as Omit<Rescued, 'answer'> & {
      length: number
      sha256: string
      answer: Omit<RawAnswer, 'body'>
    }
    const body = Uint8Array.from(rest.subarray(0, length))
    return sha256(body) === digest ? { ...about, answer: { ...answer, body } } : undefined
  } catch {
    // The write was cut off.
    return undefined
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
