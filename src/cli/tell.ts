// Tells people of trouble with the grant when a command has done its work. Prints nothing but warnings about that.
import type { Session } from './session.js'
import { nextCommand } from './next-step.js'

/**
 * Tells people of what is due, if the configuration names a way. The exit code stays that of the command, whatever
 * becomes of it.
 *
 * @param options.keepsOutput Something is still to come on standard output.
 */
export async function tell(session: Session, { keepsOutput = false } = {}): Promise<void> {
  const { config, store, world, voice, notify } = session
  if (config.notify === null) return
  try {
    const { tellPeople } = await import('../wiring/notify.js')
    await tellPeople(session, {
      ...{ clock: world.clock, notify },
      typed: voice.typed,
      login: async () => nextCommand(config, await store.login().catch(() => undefined), world.clock().now),
      // The reader of a token must not wait for a mail.
      begins: () => {
        if (!keepsOutput) world.endOutput()
      },
    })
  } catch (error) {
    voice.bug(error)
  } finally {
    await store.close()
  }
}
