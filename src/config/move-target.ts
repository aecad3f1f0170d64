// Reads the store that a move goes to: what was typed, and for a database the keys and variables that the configuration
// would use for it. Opens nothing.
import { ConfigInvalid, UsageError } from '../core/errors.js'
import { defaultStore, typedPath, type Located } from './paths.js'
import { read, type Values } from './schema.js'
import type { ConfigSource, MoveTarget, Setting, Settings } from './settings.js'
import { sharedStore, type SharedStoreConfig } from './shared-store.js'
import { readStoreUrl } from './store-url.js'
import type { Suggest } from './suggest.js'

export interface TargetStore {
  readonly store: Located
  readonly shared: SharedStoreConfig | null
}

const PASSWORD_HINT =
  'leave it out, because everybody on this machine can read it in the list of processes; put it into url_password_file or url_password_command in [store], PGPASSWORD or ~/.pgpass'

/**
 * @param seat The seat of the store that the configuration names, if that is a shared one: the new store has it too.
 * @throws {UsageError | ConfigInvalid}
 */
export function targetStore(
  { to, name }: MoveTarget,
  seat: Located | undefined,
  settings: Settings,
  values: Values,
  source: ConfigSource,
  suggest: Suggest,
): TargetStore {
  if (!/^postgres(?:ql)?:/.test(to)) {
    if (name !== undefined) throw new UsageError('--name names a row of a database, and --to names a file')
    if (to === '') throw new UsageError('--to is given an empty name')
    return { store: { path: typedPath('--to', to, source), rule: '--to' }, shared: null }
  }
  const url: Setting = { text: to, where: '--to', folder: '.', from: 'environment' }
  try {
    if (/[?&]password=/.test(to) || readStoreUrl(url, source.env, suggest).password !== undefined)
      throw new UsageError('--to holds a password', { hint: PASSWORD_HINT })
  } catch (error) {
    // It was typed, and is no key of the configuration.
    if (!(error instanceof ConfigInvalid) || !error.message.startsWith('--to')) throw error
    throw new UsageError(error.message, error.hint === undefined ? {} : { hint: error.hint })
  }
  const row = name === undefined ? values['store.name'] : rowName(name)
  const shared = sharedStore(
    { ...settings, 'store.url': url },
    { ...values, ...(row !== undefined && { 'store.name': row }) },
    source,
    suggest,
  )
  const store = seat ?? defaultStore(source.profile, source, '.seat')
  return { store, shared: shared && { ...shared, typed: to } }
}

function rowName(name: string): string {
  const reading = read('store.name', name)
  if ('problem' in reading) throw new UsageError(`--name ${reading.problem}`)
  return name
}
