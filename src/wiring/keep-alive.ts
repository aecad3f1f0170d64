// Finds the places that a scheduled refresh needs to name, because it runs in no shell of the user's. Changes nothing.
import { existsSync, statSync } from 'node:fs'
import { configKeys } from '../config/keys.js'
import { loadConfig, type Config } from '../config/load.js'
import { locate, locateNew, type Location } from '../config/locate.js'
import {
  defaultStore,
  named,
  pathsOf,
  variable,
  type Environment,
  type Surroundings,
} from '../config/paths.js'
import { ConfigInvalid, TokenError } from '../core/errors.js'
import { hasFixedEnd, refreshEndOf } from '../core/refresh-end.js'
import { open, type Around, type Choice } from './open.js'

export interface KeepAlive {
  readonly profile: string | undefined
  /** The file that `--config` or `HQ_TOKEN_CONFIG` names; `undefined` where it is found by its folder. */
  readonly configFile: string | undefined
  /** `HQ_TOKEN_CONFIG_DIR`, `HQ_TOKEN_STATE_DIR` and, where it is set now, `HQ_TOKEN_STORE`: absolute paths. */
  readonly variables: Readonly<Record<string, string>>
  /** The folders that a refresh reads, and those that it writes. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** The store's file, or the seat of this host; the usual one where the configuration cannot be read. */
  readonly store: string
  /** Variables that are set here and give parts of the configuration; a scheduled refresh does not see them. */
  readonly left: readonly string[]
  /** Why the configuration cannot be read; `undefined` where it can, or where a machine has none yet. */
  readonly problem: string | undefined
  /** Seconds that the refresh token lives; `undefined` where that is not known. */
  readonly refreshLife: () => Promise<number | undefined>
}

/** The folders of a unit that belongs to the machine. */
export interface Folders {
  readonly config: string
  readonly state: string
}

/**
 * Finds the places as the scheduled refresh will find them. The configuration need not be there, nor be readable.
 *
 * @param usual Taken where no variable names the folders; without it those of the user who runs this.
 * @throws {UsageError} for a name that no profile can have.
 */
export function keepAlive(choice: Choice, around: Around, usual?: Folders): KeepAlive {
  const { env, platform, homedir } = around
  const given =
    usual === undefined ? {} : { HQ_TOKEN_CONFIG_DIR: usual.config, HQ_TOKEN_STATE_DIR: usual.state }
  const set = Object.entries(env).filter(([name]) => variable(env, name) !== undefined)
  const surroundings = { env: { ...given, ...Object.fromEntries(set) }, platform, homedir }
  const location = located(choice, surroundings)
  const { path, rule } = location.file
  const isNamed = rule === '--config' || rule === 'HQ_TOKEN_CONFIG'
  const paths = pathsOf(surroundings)
  const isProfile = !isNamed && location.profile !== undefined
  const state = paths.dirname(defaultStore(undefined, surroundings).path)
  const store = named('HQ_TOKEN_STORE', surroundings)?.path
  const variables = {
    HQ_TOKEN_CONFIG_DIR: isProfile ? paths.dirname(paths.dirname(path)) : paths.dirname(path),
    HQ_TOKEN_STATE_DIR: state,
    ...(store !== undefined && { HQ_TOKEN_STORE: store }),
  }
  const there = { ...surroundings, env: { ...variables } }
  const found = readable({ ...there, ...location, owner: usual === undefined ? undefined : ownerOf(path) })
  const config = found instanceof TokenError ? undefined : found
  const isToCome = usual !== undefined && !existsSync(path)
  const storeFile = config?.store.path ?? store ?? paths.join(state, `${location.profile ?? 'token'}.db`)
  return {
    profile: location.profile,
    configFile: isNamed ? path : undefined,
    variables,
    reads: [path],
    // A seed that is spent gets a mark beside it.
    writes: [state, storeFile, config?.seedFile ?? undefined].flatMap((one) =>
      one === undefined ? [] : [one === state ? state : paths.dirname(one)],
    ),
    store: storeFile,
    left: unseen(env),
    problem: found instanceof TokenError && !isToCome ? found.message : undefined,
    refreshLife: () =>
      config === undefined || config.shared !== null
        ? Promise.resolve(undefined)
        : lifeOf(choice, { ...around, ...there, notify: () => undefined }),
  }
}

function located(
  choice: Choice,
  around: Surroundings,
): Location & { readonly file: { path: string; rule: string } } {
  try {
    const found = locate(choice, around)
    if (found.file !== undefined) return { ...found, file: found.file }
  } catch (error) {
    if (!(error instanceof ConfigInvalid)) throw error
  }
  return locateNew(choice, around)
}

function readable(source: Parameters<typeof loadConfig>[0]): Config | TokenError {
  try {
    return loadConfig(source)
  } catch (error) {
    if (error instanceof TokenError) return error
    throw error
  }
}

/** The user of a unit owns the configuration, and root makes the unit. */
function ownerOf(path: string): number | undefined {
  return process.geteuid?.() === 0 ? statSync(path, { throwIfNoEntry: false })?.uid : undefined
}

function unseen(env: Environment): string[] {
  return configKeys
    .map((key) => key.env)
    .filter((name) => name !== 'HQ_TOKEN_STORE' && variable(env, name) !== undefined)
}

async function lifeOf(choice: Choice, around: Around): Promise<number | undefined> {
  try {
    const { store } = open(choice, around)
    try {
      const set = await store.read()
      const end = set && refreshEndOf(set, hasFixedEnd(set) ? await store.history() : [])
      return end?.life ?? undefined
    } finally {
      await store.close()
    }
  } catch (error) {
    if (error instanceof TokenError) return undefined
    throw error
  }
}
