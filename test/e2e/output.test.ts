import { chmodSync, closeSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { describe, expect, it } from 'vitest'
import { faultNames, type FaultName } from '../../src/sandbox/faults.js'
import { folder } from '../support/folder.js'
import { place } from '../support/place.js'
import { BIN, ended, start, type Ended } from '../support/processes.js'
import { told } from '../support/world.js'

describe('the six-line file of the thread', () => {
  const CANARY = { access: 'QWNjZXNz;to#ken=1"', refresh: "UmVmcmVzaA==';#" }
  const SIX_LINES = `[AUTH]
access_token = ${CANARY.access}
access_expiry = 2592000
refresh_token= ${CANARY.refresh}
refresh_expiry = 2628000
token_type = bearer
user = someone@example.com
`

  it('the six-line file of the thread seeds, and `get` prints the token and a newline, silently and without a request', async () => {
    const dir = folder()
    const file = join(dir, 'token.ini')
    writeFileSync(file, SIX_LINES, { mode: 0o600 })
    const env = { HQ_TOKEN_STORE: join(dir, 'token.db'), HOME: dir }
    expect(await start(['seed', file], { env }).done).toMatchObject({ code: 0, stdout: '' })
    // From here on the file is disregarded; there is no client at all, so any request would fail.
    rmSync(file)
    expect(await start(['get'], { env }).done).toEqual({
      code: 0,
      signal: null,
      stdout: `${CANARY.access}\n`,
      stderr: '',
    })
  })
})

describe('standard output that cannot be written is a failure', () => {
  it.each([
    ['the warm path', ['get']],
    ['the full path', ['get', '--format', 'json']],
    ['help', ['--help']],
  ])('full, on %s', async (_, args) => {
    const { run } = await place({}, 3600)
    await run(['seed'])
    const full = openSync('/dev/full', 'w')
    const ended = await run(args, { stdout: full })
    closeSync(full)
    expect(ended.code).toBe(74)
    expect(ended.stderr).toMatch(
      /^hq-token: error: standard output could not be written \(ENOSPC\)\nhq-token: hint: /,
    )
  })

  it('closed by its reader', async () => {
    const { run, config } = await place({}, 3600)
    await run(['seed'])
    const child = spawn(process.execPath, [BIN, 'get'], {
      env: { HQ_TOKEN_CONFIG: config, HOME: '/' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const code = await new Promise((resolve) => child.on('close', resolve))
    // Whoever reads no more needs no word of it.
    expect({ code, stderr }).toEqual({ code: 74, stderr: '' })
  })
})

describe('a reader that has seen enough', () => {
  /** A pipeline in a shell; the exit code is that of the first command that failed. */
  async function piped(command: string, env: NodeJS.ProcessEnv): Promise<Ended> {
    const line = `set -o pipefail; hq() { '${process.execPath}' '${BIN}' "$@"; }; ${command}`
    return ended(spawn('bash', ['-c', line], { env: { PATH: process.env['PATH'], HOME: '/', ...env } }))
  }

  it.each([
    // The reader has closed the pipe before anything is written.
    ['get', '{ sleep 1; hq get; } | { exec <&-; sleep 3; }'],
    ['get in full', '{ sleep 1; hq get --format json; } | { exec <&-; sleep 3; }'],
    ['credential', '{ sleep 1; hq credential --protocol kubernetes; } | { exec <&-; sleep 3; }'],
    ['api', 'hq api big | head -c 20'],
    ['api to -', 'hq api -o - big | head -1'],
    ['api -i', 'hq api -i big | head -1'],
  ])('a reader that has seen enough ends %s quietly, with 74', async (_what, command) => {
    const { run, config } = await place({}, 3600)
    await run(['seed'])
    const lines = '{"site":[1]}\n'.repeat(200_000)
    const server = createServer((_request, response) => response.end(lines)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_API_URL: `http://127.0.0.1:${port}/` }
    const { code, stderr } = await piped(command, env)
    server.closeAllConnections()
    server.close()
    expect({ code, stderr }).toEqual({ code: 74, stderr: '' })
  })

  it.each(['hq status | true', 'hq doctor | head -1', 'hq --help | head -1'])(
    'a reader of a report that has seen enough has read what it wanted: %s ends with 0',
    async (command) => {
      const { run, config } = await place({}, 3600)
      await run(['seed'])
      expect(await piped(command, { HQ_TOKEN_CONFIG: config })).toMatchObject({ code: 0, stderr: '' })
    },
  )
})

it('standard error that nobody takes costs neither the token nor the exit code', async () => {
  const { run, config, sandbox } = await place({}, 3600)
  await run(['seed'])
  chmodSync(config, 0o644) // Worth a warning, at every call.
  for (const args of [['get'], ['get', '--rejected', '-']]) {
    const token = (await run(['get'])).stdout
    const child = spawn(process.execPath, [BIN, ...args], {
      env: { HQ_TOKEN_CONFIG: config, HOME: '/' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stderr.destroy()
    child.stdin.end(token)
    let stdout = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^\S{40,}\n$/) as string })
  }
  expect(sandbox.refreshes()).toBe(1)
})

describe('no token and no secret', () => {
  it.concurrent.each(Object.keys(faultNames) as FaultName[])(
    'no token and no secret reaches standard error, whatever the server does: %s',
    { timeout: 180_000 },
    async (name) => {
      const { run, store, sandbox, seed, config } = await place({
        faults: [{ name, count: Infinity }],
        config: '[refresh]\ntimeout = 1s\n',
      })
      const secrets = [...readFileSync(seed, 'utf8').matchAll(/_token\s*= (\S+)/g)].map(
        ([, token = '']) => token,
      )
      const heard: string[] = []
      for (const args of [
        ['seed'],
        ['-v', 'get'],
        ['--log-format', 'json', 'get'],
        ['refresh'],
        ['status'],
        ['status', '--json'],
      ]) {
        // One as a process, for what Node itself may say.
        const { stderr, stdout } = await (args[0] === '-v'
          ? run(args)
          : told(args, { env: { HQ_TOKEN_CONFIG: config } }))
        heard.push(stderr, ...(args.includes('get') ? [] : [stdout]))
      }
      const set = await store.read()
      for (const pair of [set?.pair, set?.previous])
        if (pair) secrets.push(pair.accessToken.reveal(), pair.refreshToken.reveal())
      const said = heard.join('\n')
      expect(said).toMatch(/^state +\w/m)
      expect(secrets.length).toBeGreaterThanOrEqual(4)
      for (const secret of [sandbox.clientSecret, ...secrets]) expect(said).not.toContain(secret)
    },
  )

  it('no token and no secret stands on a command line while the program runs', async () => {
    const { start: begin, sandbox, seed } = await place({ latencyMs: 800 })
    const running = begin(['get'])
    while (sandbox.refreshes() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const listed = execFileSync('ps', ['-eo', 'args']).toString()
    await running.done
    const tokens = [...readFileSync(seed, 'utf8').matchAll(/_token\s*= (\S+)/g)].map((match) =>
      String(match[1]),
    )
    expect(tokens).toHaveLength(2)
    for (const secret of [...tokens, sandbox.clientSecret]) expect(listed).not.toContain(secret)
  })
})

it('the program works when it is called by a link, as npm installs it', async () => {
  const { config } = await place({}, 3600)
  const link = join(folder(), 'hq-token')
  symlinkSync(BIN, link)
  const out = execFileSync(process.execPath, [link, 'get'], {
    env: { HQ_TOKEN_CONFIG: config, HOME: '/' },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(out.toString()).toMatch(/^\S{40,}\n$/)
})
