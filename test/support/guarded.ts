import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

// Servers that refuse to run as root, and that must not outlive the tests.

/** The ordinary user that such a server runs as: `nobody` where the tests run as root, else who runs them. */
export const ordinary: { readonly uid?: number; readonly gid?: number } =
  process.geteuid?.() === 0 ? { uid: idOfNobody('-u'), gid: idOfNobody('-g') } : {}

function idOfNobody(option: string): number {
  return Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }))
}

/** Gives a file or folder to the ordinary user. */
export function giveToOrdinary(path: string): string {
  if (ordinary.uid !== undefined && ordinary.gid !== undefined) chownSync(path, ordinary.uid, ordinary.gid)
  return path
}

/** Writes a file for the ordinary user alone. */
export function writeForOrdinary(path: string, text: string): string {
  writeFileSync(path, text, { mode: 0o600 })
  return giveToOrdinary(path)
}

export interface Guarded {
  readonly pid: number
  /** Ends the server by a signal, and waits until it is gone. */
  readonly end: (by?: NodeJS.Signals) => Promise<void>
}

/**
 * A shell that starts the server, and ends it and removes its folder when the test process is gone, however that
 * ends: the write end of file descriptor 3 is open only there. The shell has not waited for the server yet when it
 * signals it, so that the number cannot be another process's.
 */
const GUARD = `
signal=$1; shift
"$@" 3<&- & server=$!
echo "$server" > "$0/pid"
{ read -r _; : > "$0/orphaned"; kill "-$signal" "$server"; } <&3 >/dev/null 2>&1 & watch=$!
wait "$server"; status=$?
if [ -e "$0/orphaned" ]; then rm -rf "$0"; else kill -KILL "$watch"; fi
exit "$status"`

/**
 * Starts a server as the ordinary user, with its output in `log` of its folder.
 *
 * @param at The server's own folder; removed with the server where the test process was killed.
 * @param signal Ends the server at once. (A shell has its children ignore SIGINT and SIGQUIT by default.)
 * @param isReady Asked every 10 ms, until it is.
 * @throws {Error} the server has ended instead; with the last lines of its log
 */
export async function startGuarded(
  at: string,
  command: readonly string[],
  signal: 'QUIT' | 'TERM',
  isReady: () => boolean | Promise<boolean>,
): Promise<Guarded> {
  const log = openSync(giveToOrdinary(writeLog(at)), 'a')
  const shell = spawn('sh', ['-c', GUARD, at, signal, ...command], {
    ...ordinary,
    cwd: at,
    stdio: ['ignore', log, log, 'pipe'],
  })
  closeSync(log)
  let hasEnded = false
  const exit = once(shell, 'exit').then(() => {
    hasEnded = true
  })
  while (!(await isReady())) {
    // A function, because the compiler does not see that the promise above changes it.
    if ((() => hasEnded)()) throw new Error(`${String(command[0])} has ended:\n${lastLines(at)}`)
    await sleep(10)
  }
  const pid = Number(readFileSync(join(at, 'pid'), 'utf8'))
  return {
    pid,
    end: async (by = `SIG${signal}`) => {
      if (!hasEnded) process.kill(pid, by)
      await exit
    },
  }
}

function writeLog(at: string): string {
  const path = join(at, 'log')
  closeSync(openSync(path, 'a'))
  return path
}

function lastLines(at: string): string {
  return readFileSync(join(at, 'log'), 'utf8').split('\n').slice(-20).join('\n')
}
