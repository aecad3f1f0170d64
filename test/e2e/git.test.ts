import { spawn, spawnSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'

beforeAll(() => {
  requirePrograms('git')
}, 300_000)

const servers: Server[] = []
afterAll(() => {
  for (const server of servers) server.close()
})

/** A repository that takes Basic authentication with these passwords; it tells which were shown. */
async function repository(passwords: () => readonly string[]): Promise<{ url: string; shown: string[] }> {
  const shown: string[] = []
  const server = createServer((request, response) => {
    const [, encoded = ''] = /^Basic (.*)$/.exec(request.headers.authorization ?? '') ?? []
    const password = Buffer.from(encoded, 'base64')
      .toString()
      .replace(/^[^:]*:?/, '')
    if (password !== '') shown.push(password)
    if (!passwords().includes(password))
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    // The "dumb" protocol: a list of names is all.
    else response.end(`${'a'.repeat(40)}\trefs/heads/main\n`)
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, shown }
}

/** git with hq-token as its helper, and others after it. */
async function git(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { input = '', helpers = [] }: { input?: string; helpers?: readonly string[] } = {},
): Promise<Ended> {
  const ours = `!'${process.execPath}' '${BIN}' credential --protocol git`
  const configured = ['', ours, ...helpers].flatMap((helper) => ['-c', `credential.helper=${helper}`])
  const quiet = { PATH: process.env['PATH'], HOME: folder(), GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C' }
  const child = spawn('git', [...configured, ...args], { env: { ...quiet, ...env }, stdio: 'pipe' })
  child.stdin.end(input)
  return ended(child)
}

async function fill(env: NodeJS.ProcessEnv, url: string, helpers: readonly string[] = []): Promise<string> {
  const { stdout, stderr } = await git(['credential', 'fill'], env, { input: `url=${url}\n\n`, helpers })
  return stdout + stderr
}

const NEXT = ['!f() { echo username=next; echo password=one; }; f']

it('git credential fill gets the token for the instance, and for no other host', async () => {
  const { sandbox, config, run: hqToken } = await place({}, 3600)
  const env = { HQ_TOKEN_CONFIG: config }
  const token = (await hqToken(['get'])).stdout.trim()
  expect(await fill(env, `${sandbox.url}x.git`)).toContain(`username=oauth2\npassword=${token}\n`)
  expect(await fill(env, `${sandbox.url.replace('://', '://me@')}x.git`)).toContain(
    `username=me\npassword=${token}\n`,
  )
  const elsewhere = await fill(env, 'https://evil.example/x.git')
  expect(elsewhere).toMatch(/terminal prompts disabled/)
  expect(elsewhere).not.toContain(token)
  expect(await fill(env, 'https://evil.example/x.git', NEXT)).toContain('username=next\npassword=one\n')
})

const [, major, minor] = /(\d+)\.(\d+)/.exec(String(spawnSync('git', ['--version']).stdout)) ?? []

// An older git takes a user and a password only, which is tried above.
if (Number(major) * 100 + Number(minor) >= 246)
  it('git of 2.46 and newer gets a bearer token', async () => {
    const { sandbox, config, run: hqToken } = await place({}, 3600)
    const token = (await hqToken(['get'])).stdout.trim()
    const input = `capability[]=authtype\nurl=${sandbox.url}x.git\n\n`
    const { stdout } = await git(['credential', 'fill'], { HQ_TOKEN_CONFIG: config }, { input })
    expect(stdout).toContain(`authtype=Bearer\n`)
    expect(stdout).toContain(`credential=${token}\n`)
  })

it('git asks the next helper where there is no token, and shows why', async () => {
  const { sandbox, config } = await place({ faults: [{ name: 'invalid-grant', count: 1 }] })
  const said = await fill({ HQ_TOKEN_CONFIG: config }, sandbox.url, NEXT)
  expect(said).toContain('password=one\n')
  expect(said).toMatch(/hq-token: error: .*invalid_grant/)
})

it('git reads a repository with the token, and has it renewed when the server refuses it: one refresh', async () => {
  const { sandbox, config, store, run: hqToken } = await place({}, 3600)
  let good: string[] = []
  const { url, shown } = await repository(() => good)
  const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_API_URL: url }
  const list = (): Promise<Ended> => git(['ls-remote', url], env)
  const first = (await hqToken(['get'])).stdout.trim()
  good = [first]
  expect((await list()).stdout).toMatch(/refs\/heads\/main/)
  expect(new Set(shown)).toEqual(new Set([first]))
  expect(sandbox.refreshes()).toBe(0)

  good = []
  expect((await list()).stderr).toMatch(/Authentication failed/)
  expect(sandbox.refreshes()).toBe(1)
  const second = (await store.read())?.pair.accessToken.reveal() ?? ''
  expect(second).not.toBe(first)
  good = [second]
  expect((await list()).stdout).toMatch(/refs\/heads\/main/)
  expect(sandbox.refreshes()).toBe(1)
})
