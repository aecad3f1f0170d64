// A host as docs/monitoring.md describes it: the user `jobs` owns the store, and agents are other users, who have sudo.
// Its users and its sudoers are seen by the processes of one test alone.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { requirePrograms } from './debian.js'
import { folder } from './folder.js'
import { shown } from './monitoring-page.js'
import type { Place } from './place.js'
import { BIN, type Ended } from './processes.js'
import { give, inProject, spawnAs, asUser, VICTIM } from './users.js'

export interface JobsHost {
  /** A text of the page, with the place of the program in this test. */
  readonly here: (text: string) => string
  /** Puts `config.ini` and `token.ini` of the place where hq-token of `jobs` looks for them. */
  readonly configure: (from: Pick<Place, 'config' | 'seed'>) => void
  /** A line that the user `jobs` types, with hq-token in `~/.local/bin`. */
  readonly asJobs: (line: string) => Promise<Ended>
  /** A line that root types. */
  readonly asRoot: (line: string) => Promise<Ended>
  /** Starts a program as the agent. */
  readonly asAgent: (command: readonly string[]) => ReturnType<typeof spawnAs>
  /** A folder of the agent. */
  readonly agentFolder: () => string
  /** All that the last run of hq-token has printed. */
  readonly printed: () => string
}

/** @param agent A user of the machine: `nagios`, say. Only root can make such a host. */
export function jobsHost(agent: string): JobsHost {
  requirePrograms('sudo', 'tee')
  const uid = Number(spawnSync('id', ['-u', agent], { encoding: 'utf8' }).stdout)
  if (!(uid > 0)) throw new Error(`this machine has no user ${agent}`)
  const dir = folder()
  chmodSync(dir, 0o755)
  const [home, bin, log] = [join(dir, 'home'), join(dir, 'hq-token'), join(dir, 'printed')]
  mkdirSync(join(home, '.config/hq-token'), { recursive: true, mode: 0o700 })
  mkdirSync(join(home, '.local/bin'), { recursive: true })
  symlinkSync(bin, join(home, '.local/bin/hq-token'))
  const PATH = `${home}/.local/bin:/usr/bin:/bin`
  give(VICTIM, home)
  chownSync(home, VICTIM, VICTIM)
  writeFileSync(log, '')
  chmodSync(log, 0o666)
  const program = `'${process.execPath}' '${inProject(BIN)}' "$@"`
  writeFileSync(bin, `#!/bin/bash\nset -o pipefail\n${program} | tee '${log}'\n`, { mode: 0o755 })
  const here = (text: string): string => text.replaceAll('/usr/local/bin/hq-token', bin)

  const passwd = join(dir, 'passwd')
  writeFileSync(passwd, `jobs:*:${VICTIM}:${VICTIM}::${home}:/bin/sh\n${readFileSync('/etc/passwd', 'utf8')}`)
  const sudoers = join(dir, 'sudoers.d')
  mkdirSync(sudoers)
  writeFileSync(join(sudoers, 'hq-token'), here(shown('# /etc/sudoers.d/hq-token')), { mode: 0o440 })
  const group = join(dir, 'group')
  writeFileSync(group, `jobs:x:${VICTIM}:\n${readFileSync('/etc/group', 'utf8')}`)
  const mounts = { '/etc/passwd': passwd, '/etc/group': group, '/etc/sudoers.d': sudoers }
  return {
    here,
    configure: ({ config, seed }) => {
      for (const [from, name] of [
        [config, 'config.ini'],
        [seed, 'token.ini'],
      ] as const) {
        copyFileSync(from, join(home, '.config/hq-token', name))
        chmodSync(join(home, '.config/hq-token', name), 0o600)
      }
      give(VICTIM, home)
    },
    asJobs: (line) => asUser(VICTIM, ['sh', '-c', line], { env: { HOME: home, PATH }, mounts }),
    asRoot: (line) => asUser(0, ['sh', '-euc', line], { mounts }),
    asAgent: (command) => spawnAs(uid, command, { mounts }),
    agentFolder: () => {
      const path = folder()
      chownSync(path, uid, uid)
      return path
    },
    printed: () => readFileSync(log, 'utf8'),
  }
}
