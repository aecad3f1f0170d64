import { spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { fresh, until } from './witness.js'

const hasNamespaces = asRoot(
  'exec as the first process of a container, beside another user, without a folder in memory',
)

beforeAll(() => {
  requirePrograms('bash', 'python3', 'zsh', ['pgrep', 'procps'], ['unshare', 'util-linux'])
}, 300_000)

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

  it('the token file is private, in memory, holds the token and nothing else, and goes with the command', async () => {
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
    'the token file lies in XDG_RUNTIME_DIR where that is the user’s own and in memory, else elsewhere',
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
    'the token file lies in the temporary folder where there is none in memory, and that is said',
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
      expect(stderr).toBe(`hq-token: there is no folder in memory, so the token file is on a disk: ${stdout}`)
      expect(readdirSync(disk)).toEqual([])
      rmSync(disk, { recursive: true })
    },
  )

  it('the token file stays fresh while the command runs, and is never half a token', async () => {
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

  it('the token file warns once of a row of failures, goes on trying, and heals', async () => {
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
    'the token file goes when %s ends it all',
    async (signal) => {
      const { child, path, done } = await reading(await fresh(), reader().command)
      child.kill(signal)
      expect((await done).signal).toBe(signal)
      expect(existsSync(dirname(path()))).toBe(false)
    },
  )

  it('the token file outlives a kill -9 until the next exec, which leaves alone what others still use', async () => {
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

  it.runIf(hasNamespaces)(
    'the token is removed, and the exit code is that of the command, where something keeps the folder; the next exec removes that',
    async () => {
      const there = await fresh()
      const keep = 'mkdir "$1/x" && mount -t tmpfs none "$1/x" && echo "$1"; exit 5'
      const command = ['sh', '-c', `set -- "$(dirname "$HQ_TOKEN_FILE")"; ${keep}`]
      const program = [process.execPath, BIN, 'exec', '--token-file', '--', ...command]
      const child = spawn('unshare', ['--mount', ...program], {
        env: { ...process.env, HQ_TOKEN_CONFIG: there.config },
        stdio: 'pipe',
      })
      const { code, stdout, stderr } = await ended(child)
      expect(code, stderr).toBe(5)
      const left = stdout.trim()
      expect(stderr).toBe(
        `hq-token: warning: the folder ${left} could not be removed (EBUSY): the next \`hq-token exec\` removes it\n`,
      )
      expect(readdirSync(left)).toEqual(['x'])
      expect((await there.run(['exec', 'true'])).code).toBe(0)
      expect(existsSync(left)).toBe(false)
    },
  )
})
