// Who may write, own and read the files that decide whom this program trusts and what it shows of itself. Judges by
// what the system tells of an open file; reads none of them.
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs'
import { dirname, isAbsolute, join, win32 } from 'node:path'
import type { Notice } from '../core/ports.js'
import { shellWord } from '../core/shell-quoting.js'
import { judged, openTo } from '../platform/access.js'
import { accessLists, type AccessLists } from '../platform/access-control.js'
import { isOfOpen } from '../platform/files.js'
import { hints } from '../platform/hints.js'
import type { Surroundings } from './paths.js'
import { exposure, exposureNotices, FileProblem, makePrivate, readRegular } from './file.js'

export type TrustedFile = 'config' | 'ca' | 'certificate' | 'key' | 'secret' | 'seed'

interface Rule {
  /** Why the file is judged; the message follows the file's name. */
  readonly does: string
  /** Whether a warning is due if others can read it. */
  readonly isSecret: boolean
  /** Under umask 002, which several systems have, a file that somebody has just written is 0664. */
  readonly groupMayWrite?: true
}

/** The rules of every kind: the file may belong to us or to root, and nobody else may write to it. */
const RULES: Readonly<Record<TrustedFile, Rule>> = {
  config: { does: 'says where tokens are sent', isSecret: true },
  ca: { does: 'says which servers are trusted', isSecret: false },
  certificate: { does: 'says who this client is', isSecret: false },
  key: { does: 'proves who this client is', isSecret: true },
  secret: { does: 'proves who this client is', isSecret: true },
  seed: { does: 'says whose grant is used', isSecret: true, groupMayWrite: true },
}

export function isSecret(kind: TrustedFile): boolean {
  return RULES[kind].isSecret
}

/** As many links as Linux follows. */
const MOST_LINKS = 40

/**
 * Refuses a file that a stranger could have chosen. As `ssh` does, it judges the file that is open, behind all
 * links, and who has put the links there. It does not judge folders: a stranger can put only a stranger's file or
 * link into one, and under umask 002 a group may write to all folders of its members.
 *
 * @param stats Those of the open file.
 * @returns Warnings: a secret that others can read, a seed that a group can write to.
 * @throws {FileProblem} with the next command.
 */
export function trustNotices(
  kind: TrustedFile,
  path: string,
  stats: Stats,
  self: number | undefined = process.getuid?.(),
): Notice[] {
  // Whoever reads it says that a folder is none; nobody is told to change the mode of `/tmp`.
  if (self === undefined || stats.isCharacterDevice() || stats.isDirectory()) return []
  const { does, isSecret, groupMayWrite = false } = RULES[kind]
  const link = strangersLink(path, self)
  if (link !== undefined)
    throw new FileProblem(
      `${does} and is reached by a link of another user (uid ${link.uid}): ${link.path}`,
      null,
      `name the file itself; to see where the link leads: ${hints.rights(link.path)}`,
    )
  if (isStranger(stats, self))
    throw new FileProblem(`${does} and belongs to another user (uid ${stats.uid})`, null, ownCopy(path, self))
  const { read, write } = exposure(stats, self)
  if (groupMayWrite ? (stats.mode & 0o002) !== 0 : write)
    throw new FileProblem(
      `${does} and can be changed by others`,
      null,
      isSecret ? makePrivate(path, stats, self) : forOwnerAlone(path, stats, self),
    )
  return exposureNotices(path, { read: read && isSecret, write }, stats)
}

const OWN_FILE = 'name a file of your own: --config FILE, or HQ_TOKEN_CONFIG'

/**
 * Judges the configuration of a whole machine on Windows, where users may make folders beside it: nobody but administrators,
 * the system and this user may change the file or the folders of hq-token that it lies in. That takes a program of the
 * system a part of a second, so no other file is judged so before it is used, and this one once in a process.
 *
 * @param stats Those of the open file that was read: Windows judges by name, and another file may have the name by then.
 * @returns A warning, where others may read it.
 * @throws {FileProblem} with the next command.
 */
export function machinesNotices(
  path: string,
  stats: Stats,
  { accessLists: ask = accessLists }: Surroundings,
): Notice[] {
  const folder = win32.dirname(path)
  const folders = win32.basename(folder) === 'profiles' ? [folder, win32.dirname(folder)] : [folder]
  const guarded = [
    { path, kind: 'file' } as const,
    ...folders.map((path) => ({ path, kind: 'folder' }) as const),
  ]
  const places = [path, ...folders]
  const before = identities(places)
  const lists = listsOf(places, before, ask)
  if (!isFileRead(path, stats) || identities(places) !== before)
    throw new FileProblem(
      `${RULES.config.does}, and was replaced while Windows was asked about it`,
      null,
      OWN_FILE,
    )
  const all = judged(guarded, lists)
  const unseen = all.find(({ others }) => others === undefined)
  if (unseen !== undefined)
    throw new FileProblem(
      `${RULES.config.does}, and Windows did not tell who may change ${unseen.path}`,
      null,
      OWN_FILE,
    )
  const open = all.find(({ others }) => others !== undefined && others.change.length > 0)
  const top = folders.at(-1) ?? folder
  if (open !== undefined)
    throw new FileProblem(
      `${RULES.config.does}, and ${openTo(open)}`,
      null,
      `if no administrator wrote it, remove it, because whoever made it may keep it open: Remove-Item -Recurse "${top}", and make it anew; then ${forAdministrators(top)}`,
    )
  const [file] = all
  if (file?.others?.read.length === 0 || file === undefined) return []
  return [{ level: 'warning', message: openTo(file), hint: forAdministrators(top) }]
}

/** The lists that Windows has told in this process. They are kept because the warm path and the full path both ask. */
const told = new Map<string, AccessLists>()

function listsOf(paths: readonly string[], identity: string, ask: typeof accessLists): AccessLists {
  if (ask !== accessLists) return ask(paths)
  const key = [...paths, identity].join('|')
  const lists = told.get(key) ?? ask(paths)
  told.set(key, lists)
  return lists
}

/** Tells these files and folders from others that take their names. @throws {FileProblem} for a link */
function identities(places: readonly string[]): string {
  return places
    .map((place) => {
      const stats = lstatSync(place, { bigint: true, throwIfNoEntry: false })
      if (stats?.isSymbolicLink() === true)
        throw new FileProblem(`${RULES.config.does} and is reached by a link: ${place}`, null, OWN_FILE)
      return stats === undefined ? '' : `${stats.dev}:${stats.ino}`
    })
    .join('|')
}

function isFileRead(path: string, read: Stats): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return isOfOpen(stats, read, 'win32') && stats?.size === read.size && stats.mtimeMs === read.mtimeMs
}

/** The commands that leave a folder to administrators, and let one account read it. */
function forAdministrators(folder: string): string {
  const all = `"${folder}" /setowner "*S-1-5-32-544" /T`
  const account = '"DOMAIN\\ACCOUNT:(OI)(CI)RX"'
  const rights = ['S-1-5-18', 'S-1-5-32-544'].map((sid) => `"*${sid}:(OI)(CI)F"`).join(' ')
  return `as an administrator, for the account that reads it: icacls ${all}, then: icacls "${folder}" /reset /T, then: icacls "${folder}" /inheritance:r /grant:r ${rights} ${account}`
}

function isStranger({ uid }: Pick<Stats, 'uid'>, self: number): boolean {
  return uid !== self && uid !== 0
}

function ownCopy(path: string, self: number): string {
  const word = shellWord(path)
  return self === 0
    ? `run as that user, or name a copy that is root’s: install -m 600 ${word} COPY`
    : `run as that user, or make it yours, as root: chown ${self} ${word}`
}

/** The command that keeps others from writing. Others may go on reading a file that is no secret. */
function forOwnerAlone(path: string, { uid }: Stats, self: number): string {
  return `${uid === self ? '' : 'as root: '}chmod go-w ${shellWord(path)}`
}

/** The first link on the way that neither we nor root have put there. */
function strangersLink(path: string, self: number): { path: string; uid: number } | undefined {
  const left = (isAbsolute(path) ? path : `${process.cwd()}/${path}`).split('/')
  let place = '/'
  try {
    for (let links = 0; links < MOST_LINKS;) {
      const name = left.shift()
      if (name === undefined) return undefined
      const next = name === '..' ? dirname(place) : join(place, name)
      const stats = lstatSync(next)
      if (!stats.isSymbolicLink()) {
        place = next
        continue
      }
      if (isStranger(stats, self)) return { path: next, uid: stats.uid }
      const target = readlinkSync(next)
      if (isAbsolute(target)) place = '/'
      left.unshift(...target.split('/'))
      links += 1
    }
  } catch {
    // It is a descriptor, whose link names no file; or it is gone since it was opened.
  }
  return undefined
}

/** The file itself is read when the secret is needed; that it is missing is the matter of those who need it. */
export function secretFileNotices(path: string): Notice[] {
  try {
    const stats = statSync(path)
    const exposed = exposure(stats)
    // What is no secret, such as /etc/passwd, must not be closed to those who need it.
    return (exposed.read || exposed.write) && holdsSecret(path) ? exposureNotices(path, exposed, stats) : []
  } catch {
    return []
  }
}

/** One line, or a key in PEM. @throws {FileProblem} */
function holdsSecret(path: string): boolean {
  const text = Buffer.from(readRegular(path).bytes).toString('latin1')
  return /^[^\n]*\n?$/.test(text) || text.includes('PRIVATE KEY-----')
}
