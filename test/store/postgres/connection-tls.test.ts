import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import type pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { ConfigInvalid, StoreUnreachable, TokenError } from '../../../src/core/errors.js'
import { loadPg, type Pg } from '../../../src/store/postgres/pg-package.js'
import { Session } from '../../../src/store/postgres/session.js'
import { authority, pem } from '../../support/authority.js'
import { folder } from '../../support/folder.js'
import { giveToOrdinary, writeForOrdinary } from '../../../scripts/servers/guarded.js'
import { startPostgres, type Postgres } from '../../support/postgres.js'
import { listening } from '../../support/proxy.js'
import { failure } from '../../config/places.js'
import { connectionTo, settingsOf } from './database-settings.js'

const PASSWORD = 'cAnArY-0123456789'
const IS_TLS = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'

const firm = authority()
const other = authority()
const server = firm.issue('localhost')
const client = firm.issue('hq')

let postgres: Postgres
let plain: Postgres
beforeAll(async () => {
  const at = giveToOrdinary(folder())
  const { cert, key } = pem(server)
  postgres = await startPostgres({
    tls: { cert: String(cert), key: String(key) },
    config: { ssl_ca_file: writeForOrdinary(join(at, 'ca.pem'), readFileSync(firm.cert, 'utf8')) },
    hba: `
local     all all      trust
hostnossl all all      127.0.0.1/32 trust
hostssl   all hq       127.0.0.1/32 cert
hostssl   all all      127.0.0.1/32 scram-sha-256
`,
  })
  plain = await startPostgres()
  await postgres.sql(`CREATE USER hq; CREATE USER other PASSWORD '${PASSWORD}'`)
})

/** The way to the server by one of its names; a command gives the password, and tells that it was asked. */
interface Tried {
  readonly error: TokenError | undefined
  readonly isAsked: boolean
}
async function tried(url: string, env: Record<string, string> = {}): Promise<Tried> {
  const asked = join(folder(), 'asked')
  const lines = `url_password_command = touch ${asked}; echo ${PASSWORD}`
  try {
    expect(await connectionTo(url, { lines, env }).query(IS_TLS)).toMatchObject({ rows: [{ ssl: true }] })
    return { error: undefined, isAsked: existsSync(asked) }
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return { error, isAsked: existsSync(asked) }
  }
}
const at = (host: string, query = ''): string => `postgres://other@${host}:${postgres.port}/postgres${query}`
const TRUSTED = `?sslmode=verify-full&sslrootcert=${firm.cert}`

describe('a server with a certificate', () => {
  it('a server with a certificate of the authority and for the name is shown the password', async () => {
    expect(await tried(at('localhost', TRUSTED))).toEqual({ error: undefined, isAsked: true })
  })

  it('a server with a certificate may be trusted by PGSSLROOTCERT and PGSSLMODE', async () => {
    const env = { PGSSLROOTCERT: firm.cert, PGSSLMODE: 'verify-full' }
    expect(await tried(at('localhost'), env)).toEqual({ error: undefined, isAsked: true })
  })

  it.each<[what: string, url: () => string, code: string]>([
    [
      'another authority',
      () => at('localhost', TRUSTED.replace(firm.cert, other.cert)),
      'SELF_SIGNED_CERT_IN_CHAIN',
    ],
    ['another name', () => at('127.0.0.1', TRUSTED), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [
      'no authority that Node knows',
      () => at('localhost', '?sslmode=verify-full'),
      'SELF_SIGNED_CERT_IN_CHAIN',
    ],
    // It is this machine, but nothing in the URL says so.
    [
      'another name, and no sslmode',
      () => at('0.0.0.0', `?sslrootcert=${firm.cert}`),
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
  ])('a server with a certificate of %s is not shown the password', async (_, url, code) => {
    const { error, isAsked } = await tried(url())
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(error?.message).toBe(
      `${url().replace(/\?.*/, '')} and hq-token do not trust one another's certificates (${code})`,
    )
    expect(error?.hint).toContain('?sslrootcert=FILE')
    expect(isAsked).toBe(false)
  })

  it('a server with a certificate of another authority is not shown the password where NODE_TLS_REJECT_UNAUTHORIZED is 0', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
    try {
      const { error, isAsked } = await tried(at('localhost', TRUSTED.replace(firm.cert, other.cert)))
      expect(error).toBeInstanceOf(ConfigInvalid)
      expect(isAsked).toBe(false)
    } finally {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']
    }
  })

  it('a server with a certificate is checked for an address also where pg names none to Node, as before 8.23.1', async () => {
    const made: pg.ClientConfig[] = []
    class Client {
      readonly connection = { on: (): void => undefined }
      readonly on = (): void => undefined
      constructor(config: pg.ClientConfig) {
        made.push(config)
      }
    }
    const settings = settingsOf(at('192.0.2.7', TRUSTED))
    const [host] = settings.hosts
    if (host === undefined) throw new Error('there is no host')
    const { types } = await loadPg()
    new Session({ Client, types } as unknown as Pg, settings, host, 'the database')
    expect(made).toMatchObject([{ ssl: { host: '192.0.2.7', rejectUnauthorized: true } }])
  })

  it.each(['require', 'prefer', 'no-verify'])(
    'a server with a certificate is not even asked with sslmode=%s',
    async (mode) => {
      expect(await failure(() => settingsOf(at('localhost', `?sslmode=${mode}`)))).toMatchObject({ exit: 78 })
    },
  )

  it('a server with a certificate may want one of the client', async () => {
    const hq = at('localhost', TRUSTED).replace('other@', 'hq@')
    expect(await tried(`${hq}&sslcert=${client.cert}&sslkey=${client.key}`)).toEqual({
      error: undefined,
      isAsked: false,
    })
    const none = await tried(hq)
    expect(none.error).toBeInstanceOf(ConfigInvalid)
    expect(none.error?.message).toContain('connection requires a valid client certificate (28000)')
    const stranger = other.issue('hq')
    const strange = await tried(`${hq}&sslcert=${stranger.cert}&sslkey=${stranger.key}`)
    expect(strange.error).toBeInstanceOf(ConfigInvalid)
    expect(strange.error?.message).toMatch(
      /do not trust one another's certificates \(ERR_SSL_\w+UNKNOWN_CA\)$/,
    )
  })
})

describe('a server without TLS', () => {
  it('a server without TLS is told nothing where it is another machine', async () => {
    const url = `postgres://other@0.0.0.0:${plain.port}/postgres`
    const { error, isAsked } = await tried(url)
    expect(error).toMatchObject({
      code: 'HQ_CONFIG_INVALID',
      message: `${url} speaks no TLS, so that everybody on the way could read the tokens`,
    })
    expect(isAsked).toBe(false)
  })

  it('a server without TLS is spoken to where it is this machine', async () => {
    const { rows } = await connectionTo(plain.url()).query(IS_TLS)
    expect(rows).toEqual([{ ssl: false }])
  })
})

/** The request for TLS, which every PostgreSQL client sends first. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** A server that answers as it is told, and keeps what it was sent: as it came, and what was inside TLS. */
async function rogue(answer: Buffer, certificate?: { cert: string; key: string }, inside?: Buffer) {
  const heard = { plain: Buffer.alloc(0), inside: Buffer.alloc(0) }
  const begin = (socket: Socket): void => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes) => {
      heard.plain = bytes
      socket.write(answer)
      if (certificate === undefined) {
        socket.on('data', (more: Buffer) => (heard.plain = Buffer.concat([heard.plain, more])))
        return
      }
      const secure = new TLSSocket(socket, { isServer: true, ...pem(certificate) })
      secure.on('error', () => undefined)
      secure.on('data', (more: Buffer) => {
        heard.inside = Buffer.concat([heard.inside, more])
        if (inside !== undefined) secure.write(inside)
      })
    })
  }
  return { heard, port: await listening(createServer(begin), '127.0.0.1') }
}

const asksForPassword = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3])
const asksForKerberos = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 7])

describe('a server that is another', () => {
  it.each([
    ['of another authority', other.issue('localhost'), 'localhost'],
    ['for another name', server, '127.0.0.1'],
  ])(
    'a server that is another (its certificate is %s) hears nothing but the wish for TLS',
    async (_, certificate, host) => {
      const { port, heard } = await rogue(Buffer.from('S'), certificate, asksForPassword)
      const { error, isAsked } = await tried(`postgres://other@${host}:${port}/postgres${TRUSTED}`)
      expect(error).toBeInstanceOf(ConfigInvalid)
      expect(isAsked).toBe(false)
      expect(heard).toEqual({ plain: SSL_REQUEST, inside: Buffer.alloc(0) })
    },
  )

  it.each<[what: string, answer: Buffer, Fault: typeof ConfigInvalid | typeof StoreUnreachable]>([
    ['says that it has no TLS', Buffer.from('N'), ConfigInvalid],
    ['asks for the password at once', asksForPassword, StoreUnreachable],
    // Bytes that it has slipped in before TLS must not count as said within.
    [
      'agrees to TLS and asks for the password',
      Buffer.concat([Buffer.from('S'), asksForPassword]),
      StoreUnreachable,
    ],
    ['is none of PostgreSQL', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), StoreUnreachable],
  ])('a server that is another and %s hears nothing but the wish for TLS', async (_, answer, Fault) => {
    const { port, heard } = await rogue(answer)
    const { error, isAsked } = await tried(`postgres://other@localhost:${port}/postgres${TRUSTED}`)
    expect(error).toBeInstanceOf(Fault)
    expect(isAsked).toBe(false)
    expect(heard.plain).toEqual(SSL_REQUEST)
  })

  it('a server that is the right one is asked for the password within TLS', async () => {
    const { port, heard } = await rogue(Buffer.from('S'), server, asksForPassword)
    const url = `postgres://other:${PASSWORD}@localhost:${port}/postgres${TRUSTED}`
    await failure(() => connectionTo(url, { connectMs: 500 }).query(IS_TLS))
    expect(heard.plain).toEqual(SSL_REQUEST)
    expect(String(heard.inside)).toContain('user\0other\0database\0postgres\0application_name\0hq-token\0')
    expect(String(heard.inside)).toContain(PASSWORD)
  })

  it.each([true, false])(
    'a server that wants Kerberos is told of, and ends no program (TLS: %s)',
    async (isTls) => {
      const { port } = isTls
        ? await rogue(Buffer.from('S'), server, asksForKerberos)
        : await rogue(asksForKerberos)
      const url = `postgres://other@localhost:${port}/postgres`
      const error = await failure(() => connectionTo(isTls ? url + TRUSTED : url).query(IS_TLS))
      expect(error).toMatchObject({
        code: 'HQ_CONFIG_INVALID',
        message: `${url} wants this user to log in by a way that the package pg does not know`,
      })
    },
  )
})
