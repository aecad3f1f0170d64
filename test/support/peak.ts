import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder } from './folder.js'

/** The peak of one process's own memory; `maxRSS` would count what its parent had when it was forked. */
export function peakPreload(): { env: NodeJS.ProcessEnv; megabytes: () => number } {
  const dir = folder()
  const file = join(dir, 'peak.cjs')
  const log = join(dir, 'peak')
  writeFileSync(
    file,
    `process.on('exit', () => require('fs').writeFileSync(${JSON.stringify(log)}, /VmHWM:\\s+(\\d+)/.exec(require('fs').readFileSync('/proc/self/status', 'utf8'))[1]))`,
  )
  return {
    env: { NODE_OPTIONS: `--require=${file}` },
    megabytes: () => Math.ceil(Number(readFileSync(log, 'utf8')) / 1024),
  }
}
