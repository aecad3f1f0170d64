import { join } from 'node:path'
import { afterAll } from 'vitest'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'
import { giveToOrdinary, startGuarded, writeForOrdinary, type Guarded } from './guarded.js'
import type { Postgres } from './postgres.js'
import { freePort, isListening } from './proxy.js'

export interface PgbouncerOptions {
  /** Connections to the server, for each user and database. */
  readonly pool: number
  readonly mode: 'session' | 'transaction' | 'statement'
}

export interface Pgbouncer {
  readonly port: number
  url(database?: string, user?: string): string
}

const running: Guarded[] = []
afterAll(async () => {
  await Promise.all(running.splice(0).map((one) => one.end()))
})

/** Debian's pgbouncer before a cluster whose users need no password. Ends with the test file. */
export async function pgbouncer(postgres: Postgres, { pool, mode }: PgbouncerOptions): Promise<Pgbouncer> {
  // Not in the path of ordinary users.
  const program = '/usr/sbin/pgbouncer'
  requirePrograms([program, 'pgbouncer'])
  const at = giveToOrdinary(folder())
  const port = await freePort()
  const users = writeForOrdinary(join(at, 'users'), '"postgres" ""\n')
  const config = writeForOrdinary(
    join(at, 'config'),
    `[databases]
* = host=127.0.0.1 port=${postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
; Users that are not in the file are looked up in the cluster.
auth_user = postgres
pool_mode = ${mode}
default_pool_size = ${pool}
max_client_conn = 5000
`,
  )
  running.push(await startGuarded(at, [program, config], 'TERM', () => isListening(port)))
  return {
    port,
    url: (database = 'postgres', user = 'postgres') => `postgres://${user}@127.0.0.1:${port}/${database}`,
  }
}
