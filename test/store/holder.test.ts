import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import { Worker } from 'node:worker_threads'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Holder } from '../../src/core/token-set.js'
import { holderFor, isMe, isOtherAlive } from '../../src/store/sqlite/holder.js'

const isLinux = process.platform === 'linux'

function me(): Holder {
  const holder = holderFor(60_000)
  if (holder === undefined) throw new Error('it has no name')
  return holder
}

/** A process that lives until the test is over. */
async function other(): Promise<{ holder: Holder; end: () => Promise<unknown> }> {
  const child = spawn('sleep', ['60'])
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'spawn')
  const { pid = 0 } = child
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  const end = async (): Promise<unknown> => {
    child.kill('SIGKILL')
    return once(child, 'exit')
  }
  return { holder: { ...me(), pid, started }, end }
}

describe.runIf(isLinux)('who is at an exchange', () => {
  it('who is at an exchange is this thread, and no other one for itself', () => {
    expect(me()).toMatchObject({
      pid: process.pid,
      pidNamespace: expect.stringMatching(/^pid:\[\d+\]$/) as string,
    })
    expect(isMe(me())).toBe(true)
    expect(isOtherAlive(me())).toBe(false)
  })

  it('who is at an exchange lives until its process is dead', async () => {
    const { holder, end } = await other()
    expect(isMe(holder)).toBe(false)
    expect(isOtherAlive(holder)).toBe(true)
    await end()
    expect(isOtherAlive(holder)).toBe(false)
  })

  it.each<[string, (holder: Holder) => Partial<Holder>]>([
    ['of another boot', () => ({ boot: '00000000-0000-0000-0000-000000000000' })],
    ['of another container', () => ({ pidNamespace: 'pid:[1]' })],
    ['whose number is another process’s by now', ({ started }) => ({ started: started - 1 })],
    ['whose time is over', () => ({ until: Math.floor(uptime()) - 1 })],
    ['that never was', () => ({ pid: 2 ** 30 })],
  ])('who is at an exchange counts as dead %s', async (_, change) => {
    const { holder } = await other()
    expect(isOtherAlive({ ...holder, ...change(holder) })).toBe(false)
  })

  it('who is at an exchange counts as dead when nothing is left of it but its number', async () => {
    // Its parent does not look after it: a zombie.
    const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'])
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [line] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
    const holder = { ...me(), pid, started }
    expect(isOtherAlive(holder)).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(readFileSync(`/proc/${pid}/stat`, 'latin1')).toContain(') Z')
    expect(isOtherAlive(holder)).toBe(false)
  })

  it('who is at an exchange is one of the threads of a process', async () => {
    const worker = new Worker(
      `const { readlinkSync } = require('node:fs')
       require('node:worker_threads').parentPort.postMessage(readlinkSync('/proc/thread-self'))
       setTimeout(() => undefined, 60_000)`,
      { eval: true },
    )
    const [link] = (await once(worker, 'message')) as [string]
    const pid = Number(link.split('/').at(-1))
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const started = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
    const holder = { ...me(), pid, started }
    expect(isMe(holder)).toBe(false)
    expect(isOtherAlive(holder)).toBe(true)
    await worker.terminate()
    expect(isOtherAlive(holder)).toBe(false)
  })
})
