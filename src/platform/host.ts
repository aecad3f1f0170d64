// The names that tell this machine from others. Changes nothing. Apart from the clocks, because a fresh token needs none.
import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { HARDWARE, type Host } from '../core/host.js'
import { bootId, lineOf } from './machine.js'
import { machineIds, type MachineIds } from './machine-ids.js'

const thisHost = hostAsking(machineIds)

/** The names that tell this machine from others. */
export function machineHost(): Host {
  return thisHost()
}

/** @param ask Is asked once, and only where files do not tell. */
export function hostAsking(
  ask: () => MachineIds,
  line = lineOf,
  boot = bootId,
  platform = process.platform,
): () => Host {
  let asked: MachineIds | undefined
  return () => {
    const file = line('/etc/machine-id') ?? line('/var/lib/dbus/machine-id')
    const isTold = file !== null && boot() !== null
    if (!isTold) asked ??= ask()
    const id = file ?? asked?.id ?? null
    // macOS tells the id of the hardware, the others that of the installation.
    const kind = file === null && platform === 'darwin' ? HARDWARE : ''
    return {
      name: hostname(),
      id: id === null ? null : `${kind}${disguised(id)}`,
      boot: boot() ?? asked?.boot ?? null,
    }
  }
}

/** Hashes the id, because it is the machine's own secret: machine-id(5) asks for a hash made for one application. */
function disguised(id: string): string {
  return createHash('sha256').update(`hq-token ${id}`).digest('hex').slice(0, 12)
}
