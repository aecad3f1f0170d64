import { posix, win32 } from 'node:path'
import { ConfigInvalid, UsageError } from '../core/errors.js'
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
    | 'HQ_TOKEN_STORE'
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
 * Finds the config file: `--config`, `HQ_TOKEN_CONFIG`, the user's own, the machine's. Never the
 * working directory's. An environment variable that is empty counts as unset.
 *
 * @param flags As on the command line.
 * @param exists For tests.
 * @throws {UsageError} when the profile's name is none.
 * @throws {ConfigInvalid} when a file that was named, or a profile's, does not exist.
 * @see XDG Base Directory Specification: a relative `$XDG_CONFIG_HOME` is ignored.
 */
export function locate(
  flags: { readonly config?: string | undefined; readonly profile?: string | undefined },
  around: Surroundings,
  exists: (path: string) => boolean = isThere,
): Location {
  const profile = profileName(flags.profile ?? variable(around.env, 'HQ_TOKEN_PROFILE'))
  const named = namedFile(flags.config, around)
  if (named !== undefined) {
    if (exists(named.path)) return { file: named, profile }
    throw new ConfigInvalid(`the config file ${named.path} (from ${named.rule}) does not exist`, {
      hint: 'hq-token init writes it; or name one that does, or none to look in the usual places',
    })
  }
  const candidates = usualFiles(profile, around)
  const file = candidates.find(({ path }) => exists(path))
  if (file === undefined && profile !== undefined)
    throw new ConfigInvalid(
      `the profile ${profile} has no config file (${candidates.map(({ path }) => path).join(', ')})`,
      { hint: `hq-token --profile ${profile} init` },
    )
  return { file, profile }
}

/**
 * Where a new config file goes, so that `locate` finds it from then on. It may be there already.
 *
 * @throws {UsageError} when the profile's name is none.
 * @throws {ConfigInvalid} where nothing was named and the user has no home.
 */
export function locateNew(
  flags: { readonly config?: string | undefined; readonly profile?: string | undefined },
  around: Surroundings,
): Location & { readonly file: Located } {
  const profile = profileName(flags.profile ?? variable(around.env, 'HQ_TOKEN_PROFILE'))
  const file = namedFile(flags.config, around) ?? usualFiles(profile, around)[0]
  if (file !== undefined) return { file, profile }
  throw new ConfigInvalid('there is no home directory to keep the config file in', {
    hint: 'name the file: hq-token init --config FILE',
  })
}

/**
 * Where the token set lives unless the configuration says otherwise.
 *
 * @throws {ConfigInvalid} where the user has no home.
 */
export function defaultStore(profile: string | undefined, around: Surroundings): Located {
  const name = `${profile ?? 'token'}.db`
  const folder = baseDirectory('state', around)
  if (folder === undefined)
    throw new ConfigInvalid('there is no home directory to keep the store in', {
      hint: 'set HQ_TOKEN_STORE, or path in [store] of the config file',
    })
  return { ...folder, path: pathsOf(around).join(folder.path, 'hq-token', name) }
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

function profileName(name: string | undefined): string | undefined {
  if (name === undefined || /^[a-z0-9][a-z0-9_-]*$/.test(name)) return name
  throw new UsageError(
    'the name of a profile is made of a-z, 0-9, _ and -, and begins with a letter or digit',
    {
      hint: 'hq-token --profile NAME …, or HQ_TOKEN_PROFILE=NAME',
    },
  )
}

function namedFile(flag: string | undefined, around: Surroundings): Located | undefined {
  const paths = pathsOf(around)
  if (flag !== undefined) return { path: paths.resolve(flag), rule: '--config' }
  const fromEnv = variable(around.env, 'HQ_TOKEN_CONFIG')
  return fromEnv === undefined ? undefined : { path: paths.resolve(fromEnv), rule: 'HQ_TOKEN_CONFIG' }
}

/** Where it is looked for when nothing names it, in this order. */
export function usualFiles(profile: string | undefined, around: Surroundings): Located[] {
  const paths = pathsOf(around)
  const name = profile === undefined ? 'config.ini' : paths.join('profiles', `${profile}.ini`)
  const own = baseDirectory('config', around)
  const machine: Located[] = around.platform === 'win32' ? [] : [{ path: '/etc', rule: '/etc' }]
  const folders = own === undefined ? machine : [own, ...machine]
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
