import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Sandbox } from '../../src/sandbox/server.js'
import { sandboxWith, shortestRun, subject } from './subject.js'
import { full, report } from './figures.js'
import { eachOf, requireStrace, SYSCALLS, type Call, type Traced } from './strace.js'

beforeAll(requireStrace, 300_000)

interface Tally {
  points: number
  /** Kills between the server's rotation and the answer's first byte on disk that cost the grant. */
  unheard: string[]
  /** Any other kill that did. */
  lost: string[]
  /** All else that must not be. */
  broken: string[]
}

const total = { points: 0, lost: 0, beyond: 0 }
const parts: string[] = []

afterAll(() => {
  report('kill', {
    tried: `${total.points} points (${parts.join(', ')})`,
    lost: total.lost,
    beyondAnyClient: total.beyond,
  })
})

function count(part: string, { points, unheard, lost }: Tally): void {
  parts.push(`${part}: ${points}`)
  total.points += points
  total.lost += lost.length + unheard.length
  total.beyond += unheard.length
}

describe('killed before every system call on its files', () => {
  it('get, 60 s grace: nothing is lost', async () => {
    const tally = await killed('get', 60_000, full ? 1 : 24)
    count('get with 60 s grace', tally)
    const { unheard, lost, broken } = tally
    expect(lost).toEqual([])
    expect(broken).toEqual([])
    expect(unheard).toEqual([])
  }, 1_800_000)

  it('get, no grace: lost at most between the answer and its first byte', async () => {
    const tally = await killed('get', 0, full ? 1 : 12)
    count('without', tally)
    const { unheard, lost, broken } = tally
    expect(lost).toEqual([])
    expect(broken).toEqual([])
    // One, and not fewer: a harness that misses it would miss others too.
    expect(unheard).toHaveLength(1)
  }, 1_800_000)

  it('seed: the next get has it', async () => {
    const tally = await killed('seed', 0, full ? 1 : 16)
    count('seed', tally)
    const { unheard, lost, broken } = tally
    expect(lost).toEqual([])
    expect(broken).toEqual([])
    expect(unheard).toEqual([])
  }, 1_800_000)
})

it('killed while it reads an answer: that is on disk by then', async () => {
  const one = await subject(await sandboxWith({ graceMs: 0, xml: true }), 'get')
  // Loaded when the first XML has come, and by nothing else.
  const parser = fileURLToPath(new URL('../../node_modules/fast-xml-parser/package.json', import.meta.url))
  const run = await one.traced({ paths: [parser], injections: ['openat:signal=SIGKILL:when=1'] })
  expect(run).toMatchObject({ signal: 'SIGKILL', stdout: '' })
  expect(one.history()).toMatchObject([{ outcome: 'rotated' }])
  expect(await one.heal()).toMatchObject({ alive: true, faults: [] })
}, 60_000)

async function killed(command: 'get' | 'seed', graceMs: number, step: number): Promise<Tally> {
  const sandbox = await sandboxWith({ graceMs })
  const calls = await shortestRun(sandbox, command)
  expect(calls.length).toBeGreaterThan(50)
  const tally: Tally = { points: 0, unheard: [], lost: [], broken: [] }
  // The rescue file's calls are few, and the grant is at stake in each where nothing is forgiven.
  const chosen = calls.filter(
    (call, index) => index % step === 0 || (call.file === 'token.rescue' && graceMs === 0),
  )
  await eachOf(chosen, async (call) => {
    if (!(await killedAt(sandbox, command, call, tally)))
      tally.broken.push(`${call.line}: was not reached again`)
  })
  // The undisturbed run may have been a short one: go on until it no longer fires.
  await eachOf(full ? SYSCALLS : [], async (syscall) => {
    let nth = calls.filter((call) => call.syscall === syscall).length + 1
    while (await killedAt(sandbox, command, { syscall, nth }, tally)) nth++
  })
  if (sandbox.revokedFamilies() > tally.unheard.length)
    tally.broken.push(`${sandbox.revokedFamilies()} families were revoked`)
  return tally
}

/** @returns Whether the kill fell. */
async function killedAt(
  sandbox: Sandbox,
  command: 'get' | 'seed',
  { syscall, nth }: Pick<Call, 'syscall' | 'nth'>,
  tally: Tally,
): Promise<boolean> {
  const one = await subject(sandbox, command)
  const run = await one.traced({ injections: [`${syscall}:signal=SIGKILL:when=${nth}`] })
  if (run.signal !== 'SIGKILL') return false

  tally.points++
  const last = run.calls.at(-1)
  const at = `${syscall} ${nth} (${last?.line.replaceAll(one.dir, '') ?? ''})`
  const unheard = one.history().some(({ issued }) => issued !== null) && !isHeard(run)
  if (!(await one.knows())) tally.broken.push(`${at}: a request left of which the store does not know`)
  const { alive, faults, said } = await one.heal()
  tally.broken.push(...faults.map((fault) => `${at}: ${fault}`))
  if (!alive) (unheard ? tally.unheard : tally.lost).push(`${at}: then get: ${said}`)
  one.discard()
  return true
}

/** The first byte of an answer is on disk: strace saw the write come back. */
function isHeard({ calls }: Traced): boolean {
  return calls.some(
    ({ syscall, file, line }) =>
      syscall === 'pwrite64' && file === 'token.rescue' && /\) += [1-9]/.test(line),
  )
}
