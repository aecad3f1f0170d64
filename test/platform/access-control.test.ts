import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Notice } from '../../src/core/ports.js'
import { accessLists, NotClosed, ownSid, thisSystem } from '../../src/platform/access-control.js'
import { ensureOwnFolder, makeFolder } from '../../src/platform/files.js'
import { processMark } from '../../src/platform/processes.js'
import { isInProfile } from '../../src/platform/profile.js'
import { folder } from '../support/folder.js'
import { COLLEAGUE, SDDL, SERVICE, WHOAMI, windowsThat } from './windows-answers.js'

const RIGHTS = ['*S-1-5-18:(OI)(CI)F', '*S-1-5-32-544:(OI)(CI)F', `*${SERVICE}:(OI)(CI)F`]

describe('a folder that is made on Windows', () => {
  it('is closed by SIDs, by one program of the system, before it has its name', () => {
    const here = folder()
    const system = { ...windowsThat({ powershell: `${SDDL.closed}\r\n` }), homedir: () => here }
    const seen: string[][] = []
    const watching = {
      ...system,
      run: (...call: Parameters<typeof system.run>) => {
        seen.push(readdirSync(here).filter((name) => !name.startsWith('.hq-token-')))
        return system.run(...call)
      },
    }
    makeFolder(join(here, 'a', 'b', 'hq-token'), undefined, watching)
    expect(existsSync(join(here, 'a', 'b', 'hq-token'))).toBe(true)
    expect(readdirSync(here)).toEqual(['a'])
    expect(seen).toEqual([[], []])
    expect(system.ran.map(([program]) => program)).toEqual([
      'C:\\WINDOWS\\System32\\whoami.exe',
      'C:\\WINDOWS\\System32\\icacls.exe',
    ])
    const [, folderClosed = '', ...args] = system.ran[1] ?? []
    expect(basename(folderClosed)).toMatch(/^\.hq-token-\d+-[0-9a-f]{8}-\d+-\d+-[0-9a-f]{12}$/)
    expect(args).toEqual(['/inheritance:r', '/grant:r', ...RIGHTS])
    expect(system.given).toEqual([{ SystemRoot: 'C:\\WINDOWS' }, { SystemRoot: 'C:\\WINDOWS' }])
  })

  it('is, outside of the profile, one that nobody else could ever open, and is judged when it has its name', () => {
    const here = folder()
    const system = windowsThat({ powershell: `${SDDL.closed}\r\n` })
    const told: Notice[] = []
    makeFolder(join(here, 'hq', 'store'), (notice) => told.push(notice), system)
    expect(readdirSync(here)).toEqual(['hq'])
    expect(told).toEqual([])
    const closed = system.ran
      .filter(([program]) => program?.endsWith('icacls.exe'))
      .map(([, path]) => path ?? '')
    expect(closed).toHaveLength(2)
    expect(closed[1]).toBe(join(closed[0] ?? '', 'closed'))
    expect(system.given.at(-2)).toMatchObject({ ACL_PATHS: join(here, 'hq') })
  })

  it('is told of with a warning where Windows does not tell who may use it', () => {
    const told: Notice[] = []
    makeFolder(join(folder(), 'hq'), (notice) => told.push(notice), windowsThat())
    expect(told).toMatchObject([{ message: expect.stringMatching(/hq was not looked at/) as string }])
  })

  it.each([
    ['has put his own in the place of the draft', SDDL.usersOwn, /can be changed by S-1-5-21-.*-1187/],
    ['has kept a right', SDDL.ownerAlone, /can be changed by S-1-5-21-.*-1187/],
  ])('is not used where another %s', (_, sddl, message) => {
    const here = folder()
    const system = windowsThat({ powershell: `${sddl}\r\n` })
    const swapping = {
      ...system,
      run: (program: string, args: readonly string[], env: NodeJS.ProcessEnv) => {
        const [path = ''] = args
        if (program.endsWith('icacls.exe')) {
          renameSync(path, `${path}.away`)
          mkdirSync(path)
        }
        return system.run(program, args, env)
      },
    }
    const make = (): void => {
      makeFolder(join(here, 'hq', 'store'), undefined, swapping)
    }
    expect(make).toThrow(message)
    expect(readdirSync(join(here, 'hq'))).toEqual([])
  })

  it('removes what a killed process has left beside it, and nothing that others have put there', () => {
    const here = folder()
    const gone = `.hq-token-${processMark().replace(/\d+-\d+$/, '4194305-1')}-`
    mkdirSync(join(here, `${gone}000000000001`, 'closed'), { recursive: true })
    mkdirSync(join(here, `${gone}000000000002`, 'theirs'), { recursive: true })
    mkdirSync(join(here, `.hq-token-${processMark()}-000000000003`))
    makeFolder(join(here, 'hq'), undefined, windowsThat())
    expect(readdirSync(here).sort()).toEqual([
      ...[`${gone}000000000002`, `.hq-token-${processMark()}-000000000003`, 'hq'].sort(),
    ])
  })

  it('stays as it is if it was there', () => {
    const here = folder()
    const system = windowsThat()
    makeFolder(here, undefined, system)
    expect(system.ran).toEqual([])
  })

  it('is not made where it cannot be closed, and the error says what to type', () => {
    const here = folder()
    const target = join(here, 'hq')
    const make = (): void => {
      makeFolder(join(target, 'store'), undefined, windowsThat({ icacls: 5 }))
    }
    expect(make).toThrow(NotClosed)
    expect(make).toThrow(`${target} cannot be closed to others (icacls: exit status 5), and was not made`)
    expect(readdirSync(here)).toEqual([])
    try {
      make()
    } catch (error) {
      expect((error as NotClosed).exit).toBe(74)
      expect((error as NotClosed).hint).toContain(
        `mkdir "${target}", then: icacls "${target}" /inheritance:r /grant:r ${RIGHTS.map((right) => `"${right}"`).join(' ')};`,
      )
    }
  })

  it('is made in the profile all the same, with a warning', () => {
    const here = folder()
    const told: Notice[] = []
    const system = { ...windowsThat({ icacls: null }), homedir: () => here }
    makeFolder(join(here, 'AppData', 'hq-token'), (notice) => told.push(notice), system)
    expect(existsSync(join(here, 'AppData', 'hq-token'))).toBe(true)
    expect(told).toMatchObject([
      { level: 'warning', message: expect.stringContaining('(icacls could not be run)') as string },
    ])
  })

  it('is open to its owner where nothing tells who the user is', () => {
    const system = windowsThat({ whoami: 'VM\\root\r\n' })
    makeFolder(join(folder(), 'hq'), undefined, system)
    expect(system.ran[1]).toContain('*S-1-3-4:(OI)(CI)F')
  })

  it('is not made if somebody has put a file into it before it was closed', () => {
    const here = folder()
    const system = { ...windowsThat(), homedir: () => here }
    const planting = {
      ...system,
      run: (program: string, args: readonly string[], env: NodeJS.ProcessEnv) => {
        if (program.endsWith('icacls.exe')) writeFileSync(join(args[0] ?? '', 'token.db'), '')
        return system.run(program, args, env)
      },
    }
    expect(() => {
      makeFolder(join(here, 'hq'), undefined, planting)
    }).toThrow(/others have put something into/)
    expect(existsSync(join(here, 'hq'))).toBe(false)
    // A folder among it could be a link by now, to what is not theirs.
    const [left = ''] = readdirSync(here)
    expect(readdirSync(join(here, left))).toEqual(['token.db'])
  })

  /** Another makes the folder while this process closes its own. */
  function racing(sddl: string, make: (path: string) => void): () => void {
    const here = folder()
    const system = windowsThat({ powershell: `${sddl}\r\n` })
    return () => {
      makeFolder(join(here, 'hq', 'store'), undefined, {
        ...system,
        run: (...call) => {
          if (!existsSync(join(here, 'hq'))) make(join(here, 'hq'))
          return system.run(...call)
        },
      })
      expect(readdirSync(here)).toEqual(['hq'])
    }
  }

  it('is that of another process which was faster, if nobody else may use it', () => {
    expect(racing(SDDL.closed, mkdirSync)).not.toThrow()
    expect(racing(SDDL.usersOwn, mkdirSync)).toThrow(NotClosed)
    expect(racing(SDDL.belowDrive, mkdirSync)).toThrow(/can be changed by Authenticated Users/)
  })

  it('is none to which a link leads that another was faster to put there', () => {
    const theirs = folder()
    expect(
      racing(SDDL.closed, (path) => {
        symlinkSync(theirs, path)
      }),
    ).toThrow(/is a link/)
    expect(readdirSync(theirs)).toEqual([])
  })
})

const ADMINISTRATOR = `"acme\\admin","${COLLEAGUE}"\r\n`

describe('a folder that is to take a secret', () => {
  function ensured(
    system: ReturnType<typeof windowsThat>,
    here = folder(),
    isReadingMeant = false,
  ): Notice[] {
    const told: Notice[] = []
    ensureOwnFolder(here, (notice) => told.push(notice), { system, isReadingMeant })
    return told
  }

  it('is used if it was there, and nobody else may use it', () => {
    expect(ensured(windowsThat({ powershell: `${SDDL.closed}\r\n` }))).toEqual([])
    expect(() => ensured(windowsThat({ powershell: `${SDDL.usersOwn}\r\n` }))).toThrow(NotClosed)
    expect(ensured(windowsThat())).toMatchObject([{ level: 'warning' }])
  })

  it('is no folder of many programs, and no command takes them off one', () => {
    const here = folder()
    const system = windowsThat(
      { powershell: `${SDDL.belowDrive}\r\n` },
      { SystemRoot: 'C:\\WINDOWS', ProgramData: here },
    )
    try {
      ensured(system, here)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(NotClosed)
      expect((error as NotClosed).hint).toMatch(
        /^name a folder of its own, such as .*hq-token: other programs/,
      )
    }
  })

  it('is made if it is missing, with a warning where it is only as private as the profile', () => {
    const here = folder()
    const system = { ...windowsThat({ icacls: 5 }), homedir: () => here }
    expect(ensured(system, join(here, 'hq'))).toMatchObject([{ level: 'warning' }])
    expect(existsSync(join(here, 'hq'))).toBe(true)
  })

  it('may be read by others where the administrator of a machine keeps what is for all', () => {
    const ensuredForAll = (sddl: string): Notice[] =>
      ensured(windowsThat({ whoami: ADMINISTRATOR, powershell: `${sddl}\r\n` }), folder(), true)
    const told = ensuredForAll(SDDL.machines)
    expect(told).toMatchObject([
      { level: 'warning', message: expect.stringContaining(`by ${SERVICE}`) as string },
    ])
    // The command that closes it would take from the account what the page has given it.
    expect(told[0]?.hint).not.toMatch(/inheritance|remove/)
    expect(() => ensured(windowsThat({ whoami: ADMINISTRATOR, powershell: `${SDDL.machines}\r\n` }))).toThrow(
      NotClosed,
    )
    expect(() => ensuredForAll(SDDL.usersOwn)).toThrow(/can be changed by/)
  })

  it('is not judged elsewhere', () => {
    const system = { ...windowsThat(), platform: 'linux' as const }
    expect(ensured(system)).toEqual([])
    expect(system.ran).toEqual([])
  })
})

describe('the profile', () => {
  const env = { AppData: '\\\\server\\home$\\me\\AppData' }
  const profile = { env, homedir: () => 'C:\\Users\\me' }

  it.each([
    ['c:\\users\\ME\\AppData\\Local\\hq-token', true],
    ['\\\\server\\home$\\me\\AppData\\hq-token', true],
    ['\\\\server\\home$\\you\\AppData\\hq-token', false],
    ['C:\\Users\\me', false],
    ['C:\\Users\\me2\\hq', false],
    ['D:\\hq', false],
  ])('holds %s: %s', (path, holds) => {
    expect(isInProfile(path, profile)).toBe(holds)
  })

  it('is no other disk’s folder because a variable says so', () => {
    expect(isInProfile('D:\\Roam\\hq', { ...profile, env: { APPDATA: 'D:\\Roam' } })).toBe(false)
  })

  it('is looked for behind links', () => {
    const [home, other] = [folder(), folder()]
    symlinkSync(other, join(home, 'AppData'))
    symlinkSync(home, join(other, 'home'))
    const of = { env: {}, homedir: () => join(other, 'home') }
    expect(isInProfile(join(home, 'AppData', 'hq', 'store'), of)).toBe(false)
    expect(isInProfile(join(home, 'hq', 'store'), of)).toBe(true)
  })
})

describe('what Windows tells', () => {
  it.each(Object.entries(WHOAMI))('the user’s SID is read from the answer of a system in %s', (_, whoami) => {
    expect(ownSid(windowsThat({ whoami }))).toBe(whoami.includes('system') ? 'S-1-5-18' : SERVICE)
  })

  it('the lists are read by one PowerShell without profile, module path or secrets', () => {
    const system = windowsThat({ powershell: `${SDDL.closed}\r\n-\r\n` })
    expect(accessLists(['C:\\hq', 'D:\\Müller & Söhne'], system)).toEqual({
      self: SERVICE,
      descriptors: [SDDL.closed, undefined],
    })
    expect(system.ran[0]?.slice(0, 5)).toEqual([
      'C:\\WINDOWS\\System32\\WindowsPowerShell\\v1.0\\powershell.exe',
      ...['-NoLogo', '-NoProfile', '-NonInteractive', '-Command'],
    ])
    expect(system.given[0]).toEqual({ SystemRoot: 'C:\\WINDOWS', ACL_PATHS: 'C:\\hq|D:\\Müller & Söhne' })
  })

  it('nothing, where its programs cannot be started', () => {
    const system = { ...thisSystem, env: { SystemRoot: 'C:\\none' } }
    expect(accessLists(['C:\\hq'], system)).toEqual({ self: undefined, descriptors: [undefined] })
    expect(ownSid(system)).toBeUndefined()
  })

  it.each(['', 'fixme:powershell\r\n', `${SDDL.closed}\r\n`])(
    'an answer of another length tells nothing: %j',
    (powershell) => {
      const lists = accessLists(['C:\\a', 'C:\\b', 'C:\\c'], windowsThat({ powershell }))
      expect(lists.descriptors).toEqual([undefined, undefined, undefined])
    },
  )
})
