// Quotes words for a shell. Pure: runs nothing.
/**
 * Quotes a word where a shell would change it, for hints that are commands.
 *
 * @param platform On Windows the word is for PowerShell and cmd: both know double quotes. PowerShell alone reads `$` and
 *   a backtick in them, so a word with one of these is for PowerShell.
 */
export function shellWord(text: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'win32') return /^[\w@%+=:,./-]+$/.test(text) ? text : posixQuoted(text)
  if (/^[\w+=:./\\~-]+$/.test(text)) return text
  return /[$`"]/.test(text) ? `'${text.replaceAll("'", "''")}'` : `"${text}"`
}

/** Quotes a text in single quotes: a POSIX shell leaves everything in them alone but the quote itself. */
export function posixQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
