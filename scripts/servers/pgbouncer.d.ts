import type { Postgres } from './postgres.js'

export interface PgbouncerOptions {
  /** Connections to the server, for each user and database. */
  readonly pool: number
  readonly mode: 'session' | 'transaction' | 'statement'
}

export interface Pgbouncer {
  readonly port: number
  url(database?: string, user?: string): string
  stop(): Promise<void>
}

export const PGBOUNCER: string

export function startPgbouncer(at: string, postgres: Postgres, options: PgbouncerOptions): Promise<Pgbouncer>
