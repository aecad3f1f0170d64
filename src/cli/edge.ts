// The functions that `program.ts` gives to every command beside its own options.
import type { Session } from './session.js'
import type { World } from './world.js'

/** Says what went wrong. @returns The exit code. */
export type OwnReport = (error: unknown) => Promise<number>

export interface Edge {
  readonly world: World
  /** Sets the exit code: another program's, or a report's. */
  readonly exitWith: (status: number) => void
  /** Has people told of trouble when all is done and said, for a command that opens its session itself. */
  readonly tells: (session: Session) => void
  /** Gives a command a report of its own for every error of its, a wrong usage too: it has exit codes of its own. */
  readonly reportAs: (command: string, report: OwnReport) => void
  /**
   * Opens what a command works with, and says the next step if a person must log in. A number that `work` returns is the
   * exit code.
   *
   * @param options.tells Whether people are told of trouble when all is done and said: see `tell.ts`.
   */
  readonly withSession: <Arguments extends unknown[]>(
    work: (session: Session, ...rest: Arguments) => Promise<unknown>,
    options?: { readonly tells?: boolean },
  ) => (...rest: Arguments) => Promise<void>
}
