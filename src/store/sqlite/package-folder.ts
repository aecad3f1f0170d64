// Finds better-sqlite3. Loads nothing.
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { nodeRequire } from '../../platform/require.js'

/**
 * The folder of better-sqlite3. Looks where Node looks, but by itself: Node reads and parses every `package.json` on
 * the way, which takes longer than reading a token.
 *
 * @throws If the package is not installed.
 */
export function packageFolder(): string {
  // Yarn's Plug'n'Play has no such folders, and another version may lie further up.
  const places = 'pnp' in process.versions ? [] : (nodeRequire.resolve.paths('better-sqlite3') ?? [])
  const folders = places.map((place) => join(place, 'better-sqlite3'))
  return (
    folders.find((folder) => existsSync(join(folder, 'package.json'))) ??
    dirname(nodeRequire.resolve('better-sqlite3/package.json'))
  )
}

/**
 * The version of better-sqlite3 if loading it would crash this Node: from 13 on it needs Node 22, and does not check.
 * These versions bring their binaries, so a folder without any opens no further file.
 */
export function crashing(folder: string): string | undefined {
  const [major = 0] = process.versions.node.split('.').map(Number)
  if (major >= 22 || !existsSync(join(folder, 'prebuilds'))) return undefined
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
