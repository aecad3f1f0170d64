// Tells people of trouble with the grant when a command has done its work. Prints nothing but warnings about that.
import type { Session } from './session.js'
import { voice } from './terminal/output.js'
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

/** A hint for people who have not the environment of this command: it names the profile or the config file. */
function typedFor({ config, world, voice: speaker }: Session): (hint: string) => string {
  if (config.profile !== null) return voice(world, { profile: config.profile }).typed
  const isNamed = Boolean(world.env['HQ_TOKEN_CONFIG']?.trim())
  return isNamed && config.file !== null ? voice(world, { config: config.file }).typed : speaker.typed
}
