// Reads the bytes of a seed file, a pipe or a descriptor, and judges who could have written them. Understands none of them.
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Notice } from '../core/ports.js'
import { asProblem, FileProblem, MOST_BYTES, openFile, readRegular, type OpenFile } from './file.js'
import { lastingPath } from './seed-mark.js'
import { trustNotices } from './trust.js'

const PIPE_PATIENCE_MS = 30_000

export interface SeedBytes {
  readonly bytes: Uint8Array
  /** Epoch seconds; `null` for what has no such time. */
  readonly modifiedAt: number | null
  /** Absolute; `null` for what leaves no file behind. */
  readonly file: string | null
  readonly notices: readonly Notice[]
}

/** @throws {FileProblem} */
export async function readSeedBytes(path: string): Promise<SeedBytes> {
  const file = openFile(path)
  const notices = judged(path, file)
  if (file.stats.isFIFO()) return { bytes: await drain(file.fd), modifiedAt: null, file: null, notices }
  const { bytes, stats } = readRegular(path, file)
  const modifiedAt = Math.floor(stats.mtimeMs / 1000)
  return { bytes, modifiedAt, file: lastingPath(path), notices }
}

/** What is handed over as a descriptor has been chosen by whoever runs this: it counts as standard input does. */
function judged(path: string, { fd, stats }: OpenFile): Notice[] {
  if (/^\/(?:dev\/(?:stdin|fd\/\d+)|proc\/(?:self|\d+)\/fd\/\d+)$/.test(path)) return []
  try {
    return trustNotices('seed', path, stats)
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** A socket waits for a pipe in the event loop; `fs` would wait in a thread that nothing can interrupt. */
async function drain(fd: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    const pipe = new Socket({ fd, readable: true, writable: false })
    pipe.setTimeout(PIPE_PATIENCE_MS, () => pipe.destroy(new FileProblem('is a pipe that nobody writes to')))
    for await (const chunk of pipe as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      length += chunk.length
      if (length > MOST_BYTES) break
    }
  } catch (error) {
    throw asProblem(error)
  }
  return Buffer.concat(chunks)
}
