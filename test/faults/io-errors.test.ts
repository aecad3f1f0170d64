import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Exit } from '../../src/core/errors.js'
import type { Sandbox } from '../../src/sandbox/server.js'
import { sandboxWith, shortestRun, subject, type Subject } from './subject.js'
import { full, report } from './figures.js'
import { eachOf, requireStrace, type Call, type Syscall, type Traced } from './strace.js'

beforeAll(requireStrace, 300_000)

const FAILING: readonly Syscall[] = [
  'write',
  'pwrite64',
  'fsync',
  'fdatasync',
  'openat',
  'ftruncate',
  'rename',
  'unlink',
  'fcntl',
  'close',
]
const ERRORS = ['EIO', 'ENOSPC', 'EROFS'] as const
type ErrorName = (typeof ERRORS)[number]

interface Tally {
  points: number
  lost: string[]
  broken: string[]
  /** Runs that left the answer on the other file system. */
  lastCopies: number
}

const total = { points: 0, lost: 0, lastCopies: 0 }
const parts: string[] = []

afterAll(() => {
  report('io-errors', {
    tried: `${total.points} errors (${parts.join(', ')})`,
    lost: total.lost,
    seen: `${total.lastCopies} answers kept by a last copy on another file system`,
  })
})

function count(part: string, { points, lost, lastCopies }: Tally): void {
  parts.push(`${part}: ${points}`)
  total.points += points
  total.lost += lost.length
  total.lastCopies += lastCopies
}

describe('an I/O error at every call on its files, no grace', () => {
  it('nothing is lost by one I/O error at any call on its files, no grace', async () => {
    const tally = await failing('get', once, full ? 1 : 60)
    count('once', tally)
    const { lost, broken } = tally
    expect(broken).toEqual([])
    expect(lost).toEqual([])
  }, 1_800_000)

  it('nothing is lost by I/O errors at every call from then on, and the next run heals', async () => {
    const tally = await failing('get', fromThenOn, full ? 1 : 60)
    count('from then on', tally)
    const { lost, broken, lastCopies } = tally
    expect(broken).toEqual([])
    expect(lost).toEqual([])
    expect(lastCopies).toBeGreaterThan(0)
  }, 1_800_000)

  it('the next get has the seed after one I/O error at any call of a seed', async () => {
    const tally = await failing('seed', once, full ? 1 : 30)
    count('in a seed', tally)
    const { lost, broken } = tally
    expect(broken).toEqual([])
    expect(lost).toEqual([])
  }, 1_800_000)
})

it('the save after an answer takes no new file', async () => {
  const sandbox = await sandboxWith({ graceMs: 0 })
  const calls = await undisturbed(sandbox, 'get')
  const answered = calls.findIndex(isAnswer)
  expect(answered).toBeGreaterThan(0)
  const names = calls
    .slice(answered)
    .filter(({ syscall, file }) => ['unlink', 'rename'].includes(syscall) && file.startsWith('token.db'))
  // On a disk that is full by then, a name that is gone does not come back.
  expect(names).toEqual([])
}, 60_000)

type Fault = (error: ErrorName, call: Call, calls: readonly Call[]) => readonly string[]

const once: Fault = (error, { syscall, nth }) => [`${syscall}:error=${error}:when=${nth}`]

/** The disk has failed by the time of `call`: strace counts each kind of call by itself. */
const fromThenOn: Fault = (error, call, calls) =>
  FAILING.map((syscall) => {
    const before = calls.slice(0, calls.indexOf(call)).filter((one) => one.syscall === syscall).length
    return `${syscall}:error=${error}:when=${before + 1}+`
  })

async function failing(command: 'get' | 'seed', fault: Fault, step: number): Promise<Tally> {
  const sandbox = await sandboxWith({ graceMs: 0 })
  const calls = await undisturbed(sandbox, command)
  const points = calls
    .flatMap((call) => ERRORS.map((error) => ({ call, error })))
    .filter(({ call, error }) => happens(error, call))
    // The rescue file's calls are few, and the grant is at stake in each.
    .filter(({ call }, index) => index % step === 0 || (call.file === 'token.rescue' && index % 2 === 0))
  const tally: Tally = { points: 0, lost: [], broken: [], lastCopies: 0 }
  await eachOf(points, async ({ call, error }) => {
    const one = await subject(sandbox, command)
    const run = await one.traced({ injections: fault(error, call, calls) })
    const at = `${error} at ${call.syscall} ${call.nth} (${call.file})`
    tally.points++
    tally.broken.push(...(await strange(one, run)).map((what) => `${at}: ${what}`))
    if (fault === fromThenOn && isBefore(calls, call) && one.history().length > 0)
      tally.broken.push(`${at}: a request left that nothing could be written of`)
    if (one.lastCopies().length > 0) tally.lastCopies++
    const { alive, faults, said } = await one.heal()
    tally.broken.push(...faults.map((what) => `${at}: ${what}`))
    if (!alive) tally.lost.push(`${at}: ${run.code} ${run.stderr}; then get: ${said}`)
    one.discard()
  })
  return tally
}

function isAnswer({ syscall, file }: Call): boolean {
  return syscall === 'pwrite64' && file === 'token.rescue'
}

const PROVING: readonly Syscall[] = ['write', 'pwrite64', 'fsync', 'fdatasync', 'ftruncate']

/** Whether the disk fails while it is still being tried: up to the last write before the answer's, which is the intent's. */
function isBefore(calls: readonly Call[], call: Call): boolean {
  const tried = calls.slice(0, calls.findIndex(isAnswer))
  return calls.indexOf(call) <= tried.findLastIndex(({ syscall }) => PROVING.includes(syscall))
}

async function undisturbed(sandbox: Sandbox, command: 'get' | 'seed'): Promise<readonly Call[]> {
  return shortestRun(sandbox, command, ({ syscall }) => FAILING.includes(syscall))
}

/** No disk is too full, or too read-only, for a file to be opened for reading, locked or closed. */
function happens(error: ErrorName, { syscall, line }: Call): boolean {
  if (error === 'EIO') return true
  if (syscall === 'fcntl' || syscall === 'close') return false
  return syscall !== 'openat' || /O_RDWR|O_WRONLY|O_CREAT/.test(line)
}

/** A token or a reason, never both and never neither. */
async function strange(one: Subject, { code, signal, stdout, stderr, calls }: Traced): Promise<string[]> {
  if (!calls.some(({ injected }) => injected)) return ['was not reached again']
  if (code === Exit.ok)
    return stdout === '' || (await one.works(stdout.trim())) ? [] : ['printed no live token']
  const known = code === Exit.store || code === Exit.later
  return known && stdout === '' ? [] : [`exit ${code ?? signal ?? ''}, ${stdout.length} bytes, ${stderr}`]
}
