// Tells how bytes are written that people and shells have made: PowerShell and Notepad write UTF-16, and marks before UTF-8. Pure.
export type Encoding = 'utf-8' | 'utf-16le' | 'utf-16be'

/** By the byte order mark, or by the zero that is one half of an ASCII character at the beginning. */
export function encodingOf([first, second]: Uint8Array): Encoding {
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  if (first === 0xfe && second === 0xff) return 'utf-16be'
  if (second === 0 && first !== 0) return 'utf-16le'
  if (first === 0 && second !== 0 && second !== undefined) return 'utf-16be'
  return 'utf-8'
}

/** The text without a byte order mark. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder(encodingOf(bytes)).decode(bytes)
}
