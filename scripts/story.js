// How a demonstration is told: what happens, what is typed, what the program prints, and whether it is as it should be.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../dist/bin.cjs', import.meta.url))

const painted = (how) => (text) =>
  process.stdout.isTTY && !process.env.NO_COLOR ? `\x1b[${how}m${text}\x1b[0m` : text
const [bold, red, green] = [1, 31, 32].map(painted)

/** A folder for it, gone when this process ends. */
export const folder = mkdtempSync(join(tmpdir(), 'hq-token-demo-'))
const running = new Set()
let unlike = 0

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

export const tell = (text) => console.log(`\n${bold(text)}`)

export const typed = (...args) => console.log(`  $ hq-token ${args.join(' ')}`)

export const shown = (text) =>
  text
    .trimEnd()
    .split('\n')
    .filter(Boolean)
    .forEach((line) => console.log(`  ${line.replaceAll(folder, '…')}`))

/** Not the token itself: a terminal's scroll-back is no place for one. */
export const short = (token) => `${token.trim().slice(0, 8)}… (${token.trim().length} characters)`

export function expect(what, holds) {
  console.log(`  ${holds ? green('as it should be') : red('NOT AS IT SHOULD BE')}: ${what}`)
  if (!holds) unlike++
}

/** Starts the real program with a configuration. */
export function start(config, ...args) {
  const child = spawn(process.execPath, [BIN, ...args], {
    // The tokens of a demonstration live seconds, so the usual minute of validity is not asked for.
    env: { ...process.env, HQ_TOKEN_CONFIG: config, HQ_TOKEN_MIN_VALID: '0', NODE_EXTRA_CA_CERTS: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const out = { stdout: '', stderr: '', child }
  for (const name of ['stdout', 'stderr'])
    child[name].setEncoding('utf8').on('data', (text) => (out[name] += text))
  out.done = new Promise((resolve) =>
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ ...out, code, signal })
    }),
  )
  return out
}

export function end() {
  console.log(unlike === 0 ? '\nAll as it should be.' : `\n${unlike} things were not as they should be.`)
  process.exit(unlike === 0 ? 0 : 1)
}
