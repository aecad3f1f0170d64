// The parts of a scheduled refresh that all targets print. Pure: reads and writes nothing.
import { posix, win32 } from 'node:path'
import { shellWord } from '../../../core/shell-quoting.js'
import { USUAL_INTERVAL, type ScheduleFlags, type Target } from './command.js'

export interface Plan {
  /** `hq-token`, with a profile `hq-token-NAME`: so two profiles live side by side. */
  readonly name: string
  readonly profile: string | undefined
  /** The whole command but the options that a target adds: Node, the program, its arguments. */
  readonly words: readonly string[]
  readonly variables: Readonly<Record<string, string>>
  readonly hour: number
  readonly minute: number
  /** The folders and files that a refresh reads, and the folders that it writes. */
  readonly reads: readonly string[]
  readonly writes: readonly string[]
  /** The user of a unit of the machine; `undefined` for a unit of the user who runs this. */
  readonly runAs: string | undefined
  /** True if that is the user who runs this, whose configuration and store are taken then. */
  readonly isOwn: boolean
  readonly home: string | undefined
  /** This very command as it can be typed again, with other options. */
  readonly again: (changes?: Partial<ScheduleFlags>) => string
  /** `sudo `, where what is for the machine was asked for by another user than root. */
  readonly sudo: string
}

/** `hq-token schedule cron --at 04:17` */
export function commandLine(target: Target, flags: ScheduleFlags): string {
  const { system, user, ifOlder, at, runAs, dir, force } = flags
  return [
    `hq-token schedule ${target}`,
    ...(system === true ? ['--system'] : []),
    ...(user === true ? ['--user'] : []),
    ...(ifOlder === USUAL_INTERVAL ? [] : [`--if-older ${ifOlder}`]),
    ...(at === undefined ? [] : [`--at ${at}`]),
    ...(runAs === undefined ? [] : [`--run-as ${shellWord(runAs)}`]),
    ...(dir === undefined ? [] : [`--dir ${shellWord(dir)}`]),
    ...(force === true ? ['--force'] : []),
  ].join(' ')
}

/** A file, and the folder where its kind is looked for. */
export interface Printed {
  readonly file: string
  readonly folder: string
  readonly text: string
}

/** `04:17` */
export function timeOf({ hour, minute }: Pick<Plan, 'hour' | 'minute'>): string {
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
}

export function isBelow(path: string, folder: string): boolean {
  const paths = win32.isAbsolute(folder) && !posix.isAbsolute(folder) ? win32 : posix
  const way = paths.relative(folder, path)
  return !/^\.\.(?:[/\\]|$)/.test(way) && !paths.isAbsolute(way)
}
