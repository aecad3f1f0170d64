// Debian's pgbouncer before a cluster of `postgres.js` whose users need no password.
import { join } from 'node:path'
import { giveToOrdinary, startGuarded, writeForOrdinary } from './guarded.js'
import { freePort, isListening } from './ports.js'

/** Where Debian puts it: not in the path of ordinary users. */
export const PGBOUNCER = '/usr/sbin/pgbouncer'

/** @param at Its folder, which is there and empty. */
export async function startPgbouncer(at, postgres, { pool, mode }) {
  giveToOrdinary(at)
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
  const { end } = await startGuarded(at, [PGBOUNCER, config], 'TERM', () => isListening(port))
  return {
    port,
    url: (database = 'postgres', user = 'postgres') => `postgres://${user}@127.0.0.1:${port}/${database}`,
    stop: () => end(),
  }
}
