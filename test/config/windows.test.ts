import { mkdirSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { inspectRights } from '../../src/config/inspect-rights.js'
import { loadConfig } from '../../src/config/load.js'
import { isMachines, locate, locateNew } from '../../src/config/locate.js'
import { namedFiles } from '../../src/config/named-files.js'
import { defaultStore, pathIn, type Surroundings } from '../../src/config/paths.js'
import { targetStore } from '../../src/config/move-target.js'
import { readSettings, type ConfigSource } from '../../src/config/settings.js'
import { machinesNotices } from '../../src/config/trust.js'
import { ConfigInvalid, UsageError } from '../../src/core/errors.js'
import { SDDL, SERVICE } from '../platform/windows-answers.js'
import { folder } from '../support/folder.js'
import { failure, words } from './places.js'

const ENV = {
  LocalAppData: 'C:\\Users\\me\\AppData\\Local',
  'ProgramFiles(x86)': 'C:\\Program Files (x86)',
  EMPTY: '',
  NESTED: '%TEMP%\\x',
  FIRM: 'acme',
  QUOTED: '"D:\\h q"',
  ProgramData: 'C:\\ProgramData',
}
const windows: Surroundings = { env: ENV, platform: 'win32', homedir: () => 'C:\\Users\\me' }
const CONFIG = '[client]\ninstance = https://acme.highq.com/acme/\nclient_id = 1012\nclient_secret = x7\n'

function path(text: string, around = windows): string {
  return pathIn(
    { text, folder: 'C:\\Users\\me\\AppData\\Roaming\\hq-token', where: 'config.ini, line 7: [store] path' },
    around,
  )
}

describe('a path in a configuration on Windows', () => {
  it.each([
    ['%LOCALAPPDATA%\\hq-token\\token.db', 'C:\\Users\\me\\AppData\\Local\\hq-token\\token.db'],
    ['%localappdata%/hq/token.db', 'C:\\Users\\me\\AppData\\Local\\hq\\token.db'],
    ['%ProgramFiles(x86)%\\a', 'C:\\Program Files (x86)\\a'],
    ['D:\\100%%\\%FIRM%', 'D:\\100%\\acme'],
    ['D:\\100%\\a', 'D:\\100%\\a'],
    ['~\\hq\\token.db', 'C:\\Users\\me\\hq\\token.db'],
    ['token.db', 'C:\\Users\\me\\AppData\\Roaming\\hq-token\\token.db'],
    // As cmd's `set NAME="C:\a b"` leaves it.
    ['"D:\\h q\\token.db"', 'D:\\h q\\token.db'],
    ['%QUOTED%\\token.db', 'D:\\h q\\token.db'],
    ['D:\\hq.\\token.db. .', 'D:\\hq\\token.db'],
    ['\\\\?\\D:\\hq\\token.db', 'D:\\hq\\token.db'],
    ['~\\token.db.', 'C:\\Users\\me\\token.db'],
    ['..\\token.db', 'C:\\Users\\me\\AppData\\Roaming\\token.db'],
    ['\\\\server\\share\\token.db', '\\\\server\\share\\token.db'],
  ])('%s is %s', (text, expected) => {
    expect(path(text)).toBe(expected)
  })

  it('a variable that holds the name of another is refused, because that name would be a folder', async () => {
    const error = await failure(() => path('%NESTED%\\token.db'))
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(words(error)).toContain('[store] path names %NESTED%, which holds the name of another variable')
  })

  it.each([
    ['%NOWHERE%\\token.db', '%NOWHERE%'],
    ['%EMPTY%\\token.db', '%EMPTY%'],
    ['%two words, and more%\\token.db', 'a variable'],
  ])('%s names a variable that is not set: 78', async (text, shown) => {
    const error = await failure(() => path(text))
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(words(error)).toContain(`config.ini, line 7: [store] path names ${shown}, which is not set`)
    expect(words(error)).toContain('%%')
  })

  it.each([
    ['D:\\hq\\token.db::$DATA', 'holds a colon'],
    ['D:\\hq\\aux.db', 'holds aux.db, which is the name of a device'],
    ['D:\\"h q"\\token.db', 'holds a quotation mark'],
    ['D:\\h*q\\token.db', 'holds *, which no name'],
    ['~\\nul', 'holds nul, which is the name of a device'],
    ['"', 'holds a quotation mark'],
    ['""', 'is given an empty name'],
    ['C:token.db', 'names a drive and no folder'],
    ['D:', 'names a drive and no folder'],
  ])('%s is refused by the setting: 78', async (text, problem) => {
    const error = await failure(() => path(text))
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(words(error)).toContain(`config.ini, line 7: [store] path ${problem}`)
    expect((error as ConfigInvalid).hint).toBeDefined()
  })

  it.each(['HQ_TOKEN_STATE_DIR', 'HQ_TOKEN_CONFIG', 'HQ_TOKEN_CONFIG_DIR', 'LOCALAPPDATA', 'APPDATA'])(
    'of %s has one spelling, and is refused where no file has it',
    async (name) => {
      const found = (text: string): string | undefined => {
        const env = { ...ENV, LocalAppData: undefined, [name]: text }
        const around = { ...windows, env }
        return /STATE|LOCAL/.test(name)
          ? defaultStore(undefined, around).path
          : locate({}, around, () => true).file?.path
      }
      expect(found('D:\\h.\\hq.')).toMatch(/^D:\\h\\hq(?:\\|$)/)
      const error = await failure(() => found('D:\\aux\\hq'))
      expect(error).toBeInstanceOf(ConfigInvalid)
      expect(words(error)).toContain(`${name.replace(/^.*APPDATA$/, '%$&%')} holds aux`)
    },
  )

  it('of --config and of move --to is an error of usage where no file has it', async () => {
    expect(locate({ config: 'D:\\hq\\a.ini.' }, windows, () => true).file?.path).toBe('D:\\hq\\a.ini')
    for (const call of [
      () => locate({ config: 'con.ini' }, windows, () => true),
      () =>
        targetStore({ to: 'D:\\hq\\con.db' }, undefined, {}, {} as never, windows as never, () => undefined),
    ]) {
      const error = await failure(call)
      expect(error).toBeInstanceOf(UsageError)
      expect(words(error)).toMatch(/^--(?:config|to) holds con/)
    }
  })

  it('may be relative to the drive in a variable, as all of it may be', () => {
    const env = { ...ENV, HQ_TOKEN_STATE_DIR: 'D:hq' }
    expect(() => defaultStore(undefined, { ...windows, env })).not.toThrow()
  })

  it('keeps its quotes, dots and colons elsewhere', () => {
    const linux: Surroundings = { env: ENV, platform: 'linux', homedir: () => '/home/me' }
    for (const text of ['"a b"', 'token.db.', 'a:b', 'con', 'C:token.db', 'a .'])
      expect(pathIn({ text, folder: '/etc', where: '' }, linux)).toBe(`/etc/${text}`)
  })

  it('has its per cent signs elsewhere', () => {
    const linux: Surroundings = { env: ENV, platform: 'linux', homedir: () => '/home/me' }
    expect(pathIn({ text: '%LOCALAPPDATA%/x', folder: '/etc', where: '' }, linux)).toBe(
      '/etc/%LOCALAPPDATA%/x',
    )
  })

  it('may come from a variable too', () => {
    const env = { ...ENV, HQ_TOKEN_STATE_DIR: '%LOCALAPPDATA%\\state' }
    expect(defaultStore(undefined, { ...windows, env }).path).toBe(
      'C:\\Users\\me\\AppData\\Local\\state\\token.db',
    )
  })
})

describe('the configuration of a machine on Windows', () => {
  const FILE = 'C:\\ProgramData\\hq-token\\config.ini'

  it('is looked for behind the user’s own, and never the first place for a new one', () => {
    expect(locate({}, windows, (path) => path === FILE).file).toEqual({ path: FILE, rule: '%ProgramData%' })
    expect(
      locate({ profile: 'acme' }, windows, (path) => path.startsWith('C:\\ProgramData')).file?.path,
    ).toBe('C:\\ProgramData\\hq-token\\profiles\\acme.ini')
    expect(locate({}, windows, () => true).file?.rule).toBe('%APPDATA%')
    expect(locateNew({}, windows).file.rule).toBe('%APPDATA%')
  })

  it.each([{}, { ProgramData: '' }, { ProgramData: 'relative' }])('is nowhere with %j', (env) => {
    expect(locate({}, { ...windows, env }, (path) => path === FILE).file).toBeUndefined()
  })

  /** A file there, by the lists that Windows tells of the file and of its folders. */
  function read(
    lists: readonly (string | undefined)[],
    self: string | undefined = SERVICE,
    name = 'config.ini',
  ) {
    const here = folder()
    mkdirSync(join(here, 'hq-token', 'profiles'), { recursive: true })
    const path = join(here, 'hq-token', name)
    writeFileSync(path, CONFIG)
    const asked: (readonly string[])[] = []
    const accessLists: Surroundings['accessLists'] = (paths) => {
      asked.push(paths)
      return { self, descriptors: lists }
    }
    const source = {
      ...{ ...windows, accessLists, profile: undefined },
      file: { path, rule: '%ProgramData%' },
    } as const
    return { here, asked, path, source, settings: () => readSettings(source) }
  }

  it('is read where only administrators may change it and its folder', () => {
    const { settings, asked, path, here } = read([SDDL.machinesFile, SDDL.machines])
    expect(settings().settings['client.client_id']?.text).toBe('1012')
    expect(settings().notices).toEqual([])
    expect(asked[0]).toEqual([path, join(here, 'hq-token')])
  })

  it('is read of a profile where that holds for both folders', () => {
    const lists = [SDDL.machinesFile, SDDL.machines, SDDL.machines]
    const { settings, asked, here } = read(lists, SERVICE, 'profiles/acme.ini')
    settings()
    expect(asked[0]?.slice(1)).toEqual([join(here, 'hq-token', 'profiles'), join(here, 'hq-token')])
  })

  it('is read with a warning where others may read it', () => {
    const { settings } = read([SDDL.machinesForAll, SDDL.machinesForAll])
    expect(settings().notices).toMatchObject([
      {
        level: 'warning',
        message: expect.stringMatching(/can be read by Users \(S-1-5-32-545\)$/) as string,
      },
    ])
  })

  it.each([
    ['a user has made', [SDDL.usersOwn, SDDL.usersOwn], /can be changed by S-1-5-21-.*1187/],
    [
      'a user may replace',
      [SDDL.machinesFile, SDDL.belowDrive],
      /hq-token can be changed by Authenticated Users/,
    ],
    ['a user owns', [SDDL.ownerAlone, SDDL.machines], /can be changed by S-1-5-21-.*1187/],
    ['a user owns the folder of', [SDDL.machinesFile, SDDL.ownerAlone], /can be changed by S-1-5-21-.*1187/],
    ['Windows does not tell of', [SDDL.machinesFile, undefined], /did not tell who may change/],
  ] as const)('that %s is refused with 78', async (_, lists, message) => {
    const error = await failure(read(lists).settings)
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(words(error)).toMatch(message)
    expect(words(error)).toMatch(/icacls|HQ_TOKEN_CONFIG/)
    expect(words(error)).not.toContain('x7')
  })

  it.each([
    ['file', 'config.ini'],
    ['folder', ''],
  ])('whose %s is replaced while Windows is asked is refused with 78', async (_, name) => {
    const { source, path, here } = read([])
    const swapped = join(here, 'hq-token', name)
    const accessLists: Surroundings['accessLists'] = (paths) => {
      renameSync(swapped, join(here, 'away'))
      mkdirSync(join(here, 'hq-token'), { recursive: true })
      writeFileSync(path, CONFIG)
      return { self: SERVICE, descriptors: paths.map(() => SDDL.machines) }
    }
    const error = await failure(() => readSettings({ ...source, accessLists }))
    expect(error).toBeInstanceOf(ConfigInvalid)
    expect(words(error)).toContain('was replaced while Windows was asked about it')
  })

  it('that is another than the one that was read is refused', () => {
    const { path, source } = read([])
    const stats = statSync(path)
    writeFileSync(`${path}.new`, CONFIG)
    renameSync(`${path}.new`, path)
    const accessLists: Surroundings['accessLists'] = () => ({
      self: SERVICE,
      descriptors: [SDDL.machinesFile, SDDL.machines],
    })
    expect(() => machinesNotices(path, stats, { ...source, accessLists })).toThrow(/was replaced while/)
  })

  it('in whose place a link is put meanwhile is refused with 78', async () => {
    const { source, here } = read([])
    const accessLists: Surroundings['accessLists'] = (paths) => {
      renameSync(join(here, 'hq-token'), join(here, 'away'))
      symlinkSync(join(here, 'away'), join(here, 'hq-token'))
      return { self: SERVICE, descriptors: paths.map(() => SDDL.machines) }
    }
    expect(words(await failure(() => readSettings({ ...source, accessLists })))).toMatch(
      /reached by a link: .*hq-token/,
    )
  })

  it('that a stranger wrote is not to be kept', async () => {
    const { settings } = read([SDDL.usersOwn, SDDL.usersOwn])
    expect(words(await failure(settings))).toMatch(
      /if no administrator wrote it, remove it, .*; then as an adm/,
    )
  })

  it('that is reached by a link is refused with 78', async () => {
    const { here } = read([])
    symlinkSync(join(here, 'hq-token'), join(here, 'linked'))
    const path = join(here, 'linked', 'config.ini')
    const ask: Surroundings['accessLists'] = (paths) => ({
      self: SERVICE,
      descriptors: paths.map(() => SDDL.machines),
    })
    const source = {
      ...windows,
      accessLists: ask,
      profile: undefined,
      file: { path, rule: '%ProgramData%' },
    } as const
    expect(words(await failure(() => readSettings(source)))).toMatch(/reached by a link: .*linked/)
  })

  it('is not asked about where it is named or the user’s own', () => {
    for (const rule of ['--config', '%APPDATA%', 'HQ_TOKEN_CONFIG'] as const) {
      const { source, asked } = read([])
      readSettings({ ...source, file: { ...source.file, rule } })
      expect(asked).toEqual([])
    }
  })
})

describe('a configuration for the whole machine', () => {
  it.each([
    ['C:\\ProgramData\\hq-token\\config.ini', true],
    ['c:\\programdata\\HQ-Token\\profiles\\a.ini', true],
    ['C:\\ProgramData\\config.ini', false],
    ['C:\\ProgramData\\hq-token-2\\config.ini', false],
    ['D:\\hq-token\\config.ini', false],
  ])('lies in %ProgramData%\\hq-token: %s', (path, is) => {
    expect(isMachines(path, windows)).toBe(is)
  })
})

describe('doctor on the configuration on Windows', () => {
  const NAMED = [
    ...['secret', 'firm-ca.pem', 'client.pem', 'client.key', 'hook'],
    ...['database-ca.pem', 'database.pem', 'database.key', 'node-ca.pem', 'pgpass'],
  ]

  /** @param lists By the name of a file, or of the folder (empty); all others are closed. */
  function permissions(lists: Readonly<Record<string, string | undefined>>, self: string | null = SERVICE) {
    const here = folder()
    const config = join(here, 'config.ini')
    for (const name of NAMED) writeFileSync(join(here, name), 'x7')
    const named = [
      'client_secret_file = secret\n[network]\nca_file = firm-ca.pem',
      'client_cert_file = client.pem\nclient_key_file = client.key\n[notify]\nurl_file = hook',
      `[store]\nurl = postgres://db.example.com/hq?sslrootcert=database-ca.pem&sslcert=database.pem&sslkey=database.key`,
    ]
    writeFileSync(config, [CONFIG.replace(/client_secret.*\n/, ''), ...named].join('\n'))
    const asked: string[] = []
    const source: ConfigSource = {
      // The paths of this system, where the test runs.
      ...{ platform: 'linux', homedir: () => here, profile: undefined },
      file: { path: config, rule: 'HQ_TOKEN_CONFIG' },
      env: { NODE_EXTRA_CA_CERTS: join(here, 'node-ca.pem'), PGPASSFILE: join(here, 'pgpass') },
      accessLists: (paths) => {
        asked.push(...paths)
        const list = (path: string) => relative(here, path)
        return {
          self: self ?? undefined,
          descriptors: paths.map((path) => (list(path) in lists ? lists[list(path)] : SDDL.closed)),
        }
      },
    }
    const loaded = loadConfig(source)
    const found = inspectRights(loaded, namedFiles(readSettings(source).settings, loaded.shared), source)
    return { here, asked, found }
  }

  it('looks at the file, all that it names, what is used without a name, and the folders to the root', () => {
    const { found, asked, here } = permissions({})
    const files = ['config.ini', ...NAMED].map((name) => join(here, name))
    expect(asked).toEqual([...files, here, ...aboveOf(here)])
    expect(found).toMatchObject([{ status: 'ok', message: 'nobody else can read or change it' }])
  })

  function aboveOf(path: string): string[] {
    return dirname(path) === path ? [] : [dirname(path), ...aboveOf(dirname(path))]
  }

  it('never says ok of what it did not look at', () => {
    expect(permissions({ 'config.ini': undefined }).found).toMatchObject([
      { status: 'skip', message: expect.stringMatching(/^not looked at/) as string },
    ])
    expect(permissions({}, null).found).toMatchObject([{ status: 'skip' }])
  })

  it('says who else can read and change it', () => {
    expect(permissions({ 'config.ini': SDDL.machinesForAll, '': SDDL.belowDrive }).found).toMatchObject([
      { status: 'warn', message: expect.stringContaining('can be read by Users') as string },
      {
        status: 'fail',
        exit: 78,
        message: expect.stringContaining('can be changed by Authenticated Users') as string,
      },
    ])
  })

  it.each(NAMED)('refuses a %s that others can change', (name) => {
    expect(permissions({ [name]: SDDL.fileBelowDrive }).found).toMatchObject([
      { status: 'fail', exit: 78, message: expect.stringContaining(`${name} can be changed by`) as string },
    ])
  })

  it.each(NAMED)('warns of a %s that others can read only if it is a secret', (name) => {
    const isPublic = name.endsWith('.pem')
    expect(permissions({ [name]: SDDL.machinesForAll }).found).toMatchObject([
      { status: isPublic ? 'ok' : 'warn' },
    ])
  })
})
