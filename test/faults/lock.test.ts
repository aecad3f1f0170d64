import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packed } from '../support/packed.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { hasOpen } from '../support/proc.js'
import { canMount, mountCaseless } from '../support/caseless.js'
import { BIN, ended, type Ended, type StartOptions } from '../support/processes.js'
import { report } from './figures.js'

// The lock is the kernel's, and the kernel gives it away: to a second copy of SQLite in the process, to whoever makes
// a new file by its name, and to anybody once this process has closed another handle of it. One request all the same.

const figures = { cases: 0, requests: 0, tokens: 0 }
const stages: Stage[] = []

afterAll(() => {
  report('lock', {
    tried: `${figures.cases} cases of two that want to refresh at once`,
    lost: stages.reduce((lost, { sandbox }) => lost + sandbox.revokedFamilies(), 0),
    seen: `${figures.requests} requests for ${figures.tokens} tokens that were over`,
  })
})

interface Stage extends Place {
  readonly requests: () => number
  readonly asked: (count?: number) => Promise<void>
}

const LATENCY = 1_500

async function stage(options: PlaceOptions = {}): Promise<Stage> {
  let requests = 0
  const made = await place({
    latencyMs: LATENCY,
    ...options,
    onRequest: ({ grantType }) => {
      if (grantType !== null) requests++
    },
  })
  expect(await made.run(['seed'])).toMatchObject({ code: 0 })
  const stage = {
    ...made,
    requests: () => requests,
    asked: async (count = 1) => {
      while (requests < count) await sleep(2)
    },
  }
  stages.push(stage)
  figures.cases++
  figures.tokens++
  return stage
}

/** All got the one token that works, for one request. */
async function oneRequest(made: Stage, tokens: readonly string[]): Promise<void> {
  figures.requests += made.requests()
  expect(tokens).toEqual(tokens.map(() => expect.stringMatching(/^access-/) as string))
  expect(new Set(tokens).size).toBe(1)
  expect(await made.works(tokens[0] ?? '')).toBe(true)
  expect(made.requests()).toBe(1)
}

let copies: readonly string[]

beforeAll(async () => {
  copies = await Promise.all([copy(), copy()])
}, 120_000)

/** An installation whose better-sqlite3 is its own too. @returns The module to import. */
async function copy(): Promise<string> {
  const project = await packed()
  const addon = join(project, 'node_modules/better-sqlite3')
  rmSync(addon)
  const own = dirname(createRequire(import.meta.url).resolve('better-sqlite3/package.json'))
  cpSync(own, addon, { recursive: true, filter: (path) => !path.startsWith(join(own, 'deps')) })
  return join(project, 'node_modules/hq-token/dist/index.js')
}

function program(text: string, { config }: Place): ChildProcess {
  const { HOME, PATH } = process.env
  return spawn(process.execPath, ['--input-type=module', '-e', text], {
    env: { HOME, PATH, HQ_TOKEN_CONFIG: config },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

const lines = ({ stdout }: Ended): string[] => stdout.trim().split('\n')

describe('two copies in one process', () => {
  it('make one request', async () => {
    const made = await stage()
    const ran = program(
      `const copies = await Promise.all(${JSON.stringify(copies)}.map((copy) => import(copy)))
       const guards = await Promise.all(copies.map(({ openGuard }) => openGuard()))
       const tokens = await Promise.all(guards.map((guard) => guard.token()))
       for (const { secret } of tokens) console.log(secret.reveal())`,
      made,
    )
    await oneRequest(made, lines(await ended(ran)))
  }, 60_000)

  // At one instant it is left open: see docs/guide.md. An intent that the other one has committed is seen.
  it('two copies in one process, in a thread each, make one request when one is at it', async () => {
    const made = await stage()
    const ran = program(inThreads(copies, 400), made)
    await oneRequest(made, lines(await ended(ran)))
  }, 60_000)

  it('one copy in two threads makes one request', async () => {
    const made = await stage()
    const [one = ''] = copies
    await oneRequest(made, lines(await ended(program(inThreads([one, one]), made))))
  }, 60_000)

  it('keep the lock from other processes while the second one looks for it', async () => {
    const made = await stage()
    const ran = program(
      `const copies = await Promise.all(${JSON.stringify(copies)}.map((copy) => import(copy)))
       const guards = await Promise.all(copies.map(({ openGuard }) => openGuard()))
       const [first, second] = guards
       const token = first.token()
       process.stdin.once('data', async () => {
         process.stdin.destroy()
         console.log((await second.token()).secret.reveal())
       })
       console.log((await token).secret.reveal())`,
      made,
    )
    // Heard from its beginning: it may end before the other one.
    const done = ended(ran)
    await made.asked()
    ran.stdin?.write('go\n')
    await sleep(200)
    const other = await made.run(['get'])
    await oneRequest(made, [...lines(await done), other.stdout.trim()])
  }, 60_000)
})

/** @param apartMs Milliseconds between their beginnings. */
function inThreads(modules: readonly string[], apartMs = 0): string {
  return `import { Worker } from 'node:worker_threads'
    const both = ${JSON.stringify(modules)}
    for (const [nth, copy] of both.entries())
      new Worker(\`import(\${JSON.stringify(copy)})
        .then(async ({ openGuard }) => {
          await new Promise((resolve) => setTimeout(resolve, \${nth * ${apartMs}}))
          return openGuard()
        })
        .then((guard) => guard.token())
        .then(({ secret }) => console.log(secret.reveal()))\`, { eval: true })`
}

describe('a lock that was removed', () => {
  it('a lock that was removed during the request of another makes no second one', async () => {
    const made = await stage()
    const first = made.start(['get'])
    await made.asked()
    rmSync(join(made.dir, 'token.lock'))
    const second = await made.run(['get'])
    const { stdout } = await first.done
    await oneRequest(made, [stdout.trim(), second.stdout.trim()])
  }, 60_000)

  it.each([[['get']], [['get', '-v']], [['refresh', '--if-older', '1h', '-v']]])(
    'a lock that was removed while %j waits for it is not the one that it gets',
    async (command) => {
      const made = await stage()
      const lock = join(made.dir, 'token.lock')
      const first = made.start(['get'])
      await made.asked()
      const waiting = made.start(command)
      while (!hasOpen(waiting.child, lock)) await sleep(5)
      rmSync(lock)
      await first.done
      const { code, stderr } = await waiting.done
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const { stdout } = await made.run(['get'])
      await oneRequest(made, [stdout.trim()])
    },
    60_000,
  )

  it('a lock that is removed as often as one likes lets as many as like to refresh make one request', async () => {
    const made = await stage()
    const lock = join(made.dir, 'token.lock')
    const all = Array.from({ length: 6 }, () => made.start(['get']))
    const remover = setInterval(() => {
      rmSync(lock, { force: true })
      // Longer than a process needs to take it on a machine at work.
    }, 50)
    const ends = await Promise.all(all.map(({ done }) => done))
    clearInterval(remover)
    expect(ends.filter(({ code }) => code !== 0)).toEqual([])
    await oneRequest(
      made,
      ends.map(({ stdout }) => stdout.trim()),
    )
  }, 60_000)
})

/** Refreshes, and reads its own files when it is told to. */
const READER = `
  import { readdirSync, readFileSync } from 'node:fs'
  import { dirname, join } from 'node:path'
  const { openGuard } = await import(COPY)
  const guard = await openGuard()
  const folder = dirname(process.env.HQ_TOKEN_CONFIG)
  process.stdin.on('data', () => {
    for (const name of readdirSync(folder)) readFileSync(join(folder, name))
    process.stderr.write('read')
  })
  const { secret } = await guard.token()
  console.log(secret.reveal())
`
const reader = (made: Stage): ChildProcess => program(READER.replace('COPY', JSON.stringify(copies[0])), made)

async function reads({ stdin, stderr }: ChildProcess): Promise<void> {
  stdin?.write('read\n')
  await new Promise((resolve) => stderr?.once('data', resolve))
}

describe('a lock that was dropped, because its process has read its own files', () => {
  it.each([[['get']], [['get', '-v']], [['refresh', '--if-older', '1h']]])(
    'a lock that was dropped during the request of its process makes no second one by %j',
    async (command) => {
      const made = await stage()
      const first = reader(made)
      const done = ended(first)
      await made.asked()
      await reads(first)
      const second = await made.run(command)
      expect(second).toMatchObject({ code: 0 })
      first.stdin?.end()
      await oneRequest(made, [...lines(await done), (await made.run(['get'])).stdout.trim()])
    },
    60_000,
  )

  it('a lock that was dropped, because its process has read its own files costs a waiter no more than its patience', async () => {
    const made = await stage({ latencyMs: 6_000, config: '[refresh]\nlock_wait = 1s\n' })
    const first = reader(made)
    const done = ended(first)
    await made.asked()
    await reads(first)
    const second = await made.run(['get'])
    expect(second).toMatchObject({ code: 75, stdout: '' })
    expect(second.stderr).toContain('another process has been refreshing for more than 1 s')
    first.stdin?.end()
    await oneRequest(made, lines(await done))
  }, 60_000)

  it('a lock that was dropped, because its process has read its own files is free at once when that process is killed', async () => {
    const made = await stage({ graceMs: 60_000 })
    const first = reader(made)
    await made.asked()
    await reads(first)
    const second = made.start(['get'])
    await sleep(500)
    first.kill('SIGKILL')
    const { code, stdout } = await second.done
    expect(code).toBe(0)
    expect(await made.works(stdout.trim())).toBe(true)
    expect(made.requests()).toBe(2)
  }, 60_000)

  it('a lock that was dropped, because its process has read its own files is nobody’s when that process lives on after it has given up', async () => {
    const made = await stage({ graceMs: 60_000, latencyMs: 0, faults: [{ name: 'cut-body', count: 4 }] })
    const first = program(
      `const { openGuard } = await import(${JSON.stringify(copies[0])})
       const guard = await openGuard()
       console.log(await guard.token().then(() => 'token', ({ code }) => code))
       process.stdin.on('data', () => undefined)`,
      made,
    )
    const done = ended(first)
    await new Promise((resolve) => first.stdout?.once('data', resolve))
    expect((await made.store.read())?.intent).toMatchObject({ attempt: expect.any(Number) as number })
    const begun = performance.now()
    const { code, stdout } = await made.run(['get'])
    expect({ code, inTime: performance.now() - begun < 10_000 }).toEqual({ code: 0, inTime: true })
    expect(await made.works(stdout.trim())).toBe(true)
    first.kill()
    expect((await done).stdout).toBe('HQ_OUTCOME_UNKNOWN\n')
  }, 60_000)
})

// A file system that ignores case, as those of Windows and macOS do.
const onCaseless = (): void => {
  let folder: string

  beforeAll(() => {
    folder = mountCaseless()
  })

  it.each([
    ['token.db', 'TOKEN.DB'],
    ['TOKEN.DB', 'Token.Db'],
    ['Acme', 'acme'],
    ['acme.sqlite', 'Acme.SQLite'],
  ])('%s and %s has one lock and one rescue file', async (one, other) => {
    const made = await stage()
    const state = join(folder, 'State')
    rmSync(state, { recursive: true, force: true })
    mkdirSync(state, { mode: 0o700 })
    const at = (path: string): StartOptions => ({ env: { HQ_TOKEN_STORE: path } })
    expect(await made.run(['seed'], at(join(folder, 'STATE', one)))).toMatchObject({ code: 0 })
    const all = [join(state, one), join(folder, 'state', other), join(folder, 'STATE', one)]
    const ends = await Promise.all(all.map((path) => made.run(['get'], at(path))))
    await oneRequest(
      made,
      ends.map(({ stdout }) => stdout.trim()),
    )
    expect(readdirSync(state)).toHaveLength(4)
  })
}
// Where it cannot be had, no test stands for it.
if (canMount()) describe('one store by two spellings of its path', onCaseless)
else process.stdout.write('lock: no file system that ignores case without ntfs-3g and /dev/fuse: left out\n')

it('a store that processes have fought for leaves nothing but the files of a store', async () => {
  const { dir } = stages[0] ?? (await stage())
  const files = readdirSync(dir).filter((name) => name.startsWith('token.'))
  const own = files.filter((name) => !name.startsWith('token.ini'))
  expect(own.sort()).toEqual(['token.db', 'token.db-journal', 'token.lock', 'token.rescue'])
})

describe('a system that tells no birth times', () => {
  // A filter of system calls may know no `statx`. Node then says the time of the last change, as it does under Wine.
  it('refreshes at once', async () => {
    const made = await stage({ latencyMs: 0 })
    const words = [
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'inject=statx:error=ENOSYS',
      process.execPath,
      BIN,
      'refresh',
    ]
    const env = { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: made.config }
    const refreshed = await ended(spawn('strace', words, { env, stdio: ['ignore', 'pipe', 'pipe'] }))
    expect(refreshed).toMatchObject({ code: 0 })
    await oneRequest(made, [(await made.run(['get'])).stdout.trim()])
  })
})
