// How processes are measured: by the benchmark, and by the test that guards the warm path.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** All that a measured process gets: NODE_OPTIONS, NODE_EXTRA_CA_CERTS and their like cost time before the first line. */
export const CLEAN = { PATH: process.env.PATH, HOME: process.env.HOME, LANG: 'C.UTF-8' }

/** What every program in JavaScript costs. */
export const bare = (node = process.execPath) => ({ argv: [node, '-e', '0'] })

/** Runs commands, one batch after the other. */
export class Stopwatch {
  #python
  #answers

  /** @param under A program that runs the stopwatch and all that this starts, with its arguments. */
  constructor(under = []) {
    const script = fileURLToPath(new URL('stopwatch.py', import.meta.url))
    const [name, ...args] = [...under, 'python3', script]
    this.#python = spawn(name, args, { env: CLEAN, stdio: ['pipe', 'pipe', 'inherit'] })
    // Where there is none, its answers end.
    this.#python.on('error', () => undefined)
    this.#python.stdin.on('error', () => undefined)
    this.#answers = createInterface({ input: this.#python.stdout })[Symbol.asyncIterator]()
  }

  /**
   * @param prints What each of them must print.
   * @param atOnce How many of them are started together.
   * @returns `cost`: seconds of `wall` and `cpu`, bytes of `peak`; and `outputs`.
   * @throws where one fails: what that took is of no interest.
   */
  async run({ argv, env = {}, prints = /^/, atOnce = 1 }) {
    this.#python.stdin.write(`${JSON.stringify({ argv, env: { ...CLEAN, ...env }, at_once: atOnce })}\n`)
    const { done, value } = await this.#answers.next()
    if (done) throw new Error('processes are measured with python3, which is not there or has failed')
    const { cost, outputs, codes } = JSON.parse(value)
    if (codes.some((code) => code !== 0)) throw new Error(`${argv.join(' ')} ended with ${codes.join()}`)
    if (!outputs.every((output) => prints.test(output)))
      throw new Error(`${argv.join(' ')} did not print ${prints}`)
    return { cost, outputs }
  }

  async cost(command) {
    return (await this.run(command)).cost
  }

  async close() {
    const ended = this.#python.exitCode === null && once(this.#python, 'close')
    this.#python.stdin.end()
    await ended
  }
}

/**
 * Medians of what each case costs. The cases take turns, A B C A B C …, so that noise hits all alike.
 *
 * @param cases By name, functions that return figures by name.
 * @param uncounted Turns at the beginning that only warm up.
 */
export async function alternate(cases, rounds, uncounted = 1) {
  const seen = Object.fromEntries(Object.keys(cases).map((name) => [name, []]))
  for (let round = -uncounted; round < rounds; round++)
    for (const [name, run] of Object.entries(cases)) {
      const figures = await run()
      if (round >= 0) seen[name].push(figures)
    }
  const medians = (all) =>
    Object.fromEntries(Object.keys(all[0]).map((figure) => [figure, median(all.map((one) => one[figure]))]))
  return Object.fromEntries(Object.entries(seen).map(([name, all]) => [name, medians(all)]))
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

/** What `command` opens with success beyond the files of its bare Node, and the packages that these belong to. */
export async function openedBeyondBare(command) {
  const always = await opened(bare(command.argv[0]))
  const files = [...(await opened(command))].filter((path) => !always.has(path))
  const packages = files.flatMap((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [])
  return { files, packages: [...new Set(packages)] }
}

async function opened({ argv, env = {} }) {
  const trace = await traced(['-e', 'trace=open,openat,openat2'], (strace) =>
    promisify(execFile)(strace[0], [...strace.slice(1), ...argv], { env: { ...CLEAN, ...env } }),
  )
  return new Set([...trace.matchAll(/^open[^"]*"([^"]*)".* = \d/gm)].map(([, path]) => path))
}

/** The calls of all processes and threads, one a line, that run while `work` lets strace run something. */
async function traced(flags, work) {
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-traced-'))
  try {
    // A file for each thread: no call's line is cut in two by another's.
    await work(['strace', '-ff', '-qq', ...flags, '-o', join(folder, 'trace')])
    return readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * When processes tried in vain to lock a file, in seconds, in order. The kernel tells, and only these calls stop for it:
 * the processes do their other work as fast as ever.
 *
 * @param work Gets a stopwatch to run them.
 */
export async function looksAt(lock, work) {
  const flags = ['--seccomp-bpf', '-f', '-ttt', '-y', '-e', 'trace=fcntl', '-e', 'signal=none']
  const trace = await traced(flags, async (strace) => {
    const stopwatch = new Stopwatch(strace)
    try {
      await work(stopwatch)
    } finally {
      await stopwatch.close()
    }
  })
  const lines = trace
    .split('\n')
    .filter((line) => line.includes(`<${lock}>`) && line.includes(' = -1 EAGAIN'))
  return lines.map((line) => Number.parseFloat(line)).sort((a, b) => a - b)
}

/** The most that happened within so many seconds. */
export function busiest(times, seconds) {
  let first = 0
  return Math.max(
    0,
    ...times.map((time, at) => {
      while (times[first] < time - seconds) first++
      return at - first + 1
    }),
  )
}

/**
 * Guards the warm path by what another machine's speed and load do not touch: ratios and counts.
 *
 * @returns What is beyond the limits; empty where nothing is.
 */
export async function tooHeavy(get, { cpu, files, packages }, stopwatch, rounds = 15) {
  const medians = await alternate(
    { bare: () => stopwatch.cost(bare()), get: () => stopwatch.cost(get) },
    rounds,
  )
  const ratio = medians.get.cpu / medians.bare.cpu
  const found = await openedBeyondBare(get)
  const others = found.packages.filter((name) => !packages.includes(name))
  return [
    ...(ratio > cpu ? [`CPU time: ${ratio.toFixed(2)} times a bare Node's, and not ${cpu}`] : []),
    ...(found.files.length > files
      ? [`files: ${found.files.length} beyond a bare Node's, and not ${files}: ${found.files.join(' ')}`]
      : []),
    ...(others.length > 0 ? [`packages: ${others.join(', ')}`] : []),
  ]
}
