import { afterAll } from 'vitest'
import {
  PGBOUNCER,
  startPgbouncer,
  type Pgbouncer,
  type PgbouncerOptions,
} from '../../scripts/servers/pgbouncer.js'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'
import type { Postgres } from './postgres.js'

const running: Pgbouncer[] = []
afterAll(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()))
})

/** Debian's pgbouncer before a cluster whose users need no password. Ends with the test file. */
export async function pgbouncer(postgres: Postgres, options: PgbouncerOptions): Promise<Pgbouncer> {
  requirePrograms([PGBOUNCER, 'pgbouncer'])
  const one = await startPgbouncer(folder(), postgres, options)
  running.push(one)
  return one
}
