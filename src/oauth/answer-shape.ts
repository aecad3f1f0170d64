// Describes an unreadable answer, so that a person can report it. Uses names only, never values.
import { inner, isObject, unwrapped, type Named } from './answer-fields.js'

const MOST_NAMES = 12
const LONGEST_NAME = 40

/**
 * Whether a key looks like a name that somebody gave: some letters, hardly a digit. Another key may be a secret
 * itself.
 */
export function isName(key: string): boolean {
  if (key.length > LONGEST_NAME || (key.match(/\d/g) ?? []).length > 2) return false
  const words = key.split(/[_.:$@ -]+|(?<=[a-z])(?=[A-Z])/).filter((word) => word !== '')
  const isWord = (word: string): boolean => /^(?:[A-Za-z][a-z]{0,15}|[A-Z]{1,16})\d{0,2}$/.test(word)
  return words.length > 0 && words.every(isWord) && (words.length === 1 || key.length / words.length >= 3)
}

function listed(keys: readonly string[], most: number): string {
  const names = keys.filter(isName).slice(0, most)
  const others = keys.length - names.length
  const rest = others === 0 ? [] : [names.length === 0 ? `${others} of no name` : `${others} more`]
  return [...names, ...rest].join(', ')
}

/** The keys, and the keys of objects one level below. */
export function shapeOf(kind: 'JSON' | 'XML' | 'a form', named: Named): string {
  const keys = Object.keys(named)
  if (keys.length === 0) return `${kind} without a key`
  const below = inner(named).flatMap((one) => Object.keys(one))
  const deeper = [...new Set(below)].filter((key) => !keys.includes(key))
  const inside = deeper.length === 0 ? '' : `; below: ${listed(deeper, MOST_NAMES)}`
  return `${kind} with the keys ${listed(keys, MOST_NAMES)}${inside}`
}

export function shapeOfJson(value: unknown): string {
  const one = unwrapped(value)
  if (isObject(one)) return shapeOf('JSON', one)
  if (Array.isArray(value)) return `a JSON array of ${value.length}`
  return `JSON that is ${value === null ? 'null' : `a ${typeof value}`}`
}
