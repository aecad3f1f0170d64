import { describe, expect, it } from 'vitest'
import { othersIn, readSddl, sidName, type Kind } from '../../src/platform/sddl.js'
import { COLLEAGUE, SDDL, SERVICE } from './windows-answers.js'

const [USERS, AUTHENTICATED, EVERYONE] = ['S-1-5-32-545', 'S-1-5-11', 'S-1-1-0']

function others(sddl: string, kind: Kind = 'file'): ReturnType<typeof othersIn> {
  const descriptor = readSddl(sddl)
  if (descriptor === undefined) throw new Error(`not understood: ${sddl}`)
  return othersIn(descriptor, kind, SERVICE)
}

const NOBODY = { read: [], change: [] }

describe('a security descriptor', () => {
  it.each([
    ['a folder that was closed', SDDL.closed, 'folder'],
    ['a file in it', SDDL.closedFile, 'file'],
    ['a folder in the profile', SDDL.profile, 'folder'],
    ['a folder that administrators let the account read', SDDL.machines, 'folder'],
    [
      'TrustedInstaller',
      'O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:SYD:(A;;FA;;;S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464)',
      'file',
    ],
    ['packages of apps', 'O:BAD:(A;;FA;;;AC)(A;;FR;;;S-1-15-3-1024-1)(A;;FA;;;S-1-15-2-2)', 'file'],
    ['the owner’s rights and the maker’s', 'O:SYD:(A;OICI;FA;;;OW)(A;OICIIO;GA;;;CO)', 'folder'],
    ['the domain’s administrators', 'O:DAD:(A;;FA;;;DA)(A;;FA;;;EA)(A;;FA;;;LA)', 'file'],
    ['a right that reads and changes nothing', 'O:BAD:(A;;RCFX;;;WD)', 'file'],
    ['an entry for folders below', 'O:BAD:(A;CIIO;FA;;;BU)', 'folder'],
    ['a denial of everybody before', 'O:BAD:(D;;FA;;;WD)(A;;FA;;;BU)', 'file'],
    ['a root of a drive, which cannot be moved', SDDL.belowDrive, 'root'],
    [
      'a folder on the way, where others may make folders',
      'O:BAD:(A;;LC;;;BU)(A;CIIO;0x1301bf;;;AU)',
      'above',
    ],
  ] as const)('lets in nobody else: %s', (_, sddl, kind) => {
    expect(others(sddl, kind)).toEqual(NOBODY)
  })

  it.each([
    ['what mkdir makes on a drive', SDDL.belowDrive, 'folder', [USERS, AUTHENTICATED], [AUTHENTICATED]],
    ['a file in it', SDDL.fileBelowDrive, 'file', [AUTHENTICATED, USERS], [AUTHENTICATED]],
    ['what a user makes in %ProgramData%', SDDL.usersOwn, 'folder', [COLLEAGUE, USERS], [COLLEAGUE, USERS]],
    ['another owner', SDDL.ownerAlone, 'file', [COLLEAGUE], [COLLEAGUE]],
    ['an RDS server', SDDL.remoteDesktop, 'folder', ['S-1-5-32-555'], []],
    [
      'the same of a file',
      SDDL.remoteDesktop.replace('FR;;;AC', 'FW;;;IU'),
      'file',
      ['S-1-5-32-555'],
      ['S-1-5-4'],
    ],
    ['no list at all', 'O:BAG:SY', 'file', [EVERYONE], [EVERYONE]],
    ['a NULL list', 'O:BAG:SYD:NO_ACCESS_CONTROL', 'file', [EVERYONE], [EVERYONE]],
    ['a mask in hex', 'O:BAD:(A;;0x1;;;BU)', 'file', [USERS], []],
    ['a mask in decimals', 'O:BAD:(A;;2;;;BU)', 'file', [], [USERS]],
    [
      'generic rights',
      'O:BAD:(A;;GR;;;BU)(A;;GW;;;AU)(A;;GA;;;WD)',
      'file',
      [USERS, EVERYONE],
      [AUTHENTICATED, EVERYONE],
    ],
    [
      'the right to change the list',
      'O:BAD:(A;;WD;;;BU)(A;;WO;;;AU)',
      'file',
      [USERS, AUTHENTICATED],
      [USERS, AUTHENTICATED],
    ],
    ['the right to delete', 'O:BAD:(A;;SD;;;BU)', 'file', [], [USERS]],
    [
      'the right to add files',
      'O:BAD:(A;;LC;;;BU)(A;;DC;;;AU)(A;;DT;;;WD)',
      'folder',
      [],
      [USERS, AUTHENTICATED, EVERYONE],
    ],
    ['an entry for files only', 'O:BAD:(A;OIIO;FR;;;BU)', 'folder', [USERS], []],
    [
      'an entry with a condition',
      'O:BAD:(XA;;FR;;;WD;(@User.Title=="PM" && (Member_of {SID(BA)})))(A;;FA;;;SY)',
      'file',
      [EVERYONE],
      [],
    ],
    [
      'an entry for an object',
      'O:BAD:(OA;;FR;4c164200-20c0-11d0-a768-00aa006e0529;;WD)',
      'file',
      [EVERYONE],
      [],
    ],
    ['a denial that comes too late', 'O:BAD:(A;;FR;;;BU)(D;;FA;;;WD)', 'file', [USERS], []],
    ['a denial of some rights', 'O:BAD:(D;;FW;;;BU)(A;;FRFW;;;BU)', 'file', [USERS], []],
    ['a denial under a condition', 'O:BAD:(XD;;FA;;;WD;(Exists Title))(A;;FR;;;BU)', 'file', [USERS], []],
    [
      'a denial of one kind of object',
      'O:BAD:(OD;;FA;4c164200-20c0-11d0-a768-00aa006e0529;;WD)(A;;FR;;;BU)',
      'file',
      [USERS],
      [],
    ],
    [
      'an entry behind a text that looks like the end of the list',
      'O:SYD:P(XA;;FR;;;SY;(@User.t=="))S:("))(A;;FA;;;WD)',
      'file',
      [EVERYONE],
      [EVERYONE],
    ],
    ['the makers’ group', 'O:BAD:(A;OICIIO;GR;;;CG)', 'folder', ['S-1-3-1'], []],
    ['a folder on the way, by the right to delete it', SDDL.belowDrive, 'above', [], [AUTHENTICATED]],
    ['what lies in a root, by the right to delete it', 'O:BAD:(A;;DT;;;BU)', 'root', [], [USERS]],
    ['another service', 'O:BAD:(A;;FR;;;LS)(A;;FR;;;NS)', 'file', ['S-1-5-19', 'S-1-5-20'], []],
  ] as const)('tells who else is let in by %s', (_, sddl, kind, read, change) => {
    expect(others(sddl, kind)).toEqual({ read, change })
  })

  it('says what it takes from above, and whose it is', () => {
    expect(readSddl(SDDL.closed)).toMatchObject({ owner: SERVICE, isProtected: true })
    expect(readSddl(SDDL.profile)).toMatchObject({ isProtected: false })
    expect(readSddl('O:BAG:SYD:ARAIP(A;;FA;;;SY)S:AI(AU;SAFA;FA;;;WD)')).toMatchObject({
      owner: 'S-1-5-32-544',
      isProtected: true,
    })
  })

  // An entry that is passed over could be the one that lets everybody in.
  it.each([
    '',
    '-',
    'O:',
    'C:\\hq BUILTIN\\Users:(RX)',
    'O:BAD:(A;;FA;;;SY)(A;;FA;;;BU',
    'O:BAD:(A;;FA;;;SY)(A;;FA;;;BU)x',
    'O:BAD:(A;;FA;;;SY)(A;;QQ;;;BU)',
    'O:BAD:(A;;FA;;;SY)(A;;F;;;BU)',
    'O:BAD:(A;;FA;;;SY)(A;;;;;)',
    'O:BAD:(A;;FA;;;SY)(A;ZZ;FA;;;BU)',
    'O:BAD:(A;;FA;;;SY)(QQ;;FA;;;BU)',
    'O:BAD:(A;;FA;;;SY)(A;;FA;;;Users)',
    // Windows tells an owner, and some entry of a file that it lets one look at.
    'D:P(A;;FA;;;SY)',
    'O:BAD:',
    'O:BAD:P',
    'O:BAD:P(A;;FA;;;SY)(AU;SAFA;FA;;;WD)x',
    'O:BAD:P(XA;;FR;;;SY;(@User.t==")S:(A;;FA;;;WD)',
    'O:BA(A;;FA;;;SY)',
  ])('%j is not understood', (text) => {
    expect(readSddl(text)).toBeUndefined()
  })

  it('names SIDs in English whatever the language of the system', () => {
    expect(sidName(USERS)).toBe('Users (S-1-5-32-545)')
    expect(sidName('S-1-5-21-1-2-3-513')).toBe('Domain Users (S-1-5-21-1-2-3-513)')
    expect(sidName(COLLEAGUE)).toBe(COLLEAGUE)
  })
})
