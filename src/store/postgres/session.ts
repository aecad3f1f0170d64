// One session with one host of a shared store's database, with a limit to every wait. Once something has failed it is
// over, and its socket closed.
import { Socket, type NetConnectOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { ConfigInvalid, StoreUnreachable } from '../../core/errors.js'
import { trusted } from '../../platform/authorities.js'
import { faultOf, LATER } from './faults.js'
import { ownTypes, type Pg } from './pg-package.js'
import type { QueryResult } from './queries.js'
import type { DatabaseHost, SharedStoreSettings } from './settings.js'
import { hints } from '../../platform/hints.js'

/** Milliseconds for each address of a name but the last one: Node's default of 250 ms cuts off distant servers. */
const ADDRESS_MS = 5_000

/** Milliseconds without a word after which the system asks whether the other side is still there. */
const KEEP_ALIVE_MS = 10_000

/** Milliseconds in which a server may confirm the end. */
const GOODBYE_MS = 1_000

/** Tells whether the server can save anything. The schema is named, because a role may have a search path of its own. */
const ROLE = `
SELECT pg_catalog.pg_is_in_recovery() AS "isReplica",
       pg_catalog.current_setting('transaction_read_only') = 'on' AS "isReadOnly"`

export class Session {
  readonly #where: string
  readonly #socket: Socket
  readonly #client: pg.Client
  #isOver = false

  /**
   * Connects to nothing.
   *
   * @param where Names the store and the host, for messages.
   * @throws {ConfigInvalid}
   */
  constructor(pg: Pg, settings: SharedStoreSettings, host: DatabaseHost, where: string) {
    this.#where = where
    this.#socket = new HostSocket(addressOf(host))
    const { user, database } = settings.login()
    this.#client = new pg.Client({
      // Each is given, because pg reads what is left out from the environment.
      ...{ host: host.name, port: host.port, user, database },
      application_name: 'hq-token',
      // Asked only after the server has proved by its certificate who it is.
      password: () => passwordFor(settings, host, where),
      ssl: host.isTls && tlsOptions(settings, host),
      stream: () => this.#socket,
      ...{ keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS },
      types: ownTypes(pg),
    })
    this.#client.on('error', this.drop)
    this.#client.on('end', this.drop)
    guard(this.#socket)
    const { connection } = this.#client as unknown as { readonly connection: pg.Connection }
    connection.on('sslconnect', () => {
      guard(connection.stream)
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * @param signal Gives up the attempt.
   * @throws {StoreUnreachable | StoreUnusable | ConfigInvalid} it is over then
   */
  async open(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const given = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        reject(new StoreUnreachable(`${this.#where} is needed no more`))
      })
    })
    const opened = this.#client.connect().then(() => this.#client.query<Role>(ROLE))
    const { rows } = await this.#within(timeoutMs, Promise.race([opened, given]))
    const unfit = rows[0] === undefined ? undefined : unfitness(rows[0], this.#where)
    if (unfit === undefined) return
    this.drop()
    throw unfit
  }

  /** @throws As `open`. */
  async query(text: string, values: readonly unknown[] | undefined, timeoutMs: number): Promise<QueryResult> {
    // Without a name: a prepared statement would be another session's behind pgbouncer.
    const query = { text, ...(values !== undefined && { values: [...values] }) }
    const { rows, rowCount } = await this.#within(
      timeoutMs,
      this.#client.query<Record<string, unknown>>(query),
    )
    return { rows, rowCount: rowCount ?? 0 }
  }

  /** Tells the server, so that it ends its backend at once. */
  async end(): Promise<void> {
    // Else the process could end here, in the middle of what its caller does.
    this.#socket.ref()
    const over = new AbortController()
    const late = sleep(GOODBYE_MS, undefined, { signal: over.signal }).catch(() => undefined)
    await Promise.race([this.#client.end(), late])
    over.abort()
    this.drop()
  }

  /** Closes the socket: what is still on its way is never read. */
  readonly drop = (): void => {
    this.#isOver = true
    this.#socket.destroy()
  }

  /** An idle session keeps no process alive. */
  async #within<T>(ms: number, work: Promise<T>): Promise<T> {
    this.#socket.ref()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new StoreUnreachable(`${this.#where} did not answer within ${ms / 1000} s`, { hint: LATER }))
      }, ms)
    })
    try {
      return await Promise.race([work, late])
    } catch (error) {
      // The server may still be at work for it, or have left a transaction open: the next query must meet neither.
      this.drop()
      throw faultOf(error, this.#where)
    } finally {
      clearTimeout(timer)
      this.#socket.unref()
    }
  }
}

/** A socket that connects where it was told to when it was made. */
class HostSocket extends Socket {
  readonly #to: NetConnectOpts

  constructor(to: NetConnectOpts) {
    super()
    this.#to = to
  }

  override connect(): this {
    return super.connect(this.#to)
  }
}

/**
 * Turns an error that is thrown at an event of a stream into the end of the stream: pg throws at answers that it does
 * not know, such as a request for Kerberos, and nobody could catch that.
 */
function guard(stream: Duplex): void {
  const emit = stream.emit.bind(stream)
  stream.emit = (...args: Parameters<typeof emit>): boolean => {
    try {
      return emit(...args)
    } catch (error) {
      stream.destroy(new Error(error instanceof Error ? error.message : String(error)))
      return true
    }
  }
}

function addressOf({ name, port }: DatabaseHost): NetConnectOpts {
  return name.startsWith('/')
    ? { path: `${name}/.s.PGSQL.${port}` }
    : { host: name, port, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: ADDRESS_MS }
}

/** Node checks the certificate and the host's name, and pg begins with TLS or not at all. */
function tlsOptions(
  { credentials }: SharedStoreSettings,
  { name }: DatabaseHost,
): NonNullable<pg.ClientConfig['ssl']> {
  const { ca, client } = credentials()
  // Even where NODE_TLS_REJECT_UNAUTHORIZED says otherwise. Before 8.23.1 pg names no address to Node, which takes
  // `localhost` then.
  // An sslrootcert stands alone, as in libpq.
  const authorities = ca ?? trusted(null)
  return {
    rejectUnauthorized: true,
    host: name,
    ...(authorities !== undefined && { ca: authorities }),
    ...client,
  }
}

/** @throws {ConfigInvalid} */
async function passwordFor(
  { password }: SharedStoreSettings,
  host: DatabaseHost,
  where: string,
): Promise<string> {
  const secret = await password(host)
  if (secret !== undefined) return secret.reveal()
  throw new ConfigInvalid(`${where} asks for a password, and there is none`, {
    hint: `set url_password_file or url_password_command in [store], or PGPASSWORD; or put it into ${hints.passwords}`,
  })
}

interface Role {
  readonly isReplica: boolean
  readonly isReadOnly: boolean
}

/** A replica may be promoted, and a database may be read-only for a while. */
function unfitness({ isReplica, isReadOnly }: Role, where: string): StoreUnreachable | undefined {
  if (isReplica)
    return new StoreUnreachable(`${where} is a read-only replica`, {
      hint: 'name the primary in [store] url, or all hosts of the cluster: postgres://HOST1,HOST2/DATABASE',
    })
  return isReadOnly
    ? new StoreUnreachable(`${where} is read-only (default_transaction_read_only)`, { hint: LATER })
    : undefined
}
