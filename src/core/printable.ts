// Makes text from outside fit for a terminal. Pure.

/**
 * All characters that cannot be seen: controls, formats (marks of writing direction, joiners, tag characters), line
 * and paragraph separators, private and unassigned characters, lone surrogates; and those that Unicode calls
 * ignorable, such as variation selectors and fillers, because they make one text look like another.
 *
 * @see Unicode Standard Annex #44, General_Category and Default_Ignorable_Code_Point
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Writes each unseen character as `\x1b` or `\xe0041`, so that none reaches the terminal. */
export function printable(text: string): string {
  return text.replace(
    UNSEEN,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  )
}

/** Writes JSON in which no character of the value can command a terminal or is unseen. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSEEN, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
