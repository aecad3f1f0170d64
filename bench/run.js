// Measures hq-token beside what it stands next to: `npm run bench`, and writes what it found into bench/results.md and
// docs/performance.md. Of `npm run bench -- warm storm` only these parts are measured, with `--node 22,24` only on these
// Nodes, and no page is written.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { MAJORS } from '../scripts/nodes.js'
import { chart } from './chart.js'
import { inShort } from './in-short.js'
import { refreshes, requests, token } from './inside.js'
import { machine } from './machine.js'
import { nodesFor } from './nodes.js'
import { clone, size } from './package.js'
import { parts } from './parts.js'
import { makePlace } from './place.js'
import { Stopwatch } from './processes.js'
import { refreshing, storm } from './refreshing.js'
import { across, missing, table } from './rows.js'
import { check, peers, warm } from './warm.js'

/** The parts that are measured on each Node, and those that are measured on the Node that runs this. */
const ON_EACH = { warm, refreshing, storm }
const ON_ONE = { peers, check, parts, token, requests, refreshes, size, clone }
/** The parts that need the packages that hq-token is measured beside. */
const BESIDE = ['peers', 'token']

const at = (path) => new URL(`../${path}`, import.meta.url)
const { values, positionals } = parseArgs({
  options: {
    clone: { type: 'boolean', default: false },
    node: { type: 'string' },
    // Where the Nodes are kept from one run to the next.
    cache: { type: 'string' },
  },
  allowPositionals: true,
})
const majors = values.node?.split(',').map(Number) ?? MAJORS
const names = [...Object.keys(ON_EACH), ...Object.keys(ON_ONE)]
refuse('part', positionals, names)
refuse('Node', majors, MAJORS)
const isPartial = positionals.length > 0
const wanted = isPartial ? positionals : names

if (wanted.some((name) => BESIDE.includes(name)) && !existsSync(at('bench/node_modules'))) {
  process.stderr.write('Installing what it is measured beside …\n')
  execFileSync('npm', ['ci', '--prefix', 'bench', '--no-audit', '--no-fund'], { cwd: at('.'), stdio: 'pipe' })
}
const { nodes, problem } = wanted.some((name) => name in ON_EACH)
  ? await nodesFor(majors, values.cache)
  : { nodes: [] }
const isForPage = !isPartial && values.node === undefined && problem === undefined
if (problem !== undefined) {
  process.exitCode = 1
  process.stderr.write(`${problem}: only Node ${process.version} is measured, and no page is written\n`)
}

const bench = { place: await makePlace(), stopwatch: new Stopwatch(), withClone: values.clone || isPartial }
const [onEach, onOne] = [[], []]
for (const name of wanted)
  if (name in ON_EACH) {
    const found = []
    for (const node of nodes) {
      process.stderr.write(`${name}, Node ${node.major} …\n`)
      found.push({ major: node.major, ...(await tried(() => ON_EACH[name](bench, node))) })
    }
    onEach.push(...across(found, name))
  } else {
    process.stderr.write(`${name} …\n`)
    const { rows, error } = await tried(() => ON_ONE[name](bench))
    onOne.push(...(rows ?? [missing(name, '', '', error)]))
  }
bench.stopwatch.close()
bench.place.close()

const text = [
  ...(onEach.length === 0
    ? []
    : [
        '## On each Node\n',
        'Each figure is a ratio, with what hq-token costs in brackets; where nothing stands beside it, it is a count.\n',
        table(
          onEach,
          nodes.map(({ major }) => major),
        ),
      ]),
  ...(onOne.length === 0 ? [] : [`## Beside others, on Node ${process.version}\n`, table(onOne)]),
  `Printed by \`npm run bench\` on ${new Date().toISOString().slice(0, 10)} (${machine([versions()]).join(', ')}).\n`,
].join('\n')
process.stdout.write(`\n${text}`)

if (isForPage) {
  writeFileSync(at('bench/results.md'), `# Results\n\nHow they come about: docs/performance.md.\n\n${text}`)
  writeFileSync(at('docs/pictures/performance.svg'), chart(text))
  const page = at('docs/performance.md')
  const withFigures = put(readFileSync(page, 'utf8'), 'figures', text)
  writeFileSync(page, put(withFigures, 'summary', inShort(text)))
}

function refuse(kind, given, known) {
  const unknown = given.filter((one) => !known.includes(one))
  if (unknown.length === 0) return
  process.stderr.write(`there is no ${kind} ${unknown.join(', ')}; there are ${known.join(', ')}\n`)
  process.exit(2)
}

async function tried(measure) {
  try {
    return { rows: await measure() }
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${error.stack}\n`)
    return { error }
  }
}

function versions() {
  const found = nodes.map(({ path }) => execFileSync(path, ['--version'], { encoding: 'utf8' }).trim())
  return `Node ${(found.length > 0 ? found : [process.version]).join(' ')}`
}

/** Replaces what stands between two comments of the page. */
function put(page, name, words) {
  const between = new RegExp(`(<!-- ${name} of npm run bench -->\\n)[^]*?(<!-- end of the ${name} -->)`)
  if (!between.test(page)) throw new Error(`docs/performance.md has no place for the ${name}`)
  return page.replace(between, (_, begin, end) => `${begin}\n${words}\n${end}`)
}
