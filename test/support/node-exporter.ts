// Debian's node_exporter with its textfile collector, and the lines that it serves.
import { spawn } from 'node:child_process'
import { onTestFinished } from 'vitest'
import { requirePrograms } from './debian.js'
import { ended } from './processes.js'
import { freePort, isListening } from './proxy.js'

const PROGRAM = 'prometheus-node-exporter'

/**
 * Runs node_exporter until the end of the test.
 *
 * @param dir The folder of its textfiles.
 * @returns What gives the lines that it serves now.
 */
export async function nodeExporter(dir: string): Promise<() => Promise<string[]>> {
  requirePrograms(PROGRAM)
  const port = await freePort()
  const options = [
    ...['--collector.disable-defaults', '--web.disable-exporter-metrics', '--collector.textfile'],
    ...[`--collector.textfile.directory=${dir}`, `--web.listen-address=127.0.0.1:${port}`],
  ]
  const child = spawn(PROGRAM, options, { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = ended(child)
  onTestFinished(async () => {
    child.kill()
    await exited
  })
  while (!(await isListening(port))) {
    if (child.exitCode !== null) throw new Error(`${PROGRAM} has ended: ${(await exited).stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
    if (answer.status !== 200) throw new Error(`${PROGRAM} answers ${answer.status}`)
    return (await answer.text()).split('\n')
  }
}
