// Reads a shared store for a monitoring system: the database, and what this host's seat remembers. Takes no lock and no
// lease, and makes and changes nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { untoldOf } from '../../core/alerts.js'
import type { ClockReading } from '../../core/clock.js'
import { ConfigInvalid, StoreUnreachable, TokenError } from '../../core/errors.js'
import { closedByMove, type Here } from '../../core/move-notes.js'
import { storePaths } from '../files.js'
import { NOTHING, type StoreLook } from '../look.js'
import { assertLoadable } from '../sqlite/addon-fault.js'
import { needsRollback } from '../sqlite/addon.js'
import { patiently } from '../sqlite/patience.js'
import { Connection } from './connection.js'
import { localized, shiftDiscovered, shiftEntry, shiftLogin } from './database-time.js'
import type { SharedStore } from './open.js'
import { peekSeat, placeOf, type Peeked } from './peek-seat.js'
import { PostgresRegistry } from './postgres-registry.js'
import { isPutBack } from './remembered.js'
import { SEAT_SCHEMA } from './seat-schema.js'

export interface SharedLook extends StoreLook {
  /**
   * When this host last saw the row, in epoch seconds, and why the database does not tell now (no reason where it was
   * not to be asked); `null` if it has just told.
   */
  readonly seen: { readonly at: number | null; readonly failure: TokenError | null } | null
}

export interface LookOptions {
  readonly clock: () => ClockReading
  readonly here: Here
  /** Milliseconds for the database; `null`: it is not to be asked. */
  readonly askMs: number | null
}

/**
 * Asks the database if it may. Else, or where the database does not tell, the set is as the seat remembers it.
 *
 * @throws {StoreUnfit | StoreUnusable | StoreBusy} the seat cannot be read
 * @throws {ConfigInvalid} a move has closed the row
 */
export async function lookAtShared(
  path: string,
  settings: SharedStore,
  options: LookOptions,
): Promise<SharedLook> {
  const known = await remembered(path, settings)
  const { askMs } = options
  if (askMs === null) return fromSeat(known, null)
  const connection = new Connection(settings, { connectMs: askMs, answerMs: askMs })
  let look: SharedLook | ConfigInvalid
  try {
    look = await Promise.race([asked(connection, settings, known, options), tooLate(settings, askMs)])
  } catch (error) {
    if (!(error instanceof TokenError)) throw error
    return fromSeat(known, error)
  } finally {
    // Not awaited: a query that has no answer would keep it open.
    void connection.close()
  }
  if (look instanceof ConfigInvalid) throw look
  return look
}

async function tooLate({ display }: SharedStore, ms: number): Promise<never> {
  await sleep(ms)
  throw new StoreUnreachable(`${display} said nothing for ${ms / 1000} s`, { hint: 'hq-token doctor' })
}

/** @returns The error for a row that a move has closed. */
async function asked(
  connection: Connection,
  settings: SharedStore,
  known: Peeked | undefined,
  { clock, here }: LookOptions,
): Promise<SharedLook | ConfigInvalid> {
  const registry = new PostgresRegistry(connection, settings.name, placeOf(settings))
  const seen = await registry.look()
  if (seen === undefined) return { ...NOTHING, seen: null }
  const { set, offset } = localized(seen, clock())
  const { move, discovered, login } = seen
  const store = { name: registry.name, address: { url: settings.display, name: settings.name } }
  if (move !== undefined) return closedByMove(store, move, set === undefined, here)
  if (known !== undefined && isPutBack(known, seen, set))
    throw new StoreUnreachable(`${registry.name} is older than what this host has seen`, {
      hint: 'hq-token get on the host that refreshed last',
    })
  const history = await registry.history()
  const { records } = await registry.alerts()
  return {
    set,
    discovered: discovered && shiftDiscovered(discovered, offset),
    login: login && shiftLogin(login, offset),
    history: history.map((entry) => shiftEntry(entry, offset)),
    untold: untoldOf({ records, offset }),
    seen: null,
  }
}

function fromSeat(known: Peeked | undefined, failure: TokenError | null): SharedLook {
  const { set, discovered, checkedAt } = known ?? {}
  return { ...NOTHING, set, discovered, seen: { at: checkedAt?.now ?? null, failure } }
}

/** The seat's memory of this very row; `undefined` if there is none yet. */
async function remembered(path: string, settings: SharedStore): Promise<Peeked | undefined> {
  const paths = storePaths(path)
  const known = await patiently(
    paths,
    () => {
      assertLoadable()
      try {
        return peekSeat(path, settings.name)
      } catch (error) {
        // A dead process's half-written page may be lost: the database has the token set.
        if (needsRollback(error)) return undefined
        throw error
      }
    },
    SEAT_SCHEMA,
  )
  return known?.place === placeOf(settings) ? known : undefined
}
