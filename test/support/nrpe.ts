// Debian's nrpe on the loopback address, and check_nrpe, which asks it as Nagios does.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { requirePrograms } from './debian.js'
import type { JobsHost } from './jobs-host.js'
import { shown } from './monitoring-page.js'
import { ended, type Ended } from './processes.js'
import { freePort, isListening } from './proxy.js'

/** The page's command on the monitoring server. */
const ASKED = shown('-H web1.example.com').trim()
const [CHECK_NRPE = ''] = ASKED.split(' ')

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
  const child = host.asAgent(['/usr/sbin/nrpe', '-c', config, '-f'])
  const exited = ended(child)
  onTestFinished(async () => {
    child.kill()
    await exited
  })
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`nrpe has ended: ${(await exited).stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  // Nagios waits for ten seconds; a busy machine may take longer.
  const at = `-H 127.0.0.1 -p ${port} -t 60`
  return (command, ...options) => {
    const typed = ASKED.replace('-H web1.example.com', [at, ...options].join(' '))
    const args = typed.replace('check_hq_token', command).split(' ').slice(1)
    return ended(spawn(CHECK_NRPE, args, { stdio: ['ignore', 'pipe', 'pipe'] }))
  }
}
