// Asks Windows' own programs who may read or change files, and closes a new folder to others. Never for the warm path: each
// program takes longer to start than a token to hand out.
import { spawnSync } from 'node:child_process'
import { homedir } from 'node:os'
import { StoreUnusable } from '../core/errors.js'
import type { Notice } from '../core/ports.js'
import { isInProfile } from './profile.js'
import { givenTo, systemProgram } from './windows-programs.js'

/** The part of this machine that the functions below ask. A test puts recorded answers in its place. */
export interface WindowsSystem {
  readonly platform: NodeJS.Platform
  readonly env: NodeJS.ProcessEnv
  readonly homedir: () => string
  /** Runs a program by its path, without a shell and without a window. */
  readonly run: (program: string, args: readonly string[], env: NodeJS.ProcessEnv) => Answer
}

export interface Answer {
  /** `null` if it could not be started or was ended. */
  readonly status: number | null
  readonly output: string
}

const TIMEOUT_MS = 10_000

export const thisSystem: WindowsSystem = {
  platform: process.platform,
  env: process.env,
  // Asked for late, because the module takes longer to load than a token to read.
  homedir: () => homedir(),
  run: (program, args, env) => {
    const { status, stdout } = spawnSync(program, args, {
      ...{ env, encoding: 'latin1', timeout: TIMEOUT_MS, windowsHide: true },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // A program that could not be started has no output, whatever the types say.
    return { status, output: status === null ? '' : stdout }
  },
}

/** A folder could not be closed to others, and was not made. */
export class NotClosed extends StoreUnusable {}

/** The rights of the system, the administrators and one user: of a folder, which all that is made there inherits, or of a file. */
export function rightsFor(owner: string, kind: 'file' | 'folder'): string[] {
  const inherited = kind === 'folder' ? '(OI)(CI)' : ''
  return ['S-1-5-18', 'S-1-5-32-544', owner].map((sid) => `*${sid}:${inherited}F`)
}

/**
 * Closes a new, empty folder to others, by SIDs, because Windows translates the names.
 *
 * It names the user's own SID. OWNER RIGHTS (S-1-3-4) would need no second program, but what an elevated administrator
 * makes is owned by the group Administrators, and then the same user could not read it without elevation. Where nothing
 * tells the user's SID, OWNER RIGHTS is the narrowest that lets the user in.
 *
 * @param target The name that the folder is to have, for messages.
 * @returns A warning if it could not be closed and lies in the user's profile, whose rights are right.
 * @throws {NotClosed}
 * @see https://learn.microsoft.com/windows-server/administration/windows-commands/icacls
 * @see https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers
 */
export function closeFolder(folder: string, target: string, system = thisSystem): Notice | undefined {
  const rights = rightsFor(ownSid(system) ?? 'S-1-3-4', 'folder')
  const args = [folder, '/inheritance:r', '/grant:r', ...rights]
  const { status } = system.run(systemProgram('icacls.exe', system.env), args, givenTo(system.env))
  if (status === 0) return undefined
  const why = status === null ? 'icacls could not be run' : `icacls: exit status ${status}`
  if (isInProfile(target, system))
    return {
      level: 'warning',
      message: `${target} could not be closed to others (${why}): it has the rights of the folder above it, in your profile`,
      hint: 'hq-token doctor shows who can read it',
    }
  throw new NotClosed(`${target} cannot be closed to others (${why}), and was not made`, {
    hint: `make it yourself, and close it: mkdir "${target}", then: ${closing(target, 'folder', ownSid(system))}; hq-token leaves the rights of a folder that is there as they are`,
  })
}

/**
 * The command that closes a file or a folder, for cmd and PowerShell.
 *
 * @param others SIDs that have rights of their own there.
 */
export function closing(
  path: string,
  kind: 'file' | 'folder',
  owner = 'S-1-3-4',
  others: readonly string[] = [],
): string {
  const rights = rightsFor(owner, kind).map((right) => `"${right}"`)
  // Icacls knows no two-letter names.
  const removed = others.filter((sid) => sid.startsWith('S-')).map((sid) => `"*${sid}"`)
  return [
    `icacls "${path}" /inheritance:r /grant:r`,
    ...rights,
    ...(removed.length > 0 ? ['/remove:g', ...removed] : []),
  ].join(' ')
}

/** The user's own SID; `undefined` if the system does not tell. */
export function ownSid(system = thisSystem): string | undefined {
  const { output } = system.run(
    systemProgram('whoami.exe', system.env),
    ['/user', '/fo', 'csv', '/nh'],
    givenTo(system.env),
  )
  return /"(S-1-[\d-]+)"\s*$/.exec(output)?.[1]
}

/** The access lists of some files, as Windows tells them. */
export interface AccessLists {
  readonly self: string | undefined
  /** The security descriptor of each path, as SDDL; `undefined` for one that could not be looked at. */
  readonly descriptors: readonly (string | undefined)[]
}

/** No path has a `|` on Windows. By the environment, because a path in a script would have to be quoted. */
const SCRIPT = `$env:ACL_PATHS -split '\\|' | ForEach-Object { try { (Get-Acl -LiteralPath $_ -ErrorAction Stop).Sddl } catch { '-' } }`

/**
 * Reads who may do what with files. By PowerShell, because icacls does not tell the owner, who may give himself every right.
 *
 * @see https://learn.microsoft.com/powershell/module/microsoft.powershell.security/get-acl
 */
export function accessLists(paths: readonly string[], system = thisSystem): AccessLists {
  const program = systemProgram('WindowsPowerShell\\v1.0\\powershell.exe', system.env)
  const args = ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', SCRIPT]
  const { output } = system.run(program, args, { ...givenTo(system.env), ACL_PATHS: paths.join('|') })
  const lines = output.split(/\r?\n/).filter((line) => line !== '')
  const isWhole = lines.length === paths.length
  return {
    self: isWhole ? ownSid(system) : undefined,
    descriptors: paths.map((_, nth) => (isWhole && lines[nth] !== '-' ? lines[nth] : undefined)),
  }
}
