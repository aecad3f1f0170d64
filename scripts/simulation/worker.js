// A process that runs schedules for another, and the other's way to talk to it.
import { fork } from 'node:child_process'
import { pathToFileURL } from 'node:url'
import { at } from './bundle.js'

/** Answers each message with a sum. */
export function work() {
  process.on('message', async ({ file, ...block }) => {
    process.send(await run(file, block))
  })
}

/**
 * @param step From one seed to the next: two for the schedules of one kind of store only.
 * @param mostBroken Broken schedules after which there is no need for more.
 */
async function run(file, { from, count, step = 1, mostBroken = Infinity }) {
  const { schedule } = await import(pathToFileURL(file).href)
  const sum = { schedules: 0, steps: 0, requests: 0, faults: {}, broken: [] }
  for (let seed = from; sum.schedules < count && sum.broken.length < mostBroken; seed += step) {
    const { steps, requests, faults, violations } = await schedule(seed)
    sum.schedules++
    sum.steps += steps
    sum.requests += requests
    for (const [fault, times] of faults) sum.faults[fault] = (sum.faults[fault] ?? 0) + times
    if (violations.length > 0) sum.broken.push({ seed, steps, rule: violations[0] })
  }
  return sum
}

/**
 * Has a process run block after block.
 *
 * @param next Gives the next block; `undefined` when there is none.
 * @param done Gets the sum of each.
 */
export function employ(next, done) {
  return new Promise((resolve, reject) => {
    const child = fork(at('scripts/simulate.js'))
    let block
    const more = async () => {
      block = await next()
      if (block === undefined) child.disconnect()
      else child.send(block)
    }
    child.on('message', (sum) => {
      done(sum, block)
      more().catch(reject)
    })
    child.on('error', reject)
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`))))
    more().catch(reject)
  })
}
