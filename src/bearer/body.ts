// Whether the body of a request can be sent again, and what becomes of one that is not. Sends nothing.
import type { Readable } from 'node:stream'
import { isAnyArrayBuffer } from 'node:util/types'

/** A body that is opened for each try, just before it is sent. */
export class Reopened {
  readonly open: () => unknown
  readonly isRepeatable: boolean

  constructor({ open, isRepeatable }: Pick<Reopened, 'open' | 'isRepeatable'>) {
    this.open = open
    this.isRepeatable = isRepeatable
  }
}

const REPEATABLE = new Set(['Blob', 'File', 'FormData', 'URLSearchParams'])

/** Whether a body is whole in memory, or is read from its beginning each time. A stream is there once. */
export function isRepeatable(body: unknown): boolean {
  if (body === undefined || body === null || typeof body === 'string') return true
  if (body instanceof Reopened) return body.isRepeatable
  if (ArrayBuffer.isView(body) || isAnyArrayBuffer(body)) return true
  // Compare tags, because each undici brings classes of its own. The package form-data has the tag and is a stream.
  const { [Symbol.toStringTag]: tag, pipe } = body as { [Symbol.toStringTag]?: string; pipe?: unknown }
  return tag !== undefined && REPEATABLE.has(tag) && pipe === undefined
}

/** Listens for errors of a stream meanwhile, because one that breaks while nobody reads it would end the process. */
export function unlessBroken<T>(body: unknown, work: Promise<T>): Promise<T> {
  if (!isStream(body)) return work
  return new Promise((resolve, reject) => {
    body.once('error', reject)
    work.then(resolve, reject).finally(() => body.off('error', reject))
  })
}

/** Closes a body that nobody will send. */
export function abandon(body: unknown): void {
  if (isStream(body)) body.destroy()
  else if (body instanceof ReadableStream) body.cancel().catch(() => undefined)
}

function isStream(body: unknown): body is Readable {
  return typeof body === 'object' && body !== null && 'pipe' in body
}
