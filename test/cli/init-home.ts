// What the tests of `init` share: a home that is empty, and what was written there.
import { randomBytes } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { loadConfig } from '../../src/config/load.js'
import { sourceOf } from '../config/places.js'
import { folder } from '../support/folder.js'
import { told, type Told } from '../support/world.js'

/** Of this run alone: another one on the same machine shows its own in the process list. */
export const SECRET = `s3cr3t-${randomBytes(8).toString('hex')}`
export const INSTANCE = 'https://acme.highq.com/acme/'

export interface Home {
  readonly env: Record<string, string>
  /** The config file's usual place. */
  readonly file: string
}

export function home(): Home {
  const dir = folder()
  const env = { XDG_CONFIG_HOME: join(dir, 'config'), XDG_STATE_HOME: join(dir, 'state') }
  return { env, file: join(dir, 'config/hq-token/config.ini') }
}

export const flags = (...more: string[]): string[] => [
  ...['init', '--no-doctor'],
  ...['--instance', INSTANCE, '--client-id', '1012', '--client-secret', '-'],
  ...more,
]

export const init = (at: Home, more: string[] = [], input = SECRET): Promise<Told> =>
  told(flags(...more), { env: at.env, input })

export const mode = (path: string): string => (statSync(path).mode & 0o7777).toString(8)
export const load = (file: string): ReturnType<typeof loadConfig> => loadConfig(sourceOf({ file }))

export async function secretOf(file: string): Promise<string | undefined> {
  return (await load(file).clientSecret())?.reveal()
}

/** Nothing but the files by these names: no draft either. */
export function expectOnly(dir: string, ...names: string[]): void {
  expect(readdirSync(dir).sort()).toEqual(names.sort())
}
