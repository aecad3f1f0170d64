import { spawn } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { foldersOnDisk } from '../../src/cli/commands/exec/token-file.js'
import { folder } from '../support/folder.js'
import { ended } from '../support/processes.js'

describe('a command of exec on Windows', () => {
  // A path of Windows is the name of a file here.
  it.skipIf(process.platform === 'win32').each([
    ['does not begin after a signal, which could not reach it', 'SIGINT', { said: 'SIGINT', begun: false }],
    ['begins without one', undefined, { said: '0', begun: true }],
  ] as const)('a command of exec on Windows %s', async (_, signal, { said, begun }) => {
    const cwd = folder()
    writeFileSync(join(cwd, 'C:\\job.exe'), '#!/bin/sh\n/bin/touch begun\n', { mode: 0o755 })
    const script = `
import { ForwardingChild } from ${JSON.stringify(pathToFileURL('build/cli/commands/exec/child.js').href)}
const child = new ForwardingChild(process.env, 'win32')
const end = child.run(['C:\\\\job.exe'], { PATH: process.cwd() }, [])
${signal === undefined ? '' : `process.emit('${signal}')`}
process.stdout.write(String(await end))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd, stdio: 'pipe' })
    expect(await ended(child)).toMatchObject({ stdout: said, stderr: '' })
    expect(existsSync(join(cwd, 'begun'))).toBe(begun)
  })
})

describe('the file of exec --token-file on Windows', () => {
  const profile = { env: { LocalAppData: 'C:\\Users\\me\\AppData\\Local' }, homedir: () => 'C:\\Users\\me' }
  const own = 'C:\\Users\\me\\AppData\\Local\\Temp'

  it('lies in the profile, wherever the temporary folder is', () => {
    expect(foldersOnDisk('win32', own, profile)).toEqual([profile.env.LocalAppData, own])
    expect(foldersOnDisk('win32', 'D:\\Temp', profile)).toEqual([profile.env.LocalAppData])
  })

  it('lies in the temporary folder elsewhere', () => {
    expect(foldersOnDisk('linux', '/tmp', profile)).toEqual(['/tmp'])
    expect(foldersOnDisk('darwin', '/var/folders/x', profile)).toEqual(['/var/folders/x'])
  })
})
