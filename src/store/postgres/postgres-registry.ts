// The registry in PostgreSQL: one row for each profile, one statement for each method. Decides nothing: it says
// whether a statement has found the row as the caller had seen it.
import { createHash } from 'node:crypto'
import type { AlertChange, AlertRecord } from '../../core/alerts.js'
import { StoreUnusable } from '../../core/errors.js'
import type { MoveNote } from '../../core/move-ports.js'
import type { Discovered } from '../../core/ports.js'
import type { HistoryEntry, PendingLogin } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { fromAlertRows, toAlertRow } from '../alert-row.js'
import { serializeNote } from '../move-note.js'
import { fromHistoryRows, toDiscoveredRow, toHistoryRow, toLoginRow, toRow, type Row } from '../row.js'
import type { Queries, QueryOptions, QueryResult } from './queries.js'
import type { Holding, KeptAnswer, Registry, Seen, SeenLease } from './registry.js'
import { migrate, SCHEMA_VERSION, UNFIT_DATABASE } from './schema.js'
import { number, seenFrom, text, type Columns } from './seen.js'
import * as sql from './statements.js'
import { scanTables, type Tables } from './tables.js'

export class PostgresRegistry implements Registry {
  readonly name: string
  readonly #queries: Queries & { readonly close: () => Promise<void> }
  readonly #row: string

  /**
   * @param row The profile's row.
   * @param name The database, for messages: its URL without a password.
   */
  constructor(queries: Queries & { readonly close: () => Promise<void> }, row: string, name: string) {
    this.#queries = queries
    this.#row = row
    this.name = name
  }

  async look(): Promise<Seen | undefined> {
    try {
      return await this.#look()
    } catch (error) {
      const state = sqlStateOf(error) ?? ''
      if (!/^(?:3F|42)/.test(state)) throw this.#inWords(error)
      const { areMissing, unfit } = await this.#tables()
      if (unfit !== undefined) throw unfit
      if (!NO_SCHEMA.has(state)) throw this.#inWords(error)
      if (areMissing) return undefined
    }
    // Another process has made them meanwhile.
    return this.#look().catch((error: unknown) => {
      throw this.#inWords(error)
    })
  }

  async #look(): Promise<Seen> {
    const [row] = (await this.#queries.query(sql.LOOK, [this.#row])).rows
    if (row === undefined)
      throw new StoreUnusable(`${this.name} has lost the row of hq_token.meta`, {
        hint: `let the owner of the database run: INSERT INTO hq_token.meta (version, compatible) VALUES (${SCHEMA_VERSION}, 1);`,
      })
    const seen = this.#seen(row)
    // The row is missing: the profile is new, or the database hides its row.
    const { hidden } = row['lease_term'] === null ? await this.#tables() : {}
    if (hidden !== undefined) throw hidden
    return seen
  }

  async #tables(): Promise<Tables> {
    try {
      return await scanTables(this.#queries, this.#row, this.name)
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  async migrate(): Promise<void> {
    try {
      await migrate(this.#queries)
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  async take(
    { term, beat }: Pick<SeenLease, 'term' | 'beat'>,
    { seat, host }: Omit<Holding, 'term'>,
    leaseMs: number,
  ): Promise<Seen | undefined> {
    // Only a profile that nobody has ever used may have no row.
    if (term === 0) await this.#run(sql.MAKE)
    const { rows } = await this.#run(sql.TAKE, [term, beat, seat, host, leaseMs])
    return rows[0] === undefined ? undefined : this.#seen(rows[0])
  }

  beat({ term, seat }: Holding): Promise<boolean> {
    return this.#did(sql.BEAT, [term, seat])
  }

  async release({ term, seat }: Holding): Promise<void> {
    await this.#run(sql.RELEASE, [term, seat])
  }

  note(
    { term, seat, host }: Holding,
    generation: number,
    next: TokenSet,
    entry: HistoryEntry,
  ): Promise<boolean> {
    return this.#did(sql.NOTE, [...event(entry, host), term, seat, generation, ...columnsOf(next)])
  }

  saveLogin({ term, seat }: Holding, login: PendingLogin | null): Promise<boolean> {
    return this.#did(sql.SAVE_LOGIN, [term, seat, login === null ? null : json(toLoginRow(login))])
  }

  pin({ term, seat }: Holding, discovered: Discovered): Promise<boolean> {
    return this.#did(sql.PIN, [term, seat, json(toDiscoveredRow(discovered))])
  }

  async land(
    { host }: Pick<Holding, 'host'>,
    seen: { readonly generation: number; readonly grant: string | null | undefined },
    next: TokenSet,
    entry: HistoryEntry,
  ): Promise<boolean> {
    const { generation, grant } = seen
    // The row of a profile may have been removed since the lease was taken; the pair is worth a new one.
    if (generation === 0) await this.#run(sql.MAKE)
    return this.#did(sql.LAND, [
      ...event(entry, host),
      ...[generation, ...columnsOf(next), grant !== undefined, grant ?? null],
    ])
  }

  async keep({ generation, attempt, seat, bytes }: KeptAnswer, timeoutMs: number): Promise<void> {
    await this.#run(sql.KEEP, [generation, attempt, seat, bytes], { timeoutMs })
  }

  async answers(): Promise<readonly KeptAnswer[]> {
    const { rows } = await this.#run(sql.ANSWERS)
    return rows.map((row) => ({
      generation: number(row, 'generation'),
      attempt: number(row, 'attempt'),
      seat: text(row, 'seat'),
      bytes: row['record'] as Uint8Array,
    }))
  }

  async drop(answers: readonly Pick<KeptAnswer, 'bytes'>[], generation: number): Promise<void> {
    const digests = answers.map(({ bytes }) => createHash('sha256').update(bytes).digest('hex'))
    if (digests.length > 0) await this.#run(sql.DROP, [digests, generation])
  }

  forget({ term, seat, host }: Holding, generation: number, entry: HistoryEntry | null): Promise<boolean> {
    return this.#did(sql.FORGET, [...event(entry, host), term, seat, generation])
  }

  closeForMove(
    { term, seat, host }: Holding,
    generation: number,
    note: MoveNote,
    entry: HistoryEntry | null,
  ): Promise<boolean> {
    return this.#did(sql.CLOSE, [...event(entry, host), term, seat, generation, serializeNote(note)])
  }

  reopen({ term, seat }: Holding, generation: number): Promise<boolean> {
    return this.#did(sql.REOPEN, [term, seat, generation])
  }

  receive(
    { term, seat, host }: Holding,
    generation: number,
    next: TokenSet,
    history: readonly HistoryEntry[],
  ): Promise<boolean> {
    const events = history.map((one) => {
      const [sequence, entry] = event(one, one.host ?? host)
      return `{"sequence":${String(sequence)},"entry":${String(entry)},"host":${JSON.stringify(one.host ?? host)}}`
    })
    return this.#did(sql.RECEIVE, [term, seat, generation, ...columnsOf(next), `[${events.join()}]`])
  }

  async history(): Promise<readonly HistoryEntry[]> {
    const { rows } = await this.#run(sql.HISTORY)
    return rows.flatMap(({ entry, host }) =>
      fromHistoryRows([entry as Row | null]).map((one) => ({
        ...one,
        ...(typeof host === 'string' && { host }),
      })),
    )
  }

  async alerts(): Promise<{ readonly records: readonly AlertRecord[]; readonly now: number }> {
    const { rows } = await this.#run(sql.ALERTS)
    // Without the row of `meta` there is nobody to compare with.
    const now = rows[0] === undefined ? Date.now() / 1000 : number(rows[0], 'now')
    return { records: fromAlertRows(rows as readonly Row[]), now }
  }

  saveAlert({ before, after }: AlertChange): Promise<boolean> {
    const [, ...was] = Object.values(toAlertRow(before))
    return this.#did(sql.SAVE_ALERT, [...Object.values(toAlertRow(after)), ...was])
  }

  close(): Promise<void> {
    return this.#queries.close()
  }

  async #did(statement: string, values: readonly unknown[]): Promise<boolean> {
    const { rowCount } = await this.#run(statement, values)
    return rowCount > 0
  }

  async #run(
    statement: string,
    values: readonly unknown[] = [],
    options?: QueryOptions,
  ): Promise<QueryResult> {
    try {
      return await this.#queries.query(statement, [this.#row, ...values], options)
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  #seen(row: Columns): Seen {
    const [version, compatible] = [number(row, 'version'), number(row, 'compatible')]
    if (compatible > SCHEMA_VERSION)
      throw new StoreUnusable(
        `${this.name} was changed by a newer hq-token (schema ${version}, this one knows ${SCHEMA_VERSION})`,
        { hint: 'update this one: npm install -g hq-token' },
      )
    if (version < SCHEMA_VERSION)
      throw new StoreUnusable(
        `${this.name} has the schema ${version}, and this hq-token needs ${SCHEMA_VERSION}`,
        { hint: 'let the owner of the database run what this prints: hq-token doctor --sql' },
      )
    return this.#whole(() => seenFrom(row))
  }

  /** Reads what the hosts have written. @throws {StoreUnusable} */
  #whole<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof StoreUnusable)) throw error
      throw new StoreUnusable(`${this.name}: ${error.message}, in the row ${this.#row}`, {
        hint: `the row was left as it is; restore it from a backup, or empty it (UPDATE hq_token.grants SET token_set = NULL, login = NULL, discovered = NULL WHERE name = '${this.#row}'), then: hq-token login`,
      })
    }
  }

  /**
   * Says what the server's refusal of a statement means. Neither its detail, which may quote a row, nor the message
   * where it may quote a value goes on.
   */
  #inWords(error: unknown): unknown {
    const state = sqlStateOf(error) ?? ''
    if (NO_SCHEMA.has(state)) return this.#unusable('has no tables of hq-token')
    if (PLAIN.has(state)) return this.#unusable(`refuses: ${wordsOf(error)}`)
    if (state === FOREIGN_KEY) return this.#unusable(`has no row ${this.#row} any more`)
    if (/^(22|23|42)/.test(state))
      return new StoreUnusable(
        `${this.name} refuses a statement (SQLSTATE ${state}): its tables have been changed`,
        {
          hint: 'find out who has changed them, or restore them from a backup; as they must be: hq-token doctor --sql',
        },
      )
    return error
  }

  #unusable(what: string): StoreUnusable {
    return new StoreUnusable(`${this.name} ${what}`, {
      hint: 'hq-token doctor shows what is missing, and the SQL for it',
    })
  }
}

/** invalid_schema_name, and undefined_table. */
const NO_SCHEMA: ReadonlySet<string | undefined> = new Set(['3F000', '42P01'])
/** insufficient_privilege, and a migration's own. */
const PLAIN: ReadonlySet<string> = new Set(['42501', UNFIT_DATABASE])
/** foreign_key_violation. */
const FOREIGN_KEY = '23503'

/** The SQLSTATE of a server's error, also where the connection has put the error into words. */
function sqlStateOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : sqlStateOf(error.cause)
}

/** The server's words, without the name that the connection puts before them. */
function wordsOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/^\S+: /, '')
}

/** Generation, sequence, and the columns of a set that the row has no column of its own for. */
function columnsOf(set: TokenSet): readonly unknown[] {
  const { generation, sequence, ...others } = toRow(set)
  return [generation, sequence, json(others)]
}

function event(entry: HistoryEntry | null, host: string): readonly unknown[] {
  return [entry?.sequence ?? null, entry === null ? null : json(toHistoryRow(entry)), host]
}

/** Without what jsonb refuses to hold: U+0000, and half of a surrogate pair. No token has either. */
function json(columns: Row): string {
  return JSON.stringify(columns, (_, value: unknown) =>
    typeof value === 'string' ? value.replace(/[\0\p{Surrogate}]/gu, '\ufffd') : value,
  )
}
