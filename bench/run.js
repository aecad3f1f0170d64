// Measures hq-token beside what it stands next to: `npm run bench`, and writes what it found into bench/results.md and
// docs/performance.md. Of `npm run bench -- warm storm` only these parts are measured, and no page is written.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'
import { parseArgs } from 'node:util'

const at = (path) => new URL(`../${path}`, import.meta.url)
if (!existsSync(at('bench/node_modules'))) {
  process.stderr.write('Installing what it is measured beside …\n')
  execFileSync('npm', ['ci', '--prefix', 'bench', '--no-audit', '--no-fund'], { cwd: at('.'), stdio: 'pipe' })
}

const { chart } = await import('./chart.js')
const { makePlace } = await import('./place.js')
const { Stopwatch } = await import('./processes.js')
const { missing, table } = await import('./rows.js')
const { warm } = await import('./warm.js')
const { parts } = await import('./parts.js')
const { refreshing, storm } = await import('./refreshing.js')
const { token, requests, refreshes } = await import('./inside.js')
const { size, clone } = await import('./package.js')
const PARTS = { warm, parts, refreshing, storm, token, requests, refreshes, size, clone }

const { values, positionals } = parseArgs({
  options: { clone: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !(name in PARTS))
if (unknown.length > 0) {
  process.stderr.write(`there is no part ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}\n`)
  process.exit(2)
}
const isWhole = positionals.length === 0
const wanted = isWhole ? Object.keys(PARTS) : positionals

const bench = { place: await makePlace(), stopwatch: new Stopwatch(), withClone: values.clone || !isWhole }
const rows = []
for (const name of wanted) {
  process.stderr.write(`${name} …\n`)
  try {
    rows.push(...(await PARTS[name](bench)))
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${error.stack}\n`)
    rows.push(missing(name, '', '', error))
  }
}
bench.stopwatch.close()
bench.place.close()

const [{ model }, ...more] = cpus()
const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
const machine = [
  model.trim(),
  `${more.length + 1} cores`,
  memory,
  `${type()} ${release()}`,
  `Node ${process.version}`,
]
const text = `${table(rows)}
Printed by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)} (${machine.join(', ')}).\n`
process.stdout.write(`\n${text}`)

if (isWhole) {
  writeFileSync(at('bench/results.md'), `# Results\n\nHow they come about: docs/performance.md.\n\n${text}`)
  writeFileSync(at('docs/pictures/performance.svg'), chart(text))
  const page = at('docs/performance.md')
  const between = /(<!-- figures of npm run bench -->\n)[^]*?(<!-- end of the figures -->)/
  const before = readFileSync(page, 'utf8')
  if (!between.test(before)) throw new Error('docs/performance.md has no place for the figures')
  writeFileSync(
    page,
    before.replace(between, (_, begin, end) => `${begin}\n${text}\n${end}`),
  )
}
