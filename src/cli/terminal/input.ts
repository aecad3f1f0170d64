// Reads standard input to its end. Reads no single lines: prompts do.
import { textOf } from '../../core/encoding.js'
import { UsageError } from '../../core/errors.js'
import { hints } from '../../platform/hints.js'
import type { World } from '../world.js'

/** Bytes: more than any token or seed file has. */
const LIMIT = 1024 * 1024

/** Reads standard input to its end, as text in UTF-8 or, as PowerShell writes it, UTF-16. @throws As `readAll`. */
export async function readText(stdin: World['stdin'], what: string, command: string): Promise<string> {
  return textOf(await readAll(stdin, what, command))
}

/**
 * Reads standard input to its end.
 *
 * @throws {UsageError} at a terminal, where nobody would know that the program waits, and beyond 1 MiB.
 */
export async function readAll(
  stdin: World['stdin'],
  what: string,
  command: string,
  limit = LIMIT,
): Promise<Buffer> {
  if (stdin.isTTY === true)
    throw new UsageError(`${what} is read from standard input, which is a terminal here`, {
      hint: hints.fed(command),
    })
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of stdin as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk)
    length += bytes.byteLength
    if (length > limit) throw new UsageError(`${what} is longer than 1 MiB`, { hint: hints.fed(command) })
    chunks.push(bytes)
  }
  return Buffer.concat(chunks)
}
