import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSecret } from '../../src/config/secret-origin.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'

const LINUX = process.platform === 'linux'

const secretOf = async (command: string, cwd = folder(), timeoutMs = 5_000): Promise<string> =>
  (
    await readSecret(
      { kind: 'command', what: 'client secret', where: 'x', command, cwd, env: process.env },
      timeoutMs,
    )
  ).reveal()

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

const pidIn = (path: string): number => Number(readFileSync(path, 'utf8'))

it('the command is handed none of our variables that hold a secret', async () => {
  const env = { ...process.env, HQ_TOKEN_PROXY: 'http://user:pass-w0rd@127.0.0.1:9', HQ_TOKEN_SCOPE: 'kept' }
  const command = 'echo "[$HQ_TOKEN_PROXY] $HQ_TOKEN_SCOPE"'
  const secret = await readSecret({
    kind: 'command',
    what: 'client secret',
    where: 'x',
    command,
    cwd: folder(),
    env,
  })
  expect(secret.reveal()).toBe('[] kept')
})

it.each([
  ['a mark before UTF-8', "printf '\\357\\273\\277sécret\\r\\n'", 'sécret'],
  ['UTF-16', "printf '\\377\\376s\\0\\351\\0\\r\\0\\n\\0'", 'sé'],
])(
  'a command that prints %s, as shells of Windows do, gives the secret alone',
  async (_, command, secret) => {
    expect(await secretOf(command)).toBe(secret)
  },
)

it('a command that prints an old code page gives no secret, because its characters would be sent as others', async () => {
  await expect(secretOf("printf 's\\202cret'")).rejects.toMatchObject({
    message: 'x prints what is no text in UTF-8 or UTF-16',
    hint: 'let the command print UTF-8, on Windows after: chcp 65001',
  })
})

describe('a daemon that keeps standard output open', () => {
  it.each([
    ['in the command’s group', 'sleep 30 & echo $! > pid; echo secret-of-it'],
    [
      'in a session of its own',
      'setsid sh -c "echo \\$\\$ > pid; exec sleep 30" & sleep 0.2; echo secret-of-it',
    ],
  ])('%s is not waited for, and lives on', async (_, command) => {
    const cwd = folder()
    const begun = performance.now()
    expect(await secretOf(command, cwd)).toBe('secret-of-it')
    expect(performance.now() - begun).toBeLessThan(4_000)
    const pid = pidIn(join(cwd, 'pid'))
    expect(isRunning(pid)).toBe(true)
    process.kill(pid, 'SIGKILL')
  })

  it('a daemon that keeps standard output open does not hide that the command failed', async () => {
    const cwd = folder()
    await expect(secretOf('sleep 30 2>&1 & echo $! > pid; echo x; exit 3', cwd)).rejects.toThrow(
      'failed (exit status 3)',
    )
    process.kill(pidIn(join(cwd, 'pid')), 'SIGKILL')
  })

  it('a daemon that keeps standard output open costs nothing of what was printed', async () => {
    const long = 'y'.repeat(60_000)
    expect(await secretOf(`sleep 2 2>&1 & printf '%60000s' '' | tr ' ' y`)).toBe(long)
  })
})

describe('the time limit ends', () => {
  it.runIf(LINUX).each([
    ['what has a group of its own', 'setsid sleep 31 & echo $! > pid; wait'],
    ['what a child of that has begun', 'setsid sh -c "sleep 31 & echo \\$! > pid; wait" & wait'],
  ])('the time limit ends %s', async (_, command) => {
    const cwd = folder()
    await expect(secretOf(command, cwd, 500)).rejects.toThrow('within 0.5 s')
    const pid = pidIn(join(cwd, 'pid'))
    await expect.poll(() => isRunning(pid)).toBe(false)
  })
})

describe('a signal meanwhile', () => {
  it.runIf(LINUX).each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    '%s ends what the command has begun, and the program',
    async (signal) => {
      const cwd = folder()
      const here = await place()
      const command = `sleep 32 & echo $! > ${cwd}/pid; wait`
      const text = readFileSync(here.config, 'utf8')
      writeFileSync(here.config, text.replace(/^client_secret = .*$/m, `client_secret_command = ${command}`))
      const { child, done } = here.start(['get'])
      await expect.poll(() => existsSync(join(cwd, 'pid')), { timeout: 10_000 }).toBe(true)
      child.kill(signal)
      const signalled = performance.now()
      const { code } = await done
      expect(code).toBeNull()
      // A process that did not end its command would end with it, after 32 s.
      expect(performance.now() - signalled).toBeLessThan(15_000)
      expect(here.sandbox.refreshes()).toBe(0)
      const pid = pidIn(join(cwd, 'pid'))
      await expect.poll(() => isRunning(pid)).toBe(false)
    },
  )
})
