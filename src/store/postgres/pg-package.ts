// Loads the package pg, and reads values by parsers of its own. Connects to nothing.
import { existsSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { ConfigInvalid } from '../../core/errors.js'
import { shellWord } from '../../core/shell-quoting.js'
import { hints } from '../../platform/hints.js'

export type Pg = typeof pg

/** @throws {ConfigInvalid} it is not installed, or would not be the one that checks certificates as it is told */
export async function loadPg(): Promise<Pg> {
  // The native client passes over the options of TLS that are given to it.
  if (process.env['NODE_PG_FORCE_NATIVE'])
    throw new ConfigInvalid('NODE_PG_FORCE_NATIVE is set: a shared store needs the JavaScript client of pg', {
      hint: hints.unset('NODE_PG_FORCE_NATIVE'),
    })
  try {
    return (await import('pg')).default
  } catch (error) {
    if (!isMissing(error)) throw error
    throw new ConfigInvalid('a shared store needs the package pg, which is not installed beside hq-token', {
      hint: installation(fileURLToPath(import.meta.url)),
    })
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && /^Cannot find (?:package|module) 'pg'/.test(error.message)
}

/** The command that puts the package where this one finds it. @param file One of this package's own. */
export function installation(file: string): string {
  const [before = '', ...within] = file.split(`${sep}node_modules${sep}`)
  // A clone: its package.json lists pg.
  if (within.length === 0) return 'npm install'
  const isProject = existsSync(join(before, 'package.json'))
  return isProject ? `cd ${shellWord(before)} && npm install pg` : 'npm install --global pg'
}

/**
 * Parsers by the types' numbers. A program that uses this library shares the package with it, and may have set other
 * parsers for all connections of the process.
 */
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map([
  [16, (text: string): unknown => text === 't'],
  ...[20, 21, 23, 701].map((number) => [number, Number] as const),
  ...[114, 3802].map((json) => [json, JSON.parse] as const),
])

/** How a connection reads values: the types of the registry by parsers of ours, all others as the package does. */
export function ownTypes({ types }: Pg): pg.CustomTypesConfig {
  const getTypeParser = ((...[type, format]: Parameters<typeof types.getTypeParser>) =>
    PARSERS.get(type) ?? (types.getTypeParser(type, format) as unknown)) as typeof types.getTypeParser
  return { getTypeParser }
}
