// The page's lines for healthchecks.io, typed as they are, with a listener of ours in the place of https://hc-ping.com.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { listener, type Listener } from '../support/listener.js'
import { shown } from '../support/monitoring-page.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'

/** The command of a crontab's line. */
const ofCrontab = (block: string): string => block.trim().replace(/^(?:\S+\s+){5}/, '')
const CODE = ofCrontab(shown('UUID/$?'))
const SUCCESS = ofCrontab(shown('&& curl'))

/** Types a line as cron does, in the environment that cron gives. */
function asCron(line: string, { config }: Pick<Place, 'config'>, { url }: Listener): Promise<Ended> {
  const home = folder()
  const bin = join(home, '.local/bin')
  mkdirSync(bin, { recursive: true })
  const program = `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`
  writeFileSync(join(bin, 'hq-token'), program, { mode: 0o755 })
  const env = { HOME: home, PATH: '/usr/bin:/bin', HQ_TOKEN_CONFIG: config }
  const typed = line.replace('https://hc-ping.com', url)
  expect(typed).not.toBe(line)
  return ended(spawn('/bin/sh', ['-c', typed], { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** A grant that was refreshed more than seven days ago, at a server that answers as it is told. */
async function oldGrant(fault?: 'invalid-grant' | '408'): Promise<Place> {
  const faults = fault === undefined ? [] : [{ name: fault, count: Infinity }]
  const there = await place({ faults }, 3600)
  const longAgo = String(Math.floor(Date.now() / 1000) - 30 * 86_400)
  const env = { HQ_TOKEN_CONFIG: there.config }
  expect((await told(['seed', '--issued-at', longAgo, there.seed], { env })).code).toBe(0)
  return there
}

describe('the signs of life of the keep-alive', () => {
  beforeAll(() => {
    requirePrograms('curl')
  })

  it.each([
    ['0 after a refresh', undefined, 0],
    ['75 when it must be tried again later', '408', 75],
    ['4 when a person must log in', 'invalid-grant', 4],
  ] as const)('the path ends with the exit code: %s', async (_, fault, code) => {
    const service = await listener()
    const there = await oldGrant(fault)
    // cron mails what is printed: the error of hq-token, and nothing of curl.
    const { stdout, stderr } = await asCron(CODE, there, service)
    expect([stdout, service.paths]).toEqual(['', [`/UUID/${code}`]])
    expect(stderr.includes('hq-token: error: ')).toBe(code !== 0)
    expect(stderr).not.toContain('curl')
    expect(there.sandbox.refreshes()).toBe(code === 0 ? 1 : 0)
  })

  it('a path without a code is told after a success alone', async () => {
    const service = await listener()
    await asCron(SUCCESS, await oldGrant('408'), service)
    expect(service.paths).toEqual([])
    await asCron(SUCCESS, await oldGrant(), service)
    expect(service.paths).toEqual(['/UUID'])
  })

  it('a service that is down for a moment is told again', async () => {
    const service = await listener(503)
    const { stdout } = await asCron(CODE, await oldGrant(), service)
    expect([stdout, service.paths]).toEqual(['', ['/UUID/0', '/UUID/0']])
  })

  it('the line of the unit tells the code that systemd gives it', async () => {
    const service = await listener()
    const [, line = ''] = /^ExecStopPost=(.*)$/m.exec(shown('ExecStopPost=')) ?? []
    const typed = line.replace('https://hc-ping.com', service.url)
    const env = { PATH: '/usr/bin:/bin', EXIT_STATUS: '4' }
    const child = spawn('/bin/sh', ['-c', typed], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    expect(await ended(child)).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(service.paths).toEqual(['/UUID/4'])
  })
})
