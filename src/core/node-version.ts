/** Refuses a Node that is too old when it is imported: by what a program may import first, before all else. */
import { ConfigInvalid } from './errors.js'

/** As `engines` of package.json has it. */
export const LEAST = { major: 20, minor: 19 } as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < LEAST.major || (major === LEAST.major && minor < LEAST.minor))
  throw new ConfigInvalid(
    `this is Node ${process.version} (${process.execPath}), and hq-token needs Node ${LEAST.major}.${LEAST.minor} or newer`,
    { hint: 'run the program with a newer Node' },
  )
