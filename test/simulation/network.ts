// The network between the hosts and the database: which connections work, and what becomes of a statement.
import type { StatementFate } from './plan.js'
import type { Flight } from './registry.js'
import type { Host, World } from './world.js'

export class Network {
  readonly #world: World
  /** Whether the database runs. */
  isUp = true
  readonly flights = new Set<Flight>()

  constructor(world: World) {
    this.#world = world
  }

  /** `undefined`: it arrives, and so does its answer. */
  fateOf(host: Host): StatementFate | 'refused' | 'silent' | undefined {
    const { scheduler, faults } = this.#world
    if (!this.isUp || scheduler.now < host.refusedUntil) return 'refused'
    if (scheduler.now < host.silentUntil) return 'silent'
    return faults.statementFate()
  }

  /** Resets connections: each statement on its way has happened, or will, or never does. */
  reset(isHit: (host: Host) => boolean = () => true): void {
    for (const flight of [...this.flights]) if (isHit(flight.host)) flight.cut(this.#world.random.chance(0.5))
  }
}
