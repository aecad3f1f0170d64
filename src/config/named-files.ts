// Says which settings name a file beside the config file, and what that file is. Opens none but those that may hold a secret.
import type { Notice } from '../core/ports.js'
import { pathIn } from './paths.js'
import type { SharedStoreConfig } from './shared-store.js'
import type { ConfigSource, Setting, Settings } from './settings.js'
import { isSecret, secretFileNotices, type TrustedFile } from './trust.js'

export interface NamedFile {
  readonly setting: Setting
  readonly kind: TrustedFile
}

export function namedFiles(settings: Settings, shared: SharedStoreConfig | null): readonly NamedFile[] {
  const all = [
    [settings['client.client_secret_file'], 'secret'],
    [settings['network.ca_file'], 'ca'],
    [settings['network.client_cert_file'], 'certificate'],
    [settings['network.client_key_file'], 'key'],
    [settings['notify.url_file'], 'secret'],
    ...(shared?.files ?? []),
  ] as const
  return all.flatMap(([setting, kind]) => (setting === undefined ? [] : [{ setting, kind }]))
}

/** Warns of files with secrets that others can read. */
export function exposedSecrets(named: readonly NamedFile[], source: ConfigSource): readonly Notice[] {
  return named.flatMap(({ setting, kind }) =>
    isSecret(kind) ? secretFileNotices(pathIn(setting, source)) : [],
  )
}
