// Installs and builds what is missing or stale; run by `npm start` and `npm test` on a fresh clone.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const at = (path) => join(root, path)
const age = (path) => (existsSync(at(path)) ? statSync(at(path)).mtimeMs : 0)

function run(command, ...args) {
  // Quiet unless it fails: what follows is what was asked for.
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status === 0) return
  process.stderr.write(`${stdout}${stderr}\n${command} ${args.join(' ')} failed\n`)
  process.exit(1)
}

function newest(folder) {
  const files = readdirSync(at(folder), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return Math.max(...files.map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs))
}

// By content, not by date: a checkout dates its files as it likes.
const lock = createHash('sha256')
  .update(readFileSync(at('package-lock.json')))
  .digest('hex')
const stamp = at('node_modules/.installed-lock')
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stderr.write('Installing the packages (a minute, once) …\n')
  run('npm', 'ci', '--include=dev', '--no-audit', '--no-fund')
  writeFileSync(stamp, lock)
}
// A stamp of our own: the compiler writes its `.tsbuildinfo` when it only checks, too.
if (age('dist/.built') < Math.max(newest('src'), age('scripts/bundle.js'), age('tsconfig.json'))) {
  process.stderr.write('Building …\n')
  run(process.execPath, at('node_modules/typescript/bin/tsc'), '-p', root)
  run(process.execPath, at('scripts/bundle.js'))
  writeFileSync(at('dist/.built'), '')
}
