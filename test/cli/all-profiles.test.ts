import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seeded } from '../../src/core/transitions.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { BIN, start } from '../support/processes.js'
import { asUser, canBeOthers, give, inProject, shared, STRANGER, VICTIM } from '../support/users.js'
import { HOST, ISSUED, moment, seed } from '../support/token-sets.js'
import { told } from '../support/world.js'
import { assertLine } from './checked.js'

describe('all profiles', () => {
  async function profiles(): Promise<{ readonly dir: string; readonly env: NodeJS.ProcessEnv }> {
    const dir = folder()
    mkdirSync(join(dir, 'profiles'))
    const client = '[client]\ntoken_url = http://127.0.0.1:9/t\nclient_id = 1\nauth_method = none\n'
    for (const name of ['config', 'profiles/acme', 'profiles/bent', 'profiles/default', 'profiles/token'])
      writeFileSync(join(dir, `${name}.ini`), name === 'profiles/bent' ? 'x' : client, { mode: 0o600 })
    for (const [name, changes] of [
      ['token', {}],
      ['acme', { refreshExpiresAt: ISSUED + 1 }],
      ['default', {}],
    ] as const)
      await filled(join(dir, `${name}.db`), changes)
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
    return { dir, env: { ...env, HQ_TOKEN_PROFILE: 'passed-over', HQ_TOKEN_CONFIG: '/passed/over' } }
  }

  async function filled(path: string, changes: Parameters<typeof seed>[0]): Promise<void> {
    await new SqliteStore(path).exclusive(
      async (held) => {
        const set = seeded(seed(changes), undefined, { generation: 0, sequence: 0 }, HOST, {
          grant: 'g',
          client: null,
        })
        const entry = {
          sequence: set.sequence,
          at: ISSUED,
          event: 'seed',
          outcome: 'done',
          generation: 1,
          access: '',
          refresh: '',
          note: null,
          grant: 'g',
          client: null,
        } as const
        await held.note(set, 0, entry)
      },
      { waitMs: 1000 },
    )
  }
  const clock = (): ReturnType<typeof moment> => moment(ISSUED + 60)

  it('check --all says first how all stand, and then each, the default one first', async () => {
    const { env } = await profiles()
    const { code, stdout, stderr } = await told(['check', '--all'], { env, clock })
    expect([code, stderr]).toEqual([2, ''])
    expect(stdout.replace(/\/\S*\//g, '')).toBe(
      [
        'HQ_TOKEN CRITICAL - 5 profiles: 1 CRITICAL, 2 UNKNOWN, 2 OK',
        'OK - default: fresh; access token 59m left; refresh token 364d left; renewed 1m ago',
        'CRITICAL - acme: a person must log in: set authorize_url, then: hq-token --profile acme login (the refresh token ended 2027-01-15T08:00:01Z; the access token is good for 59m)',
        'UNKNOWN - bent: the config file bent.ini, line 1: neither a section, nor a comment, nor key = value: fix the configuration, then check it with: hq-token --profile bent doctor',
        'OK - profiles/default: fresh; access token 59m left; refresh token 364d left; renewed 1m ago',
        'UNKNOWN - token: a profile cannot be called token: its store would be token.db, which is the store of the configuration without a profile: give it another name, or a path of its own in [store] of its config file',
        '',
      ]
        .join('\n')
        .replaceAll('left; renewed', 'left, renewed'),
    )
  })

  it('check --all --prometheus writes the series of all into one file, each name once', async () => {
    const { dir, env } = await profiles()
    await told(['check', '--all', '--prometheus', join(dir, 'all.prom')], { env, clock })
    const text = readFileSync(join(dir, 'all.prom'), 'utf8')
    const types = text.match(/^# TYPE \S+/gm) ?? []
    expect(new Set(types).size).toBe(types.length)
    expect(text.match(/^hq_token_check_status\{profile="[^"]+"/gm)).toEqual(
      ['default', 'acme', 'bent', 'profiles/default', 'token'].map(
        (name) => `hq_token_check_status{profile="${name}"`,
      ),
    )
    const series = text.match(/^hq_token.*\}/gm) ?? []
    expect(new Set(series).size).toBe(series.length)
  })

  it('status --all shows a line for each profile, and one that cannot be read does not hide the others', async () => {
    const { env } = await profiles()
    const { code, stdout } = await told(['status', '--all'], { env, clock })
    expect(code).toBe(0)
    expect(stdout.replace(/\/\S*\//g, '')).toBe(
      [
        'default           fresh           access 59m left, refresh 364d 23h left',
        'acme              login required  access 59m left, refresh over since 59s',
        'bent              unreadable      the config file bent.ini, line 1: neither a section, nor a comment, nor key = value',
        'profilesdefault   fresh           access 59m left, refresh 364d 23h left',
        'token             unreadable      a profile cannot be called token: its store would be token.db, which is the store of the configuration without a profile',
        '',
      ]
        .join('\n')
        .replace('profilesdefault ', 'profiles/default'),
    )
    const json = await told(['status', '--all', '--json'], { env, clock })
    const report = JSON.parse(json.stdout) as {
      profiles: { profile: string; error: { code: string } | null }[]
    }
    expect(report.profiles.map(({ profile, error }) => [profile, error?.code])).toEqual([
      ['default', undefined],
      ['acme', undefined],
      ['bent', 'HQ_CONFIG_INVALID'],
      ['profiles/default', undefined],
      ['token', 'HQ_USAGE'],
    ])
  })

  it('status --all says why a database is not reached', { timeout: 40_000 }, async () => {
    const { dir, env } = await profiles()
    writeFileSync(
      join(dir, 'profiles', 'away.ini'),
      '[client]\ntoken_url = http://127.0.0.1:9/t\nclient_id = 1\n[store]\nurl = postgres://jobs@127.0.0.1:9/x?sslmode=disable\n',
      { mode: 0o600 },
    )
    const { code, stdout } = await start(['status', '--all'], { env }).done
    expect(code).toBe(0)
    expect(stdout).toMatch(/^away +unreadable .*ECONNREFUSED/m)
    expect(stdout).toMatch(/^profiles\/default +/m)
  })

  it.each([
    [['--profile', 'acme'], {}],
    [['--config', 'x'], {}],
    [[], { HQ_TOKEN_STORE: '/x' }],
    [[], { HQ_TOKEN_STORE_NAME: 'x' }],
  ])('--all with %j and %j is a wrong usage', async (typed, more) => {
    const { env } = await profiles()
    const checked = await told([...typed, 'check', '--all'], { env: { ...env, ...more } })
    assertLine(checked)
    expect(checked.code).toBe(3)
    expect((await told([...typed, 'status', '--all'], { env: { ...env, ...more } })).code).toBe(2)
  })

  it('a seed file beside the profiles is none of them, and a file that is no INI file still is', async () => {
    const { dir, env } = await profiles()
    writeFileSync(join(dir, 'profiles', 'seed.ini'), '[AUTH]\naccess_token = a\nrefresh_token = r\n')
    writeFileSync(join(dir, 'profiles', 'both.ini'), '[auth]\naccess_token = a\n[client]\nclient_id = 1\n')
    const { stdout } = await told(['check', '--all'], { env, clock })
    expect(stdout).toMatch(/^HQ_TOKEN CRITICAL - 6 profiles/)
    expect(stdout).not.toContain('- seed: ')
    expect(stdout).toContain('UNKNOWN - both: ')
  })

  it('an own folder of profiles that cannot be read does not hide the configuration without a profile', async () => {
    const { dir, env } = await profiles()
    rmSync(join(dir, 'profiles'), { recursive: true })
    symlinkSync('profiles', join(dir, 'profiles'))
    const { code, stdout } = await told(['check', '--all'], { env, clock })
    expect(code).toBe(3)
    expect(stdout).toMatch(/^HQ_TOKEN UNKNOWN - 2 profiles: 1 UNKNOWN, 1 OK\nOK - default: fresh/)
    expect(stdout).toContain(`UNKNOWN - ${dir}/profiles: ${dir}/profiles cannot be read (ELOOP)`)
    const status = await told(['status', '--all'], { env, clock })
    expect(status.stdout).toMatch(/^default +fresh .*\n\S+profiles +unreadable +\S+profiles cannot be read/m)
    await told(['status', '--all', '--json'], { env, clock })
  })

  it.runIf(canBeOthers)('a folder of the machine that is another user’s is passed over', async () => {
    const etc = folder()
    mkdirSync(join(etc, 'hq-token', 'profiles'), { recursive: true })
    writeFileSync(join(etc, 'hq-token', 'config.ini'), '[client]\n')
    give(STRANGER, join(etc, 'hq-token'))
    chmodSync(join(etc, 'hq-token'), 0o700)
    chmodSync(etc, 0o755)
    const home = shared()
    mkdirSync(join(home, 'hq-token', 'profiles'), { recursive: true })
    const run = (...args: string[]): ReturnType<typeof asUser> =>
      asUser(VICTIM, [process.execPath, inProject(BIN), ...args], {
        env: { HOME: home, XDG_CONFIG_HOME: home },
        mounts: { '/etc': etc },
      })
    const none = await run('check', '--all')
    expect([none.code, none.stdout]).toEqual([
      3,
      expect.stringContaining('/etc/hq-token/profiles cannot be read: permission denied') as string,
    ])
    writeFileSync(
      join(home, 'hq-token', 'profiles', 'acme.ini'),
      `[client]\ntoken_url = http://127.0.0.1:9/t\nclient_id = 1\n[store]\npath = ${home}/own/acme.db\n`,
      { mode: 0o600 },
    )
    give(VICTIM, join(home, 'hq-token'))
    const { code, stdout } = await run('check', '--all')
    expect([code, stdout]).toEqual([
      2,
      expect.stringMatching(
        /^HQ_TOKEN CRITICAL - 1 profile: 1 CRITICAL\nCRITICAL - acme: .*\nOK - passed over: \/etc\/hq-token\/profiles cannot be read/,
      ) as string,
    ])
    const status = await run('status', '--all')
    expect([status.code, status.stdout, status.stderr]).toEqual([
      0,
      expect.stringMatching(/^acme +empty/) as string,
      expect.stringContaining('hq-token: warning: passed over: /etc/hq-token/profiles') as string,
    ])
  })

  it('--all that finds nothing to read still writes that nothing could be read', async () => {
    const dir = folder()
    const env = { HQ_TOKEN_CONFIG_DIR: dir }
    const file = join(dir, 'all.prom')
    const said = await told(['check', '--all', '--prometheus', file], { env })
    assertLine(said)
    expect(readFileSync(file, 'utf8')).toMatch(/^hq_token_up\{profile="default",account="[^"]+"\} 0$/m)
    const metrics = await told(['check', '--all', '--prometheus', '-'], { env })
    expect([metrics.code, metrics.stdout]).toEqual([
      3,
      expect.stringMatching(/^# HELP [^]*# EOF\n$/) as string,
    ])
    const named = await told(['--profile', '../x', 'check', '--prometheus', '-'], { env })
    expect([named.code, named.stdout]).toEqual([
      3,
      expect.stringContaining('hq_token_up{profile="../x"') as string,
    ])
  })

  it('--all without any profile says how to begin', async () => {
    const env = { HQ_TOKEN_CONFIG_DIR: folder() }
    const checked = await told(['check', '--all'], { env })
    assertLine(checked)
    expect(checked.stdout).toContain('hq-token init')
    expect((await told(['status', '--all'], { env })).code).toBe(78)
  })
})
