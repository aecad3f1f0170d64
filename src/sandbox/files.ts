// Writes a config and a seed file for the sandbox. Overwrites only files that an earlier run wrote.
import { lstat, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Draft } from '../platform/draft.js'
import type { Sandbox } from './server.js'

/** The first line of a file that may be overwritten. */
const MARK = '# Written by hq-token sandbox; the next run writes it anew.'

/** The files of a store beside the configuration, and the mark beside its seed. */
const STORE = ['token.db', 'token.db-journal', 'token.rescue', 'token.lock', 'token.ini.spent']

export interface SandboxFiles {
  /** Path of `config.ini`. */
  readonly config: string
  /** Path of the seed file, `token.ini`. */
  readonly seed: string
}

/**
 * Writes a configuration and a seed file that work with `sandbox`, both 0600. A folder that is missing is made,
 * 0700.
 *
 * @param options.accessTtl Seconds, as the sandbox was started with.
 * @throws {Error} if a file that no sandbox wrote has one of the names; nothing is written then.
 */
export async function writeSandboxFiles(
  dir: string,
  sandbox: Pick<Sandbox, 'url' | 'clientId' | 'clientSecret' | 'issue'>,
  { accessTtl }: { readonly accessTtl: number },
): Promise<SandboxFiles> {
  const config = join(dir, 'config.ini')
  const seed = join(dir, 'token.ini')
  await mkdir(dir, { recursive: true, mode: 0o700 })
  let again = false
  for (const path of [config, seed]) again = (await refuseForeign(path)) || again
  // The store of an earlier run holds tokens that this run has not issued.
  if (again) for (const name of STORE) await rm(join(dir, name), { force: true })

  replace(config, configText(sandbox))
  replace(seed, seedText(sandbox, accessTtl))
  return { config, seed }
}

function configText({
  url,
  clientId,
  clientSecret,
}: Pick<Sandbox, 'url' | 'clientId' | 'clientSecret'>): string {
  return `${MARK}
[client]
instance = ${url}
client_id = ${clientId}
client_secret = ${clientSecret}
redirect_uri = http://127.0.0.1/callback

[store]
path = token.db

[seed]
file = token.ini
`
}

function seedText(sandbox: Pick<Sandbox, 'issue'>, accessTtl: number): string {
  const { accessToken, refreshToken, refreshExpiresIn, user } = sandbox.issue()
  return `${MARK}
[AUTH]
access_token = ${accessToken}
access_expiry = ${accessTtl}
refresh_token= ${refreshToken}
refresh_expiry = ${refreshExpiresIn}
token_type = bearer
user = ${user}
`
}

/** @returns Whether an earlier run wrote it. */
async function refuseForeign(path: string): Promise<boolean> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return false
  const ours = found.isFile() && (await readFile(path, 'utf8')).startsWith(`${MARK}\n`)
  if (!ours) throw new Error(`${path} is there already and not from a sandbox; choose another folder`)
  return true
}

/** Replaces a link, and does not follow it. */
function replace(path: string, text: string): void {
  const draft = new Draft(path)
  try {
    draft.fill(text)
    draft.takePlace()
  } finally {
    draft.remove()
  }
}
