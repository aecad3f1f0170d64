// What the process edge gives to every command beside its own options.
import type { Session } from './session.js'
import type { World } from './world.js'

export interface Edge {
  readonly world: World
  /** Ends the process with another program's exit code, or a report's. */
  readonly exitWith: (status: number) => void
  /** Opens what a command works with, and says the next step where a person must log in. */
  readonly withSession: <Arguments extends unknown[]>(
    work: (session: Session, ...rest: Arguments) => Promise<unknown>,
  ) => (...rest: Arguments) => Promise<void>
}
