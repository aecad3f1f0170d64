// The type of the sandbox's faults, and the pieces that they are made of. Names no fault itself.
import type { Answer, Fields, Format, Reply } from './answers.js'
import { refusal, reply } from './answers.js'

/** A fault in which the server does not look at the grant. */
export interface Untouched {
  readonly description: string
  readonly grant: 'untouched'
  readonly answer: (format: Format, now: number) => Answer
}

/** A fault that follows after the grant is given. */
export interface Given {
  readonly description: string
  /** `kept`: a new access token, without a new refresh token. */
  readonly grant: 'rotated' | 'kept'
  /** @param now Epoch seconds. */
  readonly answer: (fields: Fields, format: Format, now: number) => Answer
}

export type FaultKind = Untouched | Given

export function untouched(description: string, answer: Untouched['answer']): Untouched {
  return { description, grant: 'untouched', answer }
}

export function rotated(description: string, answer: Given['answer']): Given {
  return { description: `rotates, then ${description}`, grant: 'rotated', answer }
}

export function kept(description: string, answer: Given['answer']): Given {
  return { description: `gives a new access token without rotating, ${description}`, grant: 'kept', answer }
}

export function spuriously(error: string): (format: Format) => Reply {
  return (format) => refusal(error, 'A fault of the sandbox', format)
}

export function text(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return reply(status, 'text/plain', body, headers)
}

export function html(status: number, title: string): Reply {
  const body = `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1></html>`
  return reply(status, 'text/html', body)
}

/** Sends the body up to the end of `last`. */
export function cut(whole: Reply, last: string): Reply {
  return { ...whole, cutAt: whole.body.indexOf(last) + last.length }
}

export function midst(fields: Fields): string {
  const token = refreshTokenIn(fields)
  return token.slice(0, token.length / 2)
}

export function refreshTokenIn(fields: Fields): string {
  return String(fields['refresh_token'])
}

export function without(fields: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))
}

export function asStrings(fields: Fields): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)]))
}
