import { posix, win32 } from 'node:path'
import { ConfigInvalid, UsageError } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { isThere } from './file.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** What of the process decides where files are. */
export interface Surroundings {
  readonly env: Environment
  readonly platform: NodeJS.Platform
  /** `os.homedir`; may throw, as that does where a user has none. */
  readonly homedir: () => string
}

/** A path, and the rule that led to it. */
export interface Located {
  readonly path: string
  readonly rule:
    | '--config'
    | 'HQ_TOKEN_CONFIG'
    | 'HQ_TOKEN_CONFIG_DIR'
    | 'HQ_TOKEN_STORE'
    | 'HQ_TOKEN_STATE_DIR'
    | '[store] path'
    | '$XDG_CONFIG_HOME'
    | '~/.config'
    | '%APPDATA%'
    | '/etc'
    | '$XDG_STATE_HOME'
    | '~/.local/state'
    | '%LOCALAPPDATA%'
}

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

const BASES = {
  config: {
    others: { name: 'XDG_CONFIG_HOME', rule: '$XDG_CONFIG_HOME', inHome: '.config', homeRule: '~/.config' },
    windows: { name: 'APPDATA', rule: '%APPDATA%', inHome: 'AppData/Roaming', homeRule: '%APPDATA%' },
  },
  state: {
    others: {
      name: 'XDG_STATE_HOME',
      rule: '$XDG_STATE_HOME',
      inHome: '.local/state',
      homeRule: '~/.local/state',
    },
    windows: {
      name: 'LOCALAPPDATA',
      rule: '%LOCALAPPDATA%',
      inHome: 'AppData/Local',
      homeRule: '%LOCALAPPDATA%',
    },
  },
} as const

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
      hint: 'hq-token init writes it; or name one that does, or none to look in the usual places',
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

/**
 * Where the token set lives unless the configuration says otherwise.
 *
 * @throws {UsageError} where that would be the store of another configuration.
 * @throws {ConfigInvalid} where the user has no home.
 */
export function defaultStore(profile: string | undefined, around: Surroundings): Located {
  const name = storeName(profile)
  const paths = pathsOf(around)
  const own = named('HQ_TOKEN_STATE_DIR', around)
  if (own !== undefined) return { ...own, path: paths.join(own.path, name) }
  const folder = baseDirectory('state', around)
  if (folder === undefined)
    throw new ConfigInvalid('there is no home directory to keep the store in', {
      hint: 'set HQ_TOKEN_STATE_DIR or HQ_TOKEN_STORE, or path in [store] of the config file',
    })
  return { ...folder, path: paths.join(folder.path, 'hq-token', name) }
}

/** The home directory; `undefined` where the user has none. */
export function home(around: Surroundings): string | undefined {
  try {
    const path = around.homedir()
    return pathsOf(around).isAbsolute(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** An environment variable; empty or blank is unset. */
export function variable(env: Environment, name: string): string | undefined {
  const text = env[name]?.trim()
  return text === '' ? undefined : text
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
        hint: `unset HQ_TOKEN_STORE, or leave out --profile ${profile}; HQ_TOKEN_STATE_DIR names a folder with a store for each profile`,
      },
    )
  return profile
}

function checkProfileName(name: string, { platform }: Surroundings): void {
  const hint = 'hq-token --profile NAME …, or HQ_TOKEN_PROFILE=NAME'
  if (!/^[a-z0-9][a-z0-9_-]*$/.test(name))
    throw new UsageError(
      'the name of a profile is made of a-z, 0-9, _ and -, and begins with a letter or digit',
      { hint },
    )
  if (platform === 'win32' && /^(?:con|prn|aux|nul|com\d|lpt\d)$/.test(name))
    throw new UsageError(`a profile cannot be called ${name}: on Windows that is the name of a device`, {
      hint,
    })
}

/** The file name of a store. @throws {UsageError} */
function storeName(profile: string | undefined): string {
  if (profile === 'token')
    throw new UsageError(
      'a profile cannot be called token: its store would be token.db, which is the store of the configuration without a profile',
      { hint: 'give it another name, or a path of its own in [store] of its config file' },
    )
  return `${profile ?? 'token'}.db`
}

/** Tells that a typed profile leaves `HQ_TOKEN_CONFIG` unused, for those who wonder. */
function passedOver({ config, profile }: Typed, { env }: Surroundings): Notice[] {
  if (config !== undefined || profile === undefined || variable(env, 'HQ_TOKEN_CONFIG') === undefined)
    return []
  return [{ level: 'info', message: `HQ_TOKEN_CONFIG is not used: --profile ${profile} was given` }]
}

function namedFile({ config, profile }: Typed, around: Surroundings): Located | undefined {
  if (config !== undefined) return { path: pathsOf(around).resolve(config), rule: '--config' }
  return profile === undefined ? named('HQ_TOKEN_CONFIG', around) : undefined
}

/** The path in a variable: relative to the working directory; `~` is the home directory, because no shell has seen it. */
function named(name: Located['rule'], around: Surroundings): Located | undefined {
  const text = variable(around.env, name)
  if (text === undefined) return undefined
  const paths = pathsOf(around)
  if (!/^~(?:[/\\]|$)/.test(text)) return { path: paths.resolve(text), rule: name }
  const directory = home(around)
  if (directory === undefined)
    throw new ConfigInvalid(`${name} begins with ~, and there is no home directory`)
  return { path: paths.join(directory, text.slice(1)), rule: name }
}

/** Where it is looked for when nothing names it, in this order. */
export function usualFiles(profile: string | undefined, around: Surroundings): Located[] {
  const paths = pathsOf(around)
  const name = profile === undefined ? 'config.ini' : paths.join('profiles', `${profile}.ini`)
  const own = named('HQ_TOKEN_CONFIG_DIR', around)
  if (own !== undefined) return [{ ...own, path: paths.join(own.path, name) }]
  const users = baseDirectory('config', around)
  const machine: Located[] = around.platform === 'win32' ? [] : [{ path: '/etc', rule: '/etc' }]
  const folders = users === undefined ? machine : [users, ...machine]
  return folders.map(({ path, rule }) => ({ path: paths.join(path, 'hq-token', name), rule }))
}

/** A base directory: the variable's if that is absolute, else one in the home directory. */
function baseDirectory(kind: keyof typeof BASES, around: Surroundings): Located | undefined {
  const paths = pathsOf(around)
  const { name, rule, inHome, homeRule } = BASES[kind][around.platform === 'win32' ? 'windows' : 'others']
  const path = variable(around.env, name)
  if (path !== undefined && paths.isAbsolute(path)) return { path, rule }
  const directory = home(around)
  return directory === undefined ? undefined : { path: paths.join(directory, inHome), rule: homeRule }
}

function pathsOf({ platform }: Pick<Surroundings, 'platform'>): typeof posix {
  return platform === 'win32' ? win32 : posix
}
