// Reads a request to the sandbox, and says what its log keeps. Answers nothing.
import { isLoopback } from '../core/address.js'
import type { IncomingMessage } from 'node:http'

import type { Answer, Format } from './answers.js'
import type { FaultName } from './faults.js'

/** A request after it was read. */
export interface Received {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly contentType: string
  readonly authorization: string | undefined
  /** The format for the answer. */
  readonly format: Format
  readonly bytes: Buffer
  /** The bytes as text. */
  readonly body: string
}

export type SandboxOutcome =
  /** A refresh that replaced the refresh token. `grace`: one whose token had been replaced before. */
  | 'rotated'
  | 'grace'
  /** A refresh token used before: the family is revoked. */
  | 'reused'
  /** A code exchanged for a first token set. */
  | 'issued'
  /** Any other request that did not get what it asked for. */
  | 'refused'
  /** The authorize page, and what was decided there. */
  | 'asked'
  | 'allowed'
  | 'denied'
  /** A page or an answer of the API. */
  | 'served'
  /** A request that followed the fault `redirect`. */
  | 'followed'
  | `fault:${FaultName}`

/** One line of the sandbox's log. It shows tokens only as fingerprints. */
export interface SandboxRequest {
  /** Epoch seconds when the request had been read. */
  readonly at: number
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly grantType: string | null
  readonly outcome: SandboxOutcome
  /** Fingerprint of the refresh token or access token that was sent. */
  readonly presented: string | null
  /** Fingerprint of the refresh token that took its place; `null` if nothing was rotated or issued. */
  readonly issued: string | null
}

/** The endpoint's answer and its line of the log. */
export interface Handled {
  readonly answer: Answer
  readonly outcome: SandboxOutcome
  readonly grantType?: string | null
  readonly presented?: string | null
  readonly issued?: string | null
}

export type Endpoint = (request: Received) => Handled

/** Parameters as RFC 6749 reads them: an empty one is absent; `null` if one is given twice (section 3.2). */
export function parametersOf(fields: URLSearchParams): ReadonlyMap<string, string> | null {
  const parameters = new Map<string, string>()
  for (const [name, value] of fields) {
    if (parameters.has(name)) return null
    if (value !== '') parameters.set(name, value)
  }
  return parameters
}

export function isForm(contentType: string): boolean {
  return /^application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType)
}

/** Bytes of a form, and of an uploaded file. */
export const MOST_FORM = 64 * 1024
export const MOST_FILE = 16 * 1024 * 1024

/**
 * Reads a body; `null` if it is longer than `most` bytes.
 *
 * @throws if the client gives up before its end.
 */
export async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let size = 0
  // Read to the end in any case, because a request left unread may reset the connection under its answer.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= most) chunks.push(chunk)
  }
  return size <= most ? Buffer.concat(chunks) : null
}

/** Accepts any text as a path and a query. */
export function targetOf(url: string): { path: string; query: URLSearchParams } {
  const [path = '', ...query] = url.split('?')
  return { path, query: new URLSearchParams(query.join('?')) }
}

/** Accepts only names of this machine, because a web page that rebinds its own name to loopback sends that name. */
export function isOwnHost(host: string | undefined): boolean {
  const [, hostname = ''] = /^(\[[\da-f:]+\]|[^:]+)(?::\d+)?$/i.exec(host ?? '') ?? []
  return isLoopback(hostname.toLowerCase())
}
