// Finds the configurations that there are. Tells a seed file from one, and reads nothing else of them.
import { existsSync, readdirSync } from 'node:fs'
import { ConfigInvalid } from '../core/errors.js'
import { ABSENT, asProblem, isThere, readRegular } from './file.js'
import { readIni } from './ini.js'
import { usualFiles } from './locate.js'
import { pathsOf, type Surroundings } from './paths.js'
import { SECTIONS } from './settings.js'

/** The configurations in the usual places. */
export interface Profiles {
  /** Whether there is one without a profile. */
  readonly hasDefault: boolean
  /** Sorted. */
  readonly names: readonly string[]
  /** The folders that cannot be read. */
  readonly closed: readonly ClosedFolder[]
}

export interface ClosedFolder {
  readonly folder: string
  /** Whether it is the user's own, and not the machine's. */
  readonly isOwn: boolean
  readonly error: ConfigInvalid
}

/** One folder that cannot be read does not hide the others. */
export function profilesOf(around: Surroundings): Profiles {
  const paths = pathsOf(around)
  const files = usualFiles(undefined, around)
  const names = new Set<string>()
  const closed: ClosedFolder[] = []
  for (const [nth, { path }] of files.entries()) {
    const folder = paths.join(paths.dirname(path), 'profiles')
    const found = profilesIn(folder, (name) => paths.join(folder, name))
    if (found instanceof ConfigInvalid) closed.push({ folder, isOwn: nth === 0, error: found })
    else for (const name of found) names.add(name)
  }
  // The machine's is for those who may read it.
  const hasDefault = files.some(({ path }, nth) => (nth === 0 ? isThere(path) : existsSync(path)))
  return { hasDefault, names: [...names].sort(), closed }
}

function profilesIn(folder: string, at: (name: string) => string): readonly string[] | ConfigInvalid {
  try {
    // A file whose name is no profile's is reported as a profile that cannot be used, because a person has misnamed it.
    return readdirSync(folder).flatMap((file) => {
      const name = /^([^.][^]*)\.ini$/.exec(file)?.[1]
      return name === undefined || isSeed(at(file)) ? [] : [name]
    })
  } catch (error) {
    const problem = asProblem(error)
    return problem.message === ABSENT ? [] : new ConfigInvalid(problem.told(folder), problem.details)
  }
}

/** Whether a file is a seed that lies beside the configurations: it has tokens, and nothing of a configuration. */
function isSeed(path: string): boolean {
  try {
    const { sections } = readIni(readRegular(path).bytes)
    return sections.has('auth') && !SECTIONS.some((section) => sections.has(section))
  } catch {
    // Reading it as a configuration says why it cannot be read.
    return false
  }
}
