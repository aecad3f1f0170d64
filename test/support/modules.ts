import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface Modules {
  /** Names of the packages of which anything was loaded. */
  readonly packages: ReadonlySet<string>
  /** Paths of all files loaded. */
  readonly files: ReadonlySet<string>
}

/** What a process of its own loads that runs `code`, as Node itself tells. */
export async function modulesOf(code: string, cwd = process.cwd()): Promise<Modules> {
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', code], {
    cwd,
    env: { ...process.env, NODE_DEBUG: 'esm,module', NODE_EXTRA_CA_CERTS: undefined },
    maxBuffer: 64 * 1024 * 1024,
  })
  const files = new Set(
    [...stderr.matchAll(/(?:^|["\s(])(?:file:\/\/)?(\/[^\s"'?]+\.[cm]?js)\b/g)].map(([, path = '']) => path),
  )
  const packages = [...files].flatMap(
    (path) => /^.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  )
  return { packages: new Set(packages), files }
}
