import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { locate, locateNew } from '../../src/config/locate.js'
import { defaultStore, type Surroundings } from '../../src/config/paths.js'
import { ConfigInvalid, UsageError } from '../../src/core/errors.js'

const around = (changes: Partial<Surroundings> = {}): Surroundings => ({
  env: {},
  platform: 'linux',
  homedir: () => '/home/someone',
  ...changes,
})
const windows = around({
  platform: 'win32',
  homedir: () => 'C:\\Users\\someone',
  env: { APPDATA: 'D:\\Roaming', LOCALAPPDATA: 'D:\\Local', XDG_CONFIG_HOME: 'C:\\xdg' },
})
const homeless = around({
  homedir: () => {
    throw new Error('no home')
  },
})
const only =
  (...paths: string[]) =>
  (path: string): boolean =>
    paths.includes(path)
const all = (): boolean => true

describe('locate', () => {
  it.each([
    [
      '--config first',
      { config: '/a.ini' },
      around({ env: { HQ_TOKEN_CONFIG: '/b.ini' } }),
      '/a.ini',
      '--config',
    ],
    ['HQ_TOKEN_CONFIG next', {}, around({ env: { HQ_TOKEN_CONFIG: '/b.ini' } }), '/b.ini', 'HQ_TOKEN_CONFIG'],
    [
      'an empty HQ_TOKEN_CONFIG not at all',
      {},
      around({ env: { HQ_TOKEN_CONFIG: '' } }),
      '/home/someone/.config/hq-token/config.ini',
      '~/.config',
    ],
    [
      '$XDG_CONFIG_HOME',
      {},
      around({ env: { XDG_CONFIG_HOME: '/xdg' } }),
      '/xdg/hq-token/config.ini',
      '$XDG_CONFIG_HOME',
    ],
    [
      '~/.config for a relative $XDG_CONFIG_HOME',
      {},
      around({ env: { XDG_CONFIG_HOME: 'xdg' } }),
      '/home/someone/.config/hq-token/config.ini',
      '~/.config',
    ],
    ['%APPDATA% on Windows', {}, windows, 'D:\\Roaming\\hq-token\\config.ini', '%APPDATA%'],
    [
      'a profile’s file',
      { profile: 'acme' },
      around(),
      '/home/someone/.config/hq-token/profiles/acme.ini',
      '~/.config',
    ],
    [
      'the profile of HQ_TOKEN_PROFILE',
      {},
      around({ env: { HQ_TOKEN_PROFILE: 'acme' } }),
      '/home/someone/.config/hq-token/profiles/acme.ini',
      '~/.config',
    ],
    ['/etc without a home', {}, homeless, '/etc/hq-token/config.ini', '/etc'],
    ['/etc for a relative home', {}, around({ homedir: () => '' }), '/etc/hq-token/config.ini', '/etc'],
  ])('locate takes %s', (_, flags, where, path, rule) => {
    expect(locate(flags, where, all).file).toEqual({ path, rule })
  })

  it('locate falls back to the machine’s file', () => {
    const found = locate({}, around(), only('/etc/hq-token/config.ini'))
    expect(found.file).toEqual({ path: '/etc/hq-token/config.ini', rule: '/etc' })
  })

  it('locate finds nothing without complaint where nothing was named', () => {
    expect(locate({}, around(), only())).toEqual({ file: undefined, profile: undefined })
  })

  it.each([
    ['--config', { config: '/a.ini' }, {}],
    ['HQ_TOKEN_CONFIG', {}, { HQ_TOKEN_CONFIG: '/a.ini' }],
  ])('locate complains about a file named by %s that does not exist', (rule, flags, env) => {
    expect(() => locate(flags, around({ env }), only())).toThrow(ConfigInvalid)
    expect(() => locate(flags, around({ env }), only())).toThrow(rule)
  })

  it('locate says where it looked for a profile', () => {
    expect(() => locate({ profile: 'acme' }, around(), only())).toThrow(
      expect.objectContaining({
        code: 'HQ_CONFIG_INVALID',
        message:
          'the profile acme has no config file (/home/someone/.config/hq-token/profiles/acme.ini, /etc/hq-token/profiles/acme.ini)',
        hint: 'hq-token --profile acme init',
      }),
    )
  })

  it('locate never leaves its folders by the name of a profile', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom('..', '../a', 'a/b', 'a.b', 'A', '-a', 'a\n', 'a\\b')),
        (profile) => {
          try {
            const path = locate({ profile }, around(), all).file?.path
            expect(path).toBe(`/home/someone/.config/hq-token/profiles/${profile}.ini`)
            expect(profile).toMatch(/^[a-z0-9][a-z0-9_-]*$/)
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError)
          }
        },
      ),
    )
  })
})

describe('the name of a profile', () => {
  it('the name of a profile has at most 64 characters, as that of a token set in a shared store', () => {
    expect(locate({ profile: 'a'.repeat(64) }, around(), all).profile).toHaveLength(64)
    expect(() => locate({ profile: 'a'.repeat(65) }, around(), all)).toThrow(/, at most 64, /)
  })
})

describe('locateNew', () => {
  it.each([
    ['--config', { config: '/a.ini' }, around({ env: { HQ_TOKEN_CONFIG: '/b.ini' } })],
    ['HQ_TOKEN_CONFIG', { profile: 'acme' }, around({ env: { HQ_TOKEN_CONFIG: '/b.ini' } })],
    ['$XDG_CONFIG_HOME', {}, around({ env: { XDG_CONFIG_HOME: '/xdg' } })],
    ['~/.config', {}, around()],
    ['a profile', { profile: 'acme' }, around()],
    ['HQ_TOKEN_PROFILE', {}, around({ env: { HQ_TOKEN_PROFILE: 'acme' } })],
    ['%APPDATA%', {}, windows],
    ['/etc without a home', {}, homeless],
  ])('locateNew goes where locate looks first: %s', (_, flags, where) => {
    expect(locateNew(flags, where)).toEqual(locate(flags, where, all))
  })

  it('locateNew goes to the user’s own place, whatever the machine has', () => {
    expect(locateNew({}, around()).file.path).toBe('/home/someone/.config/hq-token/config.ini')
  })

  it('locateNew cannot do without a home on Windows', () => {
    const nowhere = { ...homeless, platform: 'win32' as const, env: {} }
    expect(() => locateNew({}, nowhere)).toThrow(ConfigInvalid)
    expect(locateNew({ config: 'C:\\a.ini' }, nowhere).file.path).toBe('C:\\a.ini')
  })

  it('locateNew takes no path for a profile', () => {
    expect(() => locateNew({ profile: '../x' }, around())).toThrow(UsageError)
  })
})

describe('defaultStore', () => {
  it.each([
    ['~/.local/state', undefined, around(), '/home/someone/.local/state/hq-token/token.db', '~/.local/state'],
    [
      '$XDG_STATE_HOME',
      undefined,
      around({ env: { XDG_STATE_HOME: '/state' } }),
      '/state/hq-token/token.db',
      '$XDG_STATE_HOME',
    ],
    [
      '~/.local/state for a relative $XDG_STATE_HOME',
      undefined,
      around({ env: { XDG_STATE_HOME: './s' } }),
      '/home/someone/.local/state/hq-token/token.db',
      '~/.local/state',
    ],
    ['a profile’s name', 'acme', around(), '/home/someone/.local/state/hq-token/acme.db', '~/.local/state'],
    ['%LOCALAPPDATA%', undefined, windows, 'D:\\Local\\hq-token\\token.db', '%LOCALAPPDATA%'],
    [
      'its usual place without %LOCALAPPDATA%',
      undefined,
      { ...windows, env: {} },
      'C:\\Users\\someone\\AppData\\Local\\hq-token\\token.db',
      '%LOCALAPPDATA%',
    ],
  ])('defaultStore takes %s', (_, profile, where, path, rule) => {
    expect(defaultStore(profile, where)).toEqual({ path, rule })
  })

  it('defaultStore cannot do without a home', () => {
    expect(() => defaultStore(undefined, homeless)).toThrow(ConfigInvalid)
  })
})
