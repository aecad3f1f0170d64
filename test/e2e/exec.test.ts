import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { BIN, ended, start } from '../support/processes.js'
import { asUser, canBeOthers, give, inProject, shared, VICTIM } from '../support/users.js'
import { fresh } from './witness.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'zsh', ['pgrep', 'procps'], ['unshare', 'util-linux'])
}, 300_000)

describe('a command runs', () => {
  it('a command runs with the token and its end in its environment, and no file where none was asked for', async () => {
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

  it('a command runs and calls the API, from Python’s standard library', async () => {
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

  it('a command runs with all of standard input, and its output unbuffered by us', async () => {
    const { run } = await fresh()
    const input = 'line\n'.repeat(400_000)
    expect((await run(['exec', 'cat'], { input })).stdout).toBe(input)
  })

  it.each([0, 1, 4, 75, 127, 255])('a command runs, and its exit status %i is ours', async (status) => {
    const { run } = await fresh()
    expect(await run(['exec', '--', 'sh', '-c', `exit ${status}`])).toMatchObject({
      code: status,
      stderr: '',
    })
  })

  it('a command runs with options that are its own, with -- or without; ours stand before it', async () => {
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
  ])('a command runs with the descriptors that it is given: %s', async (_, shell, script, said) => {
    const { config, dir } = await fresh()
    const file = join(dir, 'file')
    writeFileSync(file, 'of the file\n')
    const child = spawn(shell, ['-c', script, 'sh', process.execPath, BIN, file], {
      env: { ...process.env, HQ_TOKEN_CONFIG: config },
      stdio: 'pipe',
    })
    expect(await ended(child)).toMatchObject({ code: 0, stdout: said, stderr: '' })
  })

  it.skipIf(process.platform !== 'linux')('a command runs with no descriptor of ours', async () => {
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

  it('a command runs with --min-valid, on a token that lives as long', async () => {
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
  ])('a command does not run where %s', async (_, command, code, message) => {
    const { run } = await fresh()
    const end = await run(['exec', '--token-file', '--', command])
    expect(end).toMatchObject({ code, stdout: '' })
    expect(end.stderr).toMatch(/^hq-token: error: .*\nhq-token: hint: .*\n$/)
    expect(end.stderr).toContain(`hq-token: error: ${message}\n`)
  })

  it('a command does not run that PATH has as a file which is no program: the hint names no file of the current folder', async () => {
    const { run, dir } = await fresh()
    writeFileSync(join(dir, 'no-program'), 'text', { mode: 0o644 })
    const { code, stderr } = await run(['exec', '--', 'no-program'], {
      env: { PATH: `${dir}:/usr/bin:/bin` },
    })
    expect({ code, stderr }).toEqual({
      code: 126,
      stderr:
        'hq-token: error: no-program: permission denied\nhq-token: hint: see where commands are looked for: echo "$PATH"\n',
    })
  })

  it.runIf(canBeOthers)(
    'a command does not run where there is none by that name, also where PATH has a folder that may not be looked into, as after su',
    async () => {
      const { config, dir } = await fresh()
      give(VICTIM, dir)
      const closed = join(shared(), 'closed')
      mkdirSync(closed, { mode: 0o700 })
      const program = [process.execPath, inProject(BIN), 'exec', '--', 'no-such-command']
      const env = { HQ_TOKEN_CONFIG: config, PATH: `${closed}:/usr/bin:/bin` }
      const { code, stderr } = await asUser(VICTIM, program, { env })
      expect(stderr).toContain('hq-token: error: no-such-command: command not found\n')
      expect(code).toBe(127)
    },
  )

  it.each([
    [4, 'invalid-grant'],
    [75, '503'],
    [78, 'invalid-client'],
  ] as const)('a command does not run where there is no token: %i', async (code, fault) => {
    const { run, dir } = await place({
      faults: [{ name: fault, count: Infinity }],
      config: '[refresh]\ntimeout = 3s\n',
    })
    const mark = join(dir, 'ran')
    expect(await run(['exec', '--', 'touch', mark])).toMatchObject({ code, stdout: '' })
    expect(existsSync(mark)).toBe(false)
  })

  it('a command does not run where the store cannot be read: 74', async () => {
    const { run, dir } = await fresh()
    writeFileSync(join(dir, 'token.db'), 'no database')
    expect((await run(['exec', 'true'])).code).toBe(74)
  })
})

describe('the environment that is handed on', { timeout: 60_000 }, () => {
  it('the environment that is handed on has none of the variables of hq-token that hold a secret, and all others', async () => {
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

  it('the environment of the program that stands beside the command has no secret of hq-token either', async () => {
    const { sandbox, config, start: begin, seed } = await place({}, 3600)
    writeFileSync(config, readFileSync(config, 'utf8').replace(/client_secret = .*\n/, ''))
    const env = { HQ_TOKEN_CLIENT_SECRET: sandbox.clientSecret, HQ_TOKEN_SEED_FILE: seed }
    const script = 'for pid in $(pgrep -x -P $PPID cat); do tr "\\0" "\\n" < /proc/$pid/environ; done'
    const { code, stdout } = await begin(['exec', '--', 'sh', '-c', script], { env }).done
    expect(code).toBe(0)
    expect(stdout).toContain('PATH=')
    expect(stdout).not.toContain(sandbox.clientSecret)
  })

  it('the environment of the browser has no secret of hq-token either', async () => {
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
