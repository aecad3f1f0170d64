import { openSession, type Session } from './context.js'
import type { GlobalOptions } from './output.js'
import { namingTheNextStep } from './next-step.js'
import type { World } from './world.js'

/** Does the work of a command; where a person must log in, its error says how that is done here. */
export async function inSession<T>(
  world: World,
  options: GlobalOptions,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = openSession(world, options)
  try {
    return await namingTheNextStep(session, () => work(session))
  } finally {
    await session.guard.settled()
  }
}
