// The names that tell this machine from others. Changes nothing. Apart from the clocks, because a fresh token needs none.
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Host } from '../core/host.js'
import { bootId, lineOf } from './machine.js'
import { machineIds, type MachineIds } from './machine-ids.js'

const thisHost = hostAsking(machineIds)

/** The names that tell this machine from others. */
export function machineHost(): Host {
  return thisHost()
}

/** @param ask Is asked once, and only where files do not tell. */
export function hostAsking(ask: () => MachineIds, line = lineOf, boot = bootId): () => Host {
  let asked: MachineIds | undefined
  return () => {
    const file = line('/etc/machine-id') ?? line('/var/lib/dbus/machine-id')
    const isTold = file !== null && boot() !== null
    if (!isTold) asked ??= ask()
    const id = file ?? asked?.id ?? null
    return { name: hostname(), id: id === null ? null : disguised(id), boot: boot() ?? asked?.boot ?? null }
  }
}

/** Hashes the id, because it is the machine's own secret: machine-id(5) asks for a hash made for one application. */
function disguised(id: string): string {
  return createHash('sha256').update(`hq-token ${id}`).digest('hex').slice(0, 12)
}
