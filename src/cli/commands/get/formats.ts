// Writes a token in the formats of `get --format`. Prints nothing, and may load nothing heavy: the warm path uses
// it.
import type { AccessToken } from '../../../core/guard-options.js'
import { rfc3339 } from '../../../core/clock.js'
import { posixQuoted } from '../../../core/shell-quoting.js'

type Write = (token: AccessToken, now: number) => string

/**
 * The formats by their readers. A token may hold every printable ASCII character. Each format quotes as its reader
 * reads, so that no token can end its word early, let alone run.
 */
const FORMATS = {
  bare: ({ secret }) => secret.reveal(),
  header: ({ secret }) => `Authorization: Bearer ${secret.reveal()}`,
  bearer: ({ secret }) => `Bearer ${secret.reveal()}`,
  json: ({ secret, tokenType, expiresAt }, now) =>
    JSON.stringify({
      format_version: 1,
      access_token: secret.reveal(),
      token_type: tokenType,
      expires_at: rfc3339(expiresAt),
      expires_on: expiresAt,
      expires_in: Math.max(0, expiresAt - now),
    }),
  env: assignments((name, value) => `export ${name}=${posixQuoted(value)}`),
  powershell: assignments((name, value) => `$env:${name} = ${powershellQuoted(value)}`),
  fish: assignments((name, value) => `set -gx ${name} ${fishQuoted(value)}`),
  curl: ({ secret }) => `header = ${curlQuoted(`Authorization: Bearer ${secret.reveal()}`)}`,
} as const satisfies Record<string, Write>

export type TokenFormat = keyof typeof FORMATS

export const tokenFormats = Object.keys(FORMATS) as readonly TokenFormat[]

/**
 * The token as one whole answer, newline included.
 *
 * @param now Epoch seconds.
 */
export function formatted(token: AccessToken, format: TokenFormat, now: number): string {
  return `${FORMATS[format](token, now)}\n`
}

/** The variables that `exec` and the shells' formats put into an environment. */
export function environment({ secret, expiresAt }: AccessToken): Readonly<Record<string, string>> {
  return { HQ_TOKEN: secret.reveal(), HQ_TOKEN_EXPIRES_AT: rfc3339(expiresAt) }
}

function assignments(assign: (name: string, value: string) => string): Write {
  return (token) =>
    Object.entries(environment(token))
      .map(([name, value]) => assign(name, value))
      .join('\n')
}

/** Doubles typographic quotes too, because PowerShell takes them for quotes. @see about_Quoting_Rules */
function powershellQuoted(text: string): string {
  return `'${text.replace(/['\u2018-\u201b]/g, '$&$&')}'`
}

/** Escapes the two characters that fish reads between single quotes. @see fish-language(1), "Quotes" */
function fishQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}

/** @see curl(1), `--config` */
function curlQuoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
