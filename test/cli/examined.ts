// What the tests of `doctor` share: what it says of a place, and by whom it is run.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { expect } from 'vitest'
import type { Finding } from '../../src/core/finding.js'
import { machineClock } from '../../src/platform/machine.js'
import { requirePrograms } from '../support/debian.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { listening } from '../support/proxy.js'
import { told, type WorldOptions } from '../support/world.js'

export interface Examined {
  readonly code: number
  readonly names: readonly string[]
  /** The first check by that name. */
  readonly check: (name: string) => Finding | undefined
}

/** What `doctor --json` says; no secret of the place is in it. */
export async function examined(
  made: Pick<Place, 'config'> & Partial<Pick<Place, 'sandbox' | 'seed'>>,
  { env, argv = [], ...options }: WorldOptions & { argv?: readonly string[] } = {},
): Promise<Examined> {
  const got = await told(['doctor', '--json', ...argv], {
    ...options,
    env: { HQ_TOKEN_CONFIG: made.config, ...env },
  })
  expect(got.stderr).toBe('')
  if (made.sandbox !== undefined) expect(got.stdout).not.toContain(made.sandbox.clientSecret)
  if (made.seed !== undefined)
    for (const [, token = ''] of readFileSync(made.seed, 'utf8').matchAll(/_token *= (\S+)/g))
      expect(got.stdout).not.toContain(token)
  const { checks } = JSON.parse(got.stdout) as { checks: Finding[] }
  return {
    code: got.code,
    names: checks.map(({ name }) => name),
    check: (name) => checks.find((one) => one.name === name),
  }
}

/** A place whose store holds a token set that lives for an hour, and that no client is bound to yet. */
export async function seeded(options: PlaceOptions = {}, ttl = 3600): Promise<Place> {
  const made = await place(options, ttl)
  const env = { HQ_TOKEN_STORE: join(made.dir, 'token.db') }
  expect((await told(['seed', made.seed], { env })).code).toBe(0)
  return made
}

export function rewritten({ config }: Pick<Place, 'config'>, change: (text: string) => string): void {
  writeFileSync(config, change(readFileSync(config, 'utf8')))
}

/** Every file of a folder, to the byte, and who may do what with it. */
export function contents(dir: string): unknown {
  return readdirSync(dir)
    .sort()
    .map((name) => {
      const { mode, mtimeMs } = statSync(join(dir, name))
      return [name, mode, mtimeMs, readFileSync(join(dir, name)).toString('base64')]
    })
}

export function changed({ dir }: Pick<Place, 'dir'>, sql: string): void {
  const db = new Database(join(dir, 'token.db'))
  db.exec(sql)
  db.close()
}

/** The real program, run by the owner of its files, whom the system lets into nothing else. */
export function asAnybody({ config }: Pick<Place, 'config'>, ...args: readonly string[]): Promise<Ended> {
  requirePrograms(['setpriv', 'util-linux'])
  const setpriv = ['--bounding-set=-all', '--inh-caps=-all', process.execPath, BIN]
  return ended(
    spawn('setpriv', [...setpriv, ...args], { env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config } }),
  )
}

export async function serving(answer: RequestListener): Promise<string> {
  const port = await listening(createServer(answer), '127.0.0.1')
  return `http://127.0.0.1:${port}`
}

export function later(seconds: number): WorldOptions['clock'] & object {
  return () => ({ ...machineClock(), now: machineClock().now + seconds, boot: null })
}
