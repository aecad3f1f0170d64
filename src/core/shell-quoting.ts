/** A word that a shell takes as it stands, for hints that are commands. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : posixQuoted(text)
}

/** In single quotes, where a POSIX shell leaves everything alone but the quote itself. */
export function posixQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
