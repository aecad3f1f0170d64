// A place where people are told, and what they were told there.
import Database from 'better-sqlite3'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { Fault } from '../../src/sandbox/faults.js'
import { place, type Place } from './place.js'

export const REFUSED: readonly Fault[] = [{ name: 'invalid-grant', count: Infinity }]
export const DOWN: readonly Fault[] = [{ name: '403-html', count: Infinity }]
/** The hook keeps all that it gets. */
export const KEEP = `{ cat; env | grep ^HQ_TOKEN_EVENT | sort; echo; } >> mails; env >> seen; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> seen`

export interface Home extends Place {
  readonly mails: () => string[]
  readonly seen: () => string
  /** Puts all that the memory of alerts says of time so many seconds into the past. */
  readonly pass: (seconds: number) => void
}

/** A store whose access token is over, so that a `get` must refresh. */
export async function home(command = KEEP, faults: readonly Fault[] = REFUSED, more = ''): Promise<Home> {
  const made = await place({ faults, config: `\n[notify]\ncommand = ${command}\n${more}` })
  const text = (name: string): string =>
    existsSync(join(made.dir, name)) ? readFileSync(join(made.dir, name), 'utf8') : ''
  await made.run(['seed', made.seed])
  return {
    ...made,
    mails: () =>
      text('mails')
        .match(/^HQ_TOKEN_EVENT=.*/gm)
        ?.map((line) => line.slice(15)) ?? [],
    seen: () => text('seen'),
    pass: (seconds) => {
      const db = new Database(join(made.dir, 'token.db'))
      db.exec(
        `UPDATE notice SET ${['told_at', 'due_at', 'claimed_at', 'failed_at']
          .map((column) => `${column} = max(${column} - ${seconds}, 0)`)
          .join(', ')}`,
      )
      db.close()
    },
  }
}

export const until = (holds: () => void): Promise<void> =>
  vi.waitFor(holds, { timeout: 60_000, interval: 50 })
