import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place } from '../support/place.js'
import { BIN, ended, start, type Ended } from '../support/processes.js'

const guide = readFileSync('docs/guide.md', 'utf8')
const section = /^## From a new registration to a cron line\n([^]*?)^## /m.exec(guide)?.[1] ?? ''
/** The commands of the section, as they stand there. */
const commands = [...section.matchAll(/(?<=^ *|`)hq-token ((?:[\w/-]+ ?)+)/gm)].map(([, text = '']) =>
  text.trim(),
)

interface Job {
  /** As it stands in the crontab. */
  readonly line: string
  /** The `PATH` of its crontab. */
  readonly path: string
  /** What cron hands to the shell. */
  readonly command: string
}

/** The jobs of every crontab that is shown: a line is an assignment, a comment, or five fields and a command. */
function jobs(page: string): Job[] {
  return [...readFileSync(page, 'utf8').matchAll(/^ *```cron\n([^]*?)^ *```$/gm)].flatMap(([, tab = '']) => {
    const path = /^ *PATH=(.*)$/m.exec(tab)?.[1] ?? '/usr/bin:/bin'
    return tab
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => !/^(?:#.*|\w+=.*|)$/.test(line))
      .map((line) => {
        const command = /^(?:@\w+|\S+(?: +\S+){4}) +(.*)$/.exec(line)?.[1] ?? ''
        return { line, path, command: command.replaceAll('\\%', '%') }
      })
  })
}

const examples = readdirSync('examples', { recursive: true, encoding: 'utf8' })
  .map((name) => join('examples', name))
  .filter((name) => statSync(name).isFile())
const crontab = ['README.md', 'docs/guide.md', ...examples].flatMap(jobs)

/** A folder for `PATH`: the program, and a job that keeps what it finds in its environment. */
function programs(): string {
  const bin = folder()
  const stubs = {
    'hq-token': `exec '${process.execPath}' '${BIN}' "$@"`,
    'export-sites': 'printf %s "$HQ_TOKEN" > "$HOME/exported"',
  }
  for (const [name, text] of Object.entries(stubs))
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return bin
}

const shells = new Set<ChildProcess>()
afterAll(() => {
  for (const shell of shells) shell.kill('SIGTERM')
})

/** A command line, as it is typed. */
function typed(command: string, env: NodeJS.ProcessEnv): { child: ChildProcess; done: Promise<Ended> } {
  const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  shells.add(child)
  return { child, done: ended(child).finally(() => shells.delete(child)) }
}

/** The first text on one of its streams that looks so. */
function said(child: ChildProcess, stream: 'stdout' | 'stderr', wanted: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    child[stream]?.on('data', (chunk: Buffer | string) => {
      const found = wanted.exec((text += String(chunk)))?.[1]
      if (found !== undefined) resolve(found)
    })
  })
}

/** A login that is running, and a person who allows it. */
async function allowed({ child, done }: { child: ChildProcess; done: Promise<Ended> }): Promise<Ended> {
  await fetch(await decided(await said(child, 'stderr', /^ {2}(http\S+)$/m), 'allow'))
  return done
}

it(
  'the guide’s way from a registration to a cron line can be walked, command by command',
  { timeout: 180_000 },
  async () => {
    const { sandbox, works } = await place()
    const home = folder()
    const env = { HOME: home, PATH: '/usr/bin:/bin' }
    const run = (args: readonly string[], input?: string): Promise<Ended> =>
      start(args, { env, ...(input !== undefined && { input }) }).done
    let address = ''
    const person: Record<string, (args: readonly string[]) => Promise<Ended>> = {
      sandbox: () => Promise.resolve({ code: 0, signal: null, stdout: '', stderr: '' }),
      // What a person would type at its questions; any port, since other tests have the usual one.
      init: ([command = '']) =>
        run(
          [
            ...[command, '--redirect-uri', 'http://127.0.0.1/callback'],
            '--instance',
            sandbox.url,
            '--client-id',
            sandbox.clientId,
            '--client-secret',
            '-',
          ],
          sandbox.clientSecret,
        ),
      login: async (args) => {
        if (args.includes('--complete')) return run(args, await decided(address, 'allow'))
        if (!args.includes('--no-browser')) return allowed(start(args, { env }))
        const asked = await run(args)
        address = asked.stdout.trim()
        return asked
      },
    }
    expect(commands).toEqual(
      expect.arrayContaining([
        'init',
        'login',
        'login --no-browser',
        'login --complete -',
        'status',
        'api 1/sites',
        'refresh',
      ]),
    )
    for (const command of commands) {
      const args = command.split(' ')
      const { code, stderr } = await (person[args[0] ?? ''] ?? run)(args)
      expect([command, code, stderr]).toEqual([command, 0, stderr])
    }

    // Where npm puts a program for a user with a prefix of their own; and nothing but what cron has itself.
    mkdirSync(join(home, '.local'), { recursive: true })
    renameSync(programs(), join(home, '.local/bin'))
    expect(crontab).toHaveLength(2)
    for (const { line, path, command } of crontab) {
      expect(path).toBe('/usr/bin:/bin')
      const { code, stderr } = await typed(command, { HOME: home, PATH: path }).done
      expect([line, code, stderr]).toEqual([line, 0, ''])
    }
    expect(await works(readFileSync(join(home, 'exported'), 'utf8'))).toBe(true)
    expect(readFileSync(join(home, '.config/hq-token/config.ini'), 'utf8')).toContain(sandbox.url)
  },
)

it.each(crontab)('no `%` ends the command early for cron: $line', ({ line }) => {
  expect(line).not.toMatch(/(?<!\\)%/)
})

it(
  'the guide’s way can be walked against the sandbox, and the sandbox’s own lines tried',
  { timeout: 180_000 },
  async () => {
    const section = /^## Trying things\n([^]*?)^## /m.exec(guide)?.[1] ?? ''
    const block = /```sh\n(hq-token sandbox --dir [^]*?)```/.exec(section)?.[1] ?? ''
    const [sandbox = '', init = '', login = '', ...more] = block.trim().split('\n\n')
    expect(more).toEqual([])
    const url = 'http://127.0.0.1:8788/sandbox/'
    expect(init).toContain(` ${url} `)
    const home = folder()
    const env = { HOME: home, PATH: `${programs()}:/usr/bin:/bin` }

    // Its usual port may be another test's.
    const { child, done } = typed(`exec ${sandbox} --port 0`, env)
    const greeting = await said(child, 'stdout', /^([^]* login\n)/)
    const [, here = ''] = /at (http\S+) /.exec(greeting) ?? []
    expect(await typed(init.replace(url, here), env).done).toMatchObject({ code: 0, stdout: '' })
    expect(await allowed(typed(login, env))).toMatchObject({ code: 0 })
    const again = { ...env, HQ_TOKEN_PROFILE: 'try' }
    expect(await typed('hq-token api 1/sites', again).done).toMatchObject({ code: 0, stderr: '' })

    const lines = greeting.slice(greeting.indexOf('Try:\n')).trim().split('\n').slice(1)
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual(['get', 'status', 'login'])
    for (const line of lines) {
      const running = typed(line, env)
      const { code, stderr } = await (line.endsWith(' login') ? allowed(running) : running.done)
      expect([line, code, stderr]).toEqual([line, 0, stderr])
    }
    child.kill('SIGINT')
    expect((await done).signal).toBe(null)
  },
)
