// Reads every key's text: from the environment, the file, or its default. Knows no value's meaning.
import { dirname } from 'node:path'
import { seconds } from '../core/duration.js'
import { ConfigInvalid } from '../core/errors.js'
import type { Early } from '../core/policy.js'
import type { Notice } from '../core/ports.js'
import { FileProblem, readRegular } from './file.js'
import { readIni, shown, type Entry } from './ini.js'
import { configKeys, isPersonKey, nameOf, type KeyName } from './keys.js'
import type { Location } from './locate.js'
import { variable, type Environment, type Located, type Surroundings } from './paths.js'
import type { Suggest } from './suggest.js'
import { machinesNotices, trustNotices } from './trust.js'

/** Where the configuration comes from: what `locate` found, and the process around it. */
export type ConfigSource = Location &
  Surroundings & {
    readonly moveTo?: MoveTarget | undefined
    /** The user (uid) who may own the file, where that is not the one who runs this: root plans for another user. */
    readonly owner?: number | undefined
    /** Whether unknown variables are passed over without a warning. */
    readonly isQuiet?: boolean | undefined
  }

/** The store that a move goes to, as typed. */
export interface MoveTarget {
  readonly to: string
  /** The row of a shared store. */
  readonly name?: string | undefined
}

/** One key's text, and where it stands. */
export interface Setting {
  readonly text: string
  /** `FILE, line 3: [client] instance`, or the environment variable; for messages. */
  readonly where: string
  /** What a relative path in it is relative to. */
  readonly folder: string
  readonly from: 'file' | 'environment' | 'default'
}

export type Settings = Readonly<Partial<Record<KeyName, Setting>>>

export const SECTIONS: readonly string[] = [...new Set(configKeys.map(({ section }) => section))]
const DAY = 86_400

/**
 * Every key's text: from the environment, else from the file, else the default.
 *
 * @param suggest Finds the close spelling for errors.
 * @throws {ConfigInvalid} when the file cannot be read, has an unknown key, or can be changed by others.
 */
export function readSettings(
  source: ConfigSource,
  suggest: Suggest = () => undefined,
): { settings: Settings; notices: Notice[] } {
  const { file, env } = source
  const { written, notices } = file === undefined ? NO_FILE : readConfigFile(file, suggest, source)
  const settings: Partial<Record<KeyName, Setting>> = {}
  for (const known of configKeys) {
    const name = nameOf(known)
    const setting = fromEnvironment(known.env, env) ?? written.get(name) ?? fromDefault(known.default)
    if (setting === undefined) continue
    if (!known.supported)
      throw new ConfigInvalid(`${setting.where} is not supported in this version`, { hint: 'take it out' })
    settings[name] = setting
  }
  return { settings, notices }
}

/** A percentage up to 100%, or a duration up to a day. */
export function readEarly(text: string): Early | undefined {
  const percent = /^(\d{1,3})\s*%$/.exec(text)?.[1]
  if (percent !== undefined) return Number(percent) <= 100 ? { percent: Number(percent) } : undefined
  const duration = seconds(text)
  return duration !== undefined && duration <= DAY ? { seconds: duration } : undefined
}

function fromEnvironment(name: string, env: Environment): Setting | undefined {
  const text = variable(env, name)
  return text === undefined ? undefined : { text, where: name, folder: '.', from: 'environment' }
}

function fromDefault(text: string | null): Setting | undefined {
  return text === null ? undefined : { text, where: 'the default', folder: '.', from: 'default' }
}

interface Written {
  readonly written: ReadonlyMap<string, Setting>
  readonly notices: Notice[]
}

const NO_FILE: Written = { written: new Map(), notices: [] }

function readConfigFile({ path, rule }: Located, suggest: Suggest, source: ConfigSource): Written {
  try {
    const { bytes, stats } = readRegular(path)
    const { entries, sections } = readIni(bytes)
    for (const [section, line] of sections) checkSection(section, line, suggest)
    for (const entry of entries) checkEntry(entry, suggest)
    const written = new Map(
      entries.map(({ section, key, value, line }): [string, Setting] => [
        `${section}.${key}`,
        {
          text: value,
          where: `${path}, line ${line}: [${section}] ${key}`,
          folder: dirname(path),
          from: 'file',
        },
      ]),
    )
    const notices =
      rule === '%ProgramData%'
        ? machinesNotices(path, stats, source)
        : trustNotices('config', path, stats, source.owner)
    return { written, notices }
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error
    throw new ConfigInvalid(error.told(`the config file ${path}`), error.details)
  }
}

function checkSection(section: string, line: number, suggest: Suggest): void {
  if (SECTIONS.includes(section)) return
  const close = suggest(section, SECTIONS)
  throw new FileProblem(
    `unknown section${shown(section) ? ` [${section}]` : ''}`,
    line,
    close === undefined ? `the sections are [${SECTIONS.join('], [')}]` : `did you mean [${close}]?`,
  )
}

function checkEntry({ section, key, value, line }: Entry, suggest: Suggest): void {
  const homes = configKeys.filter((known) => known.key === key).map((known) => known.section)
  if (homes.some((known) => known === section)) {
    if (value === '' && !isPersonKey(`${section}.${key}`))
      throw new FileProblem(`[${section}] ${key} is empty`, line, 'give it a value, or take it out')
    return
  }
  const where = section === '' ? 'before any section' : `in [${section}]`
  if (homes[0] !== undefined) throw new FileProblem(`${key} ${where}`, line, `it belongs in [${homes[0]}]`)
  const inSection = configKeys.filter((known) => known.section === section).map((known) => known.key)
  const close = suggest(key, inSection)
  throw new FileProblem(
    `unknown key${shown(key) ? ` ${key}` : ''} ${where}`,
    line,
    close === undefined ? 'config.example.ini shows every key' : `did you mean ${close}?`,
  )
}
