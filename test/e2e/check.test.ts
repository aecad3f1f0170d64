import { spawn } from 'node:child_process'
import {
  chownSync,
  closeSync,
  cpSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { asRoot } from '../support/as-root.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { startPostgres, type Postgres } from '../support/postgres.js'
import { listening } from '../support/proxy.js'
import { BIN, ended, start, startWith, type Ended } from '../support/processes.js'

const canMount = asRoot('check on a file system that hangs, and on files of other users')
const HANGING = join(import.meta.dirname, '../support/hanging.py')

/** A place with a fresh token set. */
async function filled(): Promise<Place> {
  const made = await place({}, 3600)
  expect((await made.run(['seed'])).code).toBe(0)
  return made
}

describe('check, as a process', () => {
  it('check says nothing on standard error, whatever Node has to warn of', async () => {
    const { run } = await filled()
    const late = "process.emitWarning('early'); process.on('exit', () => { console.error('late') })"
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(late)}` }
    expect((await run(['status'], { env })).stderr).toMatch(/early[^]*late/)
    expect(await run(['check'], { env })).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['-v', 'check', '--bad'], { env })).toMatchObject({ code: 3, stderr: '' })
  })

  it('check reports a bug that nothing awaits in its line too', async () => {
    const { run } = await filled()
    const bug =
      "const { exit } = process; process.exit = () => { process.exit = exit; setTimeout(() => { throw new TypeError('x') }) }"
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(bug)}` }
    const said = await run(['check'], { env })
    expect(said).toMatchObject({ code: 3, stderr: '' })
    expect(said.stdout).toMatch(/\nHQ_TOKEN UNKNOWN - a bug in hq-token: TypeError\n$/)
  })

  it('check ends with 3 where its reader has gone, and on a full disk', async () => {
    const { config } = await filled()
    const env = { HQ_TOKEN_CONFIG: config }
    const reader = startWith(['check'], env, ['ignore', 'pipe', 'pipe'])
    reader.child.stdout?.destroy()
    expect(await reader.done).toMatchObject({ code: 3, stderr: '' })
    const full = openSync('/dev/full', 'w')
    expect(await startWith(['check'], env, ['ignore', full, 'pipe']).done).toMatchObject({
      code: 3,
      stderr: '',
    })
    closeSync(full)
  })

  it('check with its options before it is a wrong usage of check, and pages nobody', async () => {
    const { run } = await filled()
    for (const args of [
      ['-w', '1:', 'check'],
      ['--failing-for', '5m', 'check'],
    ])
      expect(await run(args)).toMatchObject({ code: 3, stderr: '' })
    expect(await run(['frobnicate', 'check'])).toMatchObject({ code: 2, stdout: '' })
  })

  it('check in a folder that was removed says so, and reads what a whole path names', async () => {
    const { config } = await filled()
    const script = 'd=$(mktemp -d); cd "$d"; rmdir "$d"; exec "$@"'
    const run = (...args: string[]): Promise<Ended> =>
      ended(
        spawn('sh', ['-c', script, 'sh', process.execPath, BIN, ...args], {
          stdio: ['ignore', 'pipe', 'pipe'],
        }),
      )
    expect(await run('--config', config, 'check')).toMatchObject({ code: 0, stderr: '' })
    const lost = await run('--config', 'config.ini', 'check')
    expect([lost.code, lost.stdout, lost.stderr]).toEqual([
      3,
      expect.stringContaining('UNKNOWN - the working folder of this process is gone: cd to') as string,
      '',
    ])
    expect((await run('--config', 'config.ini', 'status')).stderr).toContain(
      'the working folder of this process',
    )
  })

  it('check of an empty config file is UNKNOWN: nobody needs to log in for a disk that was full', async () => {
    const config = join(folder(), 'config.ini')
    writeFileSync(config, '', { mode: 0o600 })
    const { run } = await filled()
    const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STATE_DIR: folder() }
    expect(await run(['check'], { env })).toMatchObject({
      code: 3,
      stdout: expect.stringContaining('names no client and no server: hq-token doctor') as string,
    })
  })

  it('a look for another process ends with the process that has asked for it', async () => {
    // A database that takes the connection and never says a word.
    const server = createServer()
    const port = await listening(server, '127.0.0.1')
    onTestFinished(() => void server.close())
    const dir = folder()
    const url = `postgres://jobs@127.0.0.1:${port}/x?sslmode=disable`
    writeFileSync(join(dir, 'config.ini'), `[store]\nurl = ${url}\n`, { mode: 0o600 })
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
    const { child, done } = startWith(['check', '--look', '--timeout', '60'], env, ['pipe', 'pipe', 'pipe'])
    await once(server, 'connection')
    child.stdin?.end()
    expect((await done).code).toBe(0)
  })

  it('check of a program that is half installed says so in its line', async () => {
    const dir = folder()
    cpSync(join(BIN, '..'), join(dir, 'dist'), { recursive: true })
    for (const name of readdirSync(join(dir, 'dist')).filter((one) => /^main-/.test(one)))
      rmSync(join(dir, 'dist', name))
    const said = await ended(
      spawn(process.execPath, [join(dir, 'dist', 'bin.cjs'), 'check'], { stdio: ['ignore', 'pipe', 'pipe'] }),
    )
    expect(said).toMatchObject({ code: 3, stderr: '' })
    expect(said.stdout).toMatch(/^HQ_TOKEN UNKNOWN - hq-token cannot be loaded: .*\n$/)
  })

  it.runIf(canMount)('check of another user’s store names the command that can read it', async () => {
    const { dir, run } = await filled()
    for (const name of readdirSync(dir)) chownSync(join(dir, name), 12_345, 12_345)
    chownSync(dir, 12_345, 12_345)
    const config = join(folder(), 'config.ini')
    writeFileSync(config, `[store]\npath = ${join(dir, 'token.db')}\n`, { mode: 0o600 })
    expect(await run(['check'], { env: { HQ_TOKEN_CONFIG: config } })).toMatchObject({
      ...{ code: 3, stderr: '' },
      stdout: expect.stringMatching(
        / - \S+ belongs to another user \(uid 12345\): run as that user: sudo -u \\#12345 hq-token/,
      ) as string,
    })
  })
})

describe.runIf(canMount)('check beside a file system that hangs', () => {
  /** @param hung Made, and mounted over. */
  async function beside(
    hung: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv,
  ): Promise<Ended & { readonly ms: number }> {
    requirePrograms('python3', ['unshare', 'util-linux'])
    mkdirSync(hung, { recursive: true })
    const begun = performance.now()
    const program = ['--mount', 'python3', HANGING, hung, process.execPath, BIN, ...args]
    const said = await ended(
      spawn('unshare', program, {
        env: { PATH: process.env['PATH'], ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        // Without its server the file system fails each call that waits.
        timeout: 9000,
        killSignal: 'SIGKILL',
      }),
    )
    return { ...said, ms: performance.now() - begun }
  }

  it.each([
    [
      'the store',
      (dir: string, made: Place) => ({ HQ_TOKEN_CONFIG: made.config, HQ_TOKEN_STORE: join(dir, 'token.db') }),
      ['check', '-t', '1'],
    ],
    ['the configuration', (dir: string) => ({ HQ_TOKEN_CONFIG_DIR: dir }), ['check', '-t', '1']],
    ['all profiles', (dir: string) => ({ HQ_TOKEN_CONFIG_DIR: dir }), ['check', '--all', '-t', '1']],
  ])('check of %s there ends at its time, as a process too', async (_, env, args) => {
    const hung = join(folder(), 'hung')
    const said = await beside(hung, args, env(hung, await filled()))
    expect(said).toMatchObject({
      code: 3,
      stderr: '',
      stdout: expect.stringMatching(/^HQ_TOKEN UNKNOWN - nothing could be read in time.*\n$/) as string,
    })
    expect(said.ms).toBeGreaterThan(900)
    expect(said.ms).toBeLessThan(6000)
  })

  it('check --all tells of the other profiles, where one hangs', async () => {
    const made = await filled()
    const dir = folder()
    mkdirSync(join(dir, 'profiles'))
    const text = (path: string): string =>
      readFileSync(made.config, 'utf8').replace(/^path = .*$/m, `path = ${path}`)
    writeFileSync(join(dir, 'profiles', 'good.ini'), text(join(made.dir, 'token.db')), { mode: 0o600 })
    writeFileSync(join(dir, 'profiles', 'hung.ini'), text(join(dir, 'hung', 'token.db')), { mode: 0o600 })
    const said = await beside(join(dir, 'hung'), ['check', '--all', '-t', '3'], { HQ_TOKEN_CONFIG_DIR: dir })
    expect(said).toMatchObject({ code: 3, stderr: '' })
    expect(said.stdout).toMatch(
      /^HQ_TOKEN UNKNOWN - 2 profiles: 1 UNKNOWN, 1 OK\nOK - good: fresh; .*\nUNKNOWN - hung: nothing could be read in time/,
    )
  })
})

describe('check of a store that hosts share', { timeout: 60_000 }, () => {
  let postgres: Postgres
  let made: Place
  beforeAll(async () => {
    postgres = await startPostgres()
    made = await place({}, 3600)
  })

  /** A host of its own. @param lines Further ones of `[store]`. */
  function host(
    url: string,
    lines = '',
  ): { readonly dir: string; readonly run: (...args: string[]) => Promise<Ended> } {
    const dir = folder()
    const config = join(dir, 'config.ini')
    const text = readFileSync(made.config, 'utf8')
      .replace(/^path = .*$/m, `url = ${url}\npath = token.seat\n${lines}`)
      .replace(/^file = .*$/m, `file = ${made.seed}`)
    writeFileSync(config, text, { mode: 0o600 })
    return { dir, run: (...args) => start(args, { env: { HQ_TOKEN_CONFIG: config } }).done }
  }

  it('check asks the database, and tells what this host saw last where it is away', async () => {
    const name = await postgres.createDatabase()
    const { dir, run } = host(postgres.url(name))
    expect(await run('check')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('no token set yet: hq-token get') as string,
    })
    expect(readdirSync(dir)).toEqual(['config.ini'])
    expect((await run('get')).code).toBe(0)
    const before = readdirSync(dir).map((file) => [file, readFileSync(join(dir, file)).toString('base64')])
    const asked = await run('check')
    expect(asked.stderr).toBe('')
    expect(asked.stdout).not.toContain('as this host saw it')
    // Nobody else can have it: a look takes no lease.
    expect(await postgres.sql('SELECT lease_seat FROM hq_token.grants', undefined, name)).toEqual([
      { lease_seat: null },
    ])
    await postgres.sql(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    const away = await run('check')
    expect(away).toMatchObject({ code: 3, stderr: '' })
    expect(away.stdout).toMatch(/^HQ_TOKEN UNKNOWN - .*; as this host saw it \d+s ago\|access=3\d\d\ds/)
    expect(readdirSync(dir).map((file) => [file, readFileSync(join(dir, file)).toString('base64')])).toEqual(
      before,
    )
  })

  it('check runs no command for a password: it reads the seat, and says how old its knowledge is', async () => {
    const name = await postgres.createDatabase()
    const mark = join(folder(), 'ran')
    const { dir, run } = host(postgres.url(name), `url_password_command = echo x >> ${mark}; echo secret`)
    const unknown = await run('check')
    expect(unknown).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(
        /this host has not yet seen the token set in \S+ \(default\): hq-token get\n$/,
      ) as string,
    })
    expect((await run('get')).code).toBe(0)
    const known = await run('check')
    expect(known).toMatchObject({ code: 0, stderr: '' })
    expect(known.stdout).toMatch(/^HQ_TOKEN OK - fresh; .*; as this host saw it \d+s ago\|access=/)
    expect(readdirSync(join(mark, '..'))).toEqual([])
    expect(readdirSync(dir)).toContain('token.seat')
  })

  it('check of a database that was put back tells what this host saw, and one of a moved row calls a person', async () => {
    const name = await postgres.createDatabase()
    const { run } = host(postgres.url(name))
    expect((await run('get')).code).toBe(0)
    await postgres.sql('CREATE TABLE before AS SELECT * FROM hq_token.grants', undefined, name)
    expect((await run('refresh')).code).toBe(0)
    const newest = 'CREATE TABLE newest AS SELECT * FROM hq_token.grants'
    await postgres.sql(
      `${newest}; DELETE FROM hq_token.grants; INSERT INTO hq_token.grants SELECT * FROM before`,
      undefined,
      name,
    )
    const back = await run('check')
    expect(back).toMatchObject({ code: 3, stderr: '' })
    expect(back.stdout).toMatch(/ is older than what this host has seen: .*; as this host saw it \d+s ago\|/)
    await postgres.sql(
      'DELETE FROM hq_token.grants; INSERT INTO hq_token.grants SELECT * FROM newest',
      undefined,
      name,
    )
    expect((await run('move', '--to', join(folder(), 'own.db'))).code).toBe(0)
    expect(await run('check')).toMatchObject({
      code: 2,
      stdout: expect.stringContaining(' was moved to ') as string,
    })
  })

  it('check of a database that accepts and says nothing ends at its time', async () => {
    const server = createServer(() => undefined)
    const port = await listening(server, '127.0.0.1')
    onTestFinished(() => {
      server.close()
    })
    const { run } = host(`postgres://postgres@127.0.0.1:${port}/hq`)
    const begun = performance.now()
    expect(await run('check', '-t', '2')).toMatchObject({
      code: 3,
      stderr: '',
      stdout: expect.stringMatching(/^HQ_TOKEN UNKNOWN - /) as string,
    })
    expect(performance.now() - begun).toBeLessThan(6000)
  })

  it('check --all keeps its time, however many profiles wait for one another, and names each', async () => {
    const server = createServer(() => undefined)
    const port = await listening(server, '127.0.0.1')
    onTestFinished(() => {
      server.close()
    })
    const dir = folder()
    mkdirSync(join(dir, 'profiles'))
    const names = Array.from({ length: 4 * (availableParallelism() + 1) }, (_, nth) => `p${nth}`)
    for (const name of names)
      writeFileSync(
        join(dir, 'profiles', `${name}.ini`),
        `[client]\ntoken_url = http://127.0.0.1:9/t\nclient_id = 1\n[store]\nurl = postgres://postgres@127.0.0.1:${port}/hq\n`,
        { mode: 0o600 },
      )
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
    const begun = performance.now()
    const { code, stdout } = await start(['check', '--all', '-t', '2'], { env }).done
    expect(performance.now() - begun).toBeLessThan(5000)
    expect([code, stdout.split('\n')[0]]).toEqual([
      3,
      `HQ_TOKEN UNKNOWN - ${names.length} profiles: ${names.length} UNKNOWN`,
    ])
    for (const name of names) expect(stdout).toContain(`\nUNKNOWN - ${name}: `)
  })
})
