// Asks Windows and macOS by their own programs which machine this is. Never for the warm path: a program takes longer to
// start than a token to hand out.
import type { SpawnSyncOptionsWithStringEncoding } from 'node:child_process'
import { givenTo, systemProgram } from './windows-programs.js'

export interface MachineIds {
  readonly id: string | null
  readonly boot: string | null
}

/** Runs a program by its path; `null` if that fails. */
type Run = (program: string, args: readonly string[], env?: NodeJS.ProcessEnv) => string | null

/**
 * The ids of a machine that has no files for them.
 *
 * Windows names no boot: the counters and times of the last start that it offers stay the same over a fast startup, or
 * need WMI. macOS has `kern.uuid`, too, but that is the kernel's, and changes with an update.
 *
 * @see https://learn.microsoft.com/windows-server/administration/windows-commands/reg-query
 * @see ioreg(8) and sysctl(8) of macOS
 */
export function machineIds(
  platform = process.platform,
  env: NodeJS.ProcessEnv = process.env,
  run: Run = runProgram,
): MachineIds {
  if (platform === 'win32') {
    const key = ['query', 'HKLM\\SOFTWARE\\Microsoft\\Cryptography', '/v', 'MachineGuid', '/reg:64']
    return {
      id: uuidIn(run(systemProgram('reg.exe', env), key, givenTo(env)), /\bMachineGuid\s+REG_SZ\s+/),
      boot: null,
    }
  }
  if (platform !== 'darwin') return { id: null, boot: null }
  const about = run('/usr/sbin/ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'])
  return {
    id: uuidIn(about, /"IOPlatformUUID" = "/),
    boot: uuidIn(run('/usr/sbin/sysctl', ['-n', 'kern.bootsessionuuid']), /^\s*/),
  }
}

function uuidIn(output: string | null, before: RegExp): string | null {
  const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/i
  const found = new RegExp(before.source + `(${uuid.source})`, 'i').exec(output ?? '')?.[1]
  return found === undefined || /^[0-]+$/.test(found) ? null : found.toLowerCase()
}

/** A machine that is too busy to say its name in a second has its name by the network alone. */
const TIMEOUT_MS = 1_000

function runProgram(program: string, args: readonly string[], env?: NodeJS.ProcessEnv): string | null {
  const options: SpawnSyncOptionsWithStringEncoding = {
    ...{ env, encoding: 'latin1', timeout: TIMEOUT_MS, windowsHide: true },
    stdio: ['ignore', 'pipe', 'ignore'],
  }
  // Loaded here, because Linux has files for all this.
  const { status, stdout } = process.getBuiltinModule('node:child_process').spawnSync(program, args, options)
  return status === 0 ? stdout : null
}
