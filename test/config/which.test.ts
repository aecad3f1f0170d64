// The whole table of docs/config.md: which file and which store, whatever is typed, set and written.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../src/config/load.js'
import { locate, locateNew, type Typed } from '../../src/config/locate.js'
import { type Surroundings } from '../../src/config/paths.js'
import { folder } from '../support/folder.js'
import { failure } from './places.js'

const there = folder()

/** Every place where a config file can be, each with a client id that says where. */
const FILES = {
  'home/.config/hq-token/config.ini': 'home',
  'home/.config/hq-token/profiles/acme.ini': 'home acme',
  'home/.config/hq-token/profiles/own.ini': 'home own\n[store]\npath = own/kept.db',
  'home/.config/hq-token/profiles/token.ini': 'home token',
  'named.ini': 'named',
  'stored.ini': 'stored\n[store]\npath = beside.db',
  'dir/config.ini': 'dir',
  'dir/profiles/acme.ini': 'dir acme',
  'dir/profiles/own.ini': 'dir own\n[store]\npath = kept.db',
}
for (const [name, lines] of Object.entries(FILES)) {
  mkdirSync(join(there, name, '..'), { recursive: true, mode: 0o700 })
  writeFileSync(join(there, name), `[client]\nclient_id = ${lines}\n`, { mode: 0o600 })
}

type Variables = Readonly<Record<string, string>>

const around = (env: Variables): Surroundings => ({ env, platform: 'linux', homedir: () => at('home') })
const at = (path: string): string => join(there, path)
const load = (typed: Typed, env: Variables): Config => {
  const here = around(env)
  return loadConfig({ ...here, ...locate(typed, here) })
}

const CONFIG = { HQ_TOKEN_CONFIG: at('named.ini') }
const STORED = { HQ_TOKEN_CONFIG: at('stored.ini') }
const PROFILE = { HQ_TOKEN_PROFILE: 'acme' }
const OWN = { HQ_TOKEN_PROFILE: 'own' }
const CONFIG_DIR = { HQ_TOKEN_CONFIG_DIR: at('dir') }
const STATE_DIR = { HQ_TOKEN_STATE_DIR: at('state') }
const STORE = { HQ_TOKEN_STORE: at('store.db') }
const config = at('named.ini')
const usual = 'home/.local/state/hq-token'

describe('the configuration and the store that count', () => {
  it.each<[what: string, typed: Typed, env: Variables, id: string, store: string, rule: string]>([
    ['nothing', {}, {}, 'home', `${usual}/token.db`, '~/.local/state'],
    // A file.
    ['--config', { config }, {}, 'named', `${usual}/token.db`, '~/.local/state'],
    ['HQ_TOKEN_CONFIG', {}, CONFIG, 'named', `${usual}/token.db`, '~/.local/state'],
    ['--config over HQ_TOKEN_CONFIG', { config }, STORED, 'named', `${usual}/token.db`, '~/.local/state'],
    [
      'HQ_TOKEN_CONFIG over the folder',
      {},
      { ...CONFIG, ...CONFIG_DIR },
      'named',
      `${usual}/token.db`,
      '~/.local/state',
    ],
    ['--config over the folder', { config }, CONFIG_DIR, 'named', `${usual}/token.db`, '~/.local/state'],
    // A profile.
    ['--profile', { profile: 'acme' }, {}, 'home acme', `${usual}/acme.db`, '~/.local/state'],
    ['HQ_TOKEN_PROFILE', {}, PROFILE, 'home acme', `${usual}/acme.db`, '~/.local/state'],
    [
      '--profile over HQ_TOKEN_PROFILE',
      { profile: 'acme' },
      OWN,
      'home acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    [
      '--profile over HQ_TOKEN_CONFIG',
      { profile: 'acme' },
      CONFIG,
      'home acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    // A file and a profile: the file's configuration, the profile's store.
    [
      '--config and --profile',
      { config, profile: 'acme' },
      {},
      'named',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    [
      '--config and --profile over HQ_TOKEN_CONFIG',
      { config, profile: 'acme' },
      STORED,
      'named',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    ['--config and HQ_TOKEN_PROFILE', { config }, PROFILE, 'named', `${usual}/acme.db`, '~/.local/state'],
    [
      'HQ_TOKEN_CONFIG and HQ_TOKEN_PROFILE',
      {},
      { ...CONFIG, ...PROFILE },
      'named',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    // The folders.
    ['HQ_TOKEN_CONFIG_DIR', {}, CONFIG_DIR, 'dir', `${usual}/token.db`, '~/.local/state'],
    [
      'HQ_TOKEN_CONFIG_DIR over XDG',
      {},
      { ...CONFIG_DIR, XDG_CONFIG_HOME: at('home/.config') },
      'dir',
      `${usual}/token.db`,
      '~/.local/state',
    ],
    [
      'HQ_TOKEN_CONFIG_DIR and --profile',
      { profile: 'acme' },
      CONFIG_DIR,
      'dir acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    [
      'HQ_TOKEN_CONFIG_DIR and --profile over HQ_TOKEN_CONFIG',
      { profile: 'acme' },
      { ...CONFIG_DIR, ...CONFIG },
      'dir acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    [
      'HQ_TOKEN_CONFIG_DIR and HQ_TOKEN_PROFILE',
      {},
      { ...CONFIG_DIR, ...PROFILE },
      'dir acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
    ['HQ_TOKEN_STATE_DIR', {}, STATE_DIR, 'home', 'state/token.db', 'HQ_TOKEN_STATE_DIR'],
    [
      'HQ_TOKEN_STATE_DIR over XDG',
      {},
      { ...STATE_DIR, XDG_STATE_HOME: at('xdg') },
      'home',
      'state/token.db',
      'HQ_TOKEN_STATE_DIR',
    ],
    [
      'HQ_TOKEN_STATE_DIR and --profile',
      { profile: 'acme' },
      STATE_DIR,
      'home acme',
      'state/acme.db',
      'HQ_TOKEN_STATE_DIR',
    ],
    [
      'HQ_TOKEN_STATE_DIR and HQ_TOKEN_PROFILE',
      {},
      { ...STATE_DIR, ...PROFILE },
      'home acme',
      'state/acme.db',
      'HQ_TOKEN_STATE_DIR',
    ],
    [
      'both folders and --profile',
      { profile: 'acme' },
      { ...CONFIG_DIR, ...STATE_DIR },
      'dir acme',
      'state/acme.db',
      'HQ_TOKEN_STATE_DIR',
    ],
    [
      'both the same',
      {},
      { ...CONFIG_DIR, HQ_TOKEN_STATE_DIR: at('dir') },
      'dir',
      'dir/token.db',
      'HQ_TOKEN_STATE_DIR',
    ],
    // A path in the file.
    ['[store] path', {}, STORED, 'stored', 'beside.db', '[store] path'],
    [
      '[store] path of a profile',
      { profile: 'own' },
      {},
      'home own',
      'home/.config/hq-token/profiles/own/kept.db',
      '[store] path',
    ],
    [
      '[store] path over HQ_TOKEN_STATE_DIR',
      {},
      { ...STORED, ...STATE_DIR },
      'stored',
      'beside.db',
      '[store] path',
    ],
    [
      '[store] path over HQ_TOKEN_STATE_DIR, of a profile',
      { profile: 'own' },
      { ...CONFIG_DIR, ...STATE_DIR },
      'dir own',
      'dir/profiles/kept.db',
      '[store] path',
    ],
    // A store that the environment names.
    ['HQ_TOKEN_STORE', {}, STORE, 'home', 'store.db', 'HQ_TOKEN_STORE'],
    ['HQ_TOKEN_STORE over [store] path', {}, { ...STORED, ...STORE }, 'stored', 'store.db', 'HQ_TOKEN_STORE'],
    [
      'HQ_TOKEN_STORE over HQ_TOKEN_STATE_DIR',
      {},
      { ...STATE_DIR, ...STORE },
      'home',
      'store.db',
      'HQ_TOKEN_STORE',
    ],
    [
      'HQ_TOKEN_STORE and HQ_TOKEN_PROFILE, which are both variables',
      {},
      { ...PROFILE, ...STORE },
      'home acme',
      'store.db',
      'HQ_TOKEN_STORE',
    ],
    ['HQ_TOKEN_STORE and --config', { config }, STORE, 'named', 'store.db', 'HQ_TOKEN_STORE'],
    // Empty is unset.
    [
      'empty variables',
      { profile: 'acme' },
      { HQ_TOKEN_STORE: '', HQ_TOKEN_CONFIG_DIR: ' ', HQ_TOKEN_STATE_DIR: '' },
      'home acme',
      `${usual}/acme.db`,
      '~/.local/state',
    ],
  ])('the configuration and the store that count are found with %s', (_, typed, env, id, store, rule) => {
    const found = load(typed, env)
    expect([found.clientId, found.store]).toEqual([id, { path: at(store), rule }])
  })

  it.each<[what: string, typed: Typed, env: Variables, problem: object]>([
    [
      'a typed profile that there is none of, with HQ_TOKEN_CONFIG',
      { profile: 'none' },
      CONFIG,
      {
        exit: 78,
        message: `the profile none has no config file (${at('home/.config/hq-token/profiles/none.ini')}, /etc/hq-token/profiles/none.ini; HQ_TOKEN_CONFIG is not used: --profile none was given)`,
        hint: 'hq-token --profile none init',
      },
    ],
    [
      'a profile that the folder has none of: no other place is looked at',
      {},
      { HQ_TOKEN_PROFILE: 'token', ...CONFIG_DIR },
      {
        exit: 78,
        message: `the profile token has no config file (${at('dir/profiles/token.ini')})`,
        hint: 'hq-token --profile token init',
      },
    ],
    [
      'HQ_TOKEN_STORE with a typed profile',
      { profile: 'acme' },
      STORE,
      {
        exit: 2,
        message:
          '--profile acme and HQ_TOKEN_STORE exclude one another: one file cannot be the store of two profiles',
        hint: 'unset HQ_TOKEN_STORE, or leave out --profile acme; HQ_TOKEN_STATE_DIR names a folder with a store for each profile',
      },
    ],
    ['the same with --config', { config, profile: 'acme' }, STORE, { exit: 2, code: 'HQ_USAGE' }],
    ['the same where its file has a path', { profile: 'own' }, STORE, { exit: 2, code: 'HQ_USAGE' }],
    [
      'a profile whose store would be that of none',
      { profile: 'token' },
      {},
      {
        exit: 2,
        message:
          'a profile cannot be called token: its store would be token.db, which is the store of the configuration without a profile',
        hint: 'give it another name, or a path of its own in [store] of its config file',
      },
    ],
    ['the same by HQ_TOKEN_PROFILE', {}, { HQ_TOKEN_PROFILE: 'token', ...STATE_DIR }, { exit: 2 }],
    ['the same with --config', { config, profile: 'token' }, {}, { exit: 2 }],
  ])('the configuration and the store that count are none with %s', async (_, typed, env, problem) => {
    expect(await failure(() => load(typed, env))).toMatchObject(problem)
  })

  it('the configuration and the store that count may be of a profile called token where its store is another', () => {
    const typed = { config: at('stored.ini'), profile: 'token' }
    expect(load(typed, {}).store.path).toBe(at('beside.db'))
    expect(load({}, { HQ_TOKEN_PROFILE: 'token', ...STORE }).store.path).toBe(at('store.db'))
  })

  it('say that HQ_TOKEN_CONFIG was not used, to those who ask for more', () => {
    const message = 'HQ_TOKEN_CONFIG is not used: --profile acme was given'
    expect(load({ profile: 'acme' }, CONFIG).notices).toEqual([{ level: 'info', message }])
    for (const typed of [{ config, profile: 'acme' }, { config }, {}])
      expect(load(typed, CONFIG).notices).toEqual([])
  })

  it.each(['con', 'nul', 'com1', 'lpt9'])(
    'the configuration and the store that count are not of a profile %s on Windows, which is a device there',
    (profile) => {
      const exists = (): boolean => true
      const windows = { ...around({}), platform: 'win32' as const, homedir: () => 'C:\\Users\\someone' }
      expect(() => locate({ profile }, windows, exists)).toThrow(/that is the name of a device/)
      expect(locate({ profile }, around({}), exists).profile).toBe(profile)
      expect(locate({ profile: `${profile}x` }, windows, exists).profile).toBe(`${profile}x`)
    },
  )
})

describe('the folder that a variable names', () => {
  const fileOf = (env: Variables, exists = (): boolean => true) => locate({}, around(env), exists).file

  it('the folder that a variable names is the only place', () => {
    const asked: string[] = []
    const nowhere = (path: string): boolean => {
      asked.push(path)
      return false
    }
    expect(locate({}, around(CONFIG_DIR), nowhere)).toEqual({ file: undefined, profile: undefined })
    expect(asked).toEqual([at('dir/config.ini')])
  })

  it.each(['HQ_TOKEN_CONFIG', 'HQ_TOKEN_CONFIG_DIR'] as const)(
    'a folder or file that a variable names, %s, may be relative to the working directory, or begin with ~',
    (name) => {
      const end = name === 'HQ_TOKEN_CONFIG' ? '' : '/config.ini'
      const rule = name
      expect(fileOf({ [name]: 'a/b' })).toEqual({ path: `${process.cwd()}/a/b${end}`, rule })
      expect(fileOf({ [name]: '~/a' })).toEqual({ path: at(`home/a${end}`), rule })
      expect(fileOf({ [name]: '~a' })).toEqual({ path: `${process.cwd()}/~a${end}`, rule })
    },
  )

  it('the folder that a variable names may be the home directory itself', () => {
    expect(fileOf({ HQ_TOKEN_CONFIG_DIR: '~' })?.path).toBe(at('home/config.ini'))
    expect(load({}, { HQ_TOKEN_STATE_DIR: '~/' }).store.path).toBe(at('home/token.db'))
  })

  it('the folder that a variable names cannot begin with ~ where there is no home directory', async () => {
    const homeless = { ...around({ HQ_TOKEN_CONFIG_DIR: '~/x' }), homedir: () => '' }
    expect(await failure(() => locate({}, homeless))).toMatchObject({
      exit: 78,
      message: 'HQ_TOKEN_CONFIG_DIR begins with ~, and there is no home directory',
    })
  })

  it('the folder that a variable names makes a home directory needless', () => {
    const homeless = {
      ...around({ ...CONFIG_DIR, ...STATE_DIR }),
      homedir: () => {
        throw new Error('no home')
      },
    }
    const { store, clientId } = loadConfig({ ...homeless, ...locate({ profile: 'acme' }, homeless) })
    expect([clientId, store.path]).toEqual(['dir acme', at('state/acme.db')])
  })

  it.each<[Typed, Variables, string]>([
    [{}, CONFIG_DIR, 'dir/config.ini'],
    [{ profile: 'acme' }, CONFIG_DIR, 'dir/profiles/acme.ini'],
    [{ profile: 'acme' }, { ...CONFIG_DIR, ...CONFIG }, 'dir/profiles/acme.ini'],
    [{}, { ...CONFIG_DIR, ...PROFILE, ...CONFIG }, 'named.ini'],
  ])('the folder that a variable names is where a new file goes: %j with %j', (typed, env, path) => {
    expect(locateNew(typed, around(env)).file.path).toBe(at(path))
    expect(locateNew(typed, around(env)).file).toEqual(locate(typed, around(env), () => true).file)
  })

  it('the folder that a variable names takes no new profile called token, nor one that HQ_TOKEN_STORE would be the store of', () => {
    expect(() => locateNew({ profile: 'token' }, around(CONFIG_DIR))).toThrow(/cannot be called token/)
    expect(() => locateNew({ profile: 'acme' }, around(STORE))).toThrow(/exclude one another/)
  })
})
