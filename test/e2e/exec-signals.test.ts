import { execFileSync, spawn } from 'node:child_process'
import { readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { BIN, ended } from '../support/processes.js'
import { fresh, until, witness } from './witness.js'

const hasNamespaces = asRoot(
  'exec as the first process of a container, beside another user, without a folder in memory',
)

beforeAll(() => {
  requirePrograms('bash', 'python3', 'zsh', ['pgrep', 'procps'], ['unshare', 'util-linux'])
}, 300_000)

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400))

describe('a signal to hq-token alone', () => {
  it('a signal to hq-token alone reaches the command, once', { timeout: 180_000 }, async () => {
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

  it('a signal to hq-token alone reaches the command also where there is no cat', async () => {
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
