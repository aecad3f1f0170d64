import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { writeSandboxFiles } from '../../src/sandbox/files.js'
import { refresh, sandboxFor } from './client.js'

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sandbox-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  return dir
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8)
}

it('the sandbox writes a configuration with paths relative to it', async () => {
  const dir = join(await folder(), 'new', 'sandbox')
  const sandbox = await sandboxFor()
  const { config } = await writeSandboxFiles(dir, sandbox, { accessTtl: 300 })
  expect(config).toBe(join(dir, 'config.ini'))
  expect((await readFile(config, 'utf8')).split('\n').slice(1)).toEqual([
    '[client]',
    `instance = ${sandbox.url}`,
    'client_id = 1012',
    `client_secret = ${sandbox.clientSecret}`,
    'redirect_uri = http://127.0.0.1/callback',
    '',
    '[store]',
    'path = token.db',
    '',
    '[seed]',
    'file = token.ini',
    '',
  ])
})

it('the sandbox writes a seed in the six lines people have, with tokens that work', async () => {
  const sandbox = await sandboxFor()
  const { seed } = await writeSandboxFiles(await folder(), sandbox, { accessTtl: 120 })
  const [mark, section, ...lines] = (await readFile(seed, 'utf8')).trimEnd().split('\n')
  expect(mark).toMatch(/^# /)
  expect(section).toBe('[AUTH]')
  expect(lines).toEqual([
    expect.stringMatching(/^access_token = access-[\w-]{43}$/),
    'access_expiry = 120',
    expect.stringMatching(/^refresh_token= refresh-[\w-]{43}$/),
    'refresh_expiry = 31536000',
    'token_type = bearer',
    'user = someone@example.com',
  ])
  const refreshToken = lines[2]?.slice('refresh_token= '.length) ?? ''
  expect((await refresh(sandbox, refreshToken)).status).toBe(200)
})

it.skipIf(process.platform === 'win32')(
  'the sandbox lets nobody else read them, also where they were readable',
  async () => {
    const dir = join(await folder(), 'sandbox')
    const sandbox = await sandboxFor()
    const { config, seed } = await writeSandboxFiles(dir, sandbox, { accessTtl: 300 })
    expect(await modeOf(dir)).toBe('700')
    await chmod(seed, 0o644)
    await writeSandboxFiles(dir, sandbox, { accessTtl: 300 })
    expect([await modeOf(config), await modeOf(seed)]).toEqual(['600', '600'])
  },
)

it('the sandbox writes anew what an earlier sandbox wrote', async () => {
  const dir = await folder()
  await writeSandboxFiles(dir, await sandboxFor(), { accessTtl: 300 })
  const next = await sandboxFor()
  const { config } = await writeSandboxFiles(dir, next, { accessTtl: 300 })
  expect(await readFile(config, 'utf8')).toContain(next.url)
  expect((await readdir(dir)).sort()).toEqual(['config.ini', 'token.ini'])
})

it.each(['config.ini', 'token.ini'])('touches nothing where somebody else’s %s is', async (name) => {
  const dir = await folder()
  await writeFile(join(dir, name), '[client]\n# Written by hq-token sandbox')
  await expect(writeSandboxFiles(dir, await sandboxFor(), { accessTtl: 300 })).rejects.toThrow(name)
  expect(await readdir(dir)).toEqual([name])
  expect(await readFile(join(dir, name), 'utf8')).toBe('[client]\n# Written by hq-token sandbox')
})

it.skipIf(process.platform === 'win32')('the sandbox does not write through a link', async () => {
  const dir = await folder()
  const target = join(await folder(), 'elsewhere')
  await symlink(target, join(dir, 'token.ini'))
  await expect(writeSandboxFiles(dir, await sandboxFor(), { accessTtl: 300 })).rejects.toThrow('token.ini')
  await expect(stat(target)).rejects.toThrow('ENOENT')
})

it('the sandbox takes away the store of the run before, whose tokens this one has never issued', async () => {
  const dir = await folder()
  const sandbox = await sandboxFor()
  await writeFile(join(dir, 'token.db'), 'somebody else’s')
  await writeSandboxFiles(dir, sandbox, { accessTtl: 300 })
  expect(await readdir(dir)).toContain('token.db')
  await writeSandboxFiles(dir, sandbox, { accessTtl: 300 })
  expect((await readdir(dir)).sort()).toEqual(['config.ini', 'token.ini'])
})
