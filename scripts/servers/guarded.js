// Servers that refuse to run as root, and that must not outlive the process that has started them.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

/** The ordinary user that such a server runs as: `nobody` where this process is root's, else who runs it. */
export const ordinary = process.geteuid?.() === 0 ? { uid: idOfNobody('-u'), gid: idOfNobody('-g') } : {}

function idOfNobody(option) {
  return Number(execFileSync('id', [option, 'nobody'], { encoding: 'utf8' }))
}

/** Gives a file or folder to the ordinary user. */
export function giveToOrdinary(path) {
  if (ordinary.uid !== undefined && ordinary.gid !== undefined) chownSync(path, ordinary.uid, ordinary.gid)
  return path
}

/** Writes a file for the ordinary user alone. */
export function writeForOrdinary(path, text) {
  writeFileSync(path, text, { mode: 0o600 })
  return giveToOrdinary(path)
}

/**
 * A shell that starts the server, and ends it and removes its folder when the process that asked for it is gone,
 * however that ends: the write end of file descriptor 3 is open only there. The shell has not waited for the server
 * yet when it signals it, so that the number cannot be another process's. It writes that number to file descriptor 4.
 */
const GUARD = `
signal=$1; shift
"$@" 3<&- 4>&- & server=$!
echo "$server" >&4; exec 4>&-
{ read -r _; : > "$0/orphaned"; kill "-$signal" "$server"; } <&3 >/dev/null 2>&1 & watch=$!
wait "$server"; status=$?
if [ -e "$0/orphaned" ]; then rm -rf "$0"; else kill -KILL "$watch"; fi
exit "$status"`

/**
 * Starts a server as the ordinary user, with its output in `log` of its folder.
 *
 * @param at The server's own folder; removed with the server where this process was killed.
 * @param signal Ends the server at once. (A shell has its children ignore SIGINT and SIGQUIT by default.)
 * @param isReady Asked every 10 ms, until it is.
 * @throws {Error} the server has ended instead; with the last lines of its log
 */
export async function startGuarded(at, command, signal, isReady) {
  const log = openSync(giveToOrdinary(writeLog(at)), 'a')
  const shell = spawn('sh', ['-c', GUARD, at, signal, ...command], {
    ...ordinary,
    cwd: at,
    stdio: ['ignore', log, log, 'pipe', 'pipe'],
  })
  closeSync(log)
  let hasEnded = false
  const exit = once(shell, 'exit').then(() => {
    hasEnded = true
  })
  const pid = Number(await text(shell.stdio[4]))
  while (!(await isReady())) {
    if (hasEnded) throw new Error(`${command[0]} has ended:\n${lastLines(at)}`)
    await sleep(10)
  }
  return {
    pid,
    end: async (by = `SIG${signal}`) => {
      if (!hasEnded) process.kill(pid, by)
      await exit
    },
  }
}

function writeLog(at) {
  const path = join(at, 'log')
  closeSync(openSync(path, 'a'))
  return path
}

function lastLines(at) {
  return readFileSync(join(at, 'log'), 'utf8').split('\n').slice(-20).join('\n')
}
