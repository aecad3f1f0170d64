// Writes running text and the lines of macros in mdoc, the language of man pages. Knows nothing of hq-token.

/**
 * Each hyphen becomes a minus: groff makes another character of a hyphen, so that an option could be neither searched
 * for nor copied from the page.
 */
const CHARACTERS = {
  ...{ '\\': '\\(rs', '-': '\\-', "'": '\\(aq', '^': '\\(ha', '~': '\\(ti', '`': '\\(ga' },
  ...{ '’': '\\(cq', '…': '...' },
}

function escaped(text) {
  return text.replaceAll(/[\\\-'^~`]|[^ -~]/gu, (character) => {
    const name = CHARACTERS[character]
    if (name === undefined) throw new Error(`scripts/mdoc.js has no name for ${character}, in: ${text}`)
    return name
  })
}

/** Running text: a line for each sentence, and none longer than 80 bytes. What stands in backquotes goes into quotes. */
export function text(words) {
  const parts = words
    .trim()
    .replaceAll(/\s+/g, ' ')
    .split(/`([^`]*)`/)
  const safe = parts.map((part, nth) => (nth % 2 === 0 ? escaped(part) : `\\(oq${escaped(part)}\\(cq`))
  return safe
    .join('')
    .split(/(?<=[.!?]) (?=[A-Z])/)
    .map((sentence) => wrapped(sentence).join('\n'))
    .join('\n')
}

/**
 * Only a plain word may be hyphenated: a reader searches for a name, or copies it. The mark also keeps a word that begins
 * with a dot from being taken for a macro.
 */
const whole = (word) => (/^\(?[A-Za-z0-9]+[.,;:)]*$/.test(word) ? word : `\\%${word}`)

function wrapped(sentence) {
  const lines = ['']
  for (const word of sentence.split(' ').map(whole)) {
    const last = lines.at(-1)
    if (last !== '' && last.length + word.length > 76) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

/** An argument of a macro, which is taken for neither another macro nor punctuation. */
export function argument(word) {
  const plain = escaped(word).replaceAll('"', '\\(dq')
  const safe = /^(?:[A-Z%]\w{0,2}|[^\w\\])$/.test(plain) ? `\\&${plain}` : plain
  return safe.includes(' ') ? `"${safe}"` : safe
}

/** @param rows Each a head, which is macros and arguments as they stand, and its body. */
export function list(rows, kind = '-tag -width Ds') {
  if (rows.length === 0) return ''
  return `.Bl ${kind}\n${rows.map(([head, body]) => `.It ${head}\n${body}\n`).join('')}.El`
}

/** Lines that stay as they are. */
export function display(words) {
  const shown = words.trimEnd().split('\n').map(escaped)
  return `.Bd -literal -offset indent\n${shown.join('\n')}\n.Ed`
}

/** Joins what there is. */
export function lines(...parts) {
  return parts.filter((part) => part !== '').join('\n')
}

export function section(name, ...parts) {
  return lines(`.Sh ${name}`, ...parts)
}
