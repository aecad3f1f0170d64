import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import type { Credentials } from './settings.js'

export interface ConnectOptions {
  /** Milliseconds to establish a connection, TLS included. */
  readonly connectMs: number
  /** Milliseconds without a byte after which an exchange is given up; 0 for never. */
  readonly idleMs: number
  /** Ends a connection that is still being made. */
  readonly signal?: AbortSignal
}

export function limits({ idleMs }: ConnectOptions) {
  return { headersTimeout: idleMs, bodyTimeout: idleMs }
}

/** Told of any authority, Node forgets those that it trusts by itself. */
export function tlsOptions({ ca, client }: Credentials): tls.SecureContextOptions {
  return { ...(ca !== null && { ca: [...usualAuthorities(), ca] }), ...client }
}

/** What Node trusts by itself, `NODE_EXTRA_CA_CERTS` included. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: () => string[] }
  if (getCACertificates !== undefined) return getCACertificates()
  // Before 22.15 Node does not tell. It reads the file at its start, and goes without where it cannot.
  const extra = process.env['NODE_EXTRA_CA_CERTS']
  return extra ? [...tls.rootCertificates, ...textOf(extra)] : tls.rootCertificates
}

function textOf(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8')]
  } catch {
    return []
  }
}
