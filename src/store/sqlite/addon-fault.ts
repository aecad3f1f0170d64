/** Words for an addon of SQLite that this Node cannot load. Opens no database. */
import { existsSync } from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { StoreUnusable } from '../../core/errors.js'
import { shellWord } from '../../core/shell-quoting.js'
import { crashing, packageFolder } from './package-folder.js'

/**
 * The Node of each module version that better-sqlite3 12 was or is built for.
 *
 * @see https://nodejs.org/en/about/previous-releases
 */
const NODE_OF: Readonly<Record<string, string>> = {
  108: 'Node 18',
  111: 'Node 19',
  115: 'Node 20',
  120: 'Node 21',
  127: 'Node 22',
  131: 'Node 23',
  137: 'Node 24',
  141: 'Node 25',
}

/**
 * Checks, before the addon is loaded, that this Node can load it.
 *
 * @throws {StoreUnusable} this Node would crash
 */
export function assertLoadable(): void {
  const version = crashing(packageFolder())
  if (version === undefined) return
  throw new StoreUnusable(
    `better-sqlite3 ${version} was installed for Node 22 or newer, and this is Node ${process.version} (${process.execPath})`,
    { hint: `${install()}; or run hq-token with Node 22 or newer` },
  )
}

/**
 * The key of the first error. It is kept because a second attempt to load the file throws a vaguer one, and it is
 * global because tests load the sources beside the program.
 */
const FIRST = Symbol.for('hq-token: why the addon of SQLite failed')
const memory = globalThis as { [FIRST]?: unknown }

export function remember(error: unknown): void {
  memory[FIRST] ??= error
}

/** The error for an addon that cannot be loaded; `undefined` if something else failed. */
export function addonFault(cause: unknown): StoreUnusable | undefined {
  if (!(cause instanceof Error)) return undefined
  const code = 'code' in cause ? String(cause.code) : ''
  const first = /did not self-register/.test(cause.message) ? memory[FIRST] : undefined
  if (first !== undefined && first !== cause) return addonFault(first)
  const isMissing =
    /bindings file/.test(cause.message) || (code === 'MODULE_NOT_FOUND' && /\.node'/.test(cause.message))
  if (isMissing)
    return new StoreUnusable('better-sqlite3 was installed without its native part', {
      hint: install(),
      cause,
    })
  if (!code.startsWith('ERR_DLOPEN')) return undefined
  const [, built, here] = /NODE_MODULE_VERSION (\d+)\D+NODE_MODULE_VERSION (\d+)/.exec(cause.message) ?? []
  if (built === undefined || here === undefined)
    return new StoreUnusable(
      `better-sqlite3 cannot be loaded by this Node (${process.version}, ${process.platform} ${process.arch}): ${firstLine(cause)}`,
      { hint: install(), cause },
    )
  const then = NODE_OF[built] ?? 'another Node'
  return new StoreUnusable(
    `better-sqlite3 was installed for ${then} (module version ${built}), and this is Node ${process.version} (${process.execPath}, module version ${here})`,
    {
      hint: `${withThisNode()}npm rebuild --prefix ${shellWord(place())} better-sqlite3; or run hq-token with ${then}`,
      cause,
    },
  )
}

/** On Windows hardly any machine has a compiler, and better-sqlite3 13 needs none. */
export function install(platform = process.platform, version = process.version): string {
  const isOld = platform === 'win32' && Number(/^v(\d+)/.exec(version)?.[1]) < 22
  const first = isOld ? 'install Node 22 or newer, for which no compiler is needed, then: ' : ''
  return `${first}${withThisNode()}npm install -g --allow-scripts=better-sqlite3,hq-token hq-token`
}

function firstLine({ message }: Error): string {
  return message.split('\n', 1)[0] ?? ''
}

/** Puts this Node first in the path of a command, unless it is, because npm builds for the first Node there. */
function withThisNode(): string {
  const folder = dirname(process.execPath)
  const [first = ''] = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((one) => existsSync(join(one, 'node')))
  if (process.platform === 'win32' || resolve(first) === folder) return ''
  return `PATH=${shellWord(folder)}:"$PATH" `
}

/** The folder whose `node_modules` contains the package. */
function place(): string {
  return resolve(packageFolder(), '../..')
}
