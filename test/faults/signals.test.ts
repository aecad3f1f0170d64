import { execFileSync, spawn } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import { constants as system } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { place, type Place } from '../support/place.js'
import { BIN, ended, startWith, withoutNews } from '../support/processes.js'
import { atTerminal, CTRL_S, CTRL_Z } from '../support/terminal.js'
import { aim, GOOD, NEW_ACCESS, target, type Aim } from './network-aim.js'
import { full, report } from './figures.js'

// Between the request that spends a refresh token and the save of the new one a process is neither ended nor stopped,
// and nothing that it has to say keeps the lock.

const figures = { signals: 0, stops: 0, blocked: 0, lost: 0 }

afterAll(() => {
  report('signals', {
    tried: `${figures.signals} signals, ${figures.stops} stops, ${figures.blocked} readers that read nothing`,
    lost: figures.lost,
  })
})

/** Milliseconds from the request to the answer. */
const LATENCY = 1500

interface Waiting extends Place {
  /** Resolves when the server has rotated, and its answer is not on its way yet. */
  readonly asked: () => Promise<void>
}

async function waiting(): Promise<Waiting> {
  let requests = 0
  const made = await place({
    latencyMs: LATENCY,
    onRequest: ({ grantType }) => {
      if (grantType !== null) requests++
    },
  })
  expect(await made.run(['seed'])).toMatchObject({ code: 0 })
  return {
    ...made,
    asked: async () => {
      while (requests === 0) await sleep(2)
    },
  }
}

/** The grant lives on, and no refresh is needed for that. */
async function isSaved({ store, run, works, sandbox }: Place): Promise<boolean> {
  const generation = (await store.read())?.generation
  const { code, stdout } = await run(['get'])
  const isAlive = code === 0 && (await works(stdout.trim())) && sandbox.revokedFamilies() === 0
  if (!isAlive || generation !== 2) figures.lost++
  return isAlive && generation === 2
}

const LEFT = ['SIGKILL', 'SIGSTOP', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL']
const STOPS = ['SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const
/** They end no process by themselves, or Node keeps them for itself. */
const HARMLESS = ['SIGPIPE', 'SIGXFSZ', 'SIGUSR1', 'SIGCHLD', 'SIGCONT', 'SIGURG', 'SIGWINCH']
const names = Object.keys(system.signals).filter(
  (name) => ![...LEFT, ...STOPS, 'SIGIOT', 'SIGPOLL'].includes(name),
) as NodeJS.Signals[]
const SAMPLE = ['SIGPWR', 'SIGIO', 'SIGPROF', 'SIGABRT', 'SIGWINCH']

describe('a signal between the request and the save', () => {
  it.each(full ? names : names.filter((name) => SAMPLE.includes(name)))(
    '%s acts when the new pair is saved',
    async (signal) => {
      const made = await waiting()
      const { child, done } = made.start(['get'])
      await made.asked()
      child.kill(signal)
      const how = withoutNews(await done)
      figures.signals++
      if (HARMLESS.includes(signal)) expect(how).toMatchObject({ code: 0, signal: null, stderr: '' })
      else expect(how).toMatchObject({ code: null, signal, stdout: '', stderr: '' })
      expect(await isSaved(made)).toBe(true)
    },
    60_000,
  )

  it('a signal between the request and the save does not mistake the profiler’s clock for one', async () => {
    const made = await waiting()
    const profiled = ['--cpu-prof', `--cpu-prof-dir=${made.dir}/profiles`, BIN, 'get']
    const child = spawn(process.execPath, profiled, { env: { HQ_TOKEN_CONFIG: made.config } })
    expect(await ended(child)).toMatchObject({ code: 0, signal: null })
    expect(await isSaved(made)).toBe(true)
  }, 60_000)
})

describe('a stop between the request and the save', () => {
  it.each(full ? STOPS : (['SIGTSTP'] as const))(
    '%s waits for the save and the lock; then the terminal may be closed',
    async (signal) => {
      const made = await waiting()
      const pidFile = join(made.dir, 'pid')
      const stopped = (async () => {
        await made.asked()
        const pid = Number(readFileSync(pidFile, 'utf8'))
        if (signal !== 'SIGTSTP') process.kill(pid, signal)
        while (stateOf(pid) !== 'T') await sleep(20)
        const free = await made.store
          .exclusive(() => Promise.resolve('free'), { waitMs: 0 })
          .catch((error: unknown) => String(error))
        return { free, generation: (await made.store.read())?.generation }
      })()
      // An interactive shell: only in a job of its own a process can be stopped.
      const job = `sh -c 'echo $$ > "${pidFile}"; echo begun; exec "${process.execPath}" "${BIN}" get'\n`
      const { status } = await atTerminal(
        ['/bin/bash', '--norc', '--noprofile', '-i'],
        [
          { after: 'prompt> ', type: job },
          // By then it has asked: it is let go of the answer a second later.
          { after: 'begun\\r', pause: 1, ...(signal === 'SIGTSTP' && { type: CTRL_Z }) },
          { after: 'Stopped[\\s\\S]*prompt> ', pause: 1, type: 'exit\nexit\n' },
        ],
        { ...process.env, PS1: 'prompt> ', HQ_TOKEN_CONFIG: made.config },
      )
      expect(status).toBeTypeOf('number')
      expect(await stopped).toEqual({ free: 'free', generation: 2 })
      figures.stops++
      expect(await isSaved(made)).toBe(true)
    },
    60_000,
  )
})

function stateOf(pid: number): string | undefined {
  try {
    return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1]
  } catch {
    return undefined
  }
}

/** A clock that is a year behind: worth a warning, and found out while the lock is held. */
const OLD = `HTTP/1.1 200 OK\r\ndate: Sat, 01 Jan 2022 00:00:00 GMT\r\ncontent-type: application/json\r\ncontent-length: ${GOOD.length}\r\n\r\n${GOOD}`

async function warned(): Promise<Aim> {
  const server = await target((socket) => {
    setTimeout(() => socket.write(OLD), LATENCY)
  })
  const aimed = aim(`http://127.0.0.1:${server.port}/token`)
  expect(await aimed.told(['seed'])).toMatchObject({ code: 0 })
  return aimed
}

/** Whether others get the lock soon after the new pair is saved. */
async function isFree({ store }: Aim): Promise<boolean> {
  for (const deadline = performance.now() + 15_000; performance.now() < deadline;) {
    const set = await store.read()
    if (set?.generation === 2) break
    await sleep(20)
  }
  figures.blocked++
  return store.exclusive(() => Promise.resolve(true), { waitMs: 3_000 }).catch(() => false)
}

describe('a warning that nobody takes', () => {
  it('a warning that nobody takes on a terminal that was stopped with Ctrl-S keeps nobody from the lock, and SIGTERM is heard', async () => {
    const aimed = await warned()
    const [pidFile, out] = [join(aimed.dir, 'pid'), join(aimed.dir, 'out')]
    const look = (async () => {
      const free = await isFree(aimed)
      const pid = Number(readFileSync(pidFile, 'utf8'))
      const state = stateOf(pid)
      process.kill(pid, 'SIGTERM')
      return { free, state }
    })()
    const { status } = await atTerminal(
      [
        '/bin/sh',
        '-c',
        `echo $$ > "${pidFile}"; echo begun; exec "${process.execPath}" "${BIN}" get > "${out}"`,
      ],
      [{ after: 'begun', type: CTRL_S }],
      { ...process.env, HQ_TOKEN_CONFIG: aimed.config },
    )
    // It stands in its write, and waits for nothing else.
    expect(await look).toEqual({ free: true, state: expect.stringMatching(/^[SD]$/) as string })
    expect(status).toBe(-system.signals.SIGTERM)
    expect(await aimed.told(['get'])).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n` })
  }, 60_000)

  it('a warning that nobody takes in a pipe that is full keeps nobody from the lock, and SIGTERM is heard', async () => {
    const aimed = await warned()
    const pipe = join(aimed.dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
    fill(reader)
    const stderr = openSync(pipe, constants.O_WRONLY)
    try {
      const { child, done } = startWith(['get'], { HQ_TOKEN_CONFIG: aimed.config }, [
        'ignore',
        'pipe',
        stderr,
      ])
      expect(await isFree(aimed)).toBe(true)
      child.kill('SIGTERM')
      expect(await done).toMatchObject({ signal: 'SIGTERM' })
    } finally {
      closeSync(stderr)
      closeSync(reader)
    }
    expect(await aimed.told(['get'])).toMatchObject({ code: 0, stdout: `${NEW_ACCESS}\n` })
  }, 60_000)
})

function fill(pipe: number): void {
  for (const size of [65_536, 4_096, 1])
    for (;;)
      try {
        writeSync(pipe, Buffer.alloc(size, 'x'))
      } catch {
        break
      }
}
