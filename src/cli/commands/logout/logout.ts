// Ends the grant, at the server and in the store. Removes no configuration.
import type { LogoutFlags } from './command.js'
import { isUnconfigured, notConfigured } from '../../../core/unconfigured.js'
import type { Session } from '../../session.js'

/** Ends the grant at the server if it can be ended there, then forgets it. */
export async function logout(
  { config, logins, revoke, store, voice }: Session,
  { local }: LogoutFlags,
): Promise<void> {
  const ending = local === true ? null : await revoke()
  const did = await logins.logout(ending, { anyClient: local === true })
  if (!did) {
    if (local !== true && isUnconfigured(config)) throw notConfigured()
    voice.tell({ level: 'info', message: `there was nothing to forget in ${store.name}` })
    return
  }
  voice.tell({
    level: 'info',
    message:
      ending === null
        ? 'the tokens are forgotten here'
        : 'the grant is revoked at the server, and the tokens are forgotten here',
  })
  if (ending === null)
    voice.tell({
      level: 'warning',
      message: 'the server was not told: whoever has a copy of the tokens can still use them',
      hint:
        config.instance === null
          ? 'revoke the access at the server, or set revocation_url'
          : 'in HighQ a system administrator archives the registration: System Admin, API applications',
    })
  if (config.seedFile !== null)
    voice.tell({
      level: 'warning',
      message: `the seed file ${config.seedFile} may still hold a token; the next get imports it if it is of another grant`,
      hint: `take [seed] file out of the configuration, and remove the file`,
    })
}
