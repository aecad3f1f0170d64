// Writes what the fault harnesses counted into the docs: the end of `npm run test:faults`, and of `npm run test:fleet`.
//   node scripts/reliability.js faults|fleet
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, release, type } from 'node:os'
import { fileURLToPath } from 'node:url'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const [, , which = 'faults'] = process.argv
const FOLDER = at(`artifacts/${which}`)

const counted = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')))
  .sort((a, b) => a.place - b.place)

/** A harness that counts nothing reports nothing. */
const wanted = readdirSync(at(`test/${which}`))
  .filter((name) => name.endsWith('.test.ts'))
  .flatMap(
    (name) => /\breport\('([\w-]+)'/.exec(readFileSync(at(`test/${which}/${name}`), 'utf8'))?.[1] ?? [],
  )
const whole = new Set(counted.filter(({ run }) => run === 'full').map(({ harness }) => harness))
const missing = wanted.filter((harness) => !whole.has(harness))
if (missing.length > 0) {
  process.stdout.write(`the docs stay as they are: not in full, or not at all: ${missing.join(', ')}\n`)
  process.exit(0)
}

const losses = ({ lost, beyondAnyClient = 0 }) =>
  lost === undefined
    ? ''
    : beyondAnyClient === 0
      ? `${lost}`
      : `${lost}, beyond any client: ${beyondAnyClient}`
const row = (cells) => `| ${cells.join(' | ')} |\n`
const table = (head, rows) => row(head) + row(head.map(() => '---')) + rows.map(row).join('')

const machine = `${type()} ${release()}, ${availableParallelism()} cores, Node ${process.version}`
const pages = {
  'README.md': table(
    ['what is done to it', 'tried', 'grants lost'],
    counted
      .filter(({ lost }) => lost !== undefined)
      .map((figures) => [figures.title, figures.tried, losses(figures)]),
  ),
  'docs/reliability.md': `${table(
    ['harness', 'what it does', 'tried', 'grants lost', 'and'],
    counted.map(({ harness, title, tried, seen = '', ...rest }) => [
      `\`${harness}\``,
      title,
      tried,
      losses(rest),
      seen,
    ]),
  )}\nPrinted by \`npm run test:${which}\` on ${new Date().toISOString().slice(0, 10)} (${machine}).\n`,
}

for (const [page, text] of Object.entries(pages)) {
  const between = new RegExp(
    `(<!-- figures of npm run test:${which} -->\n)[^]*?(<!-- end of the figures -->)`,
  )
  const before = readFileSync(at(page), 'utf8')
  if (!between.test(before)) throw new Error(`${page} has no place for the figures`)
  writeFileSync(
    at(page),
    before.replace(between, (_, begin, end) => `${begin}\n${text}\n${end}`),
  )
}
process.stdout.write(`${counted.length} harnesses; their figures are in README.md and docs/reliability.md\n`)
