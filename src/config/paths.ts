// Where the files of a configuration may lie, by the environment and the home directory. Opens none of them.
import { posix, win32 } from 'node:path'
import { ConfigInvalid, UsageError } from '../core/errors.js'
import type { accessLists } from '../platform/access-control.js'
import { windowsSpelling } from '../platform/windows-path.js'

export type Environment = Readonly<Record<string, string | undefined>>

/** The parts of the process that decide where files are. */
export interface Surroundings {
  readonly env: Environment
  readonly platform: NodeJS.Platform
  /** `os.homedir`; may throw, as that does where a user has none. */
  readonly homedir: () => string
  /** Default: what Windows tells. */
  readonly accessLists?: typeof accessLists
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
    | '%ProgramData%'
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

/**
 * The path in a variable: relative to the working directory; `~` is the home directory, because no shell has seen it.
 *
 * @throws {ConfigInvalid}
 */
export function named<Name extends string>(
  name: Name,
  around: Surroundings,
): { readonly path: string; readonly rule: Name } | undefined {
  const given = variable(around.env, name)
  if (given === undefined) return undefined
  const text = expanded(given, name, around)
  const paths = pathsOf(around)
  if (!/^~(?:[/\\]|$)/.test(text)) return { path: spelled(paths.resolve(text), name, around), rule: name }
  const directory = home(around)
  if (directory === undefined)
    throw new ConfigInvalid(`${name} begins with ~, and there is no home directory`)
  return { path: spelled(paths.join(directory, text.slice(1)), name, around), rule: name }
}

/** A base directory: the variable's if that is absolute, else one in the home directory. */
export function baseDirectory(kind: keyof typeof BASES, around: Surroundings): Located | undefined {
  const paths = pathsOf(around)
  const { name, rule, inHome, homeRule } = BASES[kind][around.platform === 'win32' ? 'windows' : 'others']
  const path = variable(around.env, name)
  if (path !== undefined && paths.isAbsolute(path))
    return { path: spelled(paths.resolve(path), rule, around), rule }
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
  if (own !== undefined) return { ...own, path: spelled(paths.join(own.path, name), own.rule, around) }
  const folder = baseDirectory('state', around)
  if (folder === undefined)
    throw new ConfigInvalid('there is no home directory to keep the store in', {
      hint: 'set HQ_TOKEN_STATE_DIR or HQ_TOKEN_STORE, or path in [store] of the config file',
    })
  return { ...folder, path: spelled(paths.join(folder.path, 'hq-token', name), folder.rule, around) }
}

/** A path relative to the config file, or to the working directory where the environment gave it. */
export function pathIn({ text: given, folder, where }: PathText, around: Surroundings): string {
  const [paths, text] = [pathsOf(around), expanded(given, where, around)]
  if (!/^~[/\\]/.test(text)) {
    // Such a path leads to where a process stands on that drive: each job would have another store.
    if (around.platform === 'win32' && folder !== '.' && /^[A-Z]:(?![/\\])/i.test(text))
      throw new ConfigInvalid(`${where} names a drive and no folder on it`, {
        hint: 'write the whole path, such as C:\\hq\\token.db',
      })
    return spelled(paths.resolve(folder, text), where, around)
  }
  const directory = home(around)
  if (directory === undefined)
    throw new ConfigInvalid(`${where} begins with ~, and there is no home directory`)
  return spelled(paths.join(directory, text.slice(2)), where, around)
}

/** The one spelling of a path on Windows. @throws {ConfigInvalid} no file has it */
function spelled(path: string, where: string, { platform }: Surroundings): string {
  const spelling = windowsSpelling(path, platform)
  if (typeof spelling === 'string') return spelling
  throw new ConfigInvalid(`${where} ${spelling.problem}`, { hint: spelling.hint })
}

/** The path of an option. @throws {UsageError} no file on Windows has it */
export function typedPath(option: string, text: string, around: Pick<Surroundings, 'platform'>): string {
  const spelling = windowsSpelling(pathsOf(around).resolve(text), around.platform)
  if (typeof spelling === 'string') return spelling
  throw new UsageError(`${option} ${spelling.problem}`, { hint: spelling.hint })
}

/**
 * A path as people write it on Windows, where no shell has seen it: `%NAME%` is replaced, `%%` is a percent sign, and the quotes
 * around it are dropped, which cmd's `set NAME="C:\\a b"` makes part of the value and no name has.
 *
 * @throws {ConfigInvalid} a variable is not set, or holds another's name: the name would become that of a folder
 */
function expanded(text: string, where: string, { env, platform }: Surroundings): string {
  if (platform !== 'win32') return text
  const path = unquoted(text)
  if (path === '')
    throw new ConfigInvalid(`${where} is given an empty name`, { hint: 'name a file, or unset it' })
  return path.replace(/%([^%]*)%/g, (_, name: string) => {
    if (name === '') return '%'
    // Windows ignores the case of names.
    const own = Object.keys(env).find((one) => one.toUpperCase() === name.toUpperCase())
    const value = own === undefined ? undefined : variable(env, own)
    const shown = /^[\w().-]{1,64}$/.test(name) ? `%${name}%` : 'a variable'
    // It would be a folder of the one in which a job stands.
    if (value !== undefined && /%[^%]+%/.test(value))
      throw new ConfigInvalid(`${where} names ${shown}, which holds the name of another variable`, {
        hint: 'set it to a whole path',
      })
    if (value !== undefined) return unquoted(value)
    throw new ConfigInvalid(`${where} names ${shown}, which is not set`, {
      hint: 'set it, or write the path out; a percent sign that belongs to the path is written twice: %%',
    })
  })
}

function unquoted(text: string): string {
  return /^"([^"]*)"$/.exec(text)?.[1]?.trim() ?? text
}

/** The text of a setting that is a path. */
interface PathText {
  readonly text: string
  /** `FILE, line 3: [store] path`, or the environment variable; for messages. */
  readonly where: string
  /** What a relative path is relative to. */
  readonly folder: string
}
