// What comes from outside, made fit for a terminal.

/**
 * All that is no character to be seen: controls, formats (marks of writing direction, joiners, the tag characters),
 * ends of line and paragraph, private and unassigned ones, halves of pairs; and what Unicode says is not drawn at all, such as
 * variation selectors and fillers, by which one text can look like another.
 *
 * @see Unicode Standard Annex #44, General_Category and Default_Ignorable_Code_Point
 */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Each of them made visible, as `\x1b` or `\xe0041`: none of them reaches the terminal. */
export function printable(text: string): string {
  return text.replace(
    UNSEEN,
    (character) => `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  )
}

/** JSON in which no character of the value can command a terminal, and none is unseen. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSEEN, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
