// Recognises values that nobody has filled in. Looks at the text only.
/** It has small letters only: a pattern that ignores the case takes longer to compile than a token to read. */
const PLACEHOLDER = new RegExp(
  [
    '^\\W*redacted',
    '^(?:your|insert|enter|paste|put|replace|example|placeholder)[ _-]',
    '^change[ _-]?me',
    '^(?:access|refresh)[_-]token$|^client[_-]secret$',
    '^(?:none|null|undefined|todo|tbd|placeholder|example|x{3,}|\\*{3,}|\\.{3,})$',
    '^<.*>$|^\\$\\{.*\\}$|^\\{\\{.*\\}\\}$',
    '…',
  ].join('|'),
)

/** Whether a value is still what a template, a manual or a masked listing put there. */
export function isPlaceholder(value: string): boolean {
  return PLACEHOLDER.test(value.toLowerCase())
}
