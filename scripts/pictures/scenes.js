// Runs the real program in a terminal of a fixed width, against the sandbox, and gives what it printed. Names, tokens and
// times of that run are replaced by fixed ones, so that the same program prints the same; nothing else is changed.
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { writeSandboxFiles } from '../../build/sandbox/files.js'
import { startSandbox } from '../../build/sandbox/server.js'

const at = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const BIN = at('dist/bin.cjs')
const STAMP = /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z/g
export const COLUMNS = 100

/** `hq-token status` of a grant that was refreshed a while ago. */
export async function statusScene() {
  const life = 5 * 3600
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-picture-'))
  const sandbox = await startSandbox({ accessTtl: life })
  try {
    const { config, seed } = await writeSandboxFiles(folder, sandbox, { accessTtl: life })
    const env = { PATH: process.env.PATH, HOME: folder, HQ_TOKEN_CONFIG: config }
    // Between two minutes, so that a slow machine prints the same minutes.
    const ago = 97.5 * 60
    const before = { ...env, NODE_OPTIONS: `--import=${clockSetBack(ago)}` }
    const run = promisify(execFile)
    await run(process.execPath, [BIN, 'seed', '--issued-at', '0', seed], { env })
    await run(process.execPath, [BIN, 'refresh'], { env: before })
    const now = Date.now() / 1000
    const said = await atTerminal([process.execPath, BIN, 'status'], env)
    const output = said
      .replaceAll(sandbox.url, 'https://acme.highq.com/acme/')
      .replaceAll(folder, '/home/jobs/.local/state/hq-token')
      .replaceAll(STAMP, (stamp) => fixedTime(Date.parse(stamp) / 1000 - now))
    return `$ hq-token status\r\n${output}`
  } finally {
    await sandbox.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The story of `npm start`, in its order. */
export async function storyScene() {
  const said = await atTerminal([process.execPath, at('scripts/demo.js')], {
    PATH: process.env.PATH,
    HOME: tmpdir(),
  })
  const replace = [
    [/127\.0\.0\.1:\d+/g, ['127.0.0.1:8765', '127.0.0.1:8765']],
    [/access-\S…/g, ['access-N…', 'access-N…', 'access-J…', 'access-Q…']],
    [/\d+s left of 6s/g, ['5s left of 6s']],
    // The refresh may have been in this very second.
    [/\(\d+m?s ago\)/g, ['(1s ago)']],
    [/(?:364d 23h|1y) left of 1y/g, ['364d 23h left of 1y']],
    [
      STAMP,
      [
        ...['2026-05-04T10:15:00Z', '2026-05-04T10:15:06Z', '2026-05-04T10:15:21Z', '2026-05-04T10:15:28Z'],
        ...['2027-05-04T10:15:22Z', '2026-05-04T10:15:22Z'],
      ],
    ],
  ]
  return `$ npm start\r\n${replace.reduce((text, [from, to]) => inTurn(text, from, to), said)}`
}

/** @throws {Error} where there are more or fewer than are known: then the scene has changed, and the list must too. */
function inTurn(text, from, to) {
  const names = [...to]
  const next = text.replaceAll(from, (found) => names.shift() ?? fail(`one ${found} more than ${to.length}`))
  return names.length > 0 ? fail(`fewer than ${to.length} of ${from}`) : next
}

function fail(why) {
  throw new Error(why)
}

/** A module that sets the clock of a process back, so that what it does is over for a while. */
function clockSetBack(seconds) {
  const code = `const now = Date.now; Date.now = () => now() - ${seconds * 1000}`
  return `data:text/javascript,${encodeURIComponent(code)}`
}

function fixedTime(offset) {
  const instant = Date.parse('2026-05-04T10:15:00Z') / 1000 + offset
  return new Date(Math.floor(instant / 60) * 60_000).toISOString().replace('.000', '')
}

/** @throws {Error} where the command fails. */
async function atTerminal(argv, env) {
  const driver = spawn('python3', [at('test/support/terminal.py')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const request = { argv, steps: [], env: { ...env, TERM: 'xterm-256color' }, columns: COLUMNS, seconds: 300 }
  driver.stdin.end(JSON.stringify(request))
  let answer = ''
  driver.stdout.setEncoding('utf8').on('data', (part) => (answer += part))
  const code = await new Promise((resolve, reject) => driver.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`the terminal ended with ${code}`)
  const { said, status } = JSON.parse(answer)
  if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}:\n${said}`)
  return said
}
