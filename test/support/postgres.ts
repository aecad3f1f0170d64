import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { startCluster, type Postgres, type PostgresOptions } from '../../scripts/servers/postgres.js'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'

export type { Postgres, PostgresOptions }

const running: Postgres[] = []
afterAll(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop('immediate')))
})

/** Starts a real cluster of its own, which ends with the test file. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const postgres = await startCluster(folder(), options)
  running.push(postgres)
  return postgres
}

/** The programs of the system's newest PostgreSQL, which is installed by Debian's package where none is there. */
export function systemPrograms(): string {
  if (systemServers().length === 0) requirePrograms([join(SYSTEM, '15/bin/postgres'), 'postgresql-15'])
  return join(SYSTEM, String(systemServers()[0]), 'bin')
}

const SYSTEM = '/usr/lib/postgresql'

/** Versions, the newest first. A client alone has a folder too. */
function systemServers(): string[] {
  const versions = existsSync(SYSTEM) ? readdirSync(SYSTEM) : []
  return versions
    .filter((version) => existsSync(join(SYSTEM, version, 'bin/postgres')))
    .sort((one, other) => Number(other) - Number(one))
}
