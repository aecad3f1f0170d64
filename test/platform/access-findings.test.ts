import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StoreUnusable } from '../../src/core/errors.js'
import type { Finding } from '../../src/core/finding.js'
import { accessFindings } from '../../src/platform/access-findings.js'
import { folder } from '../support/folder.js'
import { SDDL, SERVICE } from './windows-answers.js'

const ENV = {
  SystemRoot: 'C:\\Windows',
  ProgramData: 'C:\\ProgramData',
  'ProgramFiles(x86)': 'C:\\Program Files (x86)',
  USERPROFILE: 'C:\\Users\\svc',
  LocalAppData: 'C:\\Users\\svc\\AppData\\Local',
}

interface Asked {
  readonly file?: string
  readonly folder?: string
  /** By path; the others are closed. */
  readonly lists?: Readonly<Record<string, string | undefined>>
  readonly self?: string | undefined
  readonly isReadingMild?: boolean
  readonly isPublic?: boolean
  readonly home?: string
}

function findings(asked: Asked): readonly Finding[] {
  const { file = 'C:\\hq\\1', lists = {}, isReadingMild = true, isPublic = false } = asked
  const { home = ENV.USERPROFILE } = asked
  return accessFindings({
    ...{ name: 'permissions', isReadingMild, files: [{ path: file, isPublic }], folder: asked.folder },
    profile: { env: { ...ENV, USERPROFILE: home }, homedir: () => home },
    ask: (paths) => ({
      self: 'self' in asked ? asked.self : SERVICE,
      descriptors: paths.map((path) => (path in lists ? lists[path] : SDDL.closed)),
    }),
    problem: (message, details) => new StoreUnusable(message, details),
  })
}

const states = (found: readonly Finding[]): string[] => found.map(({ status }) => status)

describe('the finding about permissions', () => {
  it('is ok where all was looked at and nobody else has a right', () => {
    expect(findings({ folder: 'C:\\hq' })).toEqual([
      { name: 'permissions', status: 'ok', message: 'nobody else can read or change it' },
    ])
  })

  it.each([
    ['a path', undefined, SERVICE],
    ['a path in words', 'VORDEFINIERT\\Benutzer:(RX)', SERVICE],
    ['the user', SDDL.closedFile, undefined],
  ] as const)('is never ok where Windows did not tell %s', (_, sddl, self) => {
    const found = findings({ lists: { 'C:\\hq\\1': sddl }, self })
    expect(states(found)).toEqual(['skip'])
    expect(found[0]?.message).toMatch(/^not looked at/)
  })

  it('names those who may change it, with the command that closes it', () => {
    expect(findings({ lists: { 'C:\\hq\\1': SDDL.fileBelowDrive } })).toEqual([
      {
        ...{ name: 'permissions', status: 'fail', exit: 74 },
        message:
          'C:\\hq\\1 can be changed by Authenticated Users (S-1-5-11); can be read by Users (S-1-5-32-545)',
        hint: `icacls "C:\\hq\\1" /inheritance:r /grant:r "*S-1-5-18:F" "*S-1-5-32-544:F" "*${SERVICE}:F" /remove:g "*S-1-5-11" "*S-1-5-32-545"`,
      },
    ])
  })

  it('makes the user the owner first, where another is, who could open the closed list again', () => {
    const [found] = findings({ lists: { 'C:\\hq\\1': SDDL.ownerAlone } })
    expect(found?.hint).toMatch(
      new RegExp(`^as an administrator: icacls "C:\\\\hq\\\\1" /setowner "\\*${SERVICE}", then: icacls `),
    )
  })

  it('is a warning about a file that others may only read, and a failure for a store', () => {
    const lists = { 'C:\\hq\\1': SDDL.machinesForAll }
    expect(states(findings({ lists }))).toEqual(['warn'])
    expect(states(findings({ lists, isReadingMild: false }))).toEqual(['fail'])
  })

  it('leaves others the right to read a file that is no secret', () => {
    const file = 'C:\\hq\\1'
    expect(states(findings({ lists: { [file]: SDDL.machinesForAll }, isPublic: true }))).toEqual(['ok'])
    const [found] = findings({ lists: { [file]: SDDL.fileBelowDrive }, isPublic: true })
    expect(found).toMatchObject({
      status: 'fail',
      message: 'C:\\hq\\1 can be changed by Authenticated Users (S-1-5-11)',
      hint: 'icacls "C:\\hq\\1" /inheritance:d /grant:r "*S-1-5-11:R"',
    })
  })

  it('says of a folder that files in it will be open', () => {
    expect(
      findings({ folder: 'C:\\hq', lists: { 'C:\\hq': SDDL.remoteDesktop }, isReadingMild: false }),
    ).toMatchObject([
      {
        message: 'C:\\hq can be read, in the files that it gets, by Remote Desktop Users (S-1-5-32-555)',
        hint: expect.stringMatching(
          /^name another folder; or, if only hq-token uses this one: icacls "C:\\hq"/,
        ) as string,
      },
    ])
  })

  it.each([
    ...['D:\\', 'C:\\', '\\\\server\\share\\', 'C:\\Windows', 'c:\\windows\\Temp', 'C:\\ProgramData'],
    ...['C:\\Program Files (x86)', 'C:\\Users', 'C:\\Users\\svc', 'C:\\Users\\svc\\AppData'],
    'C:\\Users\\svc\\AppData\\Local',
  ])('prints no command that closes a folder of many: %s', (path) => {
    const found = findings({ file: join(path, 'x'), folder: path, lists: { [path]: SDDL.belowDrive } })
    expect(found.map(({ hint }) => hint).join()).not.toMatch(/icacls/)
    expect(found).toMatchObject([
      { status: 'fail', hint: expect.stringContaining('name a folder of its own, such as') as string },
    ])
  })

  it('closes a folder of an account of the system’s own, whose profile lies in Windows’ folder', () => {
    const home = 'C:\\Windows\\ServiceProfiles\\LocalService'
    const path = `${home}\\AppData\\Local\\hq-token`
    const lists = { [path]: SDDL.belowDrive }
    expect(findings({ folder: path, lists })[0]?.hint).not.toContain('icacls')
    expect(findings({ folder: path, lists, home })[0]?.hint).toContain(`icacls "${path}" /inheritance:r`)
  })
})

describe('the folders on the way', () => {
  const file = 'D:\\jobs\\hq\\config.ini'

  it.each([
    ['D:\\jobs', SDDL.belowDrive],
    ['D:\\jobs\\hq', SDDL.belowDrive],
    ['D:\\jobs', SDDL.ownerAlone],
    ['D:\\', 'O:BAG:SYD:P(A;OICI;FA;;;BA)(A;;DT;;;BU)'],
  ])('get a warning where others may move away %s or what is in it', (path, list) => {
    expect(findings({ file, lists: { [path]: list } })).toMatchObject([
      {
        status: 'warn',
        message: expect.stringContaining(`what lies in ${path} can be replaced by `) as string,
        hint: 'name a folder below one of your own',
      },
    ])
  })

  it.each([
    // A drive’s root cannot be moved, and others may only make folders in it, and in %ProgramData%.
    ['D:\\', SDDL.belowDrive],
    ['\\\\server\\share\\', SDDL.belowDrive],
    ['C:\\', 'O:BAG:SYD:P(A;OICI;FA;;;BA)(A;CIIO;0x1301bf;;;AU)(A;;LC;;;AU)'],
    ['D:\\jobs', 'O:BAG:SYD:P(A;OICI;FA;;;BA)(A;CI;DCLCRPCR;;;BU)'],
  ])('get none where they cannot: %s', (path, list) => {
    const below = path.startsWith('D:') ? file : `${path}hq\\config.ini`
    expect(states(findings({ file: below, lists: { [path]: list } }))).toEqual(['ok'])
  })

  it('are looked at from the folder to the root, each once', () => {
    const asked: (readonly string[])[] = []
    accessFindings({
      ...{ name: 'permissions', isReadingMild: true, folder: 'D:\\jobs\\hq' },
      files: [{ path: file }, { path: 'd:\\Jobs\\secret' }],
      profile: { env: ENV, homedir: () => 'C:\\Users\\svc' },
      ask: (paths) => {
        asked.push(paths)
        return { self: SERVICE, descriptors: [] }
      },
      problem: (message, details) => new StoreUnusable(message, details),
    })
    expect(asked).toEqual([[file, 'd:\\Jobs\\secret', 'D:\\jobs\\hq', 'D:\\jobs', 'D:\\']])
  })

  it('are named where they are links of which Windows does not tell who may change them', () => {
    const [here, above] = [folder(), folder()]
    const other = join(above, 'other')
    mkdirSync(join(other, 'hq'), { recursive: true })
    symlinkSync(other, join(here, 'jobs'))
    writeFileSync(join(other, 'hq', 'config.ini'), '')
    const inLink = join(here, 'jobs', 'hq', 'config.ini')
    const found = findings({ file: inLink })
    expect(found).toMatchObject([
      {
        status: 'warn',
        message: `${join(here, 'jobs')} is a link, and Windows does not tell who may let it lead elsewhere`,
        hint: `name the place itself: ${other}`,
      },
    ])
    // The place itself and the folders above it count, too.
    expect(findings({ file: inLink, lists: { [above]: SDDL.ownerAlone } })).toHaveLength(2)
    const itself = join(other, 'hq', 'config.ini')
    expect(states(findings({ file: inLink, lists: { [itself]: SDDL.ownerAlone } }))).toEqual(['fail', 'warn'])
    // In the profile nobody else has put it.
    expect(states(findings({ file: inLink, home: here }))).toEqual(['ok'])
  })
})
