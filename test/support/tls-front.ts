import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import { TLSSocket } from 'node:tls'
import { pem, type Authority, type Certificate } from './authority.js'
import type { Place } from './place.js'
import { listening } from './proxy.js'

/** Another address of this machine: what is loopback by name needs no proxy. */
export const HOST = '127.0.0.2'

export interface Fronted extends Place {
  /** Names of the clients that have shown a certificate. */
  readonly shown: readonly string[]
  readonly port: number
}

/** Makes a sandbox one that is reached by TLS only, at an address that is not `localhost`. */
export async function inFrontOf(
  made: Place,
  {
    firm,
    certificate = firm.issue(HOST),
    mutual = false,
  }: { readonly firm: Authority; readonly certificate?: Certificate; readonly mutual?: boolean },
): Promise<Fronted> {
  const shown: string[] = []
  const front = createServer(
    { ...pem(certificate), requestCert: mutual, rejectUnauthorized: mutual, ca: readFileSync(firm.cert) },
    (incoming, outgoing) => {
      const { socket } = incoming
      if (mutual && socket instanceof TLSSocket) shown.push(String(socket.getPeerCertificate().subject.CN))
      const { method, headers, url = '' } = incoming
      const target = new URL(url, made.sandbox.url)
      // The sandbox answers to its own name only.
      const onward = request(target, { method, headers: { ...headers, host: target.host } }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      })
      incoming.pipe(onward)
    },
  )
  const port = await listening(front, HOST)
  const text = readFileSync(made.config, 'utf8')
  writeFileSync(made.config, text.replace(/instance = .*/, `instance = https://${HOST}:${port}/sandbox/`))
  return { ...made, shown, port }
}
