import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { endAll, family, treeEnding } from '../../src/platform/process-tree.js'
import { folder } from '../support/folder.js'

const begun: ChildProcess[] = []

afterEach(() => {
  vi.unstubAllEnvs()
  for (const child of begun.splice(0)) child.kill('SIGKILL')
})

function sleeper(): ChildProcess {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  begun.push(child)
  return child
}

/** A taskkill that notes its arguments, in the place where Windows has its own. */
function taskkill(status: number): string {
  const path = folder()
  const noted = join(path, 'noted')
  writeFileSync(
    join(path, 'C:\\Win\\System32\\taskkill.exe'),
    `#!/bin/sh\necho "$*" > ${noted}\nexit ${status}\n`,
    {
      mode: 0o755,
    },
  )
  vi.stubEnv('SystemRoot', 'C:\\Win')
  vi.stubEnv('PATH', `${path}:${process.env['PATH'] ?? ''}`)
  return noted
}

describe('a process is ended with what it has started', () => {
  it('a process is ended with what it has started: on Windows by taskkill, by its whole path', () => {
    expect(treeEnding(42, { SYSTEMROOT: 'D:\\Windows' })).toEqual({
      file: 'D:\\Windows\\System32\\taskkill.exe',
      args: ['/T', '/F', '/PID', '42'],
    })
  })

  it.each([{}, { SystemRoot: '' }, { SystemRoot: '.' }, { SystemRoot: '\\\\evil\\x' }, { SystemRoot: 'C:' }])(
    'a process is ended with what it has started: by no program of the current folder or a share, with %j',
    (env) => {
      expect(treeEnding(42, env).file).toBe('C:\\Windows\\System32\\taskkill.exe')
    },
  )

  it('a process is ended with what it has started: taskkill is waited for, and does all', () => {
    const noted = taskkill(0)
    const { pid = 0 } = sleeper()
    endAll([pid], 'SIGKILL', 'win32')
    expect(readFileSync(noted, 'utf8')).toBe(`/T /F /PID ${pid}\n`)
    expect(process.kill(pid, 0)).toBe(true)
  })

  it.each(['is missing', 'refuses'])(
    'a process is ended with what it has started: by itself where taskkill %s',
    async (how) => {
      const noted = how === 'refuses' ? taskkill(128) : undefined
      const child = sleeper()
      endAll(family(child, 'win32'), 'SIGKILL', 'win32')
      expect(await once(child, 'exit')).toEqual([null, 'SIGKILL'])
      expect(noted === undefined || existsSync(noted)).toBe(true)
    },
  )

  it('a process is ended with what it has started: a number that Windows may have given to another is left alone', () => {
    expect(family({ pid: 7, exitCode: null, signalCode: null }, 'win32')).toEqual([7])
    expect(family({ pid: 7, exitCode: 0, signalCode: null }, 'win32')).toEqual([])
    expect(family({ pid: 7, exitCode: null, signalCode: 'SIGKILL' }, 'win32')).toEqual([])
    expect(family({ pid: undefined, exitCode: null, signalCode: null }, 'win32')).toEqual([])
  })
})
