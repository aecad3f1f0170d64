// The lines of `--log-format json`: errors of each exit code, and all else that is said there. That each line has the keys
// of its schema, and no other, `place` and `told` see to.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Exit } from '../../src/core/errors.js'
import type { LogLine } from '../../src/schemas/index.js'
import { folder } from '../support/folder.js'
import { hold } from '../support/json-outputs.js'
import { place, type PlaceOptions } from '../support/place.js'
import { start } from '../support/processes.js'
import { told } from '../support/world.js'

const JSON_LINES = ['--log-format', 'json']

function linesIn(stderr: string): Promise<LogLine[]> {
  return Promise.all(
    stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => hold('log-line', line)),
  )
}

type Call = [
  exit: number,
  code: string,
  argv: readonly string[],
  options?: PlaceOptions,
  env?: NodeJS.ProcessEnv,
]

const refused = (name: 'invalid-grant' | 'invalid-client' | '503' | 'close'): PlaceOptions => ({
  faults: [{ name, count: Infinity }],
  config: '[refresh]\ntimeout = 1s\n',
})

const CALLS: Call[] = [
  [Exit.usage, 'HQ_USAGE', ['get', '--frmat']],
  [Exit.login, 'HQ_LOGIN_REQUIRED', ['get'], refused('invalid-grant')],
  [Exit.api, 'HQ_API_REFUSED', ['api', '1/nothing']],
  [Exit.seed, 'HQ_SEED_INVALID', ['seed', 'package.json']],
  [Exit.store, 'HQ_STORE_UNUSABLE', ['get'], {}, { HQ_TOKEN_STORE: '/dev/null/token.db' }],
  [Exit.later, 'HQ_SERVER_UNAVAILABLE', ['get'], refused('503')],
  [Exit.later, 'HQ_OUTCOME_UNKNOWN', ['get'], refused('close')],
  [Exit.config, 'HQ_CONFIG_INVALID', ['get'], {}, { HQ_TOKEN_CONFIG: '/nonexistent' }],
  [Exit.config, 'HQ_CLIENT_REFUSED', ['get'], refused('invalid-client')],
  [Exit.notFound, 'HQ_COMMAND_NOT_FOUND', ['exec', '--', 'no-such-command']],
  [Exit.notExecutable, 'HQ_COMMAND_NOT_EXECUTABLE', ['exec', '--', '/etc/passwd']],
]

describe('an error in a line of JSON keeps to the schema', () => {
  it.each(CALLS)('with exit code %d and code %s, after %j', async (exit, code, argv, options, env = {}) => {
    const { run } = await place(options)
    const ended = await run([...JSON_LINES, ...argv], { env })
    expect(ended.code, ended.stderr).toBe(exit)
    const errors = (await linesIn(ended.stderr)).filter(({ level }) => level === 'error')
    expect(errors.map((line) => line.code)).toEqual([code])
  })

  it('with exit code 1 and no code, where hq-token has a bug', async () => {
    const { config } = await place({}, 3600)
    const browser = (): never => {
      throw new RangeError('a bug')
    }
    const env = { HQ_TOKEN_CONFIG: config }
    const { code, stderr } = await told([...JSON_LINES, 'login'], { env, browser })
    expect(code).toBe(Exit.bug)
    const [last] = (await linesIn(stderr)).slice(-1)
    expect(last).toMatchObject({
      level: 'error',
      message: expect.stringContaining('a bug in hq-token') as string,
    })
    expect(last).not.toHaveProperty('code')
  })

  it('where the store holds another client’s token set', async () => {
    const { run } = await place()
    await run(['get'])
    const { code, stderr } = await run([...JSON_LINES, 'get'], { env: { HQ_TOKEN_CLIENT_ID: 'another' } })
    expect(code).toBe(Exit.config)
    expect(await linesIn(stderr)).toMatchObject([{ code: 'HQ_OTHER_CLIENT' }])
  })

  it('where another process holds the lock for too long', async () => {
    const { run, store } = await place({ config: '[refresh]\nlock_wait = 1s\n' })
    await run(['seed'])
    const { code, stderr } = await store.exclusive(() => run([...JSON_LINES, 'get']), { waitMs: 1000 })
    expect(code).toBe(Exit.later)
    expect(await linesIn(stderr)).toMatchObject([{ code: 'HQ_LOCK_TIMEOUT' }])
  })

  it('where standard output cannot be written', async () => {
    const { config } = await place({}, 3600)
    const said = await told([...JSON_LINES, '-v', 'get'], { env: { HQ_TOKEN_CONFIG: config }, broken: true })
    expect(said.code).toBe(Exit.store)
    expect((await linesIn(said.stderr)).map(({ code }) => code)).toContain('HQ_OUTPUT_FAILED')
  })

  it.each([
    ['new Error("x")', undefined],
    ['Object.assign(new Error("x"), { code: "EMFILE" })', 'HQ_STORE_UNUSABLE'],
  ])('where the program cannot be loaded, because of %s', async (error, code) => {
    const script = `import { unloadable } from './build/cli/unloadable.js'; unloadable(${error}, ['--log-format=json'])`
    const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    const [line] = await linesIn(stderr)
    expect(line?.code).toBe(code)
  })
})

describe('what else is said in lines of JSON keeps to the schema', () => {
  it('the events of a seed', async () => {
    const { run } = await place({}, 3600)
    const events = async (): Promise<unknown[]> =>
      (await linesIn((await run([...JSON_LINES, 'seed'])).stderr)).flatMap(({ event }) => event ?? [])
    expect(await events()).toEqual(['seed_imported'])
    expect(await events()).toEqual(['seed_disregarded'])
  })

  it('a warning with its hint', async () => {
    const { run } = await place({}, 3600)
    const { stderr } = await run([...JSON_LINES, 'status'], { env: { HQ_TOKEN_CLIENT_IDD: 'x' } })
    expect(await linesIn(stderr)).toMatchObject([{ level: 'warning', hint: expect.any(String) as string }])
  })

  it('the address of a login', async () => {
    const { config } = await place({}, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    const { stderr } = await told([...JSON_LINES, 'login', '--timeout', '1s'], { env })
    expect((await linesIn(stderr)).map(({ address }) => typeof address)).toContain('string')
  })

  it('what `init` finds', async () => {
    const path = join(folder(), 'config.ini')
    const args = ['init', '--instance', 'http://127.0.0.1:1/x/', '--client-id', '1', '--auth-method', 'none']
    const { code, stderr } = await start(['--config', path, ...JSON_LINES, ...args]).done
    expect(code).toBe(0)
    expect((await linesIn(stderr)).map(({ level }) => level)).toEqual(
      expect.arrayContaining(['info', 'warning']),
    )
  })

  it('the requests that a sandbox is sent', async () => {
    const dir = folder()
    const running = start([...JSON_LINES, 'sandbox', '--port', '0', '--dir', join(dir, 'sandbox')])
    let [stdout, stderr] = ['', '']
    running.child.stdout?.on('data', (text: string) => (stdout += text))
    running.child.stderr?.on('data', (text: string) => (stderr += text))
    await expect.poll(() => stdout).toMatch(/http\S+/)
    await fetch(new URL('api/1/sites', /http\S+/.exec(stdout)?.[0]))
    await expect.poll(() => stderr).toContain('\n')
    running.child.kill('SIGTERM')
    await running.done
    expect(await linesIn(stderr)).toMatchObject([
      { level: 'info', message: expect.stringContaining('GET ') as string },
    ])
  })
})
