import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { start, withoutNews, type Ended, type Running, type StartOptions } from '../support/processes.js'

let postgres: Postgres
let there: Place
let database: string

/** A host: a folder with a config, and its own seat. */
interface Host {
  readonly dir: string
  readonly start: (args: readonly string[], options?: StartOptions) => Running
  readonly run: (...args: string[]) => Promise<Ended>
}

function host(config = '', url = postgres.url(database)): Host {
  const dir = folder()
  const file = join(dir, 'config.ini')
  const whole = readFileSync(there.config, 'utf8')
    .replace(/^path = .*$/m, `url = ${url}\npath = token.seat`)
    .replace(/^file = .*$/m, `file = ${there.seed}`)
  writeFileSync(file, whole + config, { mode: 0o600 })
  const begin = (args: readonly string[], options: StartOptions = {}): Running =>
    start(args, { ...options, env: { HQ_TOKEN_CONFIG: file, ...options.env } })
  return { dir, start: begin, run: (...args) => begin(args).done }
}

beforeAll(async () => {
  postgres = await startPostgres()
})

describe('hosts that share a token set', { timeout: 60_000 }, () => {
  beforeEach(async () => {
    database = await postgres.createDatabase()
    there = await place()
  })

  it('hosts that share a token set refresh once, and each hands out the new token', async () => {
    const [one, two] = [host(), host()]
    const first = withoutNews(await one.run('get'))
    expect(first).toMatchObject({ code: 0, stderr: '' })
    const second = await two.run('get')
    expect(second).toEqual({ ...first, stderr: '' })
    expect(await there.works(first.stdout.trim())).toBe(true)
  })
})
