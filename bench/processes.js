// How processes are measured: by the benchmark, and by the test that guards the warm path.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

  constructor() {
    const script = fileURLToPath(new URL('stopwatch.py', import.meta.url))
    this.#python = spawn('python3', [script], { env: CLEAN, stdio: ['pipe', 'pipe', 'inherit'] })
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

  close() {
    this.#python.stdin.end()
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

/** The files that `command` opens with success and its bare Node does not, and the packages that they belong to. */
export async function openedBeyondBare(command) {
  const always = await opened(bare(command.argv[0]))
  const files = [...(await opened(command))].filter((path) => !always.has(path))
  const packages = files.flatMap((path) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [])
  return { files, packages: [...new Set(packages)] }
}

async function opened({ argv, env = {} }) {
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-opened-'))
  try {
    // A file for each thread: no call's line is cut in two by another's.
    const flags = ['-ff', '-qq', '-e', 'trace=open,openat,openat2', '-o', join(folder, 'trace')]
    await promisify(execFile)('strace', [...flags, ...argv], { env: { ...CLEAN, ...env } })
    const traces = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
    return new Set([...traces.join('').matchAll(/^open[^"]*"([^"]*)".* = \d/gm)].map(([, path]) => path))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/**
 * When the processes of a command looked at the lock in vain, in seconds, in order. A process that waits for the lock
 * pauses after each such look: a few lines that are loaded before the program count the pauses. strace would not do,
 * because it slows the starts down: fewer processes would meet.
 */
export async function looksOf(stopwatch, command) {
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-looks-'))
  try {
    const preload = fileURLToPath(new URL('looks.cjs', import.meta.url))
    const env = { ...command.env, NODE_OPTIONS: `--require=${preload}`, LOOKS: join(folder, 'looks') }
    writeFileSync(env.LOOKS, '')
    const result = await stopwatch.run({ ...command, env })
    const looks = readFileSync(env.LOOKS, 'utf8').split('\n').filter(Boolean)
    return { ...result, looks: looks.map(Number).sort((one, other) => one - other) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
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
