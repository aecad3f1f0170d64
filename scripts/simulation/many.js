// Runs schedules by the million, or one of them step by step.
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { employ } from './worker.js'
import { writeSchedules } from './page.js'

/** Seeds that a process gets at a time. */
const BLOCK = 500
/** Broken schedules after which there is no need for more. */
const ENOUGH = 20
/** Schedules that are worth a line in the docs. */
const MANY = 250_000

/** @returns The exit code. */
export async function many(file, from, count) {
  const began = performance.now()
  const sum = { schedules: 0, steps: 0, requests: 0, faults: {}, broken: [] }
  let from_ = from
  const next = () => {
    const left = sum.broken.length < ENOUGH ? Math.min(BLOCK, from + count - from_) : 0
    if (left <= 0) return undefined
    from_ += left
    return { file, from: from_ - left, count: left }
  }
  const done = (block) => {
    add(sum, block)
    progress(sum, count, began)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, () => employ(next, done)))
  const seconds = (performance.now() - began) / 1000
  report(sum, seconds)
  const [shortest] = sum.broken.sort((a, b) => a.steps - b.steps)
  if (shortest !== undefined) return one(file, shortest.seed)
  if (sum.schedules >= MANY) writeSchedules(sum, seconds)
  return 0
}

function add(sum, { faults, broken, ...counts }) {
  for (const [key, count] of Object.entries(counts)) sum[key] += count
  for (const [fault, times] of Object.entries(faults)) sum.faults[fault] = (sum.faults[fault] ?? 0) + times
  sum.broken.push(...broken)
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

/** @returns The exit code. */
export async function one(file, seed) {
  const { schedule } = await import(pathToFileURL(file).href)
  const { violations } = await schedule(seed, (line) => process.stdout.write(`${line}\n`))
  for (const rule of violations) process.stdout.write(`seed ${seed}: ${rule}\n`)
  return violations.length === 0 ? 0 : 1
}
