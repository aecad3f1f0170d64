// A place below the profile with a sandbox, a configuration and a seed, and the packed program to run there. Knows no scenario.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const atEnd = []

/** Ends all sandboxes and removes their places. */
export async function tidy() {
  for (const end of atEnd.splice(0)) await end()
}

const BIN = join(process.env.APP, 'node_modules/hq-token/dist/bin.cjs')

/** The environment without what configures hq-token. */
const OWN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^HQ_TOKEN/i.test(name)))

/** Starts hq-token; `ended` resolves to its exit code and what it has printed. */
export function start(args, { env = {}, input, cwd = 'C:\\', detached = false } = {}) {
  const child = spawn(process.execPath, [BIN, ...args], {
    detached,
    cwd,
    env: { ...OWN, ...env },
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'])
    child[stream].on('data', (chunk) => {
      said[stream] += chunk
    })
  child.stdin?.end(input)
  const ended = once(child, 'close').then(([code]) => ({ code, ...said }))
  return { child, said, ended }
}

/** Within the profile, because what is made below `C:\\` is open to all who log on. */
function newFolder() {
  const tries = join(homedir(), 'hq-try')
  mkdirSync(tries, { recursive: true })
  return mkdtempSync(`${tries}\\`)
}

/**
 * A sandbox as a process of its own, and the program beside it.
 *
 * @param sandbox Options of `hq-token sandbox`.
 */
export async function place(...sandbox) {
  const dir = newFolder()
  // Without our console, because Ctrl-C reaches every process of one.
  const server = start(['sandbox', '--port', '0', '--dir', dir, ...sandbox], { detached: true })
  atEnd.push(async () => {
    server.child.kill()
    await server.ended
    try {
      rmSync(dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
    } catch {
      // A command that was given up may still stand in it.
    }
  })
  while (!server.said.stdout.includes('login\n')) {
    if (server.child.exitCode !== null) throw new Error(`the sandbox ended: ${server.said.stderr}`)
    await new Promise((next) => setTimeout(next, 20))
  }
  const config = join(dir, 'config.ini')
  const state = join(dir, 'state')
  const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_STATE_DIR: state }
  const hq = (args, options = {}) => start(args, { ...options, env: { ...env, ...options.env } })
  return {
    ...{ dir, config, state, env, seed: join(dir, 'token.ini'), store: join(state, 'token.db') },
    instance: /http:\S+/.exec(server.said.stdout)[0],
    /** Starts it. */
    start: hq,
    /** Runs it to its end. */
    hq: (...args) => hq(args).ended,
    /** How many requests the sandbox has answered so. */
    requests: (outcome) => server.said.stderr.split('\n').filter((line) => line.endsWith(outcome)).length,
    said: () => server.said.stderr,
    /** Whether a refresh is under way. */
    begun: async () => JSON.parse((await hq(['status', '--json']).ended).stdout).unfinished_since !== null,
    text: () => readFileSync(config, 'utf8'),
  }
}

/** Waits until it is so; fails after a minute. */
export async function until(isSo, what) {
  for (const end = Date.now() + 60_000; !(await isSo());) {
    if (Date.now() > end) throw new Error(`after a minute still not: ${what}`)
    await new Promise((next) => setTimeout(next, 20))
  }
}

/** Whether this is Windows as Wine makes it: only Wine has this key. */
export function isWine() {
  const reg = join(process.env.SystemRoot, 'System32', 'reg.exe')
  return spawnSync(reg, ['query', 'HKCU\\Software\\Wine'], { stdio: 'ignore' }).status === 0
}
