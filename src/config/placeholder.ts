// Recognises values that nobody has filled in. Looks at the text only.
const PLACEHOLDERS = [
  /^\W*redacted/i,
  /^(?:your|insert|enter|paste|put|replace|example|placeholder)[ _-]/i,
  /^change[ _-]?me/i,
  /^(?:access|refresh)[_-]token$|^client[_-]secret$/i,
  /^(?:none|null|undefined|todo|tbd|placeholder|example|x{3,}|\*{3,}|\.{3,})$/i,
  /^<.*>$|^\$\{.*\}$|^\{\{.*\}\}$/,
  /…/,
]

/** Whether a value is still what a template, a manual or a masked listing put there. */
export function isPlaceholder(value: string): boolean {
  return PLACEHOLDERS.some((pattern) => pattern.test(value))
}
