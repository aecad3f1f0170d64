// Turns the bytes of an answer into text: decompressed and decoded, with a note whether its end is there. Pure.
import { brotliDecompressSync, constants, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'

import type { RawAnswer } from '../core/ports.js'

/** Bytes: an answer that decompresses to more is no token set. */
const MAX_DECODED = 1024 * 1024

export interface Text {
  readonly text: string
  /** False if the connection or the compressed stream broke off. */
  readonly whole: boolean
}

export function textOf({ body, contentEncoding, complete }: RawAnswer): Text {
  const { bytes, whole } = decompress(body, contentEncoding?.trim().toLowerCase() ?? '')
  // The decoder removes the byte order mark, and `trim` a second one.
  return { text: new TextDecoder(charsetOf(bytes)).decode(bytes).trim(), whole: complete && whole }
}

function charsetOf([first, second]: Uint8Array): string {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
}

type Decompress = (bytes: Uint8Array, toTheEnd: boolean) => Uint8Array

const zlibOptions = (toTheEnd: boolean) => ({
  maxOutputLength: MAX_DECODED,
  finishFlush: toTheEnd ? constants.Z_FINISH : constants.Z_SYNC_FLUSH,
})
const gzip: Decompress = (bytes, toTheEnd) => gunzipSync(bytes, zlibOptions(toTheEnd))
const deflate: Decompress = (bytes, toTheEnd) => inflateSync(bytes, zlibOptions(toTheEnd))
/** Some servers send `deflate` without its wrapper: RFC 9110 section 8.4.1.2. */
const deflateRaw: Decompress = (bytes, toTheEnd) => inflateRawSync(bytes, zlibOptions(toTheEnd))
const brotli: Decompress = (bytes, toTheEnd) =>
  brotliDecompressSync(bytes, {
    maxOutputLength: MAX_DECODED,
    finishFlush: toTheEnd ? constants.BROTLI_OPERATION_FINISH : constants.BROTLI_OPERATION_FLUSH,
  })
const DECOMPRESS = new Map([
  ['gzip', [gzip]],
  ['x-gzip', [gzip]],
  ['deflate', [deflate, deflateRaw]],
  ['br', [brotli]],
])

/**
 * Decompresses as far as possible. Bytes that do not decompress stay as they are, because a proxy may have done it
 * already.
 */
function decompress(bytes: Uint8Array, coding: string): { bytes: Uint8Array; whole: boolean } {
  const ways = isPlain(bytes) ? [] : (DECOMPRESS.get(isGzip(bytes) ? 'gzip' : coding) ?? [])
  for (const whole of [true, false])
    for (const way of ways) {
      try {
        return { bytes: way(bytes, whole), whole }
      } catch {
        // Try the next way; if all fail, keep the bytes.
      }
    }
  return { bytes, whole: true }
}

function isGzip([first, second]: Uint8Array): boolean {
  return first === 0x1f && second === 0x8b
}

/** Whether the bytes begin with so much ASCII text that they are not compressed. */
function isPlain(bytes: Uint8Array): boolean {
  return bytes
    .subarray(0, 32)
    .every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d))
}
