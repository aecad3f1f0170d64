// TLS options and time limits of a connection. Opens no connection.
import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import type { Credentials } from './settings.js'

export interface ConnectOptions {
  /** Milliseconds to establish a connection, TLS included. */
  readonly connectMs: number
  /** Milliseconds without a byte before an exchange is given up; 0 for no limit. */
  readonly idleMs: number
  /** Aborts a connection that is still being made. */
  readonly signal?: AbortSignal
}

export function limits({ idleMs }: ConnectOptions) {
  return { headersTimeout: idleMs, bodyTimeout: idleMs }
}

/** Passing `ca` replaces Node's default authorities, so add them back. */
export function tlsOptions({ ca, client }: Credentials): tls.SecureContextOptions {
  return { ...(ca !== null && { ca: [...usualAuthorities(), ca] }), ...client }
}

/** Node's own authorities, `NODE_EXTRA_CA_CERTS` included. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates } = tls as { getCACertificates?: () => string[] }
  if (getCACertificates !== undefined) return getCACertificates()
  // Node before 22.15 has no function for them. Like Node, read the file and go on without it if that fails.
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
