import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './folder.js'

/** Paths of PEM files. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A private authority that lives for one test run; made by openssl. */
export interface Authority extends Certificate {
  /** A certificate for a host's name or address, or for a client; for 60 days unless said otherwise. */
  readonly issue: (name: string, days?: number) => Certificate
}

export function authority(): Authority {
  const dir = folder()
  const openssl = (...args: string[]): void => {
    execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '90',
    '-subj',
    '/CN=Firm CA',
  )
  const at = (name: string): string => join(dir, name)
  return {
    cert: at('ca.pem'),
    key: at('ca.key'),
    issue: (name, days = 60) => {
      const kind = /^[\d.]+$/.test(name) ? 'IP' : 'DNS'
      writeFileSync(at('ext'), `subjectAltName=${kind}:${name}\n`)
      openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
      openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
        ...['-out', `${name}.pem`, '-days', String(days), '-extfile', 'ext'],
      )
      return { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    },
  }
}

export function pem({ cert, key }: Certificate): { cert: Buffer; key: Buffer } {
  return { cert: readFileSync(cert), key: readFileSync(key) }
}
