// Tells people of trouble with the grant when a command has done its work. Prints nothing but warnings about that.
import type { Session } from './session.js'
import { hintsOf } from '../platform/hints.js'
import { placesOf } from '../wiring/places.js'
import { typedWith } from './terminal/output.js'
import { nextCommand } from './next-step.js'

/**
 * Tells people of what is due, if the configuration names a way. The exit code stays that of the command, whatever
 * becomes of it.
 *
 * @param options.keepsOutput Something is still to come on standard output.
 */
export async function tell(session: Session, { keepsOutput = false } = {}): Promise<void> {
  const { config, store, world, voice: speaker, notify } = session
  if (config.notify === null) return
  try {
    const { tellPeople } = await import('../wiring/notify.js')
    await tellPeople(session, {
      ...{ clock: world.clock, notify },
      typed: typedFor(session),
      login: async () => nextCommand(config, await store.login().catch(() => undefined), world.clock().now),
      // The reader of a token must not wait for a mail.
      begins: () => {
        if (!keepsOutput) world.endOutput()
      },
    })
  } catch (error) {
    speaker.bug(error)
  } finally {
    await store.close()
  }
}

/**
 * A hint for people who have not the environment and the folder of this command: it sets the variables that name its places,
 * and names the profile or the config file.
 */
function typedFor({ config, world }: Session): (hint: string) => string {
  const places = placesOf(config, world)
  const set = places.variables.map(([name, path]) => hintsOf(world.platform).set(name, path)).join('')
  if (config.profile !== null) return typedWith({ profile: config.profile }, world.platform, set)
  return typedWith(places.config === undefined ? {} : { config: places.config }, world.platform, set)
}
