// Names the drafts of files and folders after their process, and finds those that are left. Removes none.
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fateOf, MARK, processMark } from './processes.js'

const NAME = new RegExp(`^\\.hq-token-(${MARK})-[0-9a-f]{12}$`)

export function newDraftName(folder: string): string {
  return join(folder, `.hq-token-${processMark()}-${randomBytes(6).toString('hex')}`)
}

/** Goes through the drafts in a folder whose processes are not known to live. Never throws. */
export function eachLeftDraft(
  folder: string,
  work: (path: string, fate: Exclude<ReturnType<typeof fateOf>, 'alive'>) => void,
): void {
  try {
    for (const name of readdirSync(folder)) {
      const [, mark] = NAME.exec(name) ?? []
      const fate = mark === undefined ? 'alive' : fateOf(mark)
      if (fate !== 'alive') work(join(folder, name), fate)
    }
  } catch {
    // The folder may be written but not listed.
  }
}
