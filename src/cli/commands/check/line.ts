// Writes lines as monitoring systems read them: safe characters, a length that every one takes. Decides nothing.
import { rangesFor, type CheckLimits, type CheckState, type Look } from '../../../core/check.js'
import { rangeText } from '../../../core/range.js'

/** Bytes, its newline included: NRPE takes no more from a plugin for sure. */
const MOST = 1023

/** `HQ_TOKEN STATE - WORDS|PERFORMANCE DATA`. Cuts the words, and never the data. */
export function statusLine(state: CheckState, words: string, performance = ''): string {
  const data = performance === '' ? '' : `|${performance}`
  return `${cut(`HQ_TOKEN ${state} - ${plain(words)}`, MOST - 1 - data.length)}${data}\n`
}

/** A line after the first: it has no performance data, because Nagios takes all that follows for more of it. */
export function furtherLine(state: CheckState, words: string): string {
  return `${cut(`${state} - ${plain(words)}`, MOST - 1)}\n`
}

function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 3).trimEnd()}...`
}

/** Characters that have none of their own in ASCII after their accents are gone. */
const NAMED: Readonly<Record<string, string>> = {
  ...{ '\u2010': '-', '\u2011': '-', '\u2012': '-', '\u2013': '-', '\u2014': '-', '\u2212': '-' },
  ...{ ß: 'ss', æ: 'ae', Æ: 'AE', ø: 'o', Ø: 'O', œ: 'oe', Œ: 'OE', ł: 'l', Ł: 'L' },
  ...{ '&': 'and', '|': '/' },
}

/**
 * One line of ASCII without what Nagios takes out of its macros, because a shell may see them.
 *
 * @see `illegal_macro_output_chars` in Nagios' configuration
 */
export function plain(text: string): string {
  return (
    text
      // A word of a command, such as `sudo -u '#1000'`, means something else without its quotes. No apostrophe begins one.
      .replace(/(?<![^\s=])'([^']*)'(?![^\s;,:)])/g, (_, word: string) =>
        word.replace(/[\s#()*?!;[\]{}\\^]/g, '\\$&'),
      )
      .normalize('NFKD')
      .replace(/[\p{M}`~$"'<>\u2018-\u201f\u00ab\u00bb]/gu, '')
      .replace(/[\s\p{C}]+/gu, ' ')
      .replace(/[^\x20-\x7e]|[&|]/gu, (character) => NAMED[character] ?? '?')
      .trim()
  )
}

/** In seconds; what is not known is left out, because readers choke on `U`. */
export function performanceData(look: Look, limits: CheckLimits): string {
  if (look.kind !== 'grant') return ''
  const { now, accessEndsAt, refresh, succeededAt, failures } = look
  const ranges = refresh && rangesFor(refresh, limits)
  const thresholds = ranges && `${rangeText(ranges.warning)};${rangeText(ranges.critical)}`
  return [
    ...value('access', accessEndsAt - now, 's;;;;'),
    ...value('refresh', refresh === null ? NaN : refresh.endsAt - now, `s;${thresholds ?? ''};;`),
    ...value('renewed', now < succeededAt ? NaN : now - succeededAt, 's;;;0;'),
    ...value('failures', failures, ';;;0;'),
  ].join(' ')
}

function value(label: string, number: number, rest: string): string[] {
  return Number.isSafeInteger(number) ? [`${label}=${number}${rest}`] : []
}
