// Measures and cuts text by the columns that a terminal draws it in. Writes nothing itself.
/** The letters that a person sees: a letter with its combining marks is one, and an emoji of several parts too. */
const letters = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** Characters that a terminal draws two columns wide: the ranges of Markus Kuhn's wcwidth, and emoji. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u

/** The columns of a terminal that a printable text takes. */
export function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  return [...letters.segment(text)].reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0)
}

/** A printable text, cut to so many columns: the last one shows that something is missing. */
export function cutTo(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let [kept, width] = ['', 0]
  for (const { segment } of letters.segment(text)) {
    width += widthOf(segment)
    if (width > columns - 1) break
    kept += segment
  }
  return `${kept}…`
}
