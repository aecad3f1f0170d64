// The note of a move as a store keeps it: JSON. Reads and writes no file.
import { StoreUnfit } from '../core/errors.js'
import type { MoveNote, StoreAddress } from '../core/move-ports.js'

export function serializeNote(note: MoveNote): string {
  return JSON.stringify(note)
}

/** @throws {StoreUnusable} it is damaged */
export function noteFrom(fields: unknown): MoveNote {
  const { direction, other, host, grant, at } = (fields ?? {}) as Readonly<Record<string, unknown>>
  const { name, id } = (host ?? {}) as Readonly<Record<string, unknown>>
  const isWhole =
    (direction === 'to' || direction === 'from') &&
    typeof name === 'string' &&
    (typeof id === 'string' || id === null) &&
    typeof grant === 'string' &&
    typeof at === 'number'
  if (!isWhole) throw damaged()
  return { direction, other: addressFrom(other), host: { name, id }, grant, at }
}

function addressFrom(fields: unknown): StoreAddress {
  const { path, url, name, typed } = (fields ?? {}) as Readonly<Record<string, unknown>>
  if (typeof path === 'string') return { path }
  if (typeof url === 'string' && typeof name === 'string')
    return { url, name, ...(typeof typed === 'string' && { typed }) }
  throw damaged()
}

function damaged(): StoreUnfit {
  return new StoreUnfit('the store is damaged (the note of a move)', {
    hint: 'the store was left as it is; restore it from a backup',
  })
}
