// Where the files of a configuration may lie, by the environment and the home directory. Opens none of them.
import { join, posix, resolve, win32 } from 'node:path'
import { ConfigInvalid, UsageError } from '../core/errors.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** The parts of the process that decide where files are. */
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
    | '--to'
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

/** An environment variable; empty or blank is unset. */
export function variable(env: Environment, name: string): string | undefined {
  const text = env[name]?.trim()
  return text === '' ? undefined : text
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

export function pathsOf({ platform }: Pick<Surroundings, 'platform'>): typeof posix {
  return platform === 'win32' ? win32 : posix
}

/** The path in a variable: relative to the working directory; `~` is the home directory, because no shell has seen it. */
export function named<Name extends string>(
  name: Name,
  around: Surroundings,
): { readonly path: string; readonly rule: Name } | undefined {
  const text = variable(around.env, name)
  if (text === undefined) return undefined
  const paths = pathsOf(around)
  if (!/^~(?:[/\\]|$)/.test(text)) return { path: paths.resolve(text), rule: name }
  const directory = home(around)
  if (directory === undefined)
    throw new ConfigInvalid(`${name} begins with ~, and there is no home directory`)
  return { path: paths.join(directory, text.slice(1)), rule: name }
}

/** A base directory: the variable's if that is absolute, else one in the home directory. */
export function baseDirectory(kind: keyof typeof BASES, around: Surroundings): Located | undefined {
  const paths = pathsOf(around)
  const { name, rule, inHome, homeRule } = BASES[kind][around.platform === 'win32' ? 'windows' : 'others']
  const path = variable(around.env, name)
  if (path !== undefined && paths.isAbsolute(path)) return { path, rule }
  const directory = home(around)
  return directory === undefined ? undefined : { path: paths.join(directory, inHome), rule: homeRule }
}

/** What the file of a store, or of a shared store's seat, ends in. */
export type StoreEnding = '.db' | '.seat'

/** The file name of a store. @throws {UsageError} */
export function storeName(profile: string | undefined, ending: StoreEnding = '.db'): string {
  if (profile === 'token')
    throw new UsageError(
      `a profile cannot be called token: its store would be token${ending}, which is the store of the configuration without a profile`,
      { hint: 'give it another name, or a path of its own in [store] of its config file' },
    )
  return `${profile ?? 'token'}${ending}`
}

/**
 * Where the token set lives unless the configuration says otherwise.
 *
 * @throws {UsageError} where that would be the store of another configuration.
 * @throws {ConfigInvalid} where the user has no home.
 */
export function defaultStore(
  profile: string | undefined,
  around: Surroundings,
  ending: StoreEnding = '.db',
): Located {
  const name = storeName(profile, ending)
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

/** A path relative to the config file, or to the working directory where the environment gave it. */
export function pathIn({ text, folder, where }: PathText, around: Surroundings): string {
  if (!/^~[/\\]/.test(text)) return resolve(folder, text)
  const directory = home(around)
  if (directory === undefined)
    throw new ConfigInvalid(`${where} begins with ~, and there is no home directory`)
  return join(directory, text.slice(2))
}

/** The text of a setting that is a path. */
interface PathText {
  readonly text: string
  /** `FILE, line 3: [store] path`, or the environment variable; for messages. */
  readonly where: string
  /** What a relative path is relative to. */
  readonly folder: string
}
