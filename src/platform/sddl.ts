// Reads the security descriptor of a file on Windows in its text form (SDDL), and tells who may read or change the file.
// Pure: looks at nothing.

/** @see https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format */
export interface Descriptor {
  readonly owner: string
  /** Whether it takes nothing from the folder above. */
  readonly isProtected: boolean
  /** `null`: there is no list, and everybody may do everything. */
  readonly entries: readonly Entry[] | null
}

interface Entry {
  readonly allows: boolean
  /** For what is made in the folder, and not for the folder itself. */
  readonly isInheritOnly: boolean
  /** For files that are made in the folder. */
  readonly isForFiles: boolean
  readonly mask: number
  readonly sid: string
}

/** @see https://learn.microsoft.com/windows/win32/secauthz/sid-strings */
const SIDS: Readonly<Record<string, string>> = {
  WD: 'S-1-1-0',
  CO: 'S-1-3-0',
  CG: 'S-1-3-1',
  OW: 'S-1-3-4',
  NU: 'S-1-5-2',
  IU: 'S-1-5-4',
  SU: 'S-1-5-6',
  AN: 'S-1-5-7',
  PS: 'S-1-5-10',
  AU: 'S-1-5-11',
  RC: 'S-1-5-12',
  SY: 'S-1-5-18',
  LS: 'S-1-5-19',
  NS: 'S-1-5-20',
  BA: 'S-1-5-32-544',
  BU: 'S-1-5-32-545',
  BG: 'S-1-5-32-546',
  PU: 'S-1-5-32-547',
  AO: 'S-1-5-32-548',
  SO: 'S-1-5-32-549',
  PO: 'S-1-5-32-550',
  BO: 'S-1-5-32-551',
  RE: 'S-1-5-32-552',
  RU: 'S-1-5-32-554',
  RD: 'S-1-5-32-555',
  NO: 'S-1-5-32-556',
  IS: 'S-1-5-32-568',
  AC: 'S-1-15-2-1',
}
const TRUSTED_INSTALLER = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'

const NAMES: Readonly<Record<string, string>> = {
  'S-1-1-0': 'Everyone',
  'S-1-3-1': 'the maker’s group',
  'S-1-5-2': 'users over the network',
  'S-1-5-4': 'users who are logged on',
  'S-1-5-6': 'services',
  'S-1-5-7': 'anonymous users',
  'S-1-5-11': 'Authenticated Users',
  'S-1-5-14': 'remote users',
  'S-1-5-19': 'Local Service',
  'S-1-5-20': 'Network Service',
  'S-1-5-32-545': 'Users',
  'S-1-5-32-546': 'Guests',
  'S-1-5-32-547': 'Power Users',
  'S-1-5-32-551': 'Backup Operators',
  'S-1-5-32-555': 'Remote Desktop Users',
  'S-1-5-32-568': 'IIS_IUSRS',
  DU: 'Domain Users',
  DG: 'Domain Guests',
  DC: 'Domain Computers',
}

/** A SID with its English name, because Windows translates the names: `Users (S-1-5-32-545)`. */
export function sidName(sid: string): string {
  const name = NAMES[sid] ?? (/^S-1-5-21-.*-513$/.test(sid) ? 'Domain Users' : undefined)
  return name === undefined ? sid : `${name} (${sid})`
}

/**
 * Those whom a file is open to anyway: the system, its installer, the administrators of the machine and of its domain, the
 * owner and whoever makes a file.
 */
const ADMINISTRATORS: ReadonlySet<string> = new Set([
  ...['S-1-5-18', TRUSTED_INSTALLER, 'S-1-5-32-544', 'LA', 'DA', 'EA'],
  ...['S-1-3-0', 'S-1-3-4'],
])

/**
 * Packages of apps. A right of theirs lets in only a process whose user has the right too.
 *
 * @see https://learn.microsoft.com/windows/win32/secauthz/implementing-an-appcontainer
 */
const APPS = /^S-1-15-/

const [READ, WRITE, APPEND, DELETE_CHILD, DELETE] = [0x1, 0x2, 0x4, 0x40, 0x1_0000] as const
/** To change the list or the owner is to get every right. */
const [WRITE_DAC, WRITE_OWNER] = [0x4_0000, 0x8_0000] as const
const [GENERIC_ALL, GENERIC_WRITE, GENERIC_READ] = [0x1000_0000, 0x4000_0000, 0x8000_0000] as const
const TO_READ = READ | GENERIC_READ | GENERIC_ALL | WRITE_DAC | WRITE_OWNER
const TO_CHANGE =
  WRITE | APPEND | DELETE_CHILD | DELETE | GENERIC_WRITE | GENERIC_ALL | WRITE_DAC | WRITE_OWNER
/** To take something out of a folder, and to move the folder itself away. */
const TO_TAKE = DELETE_CHILD | GENERIC_ALL | WRITE_DAC | WRITE_OWNER
const TO_MOVE = TO_TAKE | DELETE
const FULL = 0x1f_01ff

/** @see https://learn.microsoft.com/windows/win32/secauthz/ace-strings */
const RIGHTS: Readonly<Record<string, number>> = {
  ...{ GA: GENERIC_ALL, GR: GENERIC_READ, GW: GENERIC_WRITE, GX: 0x2000_0000 },
  ...{ FA: FULL, FR: 0x12_0089, FW: 0x12_0116, FX: 0x12_00a0 },
  ...{ KA: 0xf_003f, KR: 0x2_0019, KW: 0x2_0006, KX: 0x2_0019 },
  ...{ RC: 0x2_0000, SD: DELETE, WD: WRITE_DAC, WO: WRITE_OWNER },
  ...{ CC: 0x1, DC: 0x2, LC: 0x4, SW: 0x8, RP: 0x10, WP: 0x20, DT: 0x40, LO: 0x80, CR: 0x100 },
}

const ALLOWING = new Set(['A', 'OA', 'XA', 'ZA'])
const DENYING = new Set(['D'])
/** They deny under a condition, or of one kind of object only, which cannot be judged here. */
const PASSED_OVER = new Set(['XD', 'OD'])

const SID = 'S-\\d+-(?:\\d+|0x[\\dA-Fa-f]+)(?:-\\d+)*|[A-Z]{2}'
const BEFORE_LIST = new RegExp(`^O:(?<owner>${SID})(?:G:(?:${SID}))?(?:D:(?<flags>[A-Z_]*))?`)
/** The list of what is recorded, which opens nothing. */
const BEFORE_AUDIT = /^S:[A-Z_]*/

/**
 * Reads entry after entry, because a text in a condition may look like an end of the list.
 *
 * @returns `undefined` for a text that is not understood whole, and one without owner or entries: Windows tells them of a file
 *   that it lets one look at.
 */
export function readSddl(text: string): Descriptor | undefined {
  const before = BEFORE_LIST.exec(text.trim())
  const { owner, flags } = before?.groups ?? {}
  if (before === null || owner === undefined) return undefined
  const { list, rest } = entriesOf(text.trim().slice(before[0].length))
  const audit = entriesOf(rest.replace(BEFORE_AUDIT, ''))
  if (audit.rest !== '' || (audit.list.length > 0 && !BEFORE_AUDIT.test(rest))) return undefined
  const entries = isOpen(flags) && list.length === 0 ? null : readEntries(flags === undefined ? [] : list)
  if (entries === undefined || entries?.length === 0) return undefined
  return { owner: fullSid(owner), isProtected: /^(?:A[RI])*P/.test(flags ?? ''), entries }
}

/** The entries that a text begins with, without their parentheses, and what follows. */
function entriesOf(text: string): { list: readonly string[]; rest: string } {
  const list: string[] = []
  let rest = text
  for (;;) {
    const end = closing(rest)
    if (end < 1) return { list, rest }
    list.push(rest.slice(1, end))
    rest = rest.slice(end + 1)
  }
}

/** Without a list everybody may do everything. */
function isOpen(flags: string | undefined): boolean {
  return flags === undefined || flags.includes('NO_ACCESS_CONTROL')
}

function readEntries(list: readonly string[]): Entry[] | undefined {
  const entries: Entry[] = []
  for (const entry of list) {
    const [type = '', flags = '', rights = '', , , sid = ''] = entry.split(';')
    const mask = maskOf(rights)
    const isKnown = ALLOWING.has(type) || DENYING.has(type)
    if (mask === undefined || !(isKnown || PASSED_OVER.has(type))) return undefined
    if (!new RegExp(`^(?:${SID})$`).test(sid) || !/^(?:OI|CI|NP|IO|ID|SA|FA|TP|CR)*$/.test(flags))
      return undefined
    const has = (flag: string): boolean =>
      flags
        .replace(/..(?=.)/g, '$&,')
        .split(',')
        .includes(flag)
    if (isKnown)
      entries.push({
        ...{ allows: ALLOWING.has(type), mask, sid: fullSid(sid) },
        ...{ isInheritOnly: has('IO'), isForFiles: has('OI') },
      })
  }
  return entries
}

/** Where the parenthesis closes that the text begins with; -1 if it does not. A condition has parentheses and texts of its own. */
function closing(text: string): number {
  let depth = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted
    if (isQuoted) continue
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth === 0) return text[0] === '(' ? at : -1
  }
  return -1
}

function maskOf(rights: string): number | undefined {
  if (/^(?:0x[\da-f]+|\d+)$/i.test(rights)) return Number(rights)
  const letters = rights.match(/../g) ?? []
  if (letters.join('') !== rights) return undefined
  return letters.reduce<number | undefined>((sum, two) => {
    const right = RIGHTS[two]
    return sum === undefined || right === undefined ? undefined : sum | right
  }, 0)
}

function fullSid(sid: string): string {
  return SIDS[sid] ?? sid
}

/** The SIDs of others than the user and the administrators. */
export interface Others {
  readonly read: readonly string[]
  readonly change: readonly string[]
}

/** `above` is a folder on the way to another or to a file, and `root` is that of a drive or a share, which nobody can move. */
export type Kind = 'file' | 'folder' | 'above' | 'root'

/**
 * Tells who else may read or change a file; or change what is in a folder, and read the files that are made there. Of a folder
 * on the way, who may put another into the place of it or of what is in it, whatever rights that has.
 *
 * @param self The user's own SID; without it the user's own rights count as another's.
 */
export function othersIn(descriptor: Descriptor, kind: Kind, self: string | undefined): Others {
  const isOther = (sid: string): boolean => sid !== self && !ADMINISTRATORS.has(sid) && !APPS.test(sid)
  const { owner, entries } = descriptor
  if (entries === null) return { read: ['S-1-1-0'], change: ['S-1-1-0'] }
  // The owner may change the list.
  const owners = isOther(owner) ? [owner] : []
  const itself = entries.filter(({ isInheritOnly }) => !isInheritOnly)
  const who = (list: readonly Entry[], wanted: number): string[] => granted(list, wanted).filter(isOther)
  if (kind === 'above' || kind === 'root')
    return {
      read: [],
      change: [...new Set([...owners, ...who(itself, kind === 'root' ? TO_TAKE : TO_MOVE)])],
    }
  const files = kind === 'file' ? itself : entries.filter(({ isForFiles }) => isForFiles)
  return {
    read: [...new Set([...owners, ...who(files, TO_READ)])],
    change: [...new Set([...owners, ...who(itself, TO_CHANGE), ...who(files, TO_CHANGE)])],
  }
}

/** The SIDs to which a list gives any of the rights. A denial counts for the entries behind it, as for Windows. */
function granted(entries: readonly Entry[], wanted: number): string[] {
  const denied = new Map<string, number>()
  const found: string[] = []
  for (const { allows, mask, sid } of entries) {
    const before = (denied.get(sid) ?? 0) | (denied.get('S-1-1-0') ?? 0)
    if (!allows) denied.set(sid, (denied.get(sid) ?? 0) | mask)
    else if ((mask & ~before & wanted) !== 0) found.push(sid)
  }
  return found
}
