// Writes the sandbox's answers in HighQ's shapes, and sends them. Decides no grant.
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

import type { IssuedTokens } from './grants.js'

export type Format = 'json' | 'xml'

/** A flat answer of the token endpoint, in the order in which it is written. */
export type Fields = Readonly<Record<string, string | number>>

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Bytes of the body after which the connection is destroyed; `Content-Length` promises the whole. */
  readonly cutAt?: number
  /** Neither a length nor a last chunk: only the end of the connection ends the answer. */
  readonly unframed?: boolean
  /** Sends one byte a second. */
  readonly drip?: boolean
}

/** `close`: the connection ends without a byte. `silence`: it stays open without one. */
export type Answer = Reply | 'close' | 'silence'

/** XML unless JSON is asked for, as HighQ does. */
export function formatFor(accept: string | undefined, alwaysXml: boolean): Format {
  return !alwaysXml && /\bapplication\/json\b/i.test(accept ?? '') ? 'json' : 'xml'
}

/** HighQ's XML names the user and not the refresh token's life. Its JSON does the opposite. */
export function tokenFields(tokens: IssuedTokens, format: Format): Fields {
  const { accessToken, refreshToken, expiresIn, refreshExpiresIn, user } = tokens
  const both = { access_token: accessToken, expires_in: expiresIn, refresh_token: refreshToken }
  return format === 'json'
    ? { ...both, refresh_token_expires_in: refreshExpiresIn, token_type: 'bearer' }
    : { ...both, token_type: 'bearer', useremail: user }
}

/** An answer of the token endpoint in HighQ's shapes. */
export function written(fields: Fields, format: Format, status = 200): Reply {
  if (format === 'json') return reply(status, 'application/json', JSON.stringify(fields))
  const elements = Object.entries(fields).map(
    ([name, value]) => `<${name}>${escaped(String(value))}</${name}>`,
  )
  return reply(status, 'application/xml', `<TokenResponse>${elements.join('')}</TokenResponse>`)
}

/** @see RFC 6749 section 5.2 */
export function refusal(error: string, description: string, format: Format): Reply {
  return written({ error, error_description: description }, format, error === 'invalid_client' ? 401 : 400)
}

export function reply(
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return {
    status,
    headers: { 'content-type': `${type};charset=UTF-8`, 'cache-control': 'no-store', ...headers },
    body: Buffer.from(body),
  }
}

/** Escapes a text for the content and the quoted attributes of HTML and XML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** Sends an answer, or the part of it that the answer says. */
export async function deliver(answer: Answer, response: ServerResponse): Promise<void> {
  if (answer === 'silence') return
  if (answer === 'close') {
    response.destroy()
    return
  }
  const { status, headers, body, cutAt, drip, unframed } = answer
  if (unframed === true) {
    response.useChunkedEncodingByDefault = false
    response.shouldKeepAlive = false
    response.writeHead(status, headers).end(body)
    return
  }
  response.writeHead(status, { ...headers, 'content-length': body.length })
  if (cutAt !== undefined) response.write(body.subarray(0, cutAt), () => response.destroy())
  else if (drip === true) await dripped(body, response)
  else response.end(body)
}

async function dripped(body: Buffer, response: ServerResponse): Promise<void> {
  for (const byte of body) {
    if (response.destroyed) return
    response.write(Uint8Array.of(byte))
    await sleep(1_000, undefined, { ref: false })
  }
  response.end()
}
