// The simulated disk, seat and database in real time and without faults, to be held against the real ones.
import { nothing } from '../../src/store/postgres/remembered.js'
import type { Memory } from '../../src/store/postgres/seat-memory.js'
import type { Registry } from '../../src/store/postgres/registry.js'
import type { Database } from './database.js'
import type { Disk } from './disk.js'
import type { LocalActor, Names } from './local-store.js'
import { unmoved, untold } from './registry.js'

/** A process of its own. */
export function directActor(): LocalActor {
  return {
    step: async (_, work) => Promise.resolve().then(work),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    holds: (free) => free,
    begins: () => () => undefined,
    keeps: () => undefined,
    replaces: () => undefined,
    saves: () => undefined,
  }
}

/** A system that has no names for processes. */
export const NAMELESS: Names = { holder: () => undefined, isMe: () => true, isOtherAlive: () => false }

export function directMemory(disk: Disk, seat: string): Memory {
  return {
    load: () => Promise.resolve(disk.memory ?? nothing(seat)),
    create: () => {
      disk.memory ??= null
      return Promise.resolve()
    },
    change: (change) => {
      if (disk.memory === undefined) return Promise.resolve(undefined)
      disk.memory = change(disk.memory ?? nothing(seat))
      return Promise.resolve(disk.memory)
    },
  }
}

export function directRegistry(database: Database): Registry {
  const done = <T>(work: () => T): Promise<T> => Promise.resolve().then(work)
  return {
    name: 'postgres://db.example/hq',
    look: () => done(() => database.look()),
    migrate: () => Promise.resolve(),
    take: (...how) => done(() => database.take(...how)),
    beat: (holding) => done(() => database.beat(holding)),
    release: (holding) => done(() => void database.release(holding)),
    note: (...how) => done(() => database.note(...how)),
    saveLogin: (...how) => done(() => database.saveLogin(...how)),
    pin: (...how) => done(() => database.pin(...how)),
    land: (...how) => done(() => database.land(...how)),
    keep: (answer) =>
      done(() => {
        database.keep(answer)
      }),
    answers: () => done(() => database.row.answers),
    drop: (...what) =>
      done(() => {
        database.drop(...what)
      }),
    forget: (...how) => done(() => database.forget(...how)),
    history: () => done(() => database.history()),
    ...{ closeForMove: unmoved, reopen: unmoved, receive: unmoved },
    ...{ alerts: untold, saveAlert: untold },
    close: () => Promise.resolve(),
  }
}
