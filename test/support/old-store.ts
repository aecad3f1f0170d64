import Database from 'better-sqlite3'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TokenSet } from '../../src/core/token-set.js'
import { toRow } from '../../src/store/row.js'
import { APPLICATION_ID, MIGRATIONS } from '../../src/store/sqlite/schema.js'

/** A store as the first version left it: the columns of then, at schema 1. */
export function writeOldStore(path: string, set: TokenSet): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  closeSync(openSync(path, 'wx', 0o600))
  const db = new Database(path)
  db.pragma('journal_mode = PERSIST')
  db.exec(MIGRATIONS[0] ?? '')
  db.pragma(`application_id = ${APPLICATION_ID}`)
  db.pragma('user_version = 1')
  const known = new Set((db.pragma('table_info(token_set)') as { name: string }[]).map(({ name }) => name))
  const columns = Object.entries(toRow(set)).filter(([name]) => known.has(name))
  const row = { ...Object.fromEntries(columns), id: 1, width: 16_384, padding: Buffer.alloc(15_000) }
  const names = Object.keys(row)
  db.prepare(
    `INSERT INTO token_set (${names.join(', ')}) VALUES (${names.map((name) => `@${name}`).join(', ')})`,
  ).run(row)
  db.close()
}
