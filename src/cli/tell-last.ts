// Has people told of trouble when a command has done its work and has said how it ended. Loads what does so on demand.
import type { Edge } from './edge.js'
import type { Session } from './session.js'

/** @param run Runs the command, and reports how it ended. */
export async function tellLast(run: (tells: Edge['tells']) => Promise<number>): Promise<number> {
  const told: Session[] = []
  const status = await run((session) => told.push(session))
  for (const session of told)
    if (session.config.notify !== null) await (await import('./tell.js')).tell(session)
  return status
}
