import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs'
import { Readable } from 'node:stream'
import { UsageError } from '../core/errors.js'
import type { ApiBody } from './api-call.js'

/** Of standard input so much is kept, that a small body can be sent twice. */
const KEPT = 1024 * 1024

export function textBody(text: string): ApiBody {
  const bytes = Buffer.from(text)
  return { open: () => bytes, length: bytes.byteLength, isRepeatable: true }
}

/** @throws {UsageError} where the file cannot be read. */
export function fileBody(path: string, onBytes: (count: number) => void): ApiBody {
  const fail = (error: unknown): never => {
    throw new UsageError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, {
      hint: 'name a file that can be read, or - for standard input',
      cause: error,
    })
  }
  const fd = (() => {
    try {
      return openSync(path, 'r')
    } catch (error) {
      return fail(error)
    }
  })()
  const stats = fstatSync(fd)
  const isFile = stats.isFile()
  if (isFile) closeSync(fd)
  if (stats.isDirectory()) fail({ code: 'EISDIR' })
  const open = (): Readable =>
    counted(isFile ? createReadStream(path) : createReadStream('', { fd }), onBytes, fail)
  return { open, length: isFile ? stats.size : null, isRepeatable: isFile }
}

/** Standard input: kept whole while it is small, streamed when it is not. */
export async function stdinBody(stdin: Readable, onBytes: (count: number) => void): Promise<ApiBody> {
  const source = stdin[Symbol.asyncIterator]() as AsyncIterator<Buffer | string>
  const kept: Buffer[] = []
  let length = 0
  for (;;) {
    const next = await source.next()
    if (next.done === true) {
      const whole = Buffer.concat(kept)
      return { open: () => whole, length: whole.byteLength, isRepeatable: true }
    }
    const chunk = Buffer.from(next.value)
    kept.push(chunk)
    length += chunk.byteLength
    if (length > KEPT) break
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield* kept.splice(0)
    for (let next = await source.next(); next.done !== true; next = await source.next())
      yield Buffer.from(next.value)
  }
  return { open: () => counted(all(), onBytes), length: null, isRepeatable: false }
}

function counted(
  source: AsyncIterable<Buffer>,
  onBytes: (count: number) => void,
  fail = (error: unknown): never => {
    throw error
  },
): Readable {
  return Readable.from(
    (async function* () {
      try {
        for await (const chunk of source) {
          onBytes(chunk.byteLength)
          yield chunk
        }
      } catch (error) {
        fail(error)
      }
    })(),
    { objectMode: false },
  )
}
