// The configuration of notifications: whom to tell, and when. Runs and sends nothing.
import type { AlertPolicy } from '../core/alerts.js'
import { addressProblem } from '../core/address.js'
import { ConfigInvalid } from '../core/errors.js'
import type { Secret } from '../core/secret.js'
import { readSecret, secretOrigin } from './secret-origin.js'
import type { Values } from './schema.js'
import type { ConfigSource, Settings } from './settings.js'

export interface NotifyConfig {
  readonly command: NotifyCommand | null
  readonly url: NotifyUrl | null
  readonly policy: AlertPolicy
  /** Seconds. */
  readonly timeout: number
}

export interface NotifyCommand {
  readonly text: string
  readonly cwd: string
  /** Names the setting, for messages. */
  readonly where: string
}

/** An address that is a secret: whoever knows it can write to the channel behind it. */
export interface NotifyUrl {
  readonly where: string
  /**
   * Reads the address, from its file each time.
   *
   * @throws {ConfigInvalid} it cannot be had, or is no address that a notification may go to
   */
  readonly read: () => Promise<Secret>
}

/** @returns `null` if nobody is to be told. */
export function notifyConfig(settings: Settings, values: Values, source: ConfigSource): NotifyConfig | null {
  const command = settings['notify.command']
  const origin = secretOrigin(
    'notification URL',
    { text: settings['notify.url'], file: settings['notify.url_file'], command: undefined },
    source,
  )
  if (command === undefined && origin === undefined) return null
  return {
    command: command === undefined ? null : { text: command.text, cwd: command.folder, where: command.where },
    url:
      origin === undefined
        ? null
        : {
            where: origin.where,
            read: async () => {
              const url = await readSecret(origin)
              const problem = addressProblem(url.reveal())
              if (problem !== undefined) throw new ConfigInvalid(`${origin.where}: the address ${problem}`)
              return url
            },
          },
    policy: {
      failingFor: values['notify.failing_for'],
      ending: values['notify.ending'],
      remind: values['notify.remind'],
    },
    timeout: values['notify.timeout'],
  }
}
