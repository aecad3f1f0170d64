import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:https'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { freePort, isListening } from '../../scripts/servers/ports.js'
import { folder } from './folder.js'

export { freePort, isListening }

export interface Proxy {
  readonly url: string
  readonly tunnels: () => number
  readonly end: () => void
}

/** Debian's tinyproxy, a process of its own. */
export async function tinyproxy(...lines: readonly string[]): Promise<Proxy> {
  const dir = folder()
  const log = join(dir, 'log')
  const config = join(dir, 'conf')
  const port = await freePort()
  writeFileSync(log, '')
  const settings = [`Port ${port}`, 'Listen 127.0.0.1', `LogFile "${log}"`, 'LogLevel Connect', ...lines]
  writeFileSync(config, `${settings.join('\n')}\n`)
  const child = spawn('tinyproxy', ['-d', '-c', config], { stdio: 'ignore' })
  while (!(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    url: `http://127.0.0.1:${port}`,
    tunnels: () => readFileSync(log, 'utf8').match(/Request \(file descriptor \d+\): CONNECT /g)?.length ?? 0,
    end: () => child.kill(),
  }
}

/** Until the test that has begun it is over. */
export async function listening(server: Server | NetServer, host: string): Promise<number> {
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    if ('closeAllConnections' in server) server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}
