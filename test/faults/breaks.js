// A guarantee whose removal nothing notices is not tested. Takes one after the other out of a copy of the
// program and expects the test that is meant for it to fail, in its short run: `npm run test:breaks -- [NAME]`.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BREAKS } from './breaks-table.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'hq-token-breaks-'))
process.on('exit', () => {
  rmSync(copy, { recursive: true, force: true })
})

const [wanted = ''] = process.argv.slice(2)
const chosen = BREAKS.filter(({ name }) => name.includes(wanted))
if (chosen.length === 0) throw new Error(`no break's name holds "${wanted}"`)
for (const one of chosen) for (const edit of editsOf(one)) edited(root, edit)

copyProject()
build()
for (const by of new Map(chosen.map(({ by }) => [command(by), by])).values()) {
  const { passed, failed, said } = run(by)
  if (passed.length === 0 || failed.length > 0)
    throw new Error(`with nothing broken, ${command(by)} does not pass: ${failed.join(', ')}\n${said}`)
}

print('break', 'caught by', 'tests that fail')
print('---', '---', '---')
for (const one of chosen) {
  for (const edit of editsOf(one)) writeFileSync(join(copy, edit.file), edited(copy, edit))
  build()
  const { failed } = run(one.by)
  if (failed.length === 0) process.exitCode = 1
  const [first = 'NOT CAUGHT', second, ...more] = failed
  print(
    one.name,
    command(one.by),
    [
      first,
      ...(second === undefined ? [] : [second]),
      ...(more.length > 0 ? [`${more.length} more`] : []),
    ].join('; '),
  )
  for (const { file } of editsOf(one)) cpSync(join(root, file), join(copy, file))
}

function editsOf({ file, find, replace, and = [] }) {
  return [{ file, find, replace }, ...and]
}

/** @throws {Error} where the text is no longer there: then nothing would be broken, and a test that passes would mean nothing. */
function edited(project, { file, find, replace }) {
  const [before, after, ...more] = readFileSync(join(project, file), 'utf8').split(find)
  if (after === undefined || more.length > 0)
    throw new Error(`${file} holds this ${after === undefined ? 'no longer' : 'more than once'}:\n${find}`)
  return `${before}${replace}${after}`
}

function copyProject() {
  const left = new Set(
    ['node_modules', 'build', 'dist', 'artifacts', 'coverage', '.git'].map((name) => join(root, name)),
  )
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(path) })
  // A folder of its own, of links: what tests cache in it does not reach the original.
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')).filter(
    (name) => !/^\.(?:vite|cache)/.test(name),
  ))
    symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name))
}

/** What a break leaves unused is no mistake; anything else that does not compile is. */
function build() {
  rmSync(join(copy, 'build'), { recursive: true, force: true })
  const { status, stdout } = node(
    'typescript/bin/tsc',
    '--noUnusedLocals',
    'false',
    '--noUnusedParameters',
    'false',
  )
  if (status !== 0) throw new Error(`it does not compile:\n${stdout}`)
  const bundled = node('../scripts/bundle.js')
  if (bundled.status !== 0) throw new Error(`it cannot be bundled:\n${bundled.stderr}`)
  // Else the tests' own set-up would build it anew.
  writeFileSync(join(copy, 'build/.built'), '')
}

function run({ file, filter }) {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const { stdout, stderr } = node(
    'vitest/vitest.mjs',
    ...['run', file, '--reporter=json', `--outputFile=${report}`],
    ...(filter === undefined ? [] : ['--testNamePattern', filter]),
  )
  if (!existsSync(report)) throw new Error(`${file} did not run:\n${stdout}${stderr}`)
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults
  const titles = (outcome) => [
    ...new Set(
      results
        .flatMap(({ assertionResults }) => assertionResults)
        .flatMap(({ status, title }) => (status === outcome ? [title] : [])),
    ),
  ]
  return { passed: titles('passed'), failed: titles('failed'), said: `${stdout}${stderr}` }
}

function node(script, ...args) {
  return spawnSync(process.execPath, [join('node_modules', script), ...args], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, FAULTS: 'short' },
    timeout: 600_000,
  })
}

function command({ file, filter }) {
  return `${basename(file)}${filter === undefined ? '' : ` -t "${filter}"`}`
}

function print(...cells) {
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
