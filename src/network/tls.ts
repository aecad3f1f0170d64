// TLS options and time limits of a connection. Opens no connection.
import type tls from 'node:tls'
import { THIS_RUNTIME, trusted, type TrustRuntime } from '../platform/authorities.js'
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

/** Whom to trust, and what this client shows of itself. */
export function tlsOptions(
  { ca, client }: Credentials,
  runtime: TrustRuntime = THIS_RUNTIME,
): tls.SecureContextOptions {
  const authorities = trusted(ca, runtime)
  return { ...(authorities !== undefined && { ca: authorities }), ...client }
}
