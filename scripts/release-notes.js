// Prints the section of CHANGELOG.md for a tag, which becomes the text of the release: `node scripts/release-notes.js vX.Y.Z`.
// It ends with 1 where the tag is not the version of package.json, or CHANGELOG.md says nothing of it.
import { readFileSync } from 'node:fs'

const [tag = ''] = process.argv.slice(2)
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
if (tag !== `v${version}`)
  fail(`the tag is ${tag || 'missing'}, and the version in package.json is ${version}`)

const sections = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m).slice(1)
// A date may follow the version.
const section = sections.find((text) => text.split(/\s/, 1)[0] === version)
const notes = section?.slice(section.indexOf('\n')).trim() ?? ''
if (notes === '') fail(`CHANGELOG.md has no section "## ${version}", or nothing in it`)
process.stdout.write(`${notes}\n`)

function fail(why) {
  process.stderr.write(`${why}\n`)
  process.exit(1)
}
