// Findings about the connection to a server, made from a probe. Sends nothing.
import { isIP } from 'node:net'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { ServerUnavailable } from '../core/errors.js'
import { CLOCK_SKEW } from '../core/persist-answer.js'
import { trustHint } from '../platform/authorities.js'
import { hints } from '../platform/hints.js'
import type { SystemProxy } from '../platform/system-proxy.js'
import type { Probe } from './probe.js'

/** Days before a certificate's end from which it is worth a warning. */
const SOON = 14

export interface Reached {
  readonly checks: readonly Finding[]
  /** Whether the server has answered. */
  readonly isReached: boolean
}

/**
 * The findings of one probe: name, proxy, connection, certificate, clock.
 *
 * @param proxyShown The proxy without its password, and the setting that names it.
 * @param now Epoch seconds.
 * @param system The proxy that Windows names to other programs, where no setting names one to this.
 */
export function inspectWay(
  found: Probe,
  proxyShown: string | null,
  now: number,
  system: SystemProxy | null = null,
): Reached {
  const { answer } = found
  const steps = [
    proxyShown === null ? noProxyStep(found, system) : proxyStep(found, proxyShown),
    ...(isAddress(found.url) ? [] : [nameStep(found)]),
    serverStep(found),
    certificateStep(found, now),
  ]
  const failedAt = steps.findIndex(({ status }) => status === 'fail')
  const checks = failedAt === -1 ? steps : steps.slice(0, failedAt + 1)
  if (failedAt !== -1) return { checks, isReached: false }
  return { checks: [...checks, clock(answer?.date ?? null, now)], isReached: true }
}

const CLIENT_CERTIFICATE = 'client_cert_file and client_key_file in [network] of the config'

/** The finding for a server that was reached and did not answer this request. */
export function unanswered(name: string, { url, failure }: Probe): Finding {
  // With TLS 1.3 a client without a certificate learns only after the handshake that one is required, or never.
  const isHungUp = url.protocol === 'https:' && failure !== 'TIMEOUT'
  return fail(
    name,
    new ServerUnavailable(
      `${url.host} did not answer (${failure ?? ''})`,
      isHungUp
        ? { hint: `try again later; the server may want a client certificate: ${CLIENT_CERTIFICATE}` }
        : {},
    ),
  )
}

function noProxyStep({ answer, isConnected, failure }: Probe, system: SystemProxy | null): Finding {
  const name = 'proxy'
  if (system === null) return ok(name, 'none')
  const { from, server, script } = system
  const said = `none; Windows has ${server ?? `the script ${script ?? ''}`} (${from}), which is not used by itself`
  if (isConnected || answer !== null || isTls(failure)) return ok(name, said)
  const line = `in the config: [network] proxy = ${server === null || !server.includes('://') ? `http://${server ?? 'HOST:PORT'}` : server}`
  return warn(name, said, server === null ? `look up HOST:PORT in the script, and put it ${line}` : line)
}

function proxyStep({ proxy, failure, url, isConnected }: Probe, shown: string): Finding {
  const name = 'proxy'
  if (proxy === 'unused') return ok(name, `not used for ${url.host} (${shown})`)
  const refused = /^PROXY_HTTP_(\d+)$/.exec(failure ?? '')?.[1]
  const through = (message: string, hint: string): Finding =>
    fail(name, new ServerUnavailable(`${shown}: ${message}`, { hint }))
  if (proxy === 'unreached')
    return through(
      `it cannot be reached (${(failure ?? '').replace(/^PROXY_/, '')})`,
      'check the address of the proxy, and whether the proxy runs',
    )
  if (refused === '407')
    return through(
      'it asks for a user and a password (407)',
      'put them into the URL of the proxy: http://USER:PASSWORD@HOST:PORT',
    )
  if (refused !== undefined)
    return through(
      `it does not let ${url.host} through (${refused})`,
      'ask the administrator of the proxy, or exempt the host: NO_PROXY',
    )
  if (!isConnected && !isTls(failure))
    return through(
      `it took the connection and then sent nothing usable (${failure ?? ''})`,
      'ask the administrator of the proxy',
    )
  return ok(name, shown)
}

function isAddress({ hostname }: URL): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0
}

function nameStep({ url, proxy, addresses, failure, isConnected }: Probe): Finding {
  const name = 'name'
  if (proxy !== 'unused') return skip(name, `the proxy resolves the name ${url.hostname}`)
  if (addresses !== null) return ok(name, `${url.hostname} is ${addresses.slice(0, 3).join(', ')}`)
  if (isConnected) return ok(name, url.hostname)
  const code = /^E(?:NOTFOUND|AI_)/.test(failure ?? '') ? ` (${failure ?? ''})` : ''
  return fail(
    name,
    new ServerUnavailable(`the name ${url.hostname} cannot be resolved${code}`, {
      hint: 'check the host in the configuration, and this machine’s name resolution; behind a proxy: set HTTPS_PROXY',
    }),
  )
}

function serverStep({ url, isConnected, failure, answer }: Probe): Finding {
  const name = 'server'
  // A server that refuses the certificate was reached all the same.
  if (isConnected || answer !== null || isTls(failure)) return ok(name, `${url.host} takes connections`)
  return fail(
    name,
    new ServerUnavailable(
      `${url.host} ${UNREACHED[failure ?? ''] ?? 'cannot be reached'} (${failure ?? ''})`,
      {
        hint: 'check host and port in the configuration, the firewall, and whether a proxy is needed (HTTPS_PROXY)',
      },
    ),
  )
}

const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection',
  UND_ERR_CONNECT_TIMEOUT: 'does not answer',
  ETIMEDOUT: 'does not answer',
  TIMEOUT: 'does not answer',
  EHOSTUNREACH: 'cannot be reached from here',
  ENETUNREACH: 'cannot be reached from here',
}

function certificateStep({ url, certificate, failure, isConnected }: Probe, now: number): Finding {
  const name = 'certificate'
  if (url.protocol === 'http:') return skip(name, 'plain http, to this machine itself')
  if (!isConnected && isTls(failure)) return refusedCertificate(name, url, failure ?? '')
  if (certificate === null) return ok(name, `the certificate of ${url.host} is good`)
  const days = Math.floor((Date.parse(certificate.validTo) / 1000 - now) / 86_400)
  const said = `${url.host}, by ${certificate.issuer}, for another ${days} days`
  return days < SOON
    ? warn(
        name,
        said,
        'the administrator of the server has to renew it; nothing needs to be done on this machine',
      )
    : ok(name, said)
}

function refusedCertificate(name: string, { host, hostname }: URL, code: string): Finding {
  const [message, hint] = /ALTNAME/.test(code)
    ? [
        `the certificate of ${host} is for another name`,
        `check the host in the configuration: is it ${hostname}?`,
      ]
    : code === 'CERT_HAS_EXPIRED'
      ? [
          `the certificate of ${host} has expired`,
          'check this machine’s clock; if it is right, the administrator of the server has to renew the certificate',
        ]
      : code === 'CERT_NOT_YET_VALID'
        ? [`the certificate of ${host} is not valid yet`, 'check this machine’s clock']
        : /SIGNATURE|ISSUER|SELF_SIGNED|UNTRUSTED/.test(code)
          ? [`the certificate of ${host} is by an authority that this machine does not trust`, trustHint()]
          : /CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)
            ? [`${host} does not accept this client’s certificate`, CLIENT_CERTIFICATE]
            : [`no TLS connection with ${host}`, 'check host and port in the configuration']
  return fail(name, new ServerUnavailable(`${message} (${code})`, { hint }))
}

/** Whether a code of Node or OpenSSL means a failed handshake. */
function isTls(failure: string | null): boolean {
  return /CERT|SIGNATURE|^ERR_(?:TLS|SSL)_|^EPROTO$|^UNABLE_TO_/.test(failure ?? '')
}

function clock(date: string | null, now: number): Finding {
  const name = 'clock'
  const ahead = Math.round(now - Date.parse(date ?? '') / 1000)
  if (Number.isNaN(ahead)) return skip(name, 'the server does not tell the time')
  const apart = Math.abs(ahead)
  if (apart < CLOCK_SKEW)
    return ok(
      name,
      apart < 5 ? 'as the server’s' : `${apart} s ${ahead > 0 ? 'ahead of' : 'behind'} the server’s`,
    )
  return warn(
    name,
    `this machine’s clock is ${apart} s ${ahead > 0 ? 'ahead of' : 'behind'} the server’s`,
    `check the time synchronisation of this machine: ${hints.clock()}`,
  )
}
