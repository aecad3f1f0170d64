// Where the answer of `api` goes: standard output, a file, a device or a pipe. Reads no answer.
import { Writable } from 'node:stream'
import type { TokenError } from '../../core/errors.js'
import { notWritten, outputStream, replacement } from './output-file.js'
import { notTaken } from './output.js'
import type { Screen } from '../world.js'

const LINE_FEED = 0x0a

/** The place that an answer is written to. */
export interface Destination {
  readonly stream: Writable
  readonly isTerminal: boolean
  /** Called when the whole answer is there. @throws {OutputFailed} */
  readonly done: () => void
  readonly discard: () => void
  /** The failure of the destination itself. */
  readonly failure: () => TokenError | undefined
}

export function standardOutput(stdout: Screen): Destination {
  let failed: TokenError | undefined
  let isMidLine = false
  const isTerminal = stdout.isTTY === true
  const fail = (error: NodeJS.ErrnoException): TokenError => (failed = notTaken(error))
  // End the line, so that a message or the prompt of a terminal begins on a line of its own.
  const endLine = (): void => {
    if (isTerminal && isMidLine && failed === undefined) stdout.write('\n')
    isMidLine = false
  }
  // Wrap stdout, because the pipeline would end it, and destroy it if the network fails.
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, next) => {
      if (chunk.byteLength > 0) isMidLine = chunk.at(-1) !== LINE_FEED
      stdout.write(chunk, (error) => {
        next(error ? fail(error) : null)
      })
    },
  })
  stdout.on('error', fail)
  return {
    stream,
    isTerminal,
    done: endLine,
    discard: endLine,
    failure: () => failed,
  }
}

/**
 * Replaces a file when all has come, so that nobody takes half an answer for the whole. Writes into a device or a
 * pipe as it comes.
 *
 * @throws {OutputFailed} if there can be no such file
 */
export function fileDestination(path: string): Destination {
  let failed: TokenError | undefined
  const open = outputStream(path)
  const { stream, takePlace, discard } = open ? { ...open, takePlace: () => undefined } : replacement(path)
  stream.on('error', (error) => (failed ??= notWritten(path, error)))
  return { stream, isTerminal: false, done: takePlace, discard, failure: () => failed }
}
