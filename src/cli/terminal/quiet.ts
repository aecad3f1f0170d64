// Holds standard error back until the exit code is known. Decides nothing else.
import { Writable } from 'node:stream'
import { Exit } from '../../core/errors.js'
import type { World } from '../world.js'

/**
 * Runs `work` with a standard error of its own. Its lines are dropped where the exit code is 0 or 75, because cron mails
 * each line and a person can do nothing about an outage. After any other exit code they are all printed, but for warnings
 * of the environment.
 */
export async function quietly(world: World, work: (within: World) => Promise<number>): Promise<number> {
  const said: Buffer[] = []
  const held = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said.push(chunk)
      done()
    },
  })
  // The real one is corked while the lock is held, because Node's own warnings go there.
  const stderr = Object.assign(held, {
    cork: () => {
      world.stderr.cork()
    },
    uncork: () => {
      world.stderr.uncork()
    },
  })
  const code = await work({ ...world, stderr, isQuiet: true })
  if (code !== Exit.ok && code !== Exit.later) world.stderr.write(Buffer.concat(said).toString())
  return code
}
