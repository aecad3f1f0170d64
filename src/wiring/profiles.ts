// Lists the configurations of this user for the commands that go through all of them. Reads none of them.
import { profilesOf } from '../config/profiles.js'
import { variable, type Environment, type Surroundings } from '../config/paths.js'
import { ConfigInvalid, UsageError } from '../core/errors.js'
import type { Choice } from './open.js'
import { hints } from '../platform/hints.js'

export { named } from '../config/paths.js'

export interface Profile {
  /** Its name; `default` for the configuration without one. */
  readonly name: string
  readonly choice: Choice
}

/** Variables that name one configuration: `--all` was typed, and wins over them. */
const PASSED_OVER = ['HQ_TOKEN_CONFIG', 'HQ_TOKEN_PROFILE']

/** All profiles, and the folders of profiles that cannot be read. Goes through JSON unharmed. */
export interface Profiles {
  readonly profiles: readonly Profile[]
  readonly closed: readonly Closed[]
}

export interface Closed {
  readonly folder: string
  /** Whether it is the user's own, and not the machine's. */
  readonly isOwn: boolean
  readonly message: string
  readonly hint: string | null
}

/**
 * The one without a profile comes first, if there is one.
 *
 * @throws {UsageError} something names one configuration, or gives all of them one store
 * @throws {ConfigInvalid} there is none that can be found
 */
export function everyProfile(typed: Choice, around: Surroundings): Profiles {
  assertAll(typed, around)
  const { hasDefault, names, closed } = profilesOf(around)
  const profiles = [
    ...(hasDefault ? [{ name: 'default', choice: {} }] : []),
    // Two profiles need two labels.
    ...names.map((name) => ({
      name: name === 'default' ? 'profiles/default' : name,
      choice: { profile: name },
    })),
  ]
  if (profiles.length > 0)
    return {
      profiles,
      closed: closed.map(({ folder, isOwn, error: { message, hint = null } }) => ({
        ...{ folder, isOwn, message, hint },
      })),
    }
  if (closed[0] !== undefined) throw closed[0].error
  throw new ConfigInvalid('there is no config file in the usual places', { hint: 'hq-token init' })
}

/** @throws {UsageError} */
export function assertAll({ config, profile }: Choice, { env }: Pick<Surroundings, 'env'>): void {
  const typed = config !== undefined ? '--config' : profile !== undefined ? '--profile' : undefined
  if (typed !== undefined)
    throw new UsageError(`--all and ${typed} exclude one another`, { hint: 'leave out one of the two' })
  const common = ['HQ_TOKEN_STORE', 'HQ_TOKEN_STORE_NAME'].find((name) => variable(env, name) !== undefined)
  if (common !== undefined)
    throw new UsageError(`--all and ${common} exclude one another: each profile has a store of its own`, {
      hint: hints.unset(common),
    })
}

/** The environment of one of all profiles. */
export function environmentOfEach(env: Environment): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !PASSED_OVER.includes(name)))
}
