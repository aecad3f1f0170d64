// Debian's nrpe on the loopback address, and check_nrpe, which asks it as Nagios does.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { requirePrograms } from './debian.js'
import type { JobsHost } from './jobs-host.js'
import { ended, type Ended } from './processes.js'
import { freePort, isListening } from './proxy.js'

const CHECK_NRPE = '/usr/lib/nagios/plugins/check_nrpe'

export function requireNrpe(): void {
  requirePrograms(['/usr/sbin/nrpe', 'nagios-nrpe-server'], [CHECK_NRPE, 'nagios-nrpe-plugin'])
}

/**
 * Runs nrpe as the agent of the host until the end of the test.
 *
 * @param commands Lines of nrpe.cfg.
 * @returns What asks it for one of them, with options of check_nrpe.
 */
export async function nrpe(
  host: JobsHost,
  commands: string,
): Promise<(command: string, ...options: string[]) => Promise<Ended>> {
  const port = await freePort()
  const dir = host.agentFolder()
  const config = join(dir, 'nrpe.cfg')
  const own = `server_address=127.0.0.1\nserver_port=${port}\nallowed_hosts=127.0.0.1\npid_file=${dir}/pid\n`
  writeFileSync(config, `${own}log_file=${dir}/log\n${commands}`, { mode: 0o644 })
  const child = host.asAgent(['/usr/sbin/nrpe', '-c', config, '-f', '-n'])
  const exited = ended(child)
  onTestFinished(async () => {
    child.kill()
    await exited
  })
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`nrpe has ended: ${(await exited).stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return (command, ...options) =>
    ended(
      spawn(
        CHECK_NRPE,
        ['-H', '127.0.0.1', '-p', String(port), '-n', '-t', '60', ...options, '-c', command],
        {
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      ),
    )
}
