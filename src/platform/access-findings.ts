// Says for `doctor`, by Windows' own lists, who else may read or change files, or put others in their place. Opens none of them.
import { lstatSync } from 'node:fs'
import { win32 } from 'node:path'
import type { ErrorDetails, TokenError } from '../core/errors.js'
import { fail, ok, skip, warn, type Finding } from '../core/finding.js'
import { judged, openTo, remedy, type Guarded, type Judged } from './access.js'
import { accessLists } from './access-control.js'
import { isInProfile, realPath, type Profile } from './profile.js'
import { sidName } from './sddl.js'

interface Manner {
  readonly name: string
  /** Files that are there. */
  readonly files: readonly Omit<Guarded, 'kind'>[]
  /** The folder that gets files of ours, if it is there. */
  readonly folder?: string | undefined
  readonly profile: Profile
  /** Default: what Windows tells. */
  readonly ask?: typeof accessLists | undefined
  /** The error for a file that is open to others. */
  readonly problem: (message: string, details: ErrorDetails) => TokenError
  /** A file that others may read, and not change, is only warned of. */
  readonly isReadingMild: boolean
}

/** Judges files, their folder and every folder on the way. Says `ok` only of what was looked at. */
export function accessFindings(manner: Manner): Finding[] {
  const { name, files, folder, profile, ask = accessLists, problem, isReadingMild } = manner
  const typed: Guarded[] = [
    ...files.map((file) => ({ ...file, kind: 'file' as const })),
    ...(folder === undefined ? [] : [{ path: folder, kind: 'folder' as const }]),
  ]
  if (typed.length === 0) return []
  const own = [...typed, ...typed.map((one) => ({ ...one, path: realPath(one.path) }))]
  const guarded = once([...own, ...own.flatMap(({ path }) => wayTo(path))])
  const lists = ask(guarded.map(({ path }) => path))
  const all = judged(guarded, lists)
  const open = all.flatMap((file): Finding[] => {
    const { read = [], change = [] } = file.others ?? {}
    if (read.length === 0 && change.length === 0) return []
    if (file.kind === 'above' || file.kind === 'root')
      return [warn(name, replaced(file), 'name a folder below one of your own')]
    const [message, hint] = [openTo(file), remedy(file, lists.self, profile.env)]
    const isMild = isReadingMild && change.length === 0
    return [isMild ? warn(name, message, hint) : fail(name, problem(message, { hint }))]
  })
  const links = once(typed.flatMap(({ path }) => linksTo(path, profile))).map(({ path }) =>
    warn(
      name,
      `${path} is a link, and Windows does not tell who may let it lead elsewhere`,
      `name the place itself: ${realPath(path)}`,
    ),
  )
  const unseen = all.filter(({ others }) => others === undefined).map(({ path }) => path)
  const left =
    unseen.length > 0
      ? [skip(name, `not looked at, because Windows did not tell who may use it: ${unseen.join(', ')}`)]
      : []
  const found = [...open, ...links, ...left]
  return found.length > 0 ? found : [ok(name, 'nobody else can read or change it')]
}

/** The folders above a path. By one of them that can be moved away others decide what the path leads to. */
function wayTo(path: string): Guarded[] {
  const parent = win32.dirname(path)
  if (parent === path) return []
  return [{ path: parent, kind: win32.dirname(parent) === parent ? 'root' : 'above' }, ...wayTo(parent)]
}

/** The links on the way to a path; but none that only this user can have put into the profile, or the system above it. */
function linksTo(path: string, profile: Profile): Guarded[] {
  if (isInProfile(path, profile)) return []
  return [{ path, kind: 'file' as const }, ...wayTo(path)].filter(
    (one) => isLink(one.path) && !isInProfile(win32.join(one.path, '..', 'x'), profile),
  )
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}

/** Each path once, in the first of its kinds. Windows ignores case. */
function once(all: readonly Guarded[]): Guarded[] {
  const byName = new Map<string, Guarded>()
  for (const one of all) {
    const key = one.path.toLowerCase()
    if (!byName.has(key)) byName.set(key, one)
  }
  return [...byName.values()]
}

function replaced({ path, others }: Judged): string {
  return `what lies in ${path} can be replaced by ${(others?.change ?? []).map(sidName).join(', ')}`
}
