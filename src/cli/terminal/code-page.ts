// Writes our typographic characters in ASCII for readers that would garble them. Pure: writes nothing.
import type { Screen } from '../world.js'

const ASCII: Readonly<Record<string, string>> = {
  ...{ '’': "'", '‘': "'", '“': "'", '”': "'", '…': '...', '→': '->' },
  ...{ '·': '-', '█': '#', '░': '.' },
}

/**
 * The text for a stream of Windows. Its console takes every character; a file or a pipe is read by an old code page
 * there, as PowerShell 5.1 does. Other characters stay as they are, so a name keeps its umlauts. JSON has a way of its own.
 */
export function forCodePage(
  text: string,
  { isTTY }: Pick<Screen, 'isTTY'>,
  platform: NodeJS.Platform,
): string {
  if (platform !== 'win32' || isTTY === true) return text
  return text.replace(/[’‘“”…→·█░]/g, (character) => ASCII[character] ?? character)
}

/** JSON for such a reader: the same values, every character beyond ASCII by its number. */
export function jsonForCodePage(
  json: string,
  { isTTY }: Pick<Screen, 'isTTY'>,
  platform: NodeJS.Platform,
): string {
  if (platform !== 'win32' || isTTY === true) return json
  return json.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
