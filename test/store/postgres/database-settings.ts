import { onTestFinished } from 'vitest'
import { loadConfig } from '../../../src/config/load.js'
import { Connection, type ConnectionOptions } from '../../../src/store/postgres/connection.js'
import type { SharedStoreSettings } from '../../../src/store/postgres/settings.js'
import { sourceOf, written } from '../../config/places.js'

export interface Way {
  /** Further lines of `[store]`. */
  readonly lines?: string
  readonly env?: Record<string, string>
}

/** The settings as a configuration gives them. */
export function settingsOf(url: string, { lines = '', env = {} }: Way = {}): SharedStoreSettings {
  const file = written('config.ini', `[store]\nurl = ${url}\n${lines}\n`)
  // No password file of whoever runs the tests.
  const { shared } = loadConfig(sourceOf({ file, env: { PGPASSFILE: '/nowhere', ...env } }))
  if (shared === null) throw new Error('no shared store')
  return shared
}

/** A connection that ends with the test. It tries once, unless told otherwise. */
export function connectionTo(
  url: string,
  { lines, env, ...options }: Way & Partial<ConnectionOptions> = {},
): Connection {
  const settings = settingsOf(url, { ...(lines !== undefined && { lines }), ...(env && { env }) })
  const connection = new Connection(settings, options)
  onTestFinished(() => connection.close())
  return connection
}
