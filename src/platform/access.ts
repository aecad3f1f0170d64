// Says by Windows' own lists who else may read or change files. Asks for none of them.
import type { ErrorDetails, TokenError } from '../core/errors.js'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { closing, type AccessLists } from './access-control.js'
import { othersIn, readSddl, sidName, type Others } from './sddl.js'

export interface Guarded {
  readonly path: string
  /** `above`: the folder above the one that is used. */
  readonly kind: 'file' | 'folder' | 'above'
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
    return { ...file, owner: descriptor.owner, others: othersIn(descriptor, file.kind, self) }
  })
}

interface Manner {
  readonly name: string
  readonly files: readonly Guarded[]
  readonly lists: AccessLists
  /** The error for a file that is open to others. */
  readonly problem: (message: string, details: ErrorDetails) => TokenError
  /** A file that others may read, and not change, is only warned of. */
  readonly isReadingMild: boolean
}

/** The findings of `doctor`: says `ok` only of what was looked at. */
export function accessFindings({ name, files, lists, problem, isReadingMild }: Manner): Finding[] {
  const all = judged(files, lists)
  const open = all.flatMap((file): Finding[] => {
    const { read = [], change = [] } = file.others ?? {}
    if (read.length === 0 && change.length === 0) return []
    if (file.kind === 'above') return [warn(name, moved(file), 'name a folder below one of your own')]
    const [message, hint] = [openTo(file), remedy(file, lists.self)]
    const isMild = isReadingMild && change.length === 0
    return [isMild ? warn(name, message, hint) : fail(name, problem(message, { hint }))]
  })
  const unseen = all.filter(({ others }) => others === undefined).map(({ path }) => path)
  const left =
    unseen.length > 0
      ? [skip(name, `not looked at, because Windows did not tell who may use it: ${unseen.join(', ')}`)]
      : []
  const found = [...open, ...left]
  return found.length > 0 ? found : [ok(name, 'nobody else can read or change it')]
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

function moved({ path, others }: Judged): string {
  return `another folder can be put in the place of one in ${path} by ${(others?.change ?? []).map(sidName).join(', ')}`
}

/** The commands that close it. A list alone closes nothing to an owner, who may change it again. */
export function remedy({ path, kind, owner, others }: Judged, self: string | undefined): string {
  const strangers = [...new Set([...(others?.read ?? []), ...(others?.change ?? [])])]
  const command = closing(path, kind === 'file' ? 'file' : 'folder', self, strangers)
  const isStrangers = owner !== undefined && strangers.includes(owner)
  const owned = `as an administrator: icacls "${path}" /setowner "*${self ?? 'S-1-5-32-544'}", then: `
  return `${kind === 'file' ? '' : 'if only hq-token uses the folder: '}${isStrangers ? owned : ''}${command}`
}
