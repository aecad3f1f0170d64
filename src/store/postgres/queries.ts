// The port of the registry to a PostgreSQL connection. Types only: nothing here runs.

export interface QueryOptions {
  /** Milliseconds until the connection gives up on the server's answer. */
  readonly timeoutMs?: number
}

export interface QueryResult {
  readonly rows: readonly Record<string, unknown>[]
  /** Rows that the statement returned or changed. */
  readonly rowCount: number
}

export interface Queries {
  /**
   * Runs one statement, which is a transaction of its own. It is never repeated here: where the answer is lost, only
   * the caller can tell whether it took effect.
   *
   * @param text With values: one statement with `$1`, `$2`, …
   * @throws {StoreUnreachable | StoreUnusable | ConfigInvalid}
   */
  query(text: string, values?: readonly unknown[], options?: QueryOptions): Promise<QueryResult>
}
