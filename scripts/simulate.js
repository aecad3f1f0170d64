// Runs simulated schedules in as many processes as there are cores: `npm run test:simulate`. Prints what was done, and the
// shortest schedule that broke a rule, step by step.
//   --schedules N   how many (a million)
//   --from N        the first seed (1)
//   --seed N        this one only, step by step
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { rolldown } from 'rolldown'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const BUNDLE = at('artifacts/simulation/schedule.mjs')
/** Seeds that a process gets at a time. */
const BLOCK = 500
/** Broken schedules after which there is no need for more. */
const ENOUGH = 20

if (process.send !== undefined) await work()
else {
  const { values } = parseArgs({
    options: {
      schedules: { type: 'string', default: '1000000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
    },
  })
  await bundle()
  process.exitCode =
    values.seed === undefined
      ? await all(Number(values.from), Number(values.schedules))
      : await one(Number(values.seed))
}

/** Without this each process would compile the sources by itself. */
async function bundle() {
  const made = await rolldown({
    input: at('test/simulation/schedule.ts'),
    platform: 'node',
    external: [/^[^./]/],
    logLevel: 'silent',
  })
  await made.write({ file: BUNDLE, format: 'esm', codeSplitting: false })
}

async function work() {
  const { schedule } = await import(pathToFileURL(BUNDLE).href)
  process.on('message', async ({ from, count }) => {
    const sum = { schedules: count, steps: 0, requests: 0, faults: {}, broken: [] }
    for (let seed = from; seed < from + count; seed++) {
      const { steps, requests, faults, violations } = await schedule(seed)
      sum.steps += steps
      sum.requests += requests
      for (const [fault, times] of faults) sum.faults[fault] = (sum.faults[fault] ?? 0) + times
      if (violations.length > 0) sum.broken.push({ seed, steps, rule: violations[0] })
    }
    process.send(sum)
  })
}

async function all(from, count) {
  const began = performance.now()
  const sum = { schedules: 0, steps: 0, requests: 0, faults: {}, broken: [] }
  let next = from
  const worker = () =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url))
      const more = () => {
        const left = sum.broken.length < ENOUGH ? Math.min(BLOCK, from + count - next) : 0
        if (left <= 0) {
          child.disconnect()
          return
        }
        child.send({ from: next, count: left })
        next += left
      }
      child.on('message', (done) => {
        add(sum, done)
        progress(sum, count, began)
        more()
      })
      child.on('error', reject)
      child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a process ended with ${code}`))))
      more()
    })
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  report(sum, (performance.now() - began) / 1000)
  const [shortest] = sum.broken.sort((a, b) => a.steps - b.steps)
  if (shortest !== undefined) await one(shortest.seed)
  return shortest === undefined ? 0 : 1
}

function add(sum, done) {
  for (const key of ['schedules', 'steps', 'requests']) sum[key] += done[key]
  for (const [fault, times] of Object.entries(done.faults))
    sum.faults[fault] = (sum.faults[fault] ?? 0) + times
  sum.broken.push(...done.broken)
}

function progress({ schedules, broken }, count, began) {
  if (!process.stderr.isTTY) return
  const rate = (1000 * schedules) / (performance.now() - began)
  process.stderr.write(
    `\r${schedules} of ${count} schedules, ${broken.length} broken, ${Math.round(rate)} a second `,
  )
}

function report({ schedules, steps, requests, faults, broken }, seconds) {
  if (process.stderr.isTTY) process.stderr.write('\n')
  const rows = [
    ['schedules', schedules],
    ['schedules a second', Math.round(schedules / seconds)],
    ['steps', steps],
    ['requests to the authorization server', requests],
    ...Object.entries(faults)
      .sort(([, one], [, other]) => other - one)
      .map(([fault, times]) => [`fault: ${fault}`, times]),
    ['schedules that broke a rule', broken.length],
  ]
  for (const [what, count] of rows) process.stdout.write(`| ${what} | ${count} |\n`)
  for (const { seed, steps, rule } of broken)
    process.stdout.write(`${rule} (${steps} steps): npm run test:simulate -- --seed ${seed}\n`)
}

async function one(seed) {
  const { schedule } = await import(pathToFileURL(BUNDLE).href)
  const { violations } = await schedule(seed, (line) => process.stdout.write(`${line}\n`))
  for (const rule of violations) process.stdout.write(`seed ${seed}: ${rule}\n`)
  return violations.length === 0 ? 0 : 1
}
