/** Refuses a Node that is too old as soon as it is imported: a program imports this file before everything else. */
import { ConfigInvalid } from './errors.js'

/** The same as `engines` in package.json. */
export const LEAST = { major: 20, minor: 19 } as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < LEAST.major || (major === LEAST.major && minor < LEAST.minor))
  throw new ConfigInvalid(
    `this is Node ${process.version} (${process.execPath}), and hq-token needs Node ${LEAST.major}.${LEAST.minor} or newer`,
    { hint: 'run the program with a newer Node' },
  )
