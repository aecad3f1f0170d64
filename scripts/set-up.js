// Installs and builds what is missing or stale; run by `npm start` and `npm test` on a fresh clone.
import { spawnSync } from 'node:child_process'
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

// By what is installed (npm keeps account of it), not by date: a checkout dates its files as it likes.
const packagesOf = (lock) => (existsSync(at(lock)) ? JSON.parse(readFileSync(at(lock), 'utf8')).packages : {})
const installed = packagesOf('node_modules/.package-lock.json')
const isMissing = ([path, { version, optional }]) =>
  path !== '' && !optional && installed[path]?.version !== version
if (Object.entries(packagesOf('package-lock.json')).some(isMissing)) {
  process.stderr.write('Installing the packages (a minute, once) …\n')
  run('npm', 'ci', '--include=dev', '--no-audit', '--no-fund')
}
// A stamp of our own: the compiler writes its `.tsbuildinfo` when it only checks, too.
if (
  age('dist/.built') <
  Math.max(newest('src'), age('scripts/bundle.js'), age('scripts/bin.cjs'), age('tsconfig.json'))
) {
  process.stderr.write('Building …\n')
  run(process.execPath, at('node_modules/typescript/bin/tsc'), '-p', root)
  run(process.execPath, at('scripts/bundle.js'))
  writeFileSync(at('dist/.built'), '')
}
