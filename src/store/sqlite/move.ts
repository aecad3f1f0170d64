// Closes a store that a token set goes from or comes to, and opens it again. Takes no lock of the store.
import type Database from 'better-sqlite3'
import type { MoveNote } from '../../core/move-ports.js'
import type { HistoryEntry } from '../../core/store-ports.js'
import type { TokenSet } from '../../core/token-set.js'
import { noteFrom, serializeNote } from '../move-note.js'
import { APPLICATION_ID, MOVE_APPLICATION_ID } from './schema.js'
import { selectSet } from './select.js'
import { inTransaction, save, writeHistory } from './write.js'

/** The note in a store that a move has closed; `undefined` in any other. */
export function selectNote(db: Database.Database): MoveNote | undefined {
  return db.transaction(() => {
    if (db.pragma('application_id', { simple: true }) !== MOVE_APPLICATION_ID) return undefined
    return noteFrom(JSON.parse(String(db.prepare('SELECT note FROM move').pluck().get())))
  })()
}

/**
 * The file becomes one of another kind, which every older version refuses to open. The table is no step of the
 * schema, because a store without it has nothing to say about a move.
 */
export function close(db: Database.Database, note: MoveNote, entry: HistoryEntry | null): void {
  inTransaction(db, () => {
    db.exec(
      'CREATE TABLE IF NOT EXISTS move (id INTEGER PRIMARY KEY CHECK (id = 1), note TEXT NOT NULL) STRICT',
    )
    db.prepare('REPLACE INTO move (id, note) VALUES (1, ?)').run(serializeNote(note))
    const set = selectSet(db)
    if (set !== undefined && entry !== null) save(db, { ...set, sequence: entry.sequence }, entry)
    db.pragma(`application_id = ${MOVE_APPLICATION_ID}`)
  })
}

export function reopen(db: Database.Database): void {
  inTransaction(db, () => {
    open(db)
  })
}

export function receive(db: Database.Database, next: TokenSet, history: readonly HistoryEntry[]): void {
  inTransaction(db, () => {
    for (const entry of history) {
      if (entry.sequence === next.sequence) save(db, next, entry)
      else writeHistory(db, entry)
    }
    open(db)
  })
}

function open(db: Database.Database): void {
  db.exec('DROP TABLE IF EXISTS move')
  db.pragma(`application_id = ${APPLICATION_ID}`)
}
