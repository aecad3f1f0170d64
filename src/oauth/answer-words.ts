// Finds what an answer without a token says: the error of RFC 6749 section 5.2, or a server's own form of it. Pure.
import type { Words } from '../core/ports.js'
import { fieldsOf, inner, isObject, type Fields, type Named } from './answer-fields.js'

/** Characters of a server's words that messages show. */
export const LONGEST_CODE = 100
export const LONGEST_DESCRIPTION = 300

export interface SaidError {
  readonly code: string
  readonly description: string | null
}

/** An `error` or `errors`, at the top or one level below. */
export function errorIn(named: Named): SaidError | undefined {
  return [named, ...inner(named)].map((one) => errorOf(fieldsOf(one))).find((error) => error !== undefined)
}

function errorOf(fields: Fields): SaidError | undefined {
  const errors = fields('errors')
  const causes = [fields('error'), ...(Array.isArray(errors) ? (errors as unknown[]).slice(0, 1) : [errors])]
  for (const cause of causes) {
    const code = oauthErrorOf(cause)
    if (code === null) continue
    const description =
      filled(fields('error_description')) ??
      (isObject(cause) ? firstFilled(fieldsOf(cause), DESCRIPTIONS) : firstFilled(fields, DESCRIPTIONS))
    return {
      code: code.trim().slice(0, LONGEST_CODE),
      description: description?.slice(0, LONGEST_DESCRIPTION) ?? null,
    }
  }
  return undefined
}

/** The code in RFC 6749's `error`, or in a server's own form of it: a number, an object, an array's first element. */
function oauthErrorOf(cause: unknown): string | null {
  if (!isObject(cause)) return nameOf(cause)
  const said = ['errorType', 'code', 'type', 'status', 'error'].map((name) => cause[name])
  return (
    said.map(filled).find((code) => code !== null) ??
    said.map(nameOf).find((code) => code !== null) ??
    'unspecified'
  )
}

function nameOf(cause: unknown): string | null {
  if (cause === true || (typeof cause === 'number' && cause !== 0)) return String(cause)
  return filled(cause)
}

const CODES = ['error_code', 'code', 'status', 'type', 'error_type', 'reason', 'err_code', 'errcode']
const DESCRIPTIONS = [
  ...[
    'message',
    'error_message',
    'msg',
    'detail',
    'details',
    'description',
    'error_msg',
    'errmsg',
    'summary',
  ],
  ...['error_summary', 'faultstring', 'reason', 'title', 'status_message', 'error_description'],
]

/**
 * The words of an answer without `error`, at the top or one level below:
 * `{"status":"BAD_REFRESH_TOKEN","message":"…"}`.
 */
export function wordsIn(named: Named): Words | undefined {
  const all = [named, ...inner(named)].map(fieldsOf)
  const code = first(all, CODES)
  const description = first(all, DESCRIPTIONS)
  if (code === null && description === null) return undefined
  return {
    code: code?.trim().slice(0, LONGEST_CODE) ?? null,
    description: description?.slice(0, LONGEST_DESCRIPTION) ?? null,
  }
}

function first(all: readonly Fields[], names: readonly string[]): string | null {
  return all.map((fields) => firstFilled(fields, names)).find((value) => value !== null) ?? null
}

function firstFilled(fields: Fields, names: readonly string[]): string | null {
  return names.map((name) => filled(fields(name))).find((value) => value !== null) ?? null
}

export function filled(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value : null
}
