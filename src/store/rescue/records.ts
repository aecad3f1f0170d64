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

/** @returns The whole records, where they end, and where the newest begins. */
export function parse(content: Buffer): { records: Rescued[]; end: number; newest: number } {
  const records: Rescued[] = []
  let end = 0
  let newest = 0
  for (;;) {
    const lineEnd = content.indexOf(0x0a, end)
    if (content[end] !== 0x7b || lineEnd === -1) return { records, end, newest }
    const record = parseRecord(content.subarray(end, lineEnd), content.subarray(lineEnd + 1))
    if (record === undefined) return { records, end, newest }
    records.push(record)
    newest = end
    end = lineEnd + 1 + record.answer.body.byteLength + 1
  }
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
