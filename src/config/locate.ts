// Finds the config file and the profile. Opens no file.
import { win32 } from 'node:path'
import { ConfigInvalid, UsageError } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { isWithin } from '../platform/profile.js'
import { isDeviceName } from '../platform/windows-path.js'
import { isThere } from './file.js'
import {
  baseDirectory,
  named,
  pathsOf,
  storeName,
  typedPath,
  variable,
  type Located,
  type Surroundings,
} from './paths.js'
import { hints } from '../platform/hints.js'

export interface Location {
  /** `undefined` where there is no config file: everything may come from the environment. */
  readonly file: Located | undefined
  readonly profile: string | undefined
  /** Names variables that were not used, because something that was typed wins over them. */
  readonly notices?: readonly Notice[]
}

/** The options as typed, or as given to the library. */
export interface Typed {
  readonly config?: string | undefined
  readonly profile?: string | undefined
}

/**
 * Finds the config file: `--config`, `HQ_TOKEN_CONFIG`, the user's own, the machine's; where `HQ_TOKEN_CONFIG_DIR` is
 * set, that folder's and no other. Never the working directory's. A profile that was typed wins over
 * `HQ_TOKEN_CONFIG`. An environment variable that is empty counts as unset.
 *
 * @param exists For tests.
 * @throws {UsageError} when the profile's name is none, or it was typed and `HQ_TOKEN_STORE` is set.
 * @throws {ConfigInvalid} when a file that was named, or a profile's, does not exist.
 * @see XDG Base Directory Specification: a relative `$XDG_CONFIG_HOME` is ignored.
 */
export function locate(
  typed: Typed,
  around: Surroundings,
  exists: (path: string) => boolean = isThere,
): Location {
  const profile = profileOf(typed, around)
  const notices = passedOver(typed, around)
  const told = notices.length > 0 ? { notices } : {}
  const named = namedFile(typed, around)
  if (named !== undefined) {
    if (exists(named.path)) return { file: named, profile, ...told }
    throw new ConfigInvalid(`the config file ${named.path} (from ${named.rule}) does not exist`, {
      hint: 'hq-token init writes it; or name a file that exists; or name none: hq-token then looks in the usual places',
    })
  }
  const candidates = usualFiles(profile, around)
  const file = candidates.find(({ path }) => exists(path))
  if (file === undefined && profile !== undefined) {
    const why = [candidates.map(({ path }) => path).join(', '), ...notices.map(({ message }) => message)]
    throw new ConfigInvalid(`the profile ${profile} has no config file (${why.join('; ')})`, {
      hint: `hq-token --profile ${profile} init`,
    })
  }
  return { file, profile, ...told }
}

/**
 * Where a new config file goes, so that `locate` finds it from then on. It may be there already.
 *
 * @throws {UsageError} as `locate`, and for a profile that would share its store with the configuration without one.
 * @throws {ConfigInvalid} where nothing was named and the user has no home.
 */
export function locateNew(typed: Typed, around: Surroundings): Location & { readonly file: Located } {
  const profile = profileOf(typed, around)
  storeName(profile)
  const notices = passedOver(typed, around)
  const file = namedFile(typed, around) ?? usualFiles(profile, around)[0]
  if (file !== undefined) return { file, profile, ...(notices.length > 0 && { notices }) }
  throw new ConfigInvalid('there is no home directory to keep the config file in', {
    hint: 'name the file: hq-token init --config FILE; or the folder: HQ_TOKEN_CONFIG_DIR',
  })
}

/** One file cannot be the store of two profiles: whoever types a profile means its own. */
function profileOf(typed: Typed, around: Surroundings): string | undefined {
  const profile = typed.profile ?? variable(around.env, 'HQ_TOKEN_PROFILE')
  if (profile === undefined) return undefined
  checkProfileName(profile, around)
  if (typed.profile !== undefined && variable(around.env, 'HQ_TOKEN_STORE') !== undefined)
    throw new UsageError(
      `--profile ${profile} and HQ_TOKEN_STORE exclude one another: one file cannot be the store of two profiles`,
      {
        hint: `${hints.unset('HQ_TOKEN_STORE')}, or leave out --profile ${profile}; HQ_TOKEN_STATE_DIR names a folder with a store for each profile`,
      },
    )
  if (typed.profile !== undefined && variable(around.env, 'HQ_TOKEN_STORE_NAME') !== undefined)
    throw new UsageError(
      `--profile ${profile} and HQ_TOKEN_STORE_NAME exclude one another: two profiles cannot share one token set`,
      { hint: `${hints.unset('HQ_TOKEN_STORE_NAME')}, or leave out --profile ${profile}` },
    )
  return profile
}

function checkProfileName(name: string, { platform }: Surroundings): void {
  const hint = 'hq-token --profile NAME …, or HQ_TOKEN_PROFILE=NAME'
  if (!/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name))
    throw new UsageError(
      'the name of a profile is made of a-z, 0-9, _ and -, at most 64, and begins with a letter or digit',
      { hint },
    )
  if (platform === 'win32' && isDeviceName(name))
    throw new UsageError(`a profile cannot be called ${name}: on Windows that is the name of a device`, {
      hint,
    })
}

/** Tells that a typed profile leaves `HQ_TOKEN_CONFIG` unused, for those who wonder. */
function passedOver({ config, profile }: Typed, { env }: Surroundings): Notice[] {
  if (config !== undefined || profile === undefined || variable(env, 'HQ_TOKEN_CONFIG') === undefined)
    return []
  return [{ level: 'info', message: `HQ_TOKEN_CONFIG is not used: --profile ${profile} was given` }]
}

function namedFile({ config, profile }: Typed, around: Surroundings): Located | undefined {
  // An unset variable of a script: the working directory is never meant.
  if (config === '')
    throw new UsageError('--config is given an empty name', { hint: 'hq-token --config FILE …' })
  if (config !== undefined) return { path: typedPath('--config', config, around), rule: '--config' }
  return profile === undefined ? named('HQ_TOKEN_CONFIG', around) : undefined
}

/** Where it is looked for when nothing names it, in this order. */
export function usualFiles(profile: string | undefined, around: Surroundings): Located[] {
  const paths = pathsOf(around)
  const name = profile === undefined ? 'config.ini' : paths.join('profiles', `${profile}.ini`)
  const own = named('HQ_TOKEN_CONFIG_DIR', around)
  if (own !== undefined) return [{ ...own, path: paths.join(own.path, name) }]
  const users = baseDirectory('config', around)
  const machine = machinesFolder(around)
  const folders = [users, machine].flatMap((folder) => folder ?? [])
  return folders.map(({ path, rule }) => ({ path: paths.join(path, 'hq-token', name), rule }))
}

/** Where the administrator of a machine keeps what is for all. Who may read a file there is judged when it is read. */
function machinesFolder({ env, platform }: Surroundings): Located | undefined {
  if (platform !== 'win32') return { path: '/etc', rule: '/etc' }
  const path = variable(env, 'ProgramData')
  return path === undefined || !win32.isAbsolute(path) ? undefined : { path, rule: '%ProgramData%' }
}

/** Whether a file is one for the whole machine, which the accounts that it is for have to read. */
export function isMachines(path: string, around: Surroundings): boolean {
  const machine = machinesFolder(around)
  return machine !== undefined && isWithin(path, win32.join(machine.path, 'hq-token'))
}
