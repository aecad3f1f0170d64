// Writes the metrics to a textfile of node_exporter, or to standard output. Decides nothing.
import { lstatSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute } from 'node:path'
import type { CheckFinding } from '../../../core/check.js'
import { errnoOf } from '../../../platform/errno.js'
import { Draft } from '../../../platform/draft.js'
import { uninterrupted } from '../../../platform/signals.js'
import { writeOut } from '../../terminal/output.js'
import type { World } from '../../world.js'
import { metrics, type Measured } from './prometheus.js'

/** As many links as Linux follows. */
const MOST_LINKS = 40

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
    const why = refusal(file)
    if (why !== undefined) return [notWritten(file, why)]
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
    return [notWritten(file, errnoOf(error))]
  }
}

/**
 * Why a file may not be replaced. As root it would take the place of a device, or of the link /dev/stdout, which leads
 * to a regular file where the output of this process does.
 */
function refusal(file: string): string | undefined {
  for (let [path, links] = [file, 0]; links < MOST_LINKS; links++) {
    if (/^\/(?:proc|dev\/fd)(?:\/|$)/.test(realpathSync(dirname(path))))
      return 'it is a descriptor of a process: - prints to standard output'
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats?.isSymbolicLink() !== true)
      return stats?.isFile() === false ? 'it is no regular file' : undefined
    const target = readlinkSync(path)
    // Joined as text, because the system resolves a `..` behind a linked folder, and `resolve` would do it before.
    path = isAbsolute(target) ? target : `${dirname(path)}/${target}`
  }
  return 'it is a link that leads round in a circle'
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
