// Quotes words for a shell. Pure: runs nothing.
/** Quotes a word where a shell would change it, for hints that are commands. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : posixQuoted(text)
}

/** Quotes a text in single quotes: a POSIX shell leaves everything in them alone but the quote itself. */
export function posixQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
