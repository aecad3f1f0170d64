// Reads a store for a monitoring system. Waits for no lock of the store, and makes, repairs and changes nothing.
import { untoldOf, type Untold } from '../core/alerts.js'
import { StoreUnusable } from '../core/errors.js'
import { closedByMove, type Here } from '../core/move-notes.js'
import type { HistoryEntry } from '../core/store-ports.js'
import { heldOpen } from '../platform/held-files.js'
import { damaged, storePaths } from './files.js'
import { named, sharedByVolume } from './group.js'
import type { StoreContent } from './inspect.js'
import { assertLoadable } from './sqlite/addon-fault.js'
import { needsRollback } from './sqlite/addon.js'
import { openForReading, refuseNewer } from './sqlite/database.js'
import { selectNote } from './sqlite/move.js'
import { patiently } from './sqlite/patience.js'
import { selectAlerts, selectDiscovered, selectHistory, selectLogin, selectSet } from './sqlite/select.js'

/** The content of a store, and its events, newest first. */
export interface StoreLook extends StoreContent {
  readonly history: readonly HistoryEntry[]
  readonly untold: Untold | null
}

/** The look at a store with nothing in it. */
export const NOTHING: StoreLook = {
  ...{ set: undefined, discovered: undefined, login: undefined },
  ...{ history: [], untold: null },
}

/**
 * Reads a store, of any version up to this one.
 *
 * @throws {StoreUnfit} what is there can never be read
 * @throws {StoreUnusable | StoreBusy} it could not be looked at
 * @throws {ConfigInvalid} a move has closed the store
 */
export async function lookAtStore(path: string, here: Here): Promise<StoreLook> {
  const paths = storePaths(path)
  return patiently(paths, () => {
    assertLoadable()
    const shared = sharedByVolume(paths)
    if (shared.length > 0)
      throw new StoreUnusable(`the group may use ${named(shared)}, as on a volume with fsGroup`, {
        hint: 'the next hq-token status takes that away',
      })
    try {
      const db = openForReading(paths)
      if (db === undefined) return NOTHING
      try {
        const note = selectNote(db)
        const store = { name: paths.database, address: { path: paths.database } }
        if (note !== undefined) throw closedByMove(store, note, selectSet(db) === undefined, here)
        refuseNewer(db, paths)
        const found = String(db.pragma('quick_check(1)', { simple: true }))
        if (found !== 'ok') throw damaged(paths.database, found)
        return {
          ...{ set: selectSet(db), discovered: selectDiscovered(db) },
          ...{ login: selectLogin(db), history: selectHistory(db) },
          untold: untoldOf({ records: selectAlerts(db), offset: 0 }),
        }
      } finally {
        db.close()
      }
    } catch (error) {
      if (!needsRollback(error)) throw error
      // On Windows SQLite fails so too where another program holds the journal.
      const held = heldOpen([paths.database, `${paths.database}-journal`], error)
      if (held !== undefined) throw held
      // A connection that only reads cannot see past it.
      throw new StoreUnusable(`a process died within a write of ${paths.database}`, {
        hint: 'hq-token status rolls that back',
        cause: error,
      })
    }
  })
}
