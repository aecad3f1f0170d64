// Finds what a person who stands elsewhere must name to mean the store and the configuration of this command. Opens no file.
import type { Config } from '../config/load.js'
import { usualFiles } from '../config/locate.js'
import { named, type Surroundings } from '../config/paths.js'

/** The variables that name a place. Not the database's address, because it may hold a password. */
const VARIABLES = ['HQ_TOKEN_CONFIG_DIR', 'HQ_TOKEN_STATE_DIR', 'HQ_TOKEN_STORE']

export interface Places {
  /** Names and absolute paths. */
  readonly variables: readonly (readonly [name: string, path: string])[]
  /** The config file, if it is not found by itself. */
  readonly config: string | undefined
}

export function placesOf({ file }: Pick<Config, 'file'>, around: Surroundings): Places {
  const variables = VARIABLES.flatMap((name) => {
    const place = named(name, around)
    return place === undefined ? [] : [[name, place.path] as const]
  })
  const isUsual = file === null || usualFiles(undefined, around).some(({ path }) => path === file)
  return { variables, config: isUsual ? undefined : file }
}
