// Writes our typographic characters in ASCII for readers that would garble them. Pure: writes nothing.
import type { Screen } from '../world.js'

/** None is written as a double quote, because the text may be JSON. */
const ASCII: Readonly<Record<string, string>> = {
  ...{ '’': "'", '‘': "'", '“': "'", '”': "'", '…': '...', '→': '->' },
  ...{ '·': '-', '█': '#', '░': '.' },
}

/**
 * The text for a stream of Windows. Its console takes every character; a file or a pipe is read by an old code page
 * there, as PowerShell 5.1 does. Names and paths stay as they are.
 */
export function forCodePage(
  text: string,
  { isTTY }: Pick<Screen, 'isTTY'>,
  platform: NodeJS.Platform = process.platform,
): string {
  if (platform !== 'win32' || isTTY === true) return text
  return text.replace(/[’‘“”…→·█░]/g, (character) => ASCII[character] ?? character)
}
