// `schedule`, held against the programs that read what it prints.
import { spawn, spawnSync } from 'node:child_process'
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { isBelow } from '../../src/cli/commands/schedule/plan.js'
import { place } from '../support/place.js'
import { BIN, ended } from '../support/processes.js'
import { told, type Told, type WorldOptions } from '../support/world.js'

const TARGETS = ['systemd', 'cron', 'launchd', 'windows'] as const
/** Each character that one of the four takes for something else. */
const ODD = 'a b%c\\%d\\\\%e%f&g\'h"i$HOME${j}k`l<mü;n#o'

const root: WorldOptions = { user: { uid: 0, username: 'root' }, homedir: '/root' }

/** A world whose Node, program and folders all have odd names. */
function odd(
  name = ODD,
): WorldOptions & { readonly dir: string; readonly node: string; readonly script: string } {
  const dir = join(folder(), name)
  mkdirSync(dir)
  const [node, script] = [join(dir, 'node'), join(dir, 'bin.cjs')]
  symlinkSync(process.execPath, node)
  writeFileSync(
    script,
    'process.stdout.write(JSON.stringify([process.argv.slice(2), process.env.HQ_TOKEN_STATE_DIR]))',
  )
  const env = { HQ_TOKEN_CONFIG_DIR: join(dir, 'cfg'), HQ_TOKEN_STATE_DIR: join(dir, 'state') }
  return { dir, node, script, env, program: { node, script } }
}

async function printed(args: readonly string[], options: WorldOptions): Promise<string> {
  const { code, stdout, stderr } = await told(['schedule', ...args], options)
  expect([code, stderr.includes('error')]).toEqual([0, false])
  return stdout
}

/** Cuts the output for systemd into its two units. */
function units(text: string): Readonly<Record<'service' | 'timer', string>> {
  const [, service = '', timer = ''] = text.split(/^# \/.*\.(?:service|timer)\n/m)
  return { service, timer }
}

/** The command that cron hands to the shell, as `do_command.c` of cron does it. */
function byCron(line: string): string {
  let command = ''
  let isEscaped = false
  for (const character of line.replace(/^\d+ \d+ \* \* \* /, '')) {
    if (isEscaped && character === '%') command = command.slice(0, -1)
    else if (!isEscaped && character === '%') return command
    command += character
    isEscaped = !isEscaped && character === '\\'
  }
  return command
}

describe('schedule systemd', () => {
  it.each([
    ['of the machine', root, []],
    ['of the machine, with odd names', { ...root, ...odd() }, []],
    ['of the machine, with a Node in a folder with a $', { ...root, ...odd('a $b ${c} % ü') }, []],
    ['of a user', { homedir: '/home/jobs' }, ['--user']],
    ['of a user, with odd names', odd(), ['--user']],
    ['of the machine, as a user that is named', root, ['--run-as', 'root']],
  ] as const)('systemd-analyze has nothing to say of the units %s', async (_, options, args) => {
    requirePrograms(['systemd-analyze', 'systemd'])
    const { service, timer } = units(await printed(['systemd', '--at', '04:17', ...args], options))
    const dir = folder()
    writeFileSync(join(dir, 'hq-token.service'), service)
    writeFileSync(join(dir, 'hq-token.timer'), timer)
    const env = {
      PATH: process.env['PATH'],
      SYSTEMD_UNIT_PATH: `${dir}:`,
      XDG_RUNTIME_DIR: dir,
      HOME: dir,
    }
    const scope = args[0] === '--user' ? '--user' : '--system'
    for (const unit of ['hq-token.service', 'hq-token.timer']) {
      const verify = ['verify', scope, '--man=no', join(dir, unit)]
      const { status, stdout, stderr } = spawnSync('systemd-analyze', verify, { env, encoding: 'utf8' })
      expect([unit, status, stdout + stderr]).toEqual([unit, 0, ''])
    }
    const when = spawnSync('systemd-analyze', ['calendar', /OnCalendar=(.*)/.exec(timer)?.[1] ?? ''], {
      encoding: 'utf8',
    })
    expect([when.status, when.stdout]).toEqual([0, expect.stringContaining('*-*-* 04:17:00')])
    // A unit of root’s own has root’s exposure.
    if (args.length > 0) return
    const security = ['security', '--offline=yes', '--threshold=20', join(dir, 'hq-token.service')]
    const exposed = spawnSync('systemd-analyze', security, { env, encoding: 'utf8' })
    expect([exposed.status, exposed.stdout]).toEqual([
      0,
      expect.stringMatching(/Overall exposure level .*OK/),
    ])
  })

  it('systemd-analyze does find fault with a unit that has a slip in it', async () => {
    requirePrograms(['systemd-analyze', 'systemd'])
    const { service } = units(await printed(['systemd'], root))
    const path = join(folder(), 'hq-token.service')
    writeFileSync(path, service.replace('ProtectHome', 'ProtectHomes'))
    expect(spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' }).stderr).toContain(
      'ProtectHomes',
    )
  })

  it('a store beyond /var/lib is given back to the unit, and so is that of a shared store’s seat', async () => {
    const dir = folder()
    writeFileSync(join(dir, 'config.ini'), '[store]\npath = /srv/grants here/token.db\n', { mode: 0o600 })
    const env = { HQ_TOKEN_CONFIG_DIR: dir }
    expect(await printed(['systemd'], { ...root, env })).toMatch(
      /^StateDirectory=hq-token\n[^]*^ReadWritePaths=-\/var\/tmp -\/dev\/shm "\/srv\/grants here"$/m,
    )
    writeFileSync(
      join(dir, 'config.ini'),
      '[store]\nurl = postgres://jobs@127.0.0.1/tokens\npath = /srv/seat/here.seat\n',
    )
    expect(await printed(['systemd'], { ...root, env })).toMatch(/^ReadWritePaths=.* \/srv\/seat$/m)
  })

  it('a configuration below a home folder is seen by the unit, and the command says so', async () => {
    const env = { HQ_TOKEN_CONFIG_DIR: '/home/jobs/hq' }
    const { stdout, stderr } = await told(['schedule', 'systemd'], { ...root, env })
    expect(stdout).toContain('\nProtectHome=read-only\n')
    expect(stderr).toContain('hq-token: warning: /home/jobs/hq/config.ini is below a home folder')
    expect(await printed(['systemd'], root)).toContain('\nProtectHome=yes\n')
  })

  it('root reads the configuration of the user that the unit is for', async () => {
    const dir = folder()
    const path = join(dir, 'config.ini')
    writeFileSync(path, '[seed]\nfile = /srv/seeds/token.ini\n', { mode: 0o600 })
    if (process.geteuid?.() === 0) chownSync(path, 65_534, 65_534)
    const unit = await printed(['systemd'], { ...root, env: { HQ_TOKEN_CONFIG_DIR: dir } })
    expect(unit).toMatch(/^ReadWritePaths=.* \/srv\/seeds$/m)
  })

  it('root takes its own configuration with --run-as root, and that of the machine without', async () => {
    const own = await printed(['systemd', '--run-as', 'root'], root)
    expect(own).toMatch(/^User=root$/m)
    expect(own).toContain('HQ_TOKEN_STATE_DIR=/root/.local/state/hq-token')
    expect(await printed(['systemd'], root)).toMatch(
      /^Environment=HQ_TOKEN_CONFIG_DIR=\/etc\/hq-token HQ_TOKEN_STATE_DIR=\/var\/lib\/hq-token$/m,
    )
  })

  it('a user’s unit names the home folder as %h', async () => {
    expect(await printed(['systemd'], { homedir: '/home/jobs' })).toMatch(
      /^Environment=HQ_TOKEN_CONFIG_DIR=%h\/\.config\/hq-token HQ_TOKEN_STATE_DIR=%h\/\.local\/state\/hq-token$/m,
    )
  })
})

describe('schedule cron', () => {
  it('cron takes the line, with odd names too, and refuses one that lacks a field', async () => {
    requirePrograms(['crontab', 'cron'])
    const path = join(folder(), 'crontab')
    for (const options of [{}, odd()]) {
      writeFileSync(path, await printed(['cron'], options))
      expect(spawnSync('crontab', ['-n', path], { encoding: 'utf8' })).toMatchObject({ status: 0 })
    }
    writeFileSync(path, '17 4 * *\n')
    expect(spawnSync('crontab', ['-n', path]).status).toBe(1)
  })

  it('a shell reads the line as it was meant, whatever the names hold', async () => {
    const options = odd()
    const [, line = ''] = (await printed(['cron', '--if-older', '9d'], options)).split('\n')
    const run = spawnSync('sh', ['-c', byCron(line)], { env: { HOME: '/nonexistent' }, encoding: 'utf8' })
    expect([run.stderr, run.stdout]).toEqual([
      '',
      JSON.stringify([['refresh', '--if-older', '9d', '--quiet'], join(options.dir, 'state')]),
    ])
  })

  it(
    'the line refreshes, from a folder with a space and a %, and says nothing',
    { timeout: 60_000 },
    async () => {
      const { dir, sandbox, run } = await place({}, 3600)
      expect((await run(['seed'])).code).toBe(0)
      const own = join(folder(), 'my 100% config')
      cpSync(dir, own, { recursive: true })
      const env = { HQ_TOKEN_CONFIG_DIR: own, HQ_TOKEN_STATE_DIR: own }
      const [, line = ''] = (await printed(['cron', '--if-older', '1s'], { env })).split('\n')
      await new Promise((resolve) => setTimeout(resolve, 2_100))
      const said = await ended(
        spawn('sh', ['-c', byCron(line)], {
          env: { HOME: '/nonexistent' },
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      )
      expect(said).toMatchObject({ code: 0, stdout: '', stderr: '' })
      expect(sandbox.refreshes()).toBe(1)
    },
  )

  it('a line that is longer than cron takes is refused', async () => {
    const env = { HQ_TOKEN_STATE_DIR: `/${'x'.repeat(990)}` }
    const { code, stdout, stderr } = await told(['schedule', 'cron'], { env })
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('longer than the 998 bytes that cron takes')
  })
})

/** The keys of launchd.plist(5) that are used, with their types as Python has them. */
const KEYS = {
  Label: 'str',
  UserName: 'str',
  ProgramArguments: 'list',
  EnvironmentVariables: 'dict',
  StartCalendarInterval: 'dict',
  RunAtLoad: 'bool',
  ExitTimeOut: 'int',
  ProcessType: 'str',
  StandardErrorPath: 'str',
}

describe('schedule launchd', () => {
  it.each([[[]], [['--system']]])(
    'a parser of property lists reads it, with odd names and %j',
    async (args) => {
      requirePrograms('python3')
      const options = { ...odd(), homedir: '/Users/j' }
      const input = await printed(['launchd', '--at', '04:07', ...args], options)
      const code =
        'import plistlib,json,sys; p=plistlib.loads(sys.stdin.buffer.read()); print(json.dumps([p,{k:type(v).__name__ for k,v in p.items()}]))'
      const parsed = spawnSync('python3', ['-c', code], { input, encoding: 'utf8' })
      const [list, types] = JSON.parse(parsed.stdout) as [Record<string, unknown>, Record<string, string>]
      expect(KEYS).toMatchObject(types)
      expect(list).toMatchObject({
        Label: 'hq-token.keep-alive',
        ProgramArguments: [options.node, options.script, 'refresh', '--if-older', '7d'],
        EnvironmentVariables: { HQ_TOKEN_STATE_DIR: join(options.dir, 'state') },
        StartCalendarInterval: { Hour: 4, Minute: 7 },
        RunAtLoad: true,
      })
      expect(list['UserName']).toBe(args.length > 0 ? '_hq-token' : undefined)
    },
  )
})

describe('schedule windows', () => {
  it('the script is of ASCII, and no name can end its command or be taken for a variable', async () => {
    const script = await printed(['windows'], odd())
    const command = /^-NoProfile -NonInteractive -Command "(.*)"$/m.exec(script)?.[1] ?? ''
    expect(script).toMatch(/^[\n\x20-\x7e]*$/)
    expect(command).not.toMatch(/["%]/)
    // Outside of strings there is no character of a name.
    expect(command.replaceAll(/'(?:[^']|'')*'/g, "''")).toMatch(/^(?:[\w$:=;& .()+'[\]-])*$/)
  })

  it('a task whose Node is gone does not end with 0', async () => {
    expect(await printed(['windows'], root)).toContain(`-Command "$ErrorActionPreference = 'Stop'; $env:`)
  })

  if (spawnSync('pwsh', ['-Version']).status === 0)
    it('PowerShell’s parser finds no mistake in the script, with odd names', async () => {
      const path = join(folder(), 'hq-token.ps1')
      writeFileSync(path, await printed(['windows'], odd()))
      const parse = `$e = $null; [void][System.Management.Automation.Language.Parser]::ParseFile('${path}', [ref]$null, [ref]$e); $e; exit $e.Count`
      const { status, stdout } = spawnSync('pwsh', ['-NoProfile', '-Command', parse], { encoding: 'utf8' })
      expect([status, stdout]).toEqual([0, ''])
    })
  else process.stderr.write('no pwsh on this machine: its parser has not read the script for Windows\n')
})

describe('schedule', () => {
  it.each([
    ['/home/x/.nvm/node', '/home', true],
    ['/home', '/home/', true],
    ['/homes/x', '/home', false],
    ['/etc/..conf', '/etc', true],
    ['C:\\Users\\x\\AppData\\npm', 'c:\\users\\X', true],
    ['C:/Users/x/npm', 'C:\\Users\\x', true],
    ['D:\\Users\\x', 'C:\\Users\\x', false],
  ])('%s below %s: %s', (path, folder, is) => {
    expect(isBelow(path, folder)).toBe(is)
  })

  it.each(TARGETS)(
    'prints the same for %s on two runs, another time on another host, and nothing of the date',
    async (target) => {
      const first = await printed([target], root)
      const later = { ...root, clock: () => ({ now: 4_000_000_000, boot: null, uptime: 1 }) }
      expect(await printed([target], later as WorldOptions)).toBe(first)
      const host = { name: 'other', id: 'feed', boot: null }
      expect(await printed([target], { ...root, host })).not.toBe(first)
    },
  )

  it.each(TARGETS)(
    'carries --config as an absolute path, the profile, and the folders for %s',
    async (target) => {
      const env = { HQ_TOKEN_CONFIG_DIR: '/srv/c', HQ_TOKEN_STATE_DIR: '/srv/s' }
      const { stdout } = await told(['--config', 'x.ini', '--profile', 'acme', 'schedule', target], { env })
      for (const part of ['--config', join(process.cwd(), 'x.ini'), '--profile', 'acme', '/srv/s'])
        expect(stdout).toContain(part)
      const own = (await told(['--profile', 'acme', 'schedule', target], { env })).stdout
      expect(own).toContain('/srv/c')
      expect(own).toMatch(/hq-token-acme|hq-token\.keep-alive\.acme/)
    },
  )

  it.each(TARGETS)('refuses a name with a line break for %s, by name', async (target) => {
    for (const [options, what] of [
      [{ env: { HQ_TOKEN_STATE_DIR: '/srv/a\nb' } }, 'HQ_TOKEN_STATE_DIR'],
      [{ program: { node: '/opt/a\nb/node', script: '/opt/bin.cjs' } }, 'the path of Node'],
    ] as const) {
      const { code, stdout, stderr } = await told(['schedule', target], options)
      expect([code, stdout]).toEqual([2, ''])
      expect(stderr).toContain(`hq-token: error: ${what} holds a line break`)
    }
  })

  it.each([
    [[], "missing required argument 'target'"],
    [['upstart'], 'Allowed choices are systemd, cron, launchd, windows'],
    [['cron', '--at', '25:00'], 'It is a time of day'],
    [['cron', '--at', '4:17'], 'It is a time of day'],
    [['cron', '--if-older', '0'], 'It is more than zero'],
    [['cron', '--if-older', 'often'], 'A duration is'],
    [['cron', '--system'], '--system is for systemd and launchd'],
    [['windows', '--run-as', 'x'], '--run-as is for systemd and launchd'],
    ...['a b', '`id`', 'a&b', '<x>', '*', '#1000', '~', '(x)', 'a|b', '-x', '1000', 'x'.repeat(32)].map(
      (name) => [['systemd', `--run-as=${name}`], 'It is the name of a user'] as [string[], string],
    ),
    [['systemd', '--system', '--user'], 'cannot be used with'],
    [['systemd', '--user', '--run-as', 'x'], 'cannot be used with'],
    [['systemd', '--force'], '--force replaces files, and needs --dir'],
    [['systemd', '--dir', ''], '--dir is given an empty name'],
  ])('%j is wrong usage: 2, told how', async (args, message) => {
    const { code, stdout, stderr } = await told(['schedule', ...args])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(message)
    expect(stderr).toContain('\nhq-token: hint: ')
  })

  it('names variables of this shell that a scheduled run does not see, and shows no value', async () => {
    const env = { HQ_TOKEN_CLIENT_SECRET: 's3cr3t-0123456789', HQ_TOKEN_STATE_DIR: '/srv/s' }
    const { stdout, stderr } = await told(['schedule', 'cron'], { env })
    expect(stderr).toContain('hq-token: warning: HQ_TOKEN_CLIENT_SECRET is set in this shell')
    expect(stdout + stderr).not.toContain('s3cr3t')
  })

  it('warns of a Node below a home folder, and of an interval that is half of the refresh token’s life', async () => {
    const { config } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['seed'], { env })
    const program = { node: '/home/x/.nvm/node', script: BIN }
    const { stderr } = await told(['schedule', 'cron', '--if-older', '200d'], { env, program })
    expect(stderr).toContain('hq-token: warning: /home/x/.nvm/node belongs to one user or one version')
    expect(stderr).toContain('hq-token: warning: --if-older 200d is half of what the refresh token lives')
    expect((await told(['schedule', 'cron'], { env })).stderr).not.toContain('half of what')
  })

  it.each(TARGETS)(
    'warns that a run each day is too seldom, and says for %s what to write',
    async (target) => {
      const { config, dir } = await place({}, 3600)
      const env = { HQ_TOKEN_CONFIG: config }
      const ended = new Date(Date.now() + 10 * 3_600_000).toISOString()
      const seed = join(dir, 'short.ini')
      writeFileSync(
        seed,
        `[AUTH]\naccess_token = a\naccess_expiry = 600\nrefresh_token = r\nrefresh_expires_at = ${ended}\n`,
        { mode: 0o600 },
      )
      expect((await told(['seed', '--force', seed], { env })).code).toBe(0)
      for (const more of [[], ['--if-older', '1h']]) {
        const { stderr } = await told(['schedule', target, '--at', '04:17', ...more], { env })
        expect(stderr).toMatch(
          /hq-token: warning: the refresh token lives (?:9h|10h), and a run each day is too seldom/,
        )
        expect(stderr).toContain(`hint: hq-token schedule ${target} --if-older 60m --at 04:17; then write `)
      }
      requirePrograms(['systemd-analyze', 'systemd'])
      const said = (await told(['schedule', 'systemd', '--user'], { env })).stderr
      const calendar = /OnCalendar=(.*?) and/.exec(said)?.[1] ?? ''
      expect(spawnSync('systemd-analyze', ['calendar', calendar]).status).toBe(0)
    },
  )

  it('hints are commands that can be typed, with sudo where another user than root asks for the machine', async () => {
    const hints = async (args: readonly string[], options: WorldOptions): Promise<string[]> =>
      (await told(args, options)).stderr
        .split('\n')
        .flatMap((line) => /^hq-token: hint: (.*)/.exec(line)?.[1] ?? [])
    const machine = 'HQ_TOKEN_CONFIG_DIR=/etc/hq-token HQ_TOKEN_STATE_DIR=/var/lib/hq-token'
    expect(await hints(['--profile', 'acme', 'schedule', 'systemd', '--at', '04:17'], root)).toEqual([
      'hq-token --profile acme schedule systemd --at 04:17 --dir /etc/systemd/system',
      'useradd --system --home-dir /var/lib/hq-token hq-token',
      'install -d -m 0700 -o hq-token /etc/hq-token /var/lib/hq-token',
      `sudo -u hq-token ${machine} hq-token --profile acme init; sudo -u hq-token ${machine} hq-token --profile acme login`,
      'systemctl daemon-reload && systemctl enable --now hq-token-acme.timer',
    ])
    const mac = await hints(['schedule', 'launchd', '--system'], { homedir: '/Users/jobs' })
    expect(mac).toEqual([
      'sudo hq-token schedule launchd --system --dir /Library/LaunchDaemons',
      'sudo sysadminctl -addUser _hq-token -roleAccount -UID 399',
      'sudo install -d -m 0700 -o _hq-token /etc/hq-token /var/lib/hq-token',
      `sudo -u _hq-token ${machine} hq-token init; sudo -u _hq-token ${machine} hq-token login`,
      'sudo launchctl bootstrap system /Library/LaunchDaemons/hq-token.keep-alive.plist',
    ])
  })

  it('cron’s line that goes through a pipe is followed by no hint to add it', async () => {
    expect((await told(['schedule', 'cron'])).stderr).not.toContain('crontab -l')
    expect((await told(['schedule', 'cron'], { terminal: 80 })).stderr).toContain('crontab -l')
  })

  it('says what is wrong with a configuration, and needs none that can be read', async () => {
    const dir = folder()
    writeFileSync(join(dir, 'config.ini'), '[nonsense\n', { mode: 0o600 })
    const { code, stderr } = await told(
      ['--config', join(dir, 'none.ini'), 'schedule', 'cron', '--at', '04:17'],
      { terminal: 400 },
    )
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(
        /^hq-token: warning: no run can refresh yet: .*none\.ini.*\n[^]*none\.ini schedule cron --at 04:17\) \| crontab -\n$/,
      ),
    ])
    expect(await printed(['cron'], { env: { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir } })).toContain(
      dir,
    )
  })
})

describe('schedule --dir', () => {
  const into = (dir: string, more: readonly string[] = []): Promise<Told> =>
    told(['schedule', 'systemd', '--dir', dir, ...more], root)

  it('writes what is printed otherwise, 0644, and once more changes nothing', async () => {
    const dir = join(folder(), 'made')
    const first = await into(dir)
    expect([first.code, first.stdout]).toEqual([0, ''])
    expect(first.stderr).toContain(
      `hq-token: wrote ${dir}/hq-token.service\nhq-token: wrote ${dir}/hq-token.timer\n`,
    )
    const { service, timer } = units(await printed(['systemd'], root))
    expect(`${readFileSync(join(dir, 'hq-token.service'), 'utf8')}\n`).toBe(service)
    expect(readFileSync(join(dir, 'hq-token.timer'), 'utf8')).toBe(timer)
    const stats = statSync(join(dir, 'hq-token.timer'))
    expect(stats.mode & 0o777).toBe(0o644)
    const again = await into(dir)
    expect([again.code, again.stderr]).toEqual([
      0,
      expect.stringContaining('hq-token.timer says this already'),
    ])
    expect(statSync(join(dir, 'hq-token.timer')).ino).toBe(stats.ino)
  })

  it('leaves a file that says something else as it is, and writes none beside it, but for --force', async () => {
    const dir = folder()
    writeFileSync(join(dir, 'hq-token.timer'), '# mine\n')
    const refused = await into(dir)
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringContaining('is there already and says something else'),
    ])
    expect([
      readFileSync(join(dir, 'hq-token.timer'), 'utf8'),
      existsSync(join(dir, 'hq-token.service')),
    ]).toEqual(['# mine\n', false])
    expect((await into(dir, ['--force'])).code).toBe(0)
    expect(readFileSync(join(dir, 'hq-token.timer'), 'utf8')).toContain('OnCalendar')
  })

  it('a pipe in the place of a file is no file, and nobody waits for it', async () => {
    const dir = folder()
    const pipe = join(dir, 'hq-token.timer')
    spawnSync('mkfifo', [pipe])
    // Ends the wait of a program that reads it, which would hang these tests.
    const writer = spawn('sh', ['-c', 'sleep 3; exec 3>"$1"', 'sh', pipe])
    const begun = performance.now()
    try {
      const { code, stderr } = await into(dir, ['--force'])
      expect([code, stderr]).toEqual([74, expect.stringContaining('hq-token.timer is no regular file')])
      expect(performance.now() - begun).toBeLessThan(3_000)
    } finally {
      writer.kill('SIGKILL')
    }
    expect(existsSync(join(dir, 'hq-token.service'))).toBe(false)
  })

  it('a folder that it makes is as a shell makes it', async () => {
    const dir = join(folder(), 'package', 'units')
    expect((await into(dir)).code).toBe(0)
    const own = join(dir, 'own')
    mkdirSync(own)
    expect(statSync(dir).mode).toBe(statSync(own).mode)
  })

  it('a folder that is none ends with 74', async () => {
    const { code, stderr } = await into('/dev/null/x')
    expect([code, stderr]).toEqual([74, expect.stringContaining('hq-token: hint: ls -ld')])
  })
})

describe('the next step after a first token set', () => {
  const HINT =
    /^hq-token: hint: hq-token (?:--profile \w+ )?schedule (?:systemd|cron|launchd) keeps the grant alive/m

  it('seed says it last, once, on standard error', async () => {
    const { config } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    const first = await told(['seed'], { env })
    expect(first.stdout).toBe('')
    expect(first.stderr.trim().split('\n').at(-1)).toMatch(HINT)
    expect((await told(['seed'], { env })).stderr).not.toMatch(HINT)
  })

  it('seed --refresh says it behind the refresh', async () => {
    const { config } = await place({}, 3600)
    const { stderr } = await told(['seed', '--refresh'], { env: { HQ_TOKEN_CONFIG: config } })
    expect(stderr).toMatch(/refreshed; .*\n.*hint: hq-token schedule /)
    expect(stderr.match(/schedule/g)).toHaveLength(1)
  })
})

describe('the page on keeping it alive', () => {
  const page = readFileSync('docs/keeping-it-alive.md', 'utf8')
  const commands = new Set(page.match(/(?<=hq-token )(?:schedule \w|refresh|status)[^`)|&#\n]*/g))

  it.each([...commands].map((command) => command.trim()))('hq-token %s ends well', async (command) => {
    const { config } = await place({}, 3600)
    const options = { ...root, env: { HQ_TOKEN_CONFIG: config } }
    await told(['seed'], options)
    const words = command.replace(/--dir \S+/, `--dir ${folder()}`).split(' ')
    expect(await told(words, options)).toMatchObject({ code: 0 })
  })

  it('names no option that there is not', async () => {
    const help = (await Promise.all(['schedule', 'refresh'].map((name) => told([name, '--help']))))
      .map(({ stdout }) => stdout)
      .join('')
    for (const [, option = ''] of page.matchAll(/`(--[a-z-]+)[^`]*`/g)) expect(help).toContain(`${option} `)
    expect(commands.size).toBeGreaterThan(5)
  })
})
