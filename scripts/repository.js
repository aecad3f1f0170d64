// Writes the address of the repository into every file that names it: `npm run repository -- https://github.com/OWNER/NAME`.
// Until then these files hold the placeholder OWNER/NAME, and package.json and the README name no address at all. It can be
// run again: the same address changes nothing, and another one takes the place of the first.
import { readFileSync, writeFileSync } from 'node:fs'

const PLACEHOLDER = 'OWNER/NAME'
const BADGES = /(<!-- badges[^]*?-->\n)[^]*?(<!-- end of the badges -->)/

const [given = ''] = process.argv.slice(2)
const [, owner, name] = /^https:\/\/github\.com\/([\w-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(given) ?? []
if (owner === undefined || name === undefined) {
  // Workflows, issue forms and npm's provenance are GitHub's: no other address would do.
  process.stderr.write('usage: npm run repository -- https://github.com/OWNER/NAME\n')
  process.exit(2)
}
const url = `https://github.com/${owner}/${name}`

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const was = /github\.com\/([^/]+\/[^/]+)\.git$/.exec(manifest.repository?.url ?? '')?.[1] ?? PLACEHOLDER

/** Puts the address into the text of each file. A file without a place for it is an error, because a rename must not lose it. */
const EDITS = {
  'package.json': () => `${JSON.stringify(withAddress(manifest), null, 2)}\n`,
  'README.md': (text) => replaced(text, BADGES, (_, begin, end) => `${begin}${badges()}\n${end}`),
  'SECURITY.md': addresses,
  '.github/ISSUE_TEMPLATE/config.yml': addresses,
  '.github/workflows/release.yml': (text) =>
    replaced(text, `repository == '${was}'`, `repository == '${owner}/${name}'`),
  '.github/CODEOWNERS': (text) =>
    replaced(text, new RegExp(`(\\s@)${was.split('/')[0]}$`, 'gm'), `$1${owner}`),
}

const edited = Object.entries(EDITS).map(([path, edit]) => {
  const text = readFileSync(path, 'utf8')
  try {
    return { path, text, next: edit(text) }
  } catch (error) {
    process.stderr.write(`${path}: ${error.message}\n`)
    process.exit(1)
  }
})
const changed = edited.filter(({ text, next }) => text !== next)
for (const { path, next } of changed) writeFileSync(path, next)
process.stdout.write(
  changed.length === 0
    ? `every file names ${url} already\n`
    : `${changed.map(({ path }) => path).join(', ')}: ${url}\n`,
)

/** Behind `license`, where npm's own order has them. */
function withAddress({ repository, bugs, homepage, ...rest }) {
  void [repository, bugs, homepage]
  const entries = Object.entries(rest)
  const at = entries.findIndex(([key]) => key === 'license') + 1
  entries.splice(
    at,
    0,
    ['homepage', `${url}#readme`],
    ['repository', { type: 'git', url: `git+${url}.git` }],
    ['bugs', { url: `${url}/issues` }],
  )
  return Object.fromEntries(entries)
}

function badges() {
  const npm = `https://www.npmjs.com/package/${manifest.name}`
  return [
    `[![CI](${url}/actions/workflows/ci.yml/badge.svg?branch=main)](${url}/actions/workflows/ci.yml)`,
    `[![npm](https://img.shields.io/npm/v/${manifest.name})](${npm})`,
    `[![node](https://img.shields.io/node/v/${manifest.name})](${npm})`,
    `[![licence](https://img.shields.io/npm/l/${manifest.name})](LICENSE)`,
  ].join('\n')
}

function addresses(text) {
  return replaced(text, `https://github.com/${was}/`, `${url}/`)
}

function replaced(text, from, to) {
  const isThere = typeof from === 'string' ? text.includes(from) : text.search(from) >= 0
  if (!isThere) throw new Error(`it has no place for the address: ${from}`)
  return text.replaceAll(typeof from === 'string' || from.global ? from : new RegExp(from, 'g'), to)
}
