// Makes the body of an API call from a file or a stream. Sends nothing.
import { closeSync, createReadStream, fstatSync, openSync } from 'node:fs'
import { Readable } from 'node:stream'
import { UsageError } from '../../../core/errors.js'
import type { ApiBody } from '../../../bearer/api-call.js'

/** Bytes of a body without a known size that are kept, so that a small one can be sent twice. */
const KEPT = 1024 * 1024

type Chunks = AsyncIterable<Buffer | string>

export function textBody(text: string): ApiBody {
  const bytes = Buffer.from(text)
  return { open: () => bytes, length: bytes.byteLength, isRepeatable: true }
}

/** @throws {UsageError} if the file cannot be read. */
export async function fileBody(path: string, onBytes: (count: number) => void): Promise<ApiBody> {
  const fd = opened(path)
  const stats = fstatSync(fd)
  // Read it to find its size: a pipe, a device and the files of /proc have none.
  if (!stats.isFile() || stats.size === 0) return streamBody(createReadStream('', { fd }), path, onBytes)
  closeSync(fd)
  return {
    open: () => readable(counted(whole(path, stats.size), onBytes)),
    length: stats.size,
    isRepeatable: true,
  }
}

/** Keeps a small body whole, and streams a large one. @throws {UsageError} */
export async function streamBody(
  stream: Chunks,
  name: string,
  onBytes: (count: number) => void,
): Promise<ApiBody> {
  const source = read(stream, name)
  const kept: Buffer[] = []
  let length = 0
  while (length <= KEPT) {
    const next = await source.next()
    if (next.done === true) {
      const whole = Buffer.concat(kept)
      return { open: () => whole, length: whole.byteLength, isRepeatable: true }
    }
    kept.push(next.value)
    length += next.value.byteLength
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield* kept.splice(0)
    yield* source
  }
  return { open: () => readable(counted(all(), onBytes)), length: null, isRepeatable: false }
}

/** Sends as many bytes as promised, even if the file has grown since. */
async function* whole(path: string, size: number): AsyncGenerator<Buffer> {
  let left = size
  for await (const chunk of read(createReadStream(path, { end: size - 1 }), path)) {
    left -= chunk.byteLength
    yield chunk
  }
  if (left > 0)
    throw new UsageError(`${path} changed while it was sent`, {
      hint: 'run the same command again when nobody writes to it',
    })
}

async function* read(stream: Chunks, name: string): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of stream) yield Buffer.from(chunk)
  } catch (error) {
    throw unreadable(name, error)
  }
}

async function* counted(
  source: AsyncIterable<Buffer>,
  onBytes: (count: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    onBytes(chunk.byteLength)
    yield chunk
  }
}

function readable(source: AsyncIterable<Buffer>): Readable {
  return Readable.from(source, { objectMode: false })
}

function opened(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(name: string, error: unknown): UsageError {
  return new UsageError(`${name} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, {
    hint: 'name a file that can be read, or - for standard input',
    cause: error,
  })
}
