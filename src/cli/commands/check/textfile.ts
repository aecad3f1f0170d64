// Writes the metrics to a textfile of node_exporter, or to standard output. Decides nothing.
import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { CheckFinding } from '../../../core/check.js'
import { errnoOf } from '../../../platform/errno.js'
import { Draft } from '../../../platform/draft.js'
import { heldOpen } from '../../../platform/held-files.js'
import { uninterrupted } from '../../../platform/signals.js'
import { writeOut } from '../../terminal/output.js'
import { whyNoFile } from '../../terminal/output-file.js'
import type { World } from '../../world.js'
import { metrics, type Measured } from './prometheus.js'

/**
 * @param file `-`: standard output. A link to a file is replaced, and not followed.
 * @returns A finding about a file that could not be written.
 */
export async function writeMetrics(
  file: string,
  all: readonly Measured[],
  { clock, stdout }: World,
): Promise<readonly CheckFinding[]> {
  const text = metrics(all, clock().now, account())
  if (file === '-') {
    await writeOut(stdout, text)
    return []
  }
  try {
    const why = whyNoFile(file)
    if (why !== undefined) return [notWritten(file, `it ${why}`)]
    // eslint-disable-next-line @typescript-eslint/require-await -- nothing in it may wait
    await uninterrupted(async () => {
      const draft = new Draft(file)
      try {
        // By the handle, as the mode is set.
        writeFileSync(draft.fd, text)
        draft.takePlace(0o644)
      } catch (error) {
        draft.remove()
        throw error
      }
    })
    return []
  } catch (error) {
    return [notWritten(file, heldOpen([file], error)?.message ?? errnoOf(error))]
  }
}

function notWritten(file: string, why: string): CheckFinding {
  const message = `the metrics could not be written to ${file} (${why})`
  return { state: 'UNKNOWN', what: 'unread', message, hint: null }
}

function account(): string {
  try {
    return userInfo().username
  } catch {
    // The system has no name for the user, as in many containers.
    return String(process.getuid?.() ?? 'unknown')
  }
}
