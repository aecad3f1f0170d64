import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { fateOf, processMark } from '../../src/platform/processes.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { start } from '../support/processes.js'
import { listening } from '../support/proxy.js'
import { asUser, canBeOthers, give, program, shared, STRANGER, VICTIM } from '../support/users.js'

// What is being written: who may read it meanwhile, and what becomes of it when the writer is killed.

let there: Place

beforeAll(async () => {
  there = await place({}, 3600)
  await there.run(['seed'])
})

/** Gives half of an answer, and never the rest. */
async function halting(): Promise<{
  readonly url: string
  readonly half: Promise<void>
  readonly finish: () => void
}> {
  let begun = (): void => undefined
  let finish = (): void => undefined
  const half = new Promise<void>((resolve) => (begun = resolve))
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': 8 }).write('half')
    finish = () => response.end('more')
    begun()
  })
  const port = await listening(server, '127.0.0.1')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${port}/`,
    half,
    finish: () => {
      finish()
    },
  }
}

const drafts = (dir: string): string[] => readdirSync(dir).filter((name) => name.startsWith('.hq-token-'))

async function draftIn(dir: string, content: string): Promise<string> {
  await expect
    .poll(() => drafts(dir).some((name) => readFileSync(join(dir, name), 'utf8') === content), {
      timeout: 20_000,
    })
    .toBe(true)
  return join(dir, drafts(dir)[0] ?? '')
}

describe('a draft', { timeout: 60_000 }, () => {
  it.each([
    [0o666, 0o666],
    [0o640, 0o640],
    [0o600, 0o600],
    [undefined, 0o644],
  ])('a draft of a file of mode %o is 0600 while it comes', async (before, after) => {
    const dir = folder()
    const file = join(dir, 'answer')
    if (before !== undefined) {
      writeFileSync(file, 'old')
      chmodSync(file, before)
    }
    const { url, half, finish } = await halting()
    const { done } = there.start(['api', 'x', '-o', file], { env: { HQ_TOKEN_API_URL: url } })
    await half
    expect(statSync(await draftIn(dir, 'half')).mode & 0o7777).toBe(0o600)
    finish()
    expect(await done).toMatchObject({ code: 0, stderr: '' })
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o7777]).toEqual(['halfmore', after])
    expect(readdirSync(dir)).toEqual(['answer'])
  })

  it('a draft of a killed process is removed by the next run, that of a living one is not', async () => {
    const dir = folder()
    const file = join(dir, 'answer')
    const first = await halting()
    const killed = there.start(['api', 'x', '-o', file], { env: { HQ_TOKEN_API_URL: first.url } })
    await first.half
    await draftIn(dir, 'half')
    killed.child.kill('SIGKILL')
    await killed.done
    const [left] = drafts(dir)

    const second = await halting()
    const living = there.start(['api', 'x', '-o', file], { env: { HQ_TOKEN_API_URL: second.url } })
    await second.half
    await expect.poll(() => drafts(dir)).toHaveLength(1)
    expect(drafts(dir)).not.toContain(left)
    expect(await there.run(['get', '--outfile', file])).toMatchObject({ code: 0, stderr: '' })
    expect(drafts(dir)).toHaveLength(1)
    second.finish()
    expect(await living.done).toMatchObject({ code: 0 })
    expect(drafts(dir)).toEqual([])
  })

  const PID = process.pid
  const rand = 'abcdef012345'
  const now = (): string => processMark()
  const swapped = (nth: number, by: string): string =>
    now()
      .split('-')
      .map((part, at) => (at === nth ? by : part))
      .join('-')
  const NAMES: [what: string, mark: () => string, isOld: boolean, isLeft: boolean][] = [
    ['of a process that is no more', () => swapped(2, '4194303'), false, false],
    ['of an earlier process with the id of a living one', () => swapped(3, '1'), false, false],
    ['of a living process', now, true, true],
    ['of another container', () => swapped(0, '1'), false, true],
    ['of another container, untouched for more than a day', () => swapped(0, '1'), true, false],
    ['of before the start of the machine', () => swapped(1, '01234567'), false, true],
    [
      'of before the start of the machine, untouched for more than a day',
      () => swapped(1, '01234567'),
      true,
      false,
    ],
  ]
  it.each(NAMES)('a draft %s', async (_, mark, isOld, isLeft) => {
    const dir = folder()
    const name = `.hq-token-${mark()}-${rand}`
    writeFileSync(join(dir, name), 'token', { mode: 0o600 })
    const then = Date.now() / 1000 - 86_400 - 60
    if (isOld) utimesSync(join(dir, name), then, then)
    expect(await there.run(['get', '--outfile', join(dir, 'token')])).toMatchObject({ code: 0, stderr: '' })
    expect(drafts(dir)).toEqual(isLeft ? [name] : [])
    expect(PID).toBe(process.pid)
  })

  it('a draft is known by all that tells one process from another', async () => {
    expect(fateOf(processMark())).toBe('alive')
    const child = start(['--version'], { held: 'start' })
    child.child.kill('SIGKILL')
    await child.done
    expect(fateOf(swapped(2, String(child.child.pid)))).toBe('dead')
  })

  it('a draft of init that is killed, which holds the client’s secret, goes with the next init', async () => {
    const dir = join(folder(), 'config')
    mkdirSync(dir, { mode: 0o700 })
    const left = join(dir, `.hq-token-${swapped(2, '4194303')}-${rand}`)
    writeFileSync(left, 'client_secret = x', { mode: 0o600 })
    const flags = [
      '--instance',
      'https://acme.example/acme/',
      '--client-id',
      '1',
      '--client-secret',
      '-',
      '--no-doctor',
    ]
    const args = ['--config', join(dir, 'config.ini'), 'init', ...flags]
    const { code, stderr } = await start(args, { input: 'a-secret' }).done
    expect({ code }, stderr).toEqual({ code: 0 })
    expect(readdirSync(dir)).toEqual(['config.ini'])
    expect(statSync(join(dir, 'config.ini')).mode & 0o7777).toBe(0o600)
  })
})

describe.skipIf(!canBeOthers)('of another user', { timeout: 60_000 }, () => {
  const COMMANDS: [command: string, args: (file: string) => string[]][] = [
    ['get --outfile', (file) => ['get', '--outfile', file]],
    ['api -o', (file) => ['api', '1/sites', '-o', file]],
  ]

  async function victims(): Promise<{ hq: (args: string[]) => ReturnType<typeof asUser>; dir: string }> {
    const made = await place({}, 3600)
    give(VICTIM, made.dir)
    const hq = (args: string[]): ReturnType<typeof asUser> =>
      asUser(VICTIM, program(args), { env: { HQ_TOKEN_CONFIG: made.config } })
    expect((await hq(['seed'])).code).toBe(0)
    return { hq, dir: shared() }
  }

  it.each(COMMANDS)('a file is not replaced by %s: 74, and nothing is left', async (_, args) => {
    const { hq, dir } = await victims()
    const file = join(dir, 'theirs')
    writeFileSync(file, 'theirs')
    chmodSync(file, 0o666)
    chownSync(file, STRANGER, STRANGER)
    const { code, stdout, stderr } = await hq(args(file))
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' })
    expect(stderr).toContain(`error: ${file} belongs to another user (uid 23456)`)
    expect(stderr).toMatch(/\nhq-token: hint: ls -ld /)
    expect([readdirSync(dir), readFileSync(file, 'utf8')]).toEqual([['theirs'], 'theirs'])
  })

  it.each(COMMANDS)('a link is not followed by %s, nor one behind one of the victim’s', async (_, args) => {
    const { hq, dir } = await victims()
    const own = join(dir, 'own')
    writeFileSync(own, 'own', { mode: 0o600 })
    chownSync(own, VICTIM, VICTIM)
    symlinkSync(own, join(dir, 'theirs'))
    lchownSync(join(dir, 'theirs'), STRANGER, STRANGER)
    symlinkSync('theirs', join(dir, 'first'))
    lchownSync(join(dir, 'first'), VICTIM, VICTIM)
    for (const name of ['theirs', 'first']) {
      const { code, stderr } = await hq(args(join(dir, name)))
      expect({ code }).toEqual({ code: 74 })
      expect(stderr).toContain('is a link that another user has put there')
    }
    expect(readFileSync(own, 'utf8')).toBe('own')
  })

  it('a pipe is not written to, nor waited for', async () => {
    const { hq, dir } = await victims()
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', ['-m', '666', pipe])
    chownSync(pipe, STRANGER, STRANGER)
    symlinkSync('/dev/null', join(dir, 'null'))
    lchownSync(join(dir, 'null'), STRANGER, STRANGER)
    expect(await hq(['api', '1/sites', '-o', pipe])).toMatchObject({ code: 74, stdout: '' })
    expect((await hq(['api', '1/sites', '-o', join(dir, 'null')])).stderr).toContain(
      'a link that another user',
    )
    expect(await hq(['api', '1/sites', '-o', '/dev/null'])).toMatchObject({ code: 0 })
  })

  it('a draft by such a name is left alone', async () => {
    const { hq, dir } = await victims()
    const name = `.hq-token-${processMark().replace(/-\d+-\d+$/, '-4194303-1')}-abcdef012345`
    writeFileSync(join(dir, name), '')
    chownSync(join(dir, name), STRANGER, STRANGER)
    mkdirSync(join(dir, name.replace(/5$/, '6')))
    expect((await hq(['get', '--outfile', join(dir, 'token')])).code).toBe(0)
    expect(readdirSync(dir)).toHaveLength(3)
    expect(existsSync(join(dir, name))).toBe(true)
    expect(lstatSync(join(dir, 'token')).uid).toBe(VICTIM)
  })

  it('for root, too, a user’s file is another’s', async () => {
    const dir = shared()
    const file = join(dir, 'theirs')
    writeFileSync(file, 'theirs')
    chownSync(file, VICTIM, VICTIM)
    expect(await there.run(['get', '--outfile', file])).toMatchObject({ code: 74, stdout: '' })
    expect(readFileSync(file, 'utf8')).toBe('theirs')
  })

  it('a file of root’s own may be replaced by a user in their folder, and lends no mode', async () => {
    const { hq } = await victims()
    const dir = folder()
    give(VICTIM, dir)
    const file = join(dir, 'roots')
    writeFileSync(file, 'roots')
    chmodSync(file, 0o666)
    expect((await hq(['api', '1/sites', '-o', file])).code).toBe(0)
    expect(statSync(file)).toMatchObject({ uid: VICTIM, mode: 0o100644 })
  })
})
