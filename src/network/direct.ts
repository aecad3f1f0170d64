import type { Client, Dispatcher } from 'undici'
import { limits, tlsOptions, type ConnectOptions, type Credentials } from './tls.js'

/**
 * The way to one server with no proxy between.
 *
 * @returns What makes a connection for one request.
 */
export async function direct(
  credentials: Credentials,
): Promise<(origin: string, options: ConnectOptions) => Dispatcher> {
  const tls = tlsOptions(credentials)
  const Direct = await clientOfUndici()
  return (origin, { connectMs, signal, ...options }) => {
    const connect = { ...tls, timeout: connectMs, ...(signal !== undefined && { signal }) }
    return new Direct(origin, { ...limits({ connectMs, ...options }), connect })
  }
}

/** Without the rest of undici, which takes four times as long to load; with it where a version keeps it elsewhere. */
async function clientOfUndici(): Promise<typeof Client> {
  try {
    return (await import('undici/lib/dispatcher/client.js')).default
  } catch {
    return (await import('undici')).Client
  }
}
