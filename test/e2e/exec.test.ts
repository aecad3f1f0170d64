import { execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, start, type Ended } from '../support/processes.js'
import { atTerminal, CTRL_BACKSLASH, CTRL_C, CTRL_Z } from '../support/terminal.js'
import { told } from '../support/world.js'

const hasNamespaces = asRoot(
  'exec as the first process of a container, beside another user, without a folder in memory',
)

beforeAll(() => {
  requirePrograms('bash', 'python3', 'zsh', ['pgrep', 'procps'], ['unshare', 'util-linux'])
}, 300_000)

/** A command that says which signals it gets; and ends, with 3, when a file is there, or at a terminal when told to. */
const WITNESS = `
import os, select, signal, sys, time
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
for name in "HUP INT QUIT TERM USR1 USR2 ALRM".split():
    signal.signal(signal.Signals["SIG" + name], lambda number, _: say("got", signal.Signals(number).name))
say("witness", os.getpid(), "of", os.getppid(), "is here")
at_terminal = sys.stdin.isatty()
while not os.path.exists(sys.argv[1]):
    if not at_terminal:
        time.sleep(0.02)
    elif select.select([sys.stdin], [], [], 0.02)[0]:
        told = sys.stdin.readline().strip()
        say("told", told)
        if told == "end":
            break
sys.exit(3)
`

interface Witness {
  readonly command: readonly string[]
  /** Its own id, and hq-token's. */
  readonly pids: (said: string) => readonly [number, number]
  readonly dismiss: () => void
}

function witness(): Witness {
  const dir = folder()
  const script = join(dir, 'witness.py')
  writeFileSync(script, WITNESS)
  const end = join(dir, 'end')
  return {
    command: ['python3', script, end],
    pids: (said) => {
      const [, own, parent] = /witness (\d+) of (\d+) is here/.exec(said) ?? []
      return [Number(own), Number(parent)]
    },
    dismiss: () => {
      writeFileSync(end, '')
    },
  }
}

/** A place whose token is fresh. */
async function fresh(): Promise<Place> {
  const there = await place({}, 3600)
  await told(['seed'], { env: { HQ_TOKEN_CONFIG: there.config } })
  return there
}

async function until(is: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !is();) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400))

describe('a command runs', () => {
  it('with the token and its end in its environment, and no file where none was asked for', async () => {
    const { run } = await fresh()
    const json = JSON.parse((await run(['get', '--format', 'json'])).stdout) as Record<string, unknown>
    const script =
      'import json, os; print(json.dumps({k: v for k, v in os.environ.items() if k.startswith("HQ_TOKEN")}))'
    const { code, stdout } = await run(['exec', '--', 'python3', '-c', script], {
      env: { HQ_TOKEN_FILE: 'of another' },
    })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      HQ_TOKEN: json['access_token'],
      HQ_TOKEN_EXPIRES_AT: json['expires_at'],
      HQ_TOKEN_CONFIG: expect.any(String) as string,
    })
  })

  it('and calls the API, from Python’s standard library', async () => {
    const { run, sandbox } = await fresh()
    const script = `
import json, os, urllib.request
request = urllib.request.Request(${JSON.stringify(`${sandbox.url}api/1/sites`)}, headers={"Authorization": "Bearer " + os.environ["HQ_TOKEN"], "Accept": "application/json"})
print(json.load(urllib.request.urlopen(request))["site"][0]["sitename"])`
    expect(await run(['exec', '--', 'python3', '-c', script])).toMatchObject({
      code: 0,
      stdout: 'Deal room\n',
      stderr: '',
    })
  })

  it('with all of standard input, and its output unbuffered by us', async () => {
    const { run } = await fresh()
    const input = 'line\n'.repeat(400_000)
    expect((await run(['exec', 'cat'], { input })).stdout).toBe(input)
  })

  it.each([0, 1, 4, 75, 127, 255])('whose exit status %i is ours', async (status) => {
    const { run } = await fresh()
    expect(await run(['exec', '--', 'sh', '-c', `exit ${status}`])).toMatchObject({
      code: status,
      stderr: '',
    })
  })

  it('whose options are its own, with -- or without; ours stand before it', async () => {
    const { config, dir } = await fresh()
    const env = { HOME: dir }
    const print = ['printf', '%s\\n', '--config', 'x', '-v', '--', '--help', 'get']
    for (const args of [
      ['--config', config, 'exec', '--', ...print],
      ['--config', config, 'exec', ...print],
      ['exec', '--config', config, '-vt', '5m', ...print],
      ['exec', `--config=${config}`, '-t5m', '-v', '--', ...print],
    ])
      expect(await start(args, { env }).done).toMatchObject({
        code: 0,
        stdout: '--config\nx\n-v\n--\n--help\nget\n',
      })
  })

  it.skipIf(process.platform !== 'linux').each([
    ['a file', 'sh', 'exec "$1" "$2" exec -- cat /dev/fd/3 3<"$3"', 'of the file\n'],
    [
      'two for one file',
      'sh',
      'exec "$1" "$2" exec -- sh -c "cat <&5; cat <&9" 5<"$3" 9<&5',
      'of the file\n',
    ],
    [
      'a pipe for writing, twice',
      'sh',
      '"$1" "$2" exec -- sh -c "echo to 3 >&3; echo to 4 >&4" 3>&1 4>&1 | cat',
      'to 3\nto 4\n',
    ],
    ['zsh’s <(…)', 'zsh', '"$1" "$2" exec -- cat <(echo one) <(echo two)', 'one\ntwo\n'],
    ['bash’s <(…)', 'bash', '"$1" "$2" exec -- cat <(echo one) <(echo two)', 'one\ntwo\n'],
  ])('with the descriptors that it is given: %s', async (_, shell, script, said) => {
    const { config, dir } = await fresh()
    const file = join(dir, 'file')
    writeFileSync(file, 'of the file\n')
    const child = spawn(shell, ['-c', script, 'sh', process.execPath, BIN, file], {
      env: { ...process.env, HQ_TOKEN_CONFIG: config },
      stdio: 'pipe',
    })
    expect(await ended(child)).toMatchObject({ code: 0, stdout: said, stderr: '' })
  })

  it.skipIf(process.platform !== 'linux')('with no descriptor of ours', async () => {
    const { config } = await fresh()
    const list = 'import os; print(*sorted(os.listdir("/proc/self/fd"), key=int))'
    const script = `
import os, subprocess, sys
subprocess.run(["python3", "-c", ${JSON.stringify(list)}])
kept = os.open("/dev/null", os.O_RDONLY)
os.dup2(kept, 11)
for command in (["python3", "-c", ${JSON.stringify(list)}], [*sys.argv[1:], "exec", "--token-file", "python3", "-c", ${JSON.stringify(list)}]):
    subprocess.run(command, pass_fds=[11])
`
    const child = spawn('python3', ['-c', script, process.execPath, BIN], {
      env: { ...process.env, HQ_TOKEN_CONFIG: config },
      stdio: 'pipe',
    })
    const { stdout } = await ended(child)
    const [none, direct, through] = stdout.trim().split('\n')
    expect(none).toBe('0 1 2 3')
    expect(direct).toBe('0 1 2 3 11')
    expect(through).toBe(direct)
  })

  it('with --min-valid, on a token that lives as long', async () => {
    const { run, sandbox } = await place({ accessTtl: 3600 }, 600)
    await run(['seed', '--issued-at', String(Math.floor(Date.now() / 1000) - 120)])
    expect((await run(['exec', '--min-valid', '5m', 'true'])).code).toBe(0)
    expect(sandbox.refreshes()).toBe(0)
    expect((await run(['exec', '--min-valid', '30m', 'true'])).code).toBe(0)
    expect(sandbox.refreshes()).toBe(1)
  })
})

describe('a command does not run', () => {
  it.each([
    ['there is none by that name', 'no-such-command', 127, 'no-such-command: command not found'],
    ['there is no such file', './no/such/file', 127, './no/such/file: no such file or directory'],
    ['it has no name', '', 127, ': command not found'],
    ['it is a folder', '/', 126, '/: permission denied'],
    ['it is no program', '/etc/passwd', 126, '/etc/passwd: permission denied'],
    ['it is below a file', '/etc/passwd/x', 126, '/etc/passwd/x: cannot be executed (ENOTDIR)'],
  ])('where %s', async (_, command, code, message) => {
    const { run } = await fresh()
    const end = await run(['exec', '--token-file', '--', command])
    expect(end).toMatchObject({ code, stdout: '' })
    expect(end.stderr).toMatch(/^hq-token: error: .*\nhq-token: hint: .*\n$/)
    expect(end.stderr).toContain(`hq-token: error: ${message}\n`)
  })

  it.each([
    [4, 'invalid-grant'],
    [75, '503'],
    [78, 'invalid-client'],
  ] as const)('where there is no token: %i', async (code, fault) => {
    const { run, dir } = await place({
      faults: [{ name: fault, count: Infinity }],
      config: '[refresh]\ntimeout = 3s\n',
    })
    const mark = join(dir, 'ran')
    expect(await run(['exec', '--', 'touch', mark])).toMatchObject({ code, stdout: '' })
    expect(existsSync(mark)).toBe(false)
  })

  it('where the store cannot be read: 74', async () => {
    const { run, dir } = await fresh()
    writeFileSync(join(dir, 'token.db'), 'no database')
    expect((await run(['exec', 'true'])).code).toBe(74)
  })
})

describe('a signal to hq-token alone', () => {
  it('reaches the command, once', { timeout: 180_000 }, async () => {
    const { start: begin } = await fresh()
    const { command, dismiss } = witness()
    const { child, done } = begin(['exec', '--', ...command])
    let said = ''
    child.stdout?.on('data', (text: string) => (said += text))
    await until(() => said.includes('is here'))
    const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const
    const sent = [...signals, ...signals, ...signals]
    const got = (): readonly unknown[] => [...said.matchAll(/got (\w+)/g)].map(([, name]) => name)
    for (const [index, signal] of sent.entries()) {
      child.kill(signal)
      await until(() => got().length > index)
    }
    await settled()
    dismiss()
    expect(await done).toMatchObject({ code: 3, stderr: '' })
    expect(got()).toEqual(sent)
  })

  it('reaches the command also where there is no cat', async () => {
    const { start: begin } = await fresh()
    const bare = folder()
    for (const name of ['sh', 'sleep']) symlinkSync(join('/bin', name), join(bare, name))
    const { child, done } = begin(['exec', '--', 'sh', '-c', 'echo here; exec sleep 60'], {
      env: { PATH: bare },
    })
    child.stdout?.once('data', () => child.kill('SIGINT'))
    expect(await done).toMatchObject({ signal: 'SIGINT', stderr: '' })
  })

  it.each(['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'] as const)(
    '%s ends the command that does nothing about it, and hq-token by the same',
    async (signal) => {
      const { start: begin } = await fresh()
      const { child, done } = begin(['exec', '--', 'sh', '-c', 'echo here; exec sleep 60'])
      child.stdout?.once('data', () => child.kill(signal))
      expect(await done).toMatchObject({ code: null, signal, stdout: 'here\n', stderr: '' })
    },
  )
})

it('a signal to the whole process group reaches the command once', { timeout: 180_000 }, async () => {
  const { config } = await fresh()
  const { command, pids, dismiss } = witness()
  const child = spawn(process.execPath, [BIN, 'exec', '--', ...command], {
    env: { ...process.env, HQ_TOKEN_CONFIG: config },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let said = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text))
  await until(() => said.includes('is here'))
  expect(pids(said)[1]).toBe(child.pid)
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGTERM', 'SIGUSR1'] as const
  for (const signal of signals) {
    process.kill(-Number(child.pid), signal)
    await settled()
  }
  dismiss()
  await new Promise((resolve) => child.on('close', resolve))
  expect([...said.matchAll(/got (\w+)/g)].map(([, name]) => name)).toEqual(signals)
})

it.each(['SIGKILL', 'SIGPIPE', 'SIGSEGV', 'SIGABRT', 'SIGUSR1', 'SIGXFSZ'] as const)(
  'a command that %s ends takes hq-token with it, which leaves no core',
  async (signal) => {
    const { run, config } = await fresh()
    const number = constants.signals[signal]
    expect(await run(['exec', '--', 'sh', '-c', `kill -${number} $$`])).toMatchObject({
      code: null,
      signal,
      stderr: '',
    })
    const shell = `ulimit -c unlimited; cd "$1"; "$2" "$3" exec -- sh -c 'ulimit -c 0; kill -${number} $$'; echo $?`
    const dir = folder()
    const out = execFileSync('bash', ['-c', shell, 'bash', dir, process.execPath, BIN], {
      env: { ...process.env, HQ_TOKEN_CONFIG: config },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    expect(out.toString()).toBe(`${128 + number}\n`)
    for (const core of readdirSync(dir)) expect(readFileSync(join(dir, core)).includes('access-')).toBe(false)
  },
)

it.runIf(hasNamespaces)(
  'the first process of a container, which no signal ends, exits with the status that means the same',
  async () => {
    const { config } = await fresh()
    const script = `"$1" "$2" exec -- sh -c 'kill -TERM $$'`
    const child = spawn(
      'unshare',
      ['--pid', '--fork', 'sh', '-c', `exec ${script}`, 'sh', process.execPath, BIN],
      {
        env: { ...process.env, HQ_TOKEN_CONFIG: config },
        stdio: 'pipe',
      },
    )
    expect(await ended(child)).toMatchObject({ code: 143, stderr: '' })
  },
)

describe('at a terminal', { timeout: 300_000 }, () => {
  const env = (config: string): NodeJS.ProcessEnv => ({
    HQ_TOKEN_CONFIG: config,
    PATH: process.env['PATH'],
    HOME: '/',
    PS1: 'prompt> ',
  })

  it('Ctrl-C and Ctrl-\\ reach the command once, and hq-token goes on until it ends', async () => {
    const { config } = await fresh()
    const { said, status } = await atTerminal(
      [process.execPath, BIN, 'exec', '--', ...witness().command],
      [
        { after: 'is here', type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: CTRL_BACKSLASH },
        { after: 'got SIGQUIT', pause: 0.5, type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
      ],
      env(config),
    )
    expect([...said.matchAll(/got (\w+)/g)].map(([, name]) => name)).toEqual(['SIGINT', 'SIGQUIT', 'SIGINT'])
    expect(status).toBe(3)
  })

  it('a signal to hq-token alone reaches the command, once, that of a key too', async () => {
    const { config } = await fresh()
    const { said } = await atTerminal(
      [process.execPath, BIN, 'exec', '--', ...witness().command],
      [
        { after: 'of (\\d+) is here', signal: 'SIGINT' },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
      ],
      env(config),
    )
    expect(said.match(/got/g)).toHaveLength(1)
  })

  it('Ctrl-C ends a command that does nothing about it, and the script around it', async () => {
    const { config } = await fresh()
    const script = `"$1" "$2" exec -- sh -c 'echo here; exec sleep 60'; echo went on`
    const { said, status } = await atTerminal(
      ['/bin/bash', '-c', script, 'bash', process.execPath, BIN],
      [{ after: 'here', type: CTRL_C }],
      env(config),
    )
    expect(said).not.toContain('went on')
    expect(status).toBe(-constants.signals.SIGINT)
  })

  it('Ctrl-Z stops it all, and fg goes on', async () => {
    const { config } = await fresh()
    const state = (id: string): string => `awk '{print "state", $3, "."}' /proc/${id}/stat\n`
    const { said, status } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        {
          after: 'prompt> ',
          type: `${[process.execPath, BIN, 'exec', '--', ...witness().command].join(' ')}\n`,
        },
        { after: 'is here', type: CTRL_Z },
        { after: 'Stopped[\\s\\S]*prompt> ', type: state('$(jobs -p)') },
        { after: 'state T \\.[\\s\\S]*prompt> ', type: state('$(pgrep -P $(jobs -p) python3)') },
        { after: 'state T \\.[\\s\\S]*prompt> ', type: 'fg\n' },
        { after: 'witness.py', pause: 0.3, type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
        { after: 'told end[\\s\\S]*prompt> ', type: 'echo status $?; exit\n' },
      ],
      env(config),
    )
    expect(said.match(/got SIGINT/g)).toHaveLength(1)
    expect(said).toMatch(/status 3\r?\n/)
    expect(status).toBe(0)
  })

  it('what the command sets at the terminal stays set', async () => {
    const { config } = await fresh()
    const script = `stty echo; "$1" "$2" exec -- stty -echo; stty -a | grep -o ' -\\?echo '`
    const { said } = await atTerminal(['/bin/sh', '-c', script, 'sh', process.execPath, BIN], [], env(config))
    expect(said.trim()).toBe('-echo')
  })

  it('an interactive shell has the terminal, and gives it back', async () => {
    const { config } = await fresh()
    const { said } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        {
          after: 'prompt> ',
          type: `PS1='inner> ' ${process.execPath} ${BIN} exec -- bash --norc --noprofile -i\n`,
        },
        { after: '\ninner> ', type: 'sleep 60\n' },
        { after: 'sleep 60', pause: 0.3, type: CTRL_C },
        { after: '\ninner> ', type: 'test -n "$HQ_TOKEN"; echo interrupted $?; exit 5\n' },
        { after: '\nprompt> ', type: 'echo status $?; exit\n' },
      ],
      env(config),
    )
    expect(said).toMatch(/interrupted 0\r?\n/)
    expect(said).toMatch(/status 5\r?\n/)
  })
})

describe('the token file', { timeout: 300_000 }, () => {
  /** Says where the file is, and each token that it holds. */
  const READER = `
import os, sys, time
path, last = os.environ["HQ_TOKEN_FILE"], None
print("file", path, flush=True)
while not os.path.exists(sys.argv[1]):
    token = open(path).read()
    if token != last:
        print("token", token, flush=True)
        last = token
    time.sleep(0.01)
`

  function reader(): { command: readonly string[]; dismiss: () => void } {
    const dir = folder()
    writeFileSync(join(dir, 'reader.py'), READER)
    return {
      command: ['python3', join(dir, 'reader.py'), join(dir, 'end')],
      dismiss: () => {
        writeFileSync(join(dir, 'end'), '')
      },
    }
  }

  interface Reading {
    readonly child: ReturnType<Place['start']>['child']
    readonly done: Promise<Ended>
    readonly path: () => string
    readonly tokens: () => readonly string[]
  }

  async function reading(
    { start: begin }: Place,
    command: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<Reading> {
    const { child, done } = begin(['exec', '--token-file', '--', ...command], { env })
    let said = ''
    child.stdout?.on('data', (text: string) => (said += text))
    const tokens = (): string[] => [...said.matchAll(/token (\S+)\n/g)].map(([, token = '']) => token)
    await until(() => tokens().length > 0 || child.exitCode !== null)
    return { child, done, path: () => /file (\S+)/.exec(said)?.[1] ?? '', tokens }
  }

  it('is private, in memory, holds the token and nothing else, and goes with the command', async () => {
    const there = await fresh()
    const { command, dismiss } = reader()
    const { path, tokens, done } = await reading(there, command)
    expect(path()).toMatch(/^\/dev\/shm\/hq-token-exec-/)
    expect(statSync(path()).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(path())).mode & 0o777).toBe(0o700)
    expect(readFileSync(path(), 'utf8')).toBe(tokens()[0])
    expect(`${tokens()[0] ?? ''}\n`).toBe((await there.run(['get'])).stdout)
    dismiss()
    expect(await done).toMatchObject({ code: 0, stderr: '' })
    expect(existsSync(dirname(path()))).toBe(false)
  })

  it.runIf(hasNamespaces)(
    'lies in XDG_RUNTIME_DIR where that is the user’s own and in memory, else elsewhere',
    async () => {
      const there = await fresh()
      const own = join('/dev/shm', `hq-token-test-${process.pid}`)
      const foreign = `${own}-foreign`
      for (const dir of [own, foreign]) mkdirSync(dir, { mode: 0o700 })
      chownSync(foreign, 65_534, 65_534)
      try {
        for (const [runtimeDir, base] of [
          [own, own],
          [foreign, '/dev/shm'],
          [folder(), '/dev/shm'],
          ['/nonexistent', '/dev/shm'],
        ] as const) {
          const { command, dismiss } = reader()
          const { path, done } = await reading(there, command, { XDG_RUNTIME_DIR: runtimeDir })
          expect(dirname(dirname(path()))).toBe(base)
          dismiss()
          await done
        }
        expect(readdirSync(own)).toEqual([])
      } finally {
        for (const dir of [own, foreign]) rmSync(dir, { recursive: true })
      }
    },
  )

  it.runIf(hasNamespaces)(
    'lies in the temporary folder where there is none in memory, and that is said',
    async () => {
      const { config } = await fresh()
      const disk = mkdtempSync('/var/tmp/hq-token-test-')
      const script = `mount --bind "$1" /dev/shm && exec "$2" "$3" -v exec --token-file -- sh -c 'echo "$HQ_TOKEN_FILE"'`
      const child = spawn('unshare', ['--mount', 'sh', '-c', script, 'sh', disk, process.execPath, BIN], {
        env: { ...process.env, HQ_TOKEN_CONFIG: config, TMPDIR: disk },
        stdio: 'pipe',
      })
      const { code, stdout, stderr } = await ended(child)
      expect(code).toBe(0)
      expect(dirname(dirname(stdout))).toBe(disk)
      expect(stderr).toBe(`hq-token: no folder in memory: the token file is ${stdout}`)
      expect(readdirSync(disk)).toEqual([])
      rmSync(disk, { recursive: true })
    },
  )

  it('stays fresh while the command runs, and is never half a token', async () => {
    // Tokens that live for a few seconds, and are due from their half on.
    const there = await place({ accessTtl: 6, config: '[refresh]\nearly = 50%\nmin_valid = 1s\n' }, 6)
    const { command, dismiss } = reader()
    const { tokens, done } = await reading(there, command)
    await until(() => tokens().length >= 3)
    dismiss()
    expect(await done).toMatchObject({ code: 0, stderr: '' })
    expect(new Set(tokens()).size).toBe(tokens().length)
    expect(tokens().length).toBeLessThanOrEqual(there.sandbox.refreshes() + 1)
    for (const token of tokens()) expect(token).toMatch(/^access-[\w-]{43}$/)
  })

  it('warns once of a row of failures, goes on trying, and heals', async () => {
    const config = '[refresh]\nearly = 50%\nmin_valid = 1s\ntimeout = 1s\n'
    const there = await place({ accessTtl: 4, config }, 4)
    const { command, dismiss } = reader()
    const { tokens, done } = await reading(there, command)
    there.sandbox.setFaults([{ name: '503', count: 3 }])
    await until(() => tokens().length >= 2)
    dismiss()
    const { code, stderr } = await done
    expect(code).toBe(0)
    expect(stderr.match(/warning/g)).toHaveLength(1)
  })

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGALRM', 'SIGABRT'] as const)(
    'goes when %s ends it all',
    async (signal) => {
      const { child, path, done } = await reading(await fresh(), reader().command)
      child.kill(signal)
      expect((await done).signal).toBe(signal)
      expect(existsSync(dirname(path()))).toBe(false)
    },
  )

  it('outlives a kill -9 until the next exec, which leaves alone what others still use', async () => {
    const there = await fresh()
    const { child, path, done } = await reading(there, reader().command)
    const { command, dismiss } = reader()
    const other = await reading(there, command)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(existsSync(path())).toBe(true)
    const foreign = dirname(path()).replace(/exec-\d+-/, 'exec-1-')
    mkdirSync(foreign)
    expect((await there.run(['exec', 'true'])).code).toBe(0)
    expect(existsSync(dirname(path()))).toBe(false)
    expect(existsSync(other.path())).toBe(true)
    expect(existsSync(foreign), 'of another namespace of process ids').toBe(true)
    rmSync(foreign, { recursive: true })
    dismiss()
    await Promise.all([done, other.done])
  })
})

describe('the environment that is handed on', { timeout: 60_000 }, () => {
  it('has none of the variables of hq-token that hold a secret, and all others', async () => {
    const { sandbox, config, start: begin, seed } = await place({}, 3600)
    const text = readFileSync(config, 'utf8').replace(/client_secret = .*\n/, '')
    writeFileSync(config, text)
    const env = {
      HQ_TOKEN_CLIENT_SECRET: sandbox.clientSecret,
      HQ_TOKEN_PROXY: 'http://user:pass-w0rd@127.0.0.1:9',
      HQ_TOKEN_SCOPE: 'kept',
      HQ_TOKEN_SEED_FILE: seed,
      OTHER_SECRET: 'another program’s',
    }
    const { code, stdout } = await begin(['exec', '--', 'env'], { env }).done
    expect(code).toBe(0)
    const handed = Object.fromEntries(
      stdout
        .split('\n')
        .map((line): [string, string] => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]),
    )
    expect(handed).toMatchObject({
      HQ_TOKEN: expect.any(String) as string,
      HQ_TOKEN_SCOPE: 'kept',
      HQ_TOKEN_CONFIG: config,
      OTHER_SECRET: 'another program’s',
    })
    expect(Object.keys(handed)).not.toContain('HQ_TOKEN_CLIENT_SECRET')
    expect(Object.keys(handed)).not.toContain('HQ_TOKEN_PROXY')
    expect(stdout).not.toContain(sandbox.clientSecret)

    const plain = await begin(['exec', '--', 'env'], {
      env: { ...env, HQ_TOKEN_PROXY: 'http://127.0.0.1:9' },
    }).done
    expect(plain.stdout).toContain('HQ_TOKEN_PROXY=http://127.0.0.1:9\n')
  })

  it('of the program that stands beside the command has none either', async () => {
    const { sandbox, config, start: begin, seed } = await place({}, 3600)
    writeFileSync(config, readFileSync(config, 'utf8').replace(/client_secret = .*\n/, ''))
    const env = { HQ_TOKEN_CLIENT_SECRET: sandbox.clientSecret, HQ_TOKEN_SEED_FILE: seed }
    const script = 'for pid in $(pgrep -x -P $PPID cat); do tr "\\0" "\\n" < /proc/$pid/environ; done'
    const { code, stdout } = await begin(['exec', '--', 'sh', '-c', script], { env }).done
    expect(code).toBe(0)
    expect(stdout).toContain('PATH=')
    expect(stdout).not.toContain(sandbox.clientSecret)
  })

  it('of the browser has none either', async () => {
    const { sandbox, config, start: begin } = await place()
    const opened = join(folder(), 'opened')
    const script = join(folder(), 'browser')
    writeFileSync(script, `#!/bin/sh\nenv > ${opened}.new; mv ${opened}.new ${opened}\n`, { mode: 0o755 })
    writeFileSync(config, readFileSync(config, 'utf8').replace(/client_secret = .*\n/, ''))
    const env = { BROWSER: script, HQ_TOKEN_CLIENT_SECRET: sandbox.clientSecret }
    const { done } = begin(['login', '--timeout', '4s'], { env })
    await done
    const handed = readFileSync(opened, 'utf8')
    expect(handed).toContain(`BROWSER=${script}\n`)
    expect(handed).not.toContain(sandbox.clientSecret)
  })
})
