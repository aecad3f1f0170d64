import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { writeSandboxFiles } from '../../src/sandbox/files.js'
import { startSandbox, type Sandbox, type SandboxOptions } from '../../src/sandbox/server.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from './folder.js'
import { start, type Ended, type Running, type StartOptions } from './processes.js'

export interface PlaceOptions extends SandboxOptions {
  /** Lines for the end of `config.ini`. */
  readonly config?: string
}

/** A sandbox, a config and a seed for it, and the real program to run there. */
export interface Place {
  readonly sandbox: Sandbox
  readonly dir: string
  readonly config: string
  readonly seed: string
  readonly store: SqliteStore
  readonly start: (args: readonly string[], options?: StartOptions) => Running
  readonly run: (args: readonly string[], options?: StartOptions) => Promise<Ended>
  /** Whether the sandbox's API accepts it. */
  readonly works: (accessToken: string) => Promise<boolean>
}

const open: Sandbox[] = []

afterAll(async () => {
  await Promise.all(open.splice(0).map((sandbox) => sandbox.close()))
})

/**
 * @param accessTtl Of the tokens that the server issues; the seed's is `seedTtl`: by default it has
 *   expired, so that the first `get` must refresh.
 */
export async function place({ config = '', ...options }: PlaceOptions = {}, seedTtl = 0): Promise<Place> {
  const sandbox = await startSandbox({ accessTtl: 3600, ...options })
  open.push(sandbox)
  const dir = folder()
  const files = await writeSandboxFiles(dir, sandbox, { accessTtl: seedTtl })
  appendFileSync(files.config, config)
  const begin = (args: readonly string[], more: StartOptions = {}): Running =>
    start(args, { ...more, env: { HQ_TOKEN_CONFIG: files.config, ...more.env } })
  return {
    sandbox,
    dir,
    ...files,
    store: new SqliteStore(join(dir, 'token.db')),
    start: begin,
    run: (args, more) => begin(args, more).done,
    works: async (accessToken) => {
      const headers = { authorization: `Bearer ${accessToken}` }
      return (await fetch(`${sandbox.url}api/1/sites`, { headers })).status === 200
    },
  }
}
