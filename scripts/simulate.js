// Runs the simulation of test/simulation on all processors: `npm run test:simulate -- [--schedules N] [--from N]`.
// A schedule that fails names its seed; `--seed N` replays it step by step.
import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { rolldown } from 'rolldown'

/** Schedules that a worker is sent at once. */
const BATCH = 2_000
/** Failing schedules that are shown. */
const SHOWN = 20

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '1000000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
  },
})

const worker = await bundled()
if (values.seed !== undefined) await replay(Number(values.seed))
else await simulate(Number(values.from), Number(values.schedules))

/** In node_modules, so that it finds the packages. */
async function bundled() {
  const file = 'node_modules/.cache/simulation.mjs'
  const bundle = await rolldown({
    input: 'test/simulation/worker.ts',
    platform: 'node',
    external: [/^[^./]/],
    resolve: { extensionAlias: { '.js': ['.ts'] } },
  })
  await bundle.write({ file, format: 'esm', sourcemap: 'inline' })
  await bundle.close()
  return new URL(`../${file}`, import.meta.url)
}

async function replay(seed) {
  const one = new Worker(worker)
  const { trace, violation, steps, requests, faults } = await ask(one, { seed })
  await one.terminate()
  say(trace.join('\n'))
  say(`${steps} steps, ${requests} requests, ${told(faults)}`)
  report(violation === undefined ? [] : [{ seed, violation }])
}

async function simulate(from, schedules) {
  const begun = performance.now()
  const sum = { schedules: 0, steps: 0, requests: 0, faults: {}, violations: [] }
  let next = from
  const lane = async () => {
    const one = new Worker(worker)
    while (next < from + schedules) {
      const count = Math.min(BATCH, from + schedules - next)
      const task = { from: next, count }
      next += count
      add(sum, await ask(one, task))
      if (process.stderr.isTTY) process.stderr.write(`\r${sum.schedules} schedules`)
    }
    await one.terminate()
  }
  await Promise.all(Array.from({ length: availableParallelism() }, lane))
  const seconds = (performance.now() - begun) / 1000
  say(
    `${sum.schedules} schedules in ${Math.round(seconds)} s, ${Math.round(sum.schedules / seconds)} a second`,
  )
  say(`${sum.steps} steps, ${sum.requests} token requests`)
  say(told(sum.faults))
  report(sum.violations)
}

function ask(one, task) {
  return new Promise((resolve, reject) => {
    one.once('message', resolve)
    one.once('error', reject)
    one.postMessage(task)
  })
}

function add(sum, { schedules, steps, requests, faults, violations }) {
  sum.schedules += schedules
  sum.steps += steps
  sum.requests += requests
  for (const [kind, count] of Object.entries(faults)) sum.faults[kind] = (sum.faults[kind] ?? 0) + count
  sum.violations.push(...violations)
}

function told(faults) {
  const all = Object.entries(faults).sort(([one], [other]) => (one < other ? -1 : 1))
  const count = all.reduce((sum, [, times]) => sum + times, 0)
  return `${count} faults: ${all.map(([kind, times]) => `${times} × ${kind}`).join(', ')}`
}

function report(violations) {
  for (const { seed, violation } of violations.slice(0, SHOWN)) say(`FAILED seed ${seed}: ${violation}`)
  if (violations.length === 0) return say('every property held')
  process.exitCode = 1
  say(`${violations.length} failed; step by step: npm run test:simulate -- --seed ${violations[0].seed}`)
}

function say(text) {
  process.stdout.write(`${text}\n`)
}
