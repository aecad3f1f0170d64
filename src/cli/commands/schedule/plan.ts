// The parts of a scheduled refresh that all targets print. Pure: reads and writes nothing.

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
  /** The options of this command that change what a line says, as typed. */
  readonly again: string
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
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
}
