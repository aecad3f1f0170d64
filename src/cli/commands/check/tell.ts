// Tells people of what is due after a check, which says nothing of its own about that. Decides nothing.
import { openSession } from '../../session.js'
import { tell } from '../../tell.js'
import type { GlobalOptions } from '../../terminal/output.js'
import type { World } from '../../world.js'

/** Never rejects: the check has said how things stand. */
export async function tellQuietly(world: World, choices: readonly GlobalOptions[]): Promise<void> {
  for (const choice of choices) {
    try {
      await tell(openSession(world, choice, () => false))
    } catch {
      // A configuration that cannot be read is a finding of the check.
    }
  }
}
