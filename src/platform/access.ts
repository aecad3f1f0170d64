// Says by Windows' own lists who else may read or change files. Asks for none of them.
import { win32 } from 'node:path'
import { closing, type AccessLists } from './access-control.js'
import { othersIn, readSddl, sidName, type Kind, type Others } from './sddl.js'
import { isForMany } from './windows-places.js'

export interface Guarded {
  readonly path: string
  readonly kind: Kind
  /** Others may read it. */
  readonly isPublic?: boolean
}

/** A file, and those others who have rights in it; without them if the system did not tell. */
export interface Judged extends Guarded {
  readonly owner?: string
  readonly others?: Others
}

/** @param lists What the system has told of these files, in their order. */
export function judged(files: readonly Guarded[], { self, descriptors }: AccessLists): Judged[] {
  return files.map((file, nth) => {
    const descriptor = readSddl(descriptors[nth] ?? '')
    // Without the user's own SID the user's rights would pass for another's.
    if (descriptor === undefined || self === undefined) return file
    const others = othersIn(descriptor, file.kind, self)
    return { ...file, owner: descriptor.owner, others: file.isPublic ? { ...others, read: [] } : others }
  })
}

/** `C:\hq can be changed by Users (S-1-5-32-545); can be read by Everyone (S-1-1-0)`. */
export function openTo({ path, kind, others: { read, change } = { read: [], change: [] } }: Judged): string {
  const readers = read.filter((sid) => !change.includes(sid))
  const by = (what: string, sids: readonly string[]): string[] =>
    sids.length === 0 ? [] : [`can be ${what} by ${sids.map(sidName).join(', ')}`]
  const parts = [
    ...by('changed', change),
    ...by(kind === 'file' ? 'read' : 'read, in the files that it gets,', readers),
  ]
  return `${path} ${parts.join('; ')}`
}

/**
 * The next step for a file or a folder that is open to others: the commands that close it. A list alone closes nothing to an
 * owner, who may change it again. Nothing takes the rights of others off a folder that they need.
 */
export function remedy(
  { path, kind, isPublic = false, owner, others }: Judged,
  self: string | undefined,
  env: NodeJS.ProcessEnv,
): string {
  const isFile = kind === 'file'
  if (!isFile && isForMany(path, env))
    return `name a folder of its own, such as ${win32.join(path, 'hq-token')}: other programs use ${path}`
  const strangers = [...new Set([...(others?.read ?? []), ...(others?.change ?? [])])]
  const isStrangers = owner !== undefined && strangers.includes(owner)
  const owned = `as an administrator: icacls "${path}" /setowner "*${self ?? 'S-1-5-32-544'}", then: `
  // Icacls knows no two-letter names.
  const isReadable = isPublic && strangers.every((sid) => sid.startsWith('S-'))
  const command = isReadable
    ? readOnly(path, strangers)
    : closing(path, isFile ? 'file' : 'folder', self, strangers)
  return `${isFile ? '' : 'name another folder; or, if only hq-token uses this one: '}${isStrangers ? owned : ''}${command}`
}

/** The command that leaves others the right to read, because other programs may need the file. */
function readOnly(path: string, others: readonly string[]): string {
  return `icacls "${path}" /inheritance:d /grant:r ${others.map((sid) => `"*${sid}:R"`).join(' ')}`
}
