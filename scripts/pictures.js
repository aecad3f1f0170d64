// Draws the pictures of the documentation from what the program prints now: `npm run pictures`, or only some of them by
// name. With --check it compares, and ends with 1 where a picture is not what would be drawn.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chart } from '../bench/chart.js'
import { COLUMNS, statusScene, storyScene } from './pictures/scenes.js'
import { terminalSvg } from './pictures/terminal-svg.js'

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const PICTURES = {
  performance: () => chart(readFileSync(at('bench/results.md'), 'utf8')),
  status: async () =>
    terminalSvg(await statusScene(), COLUMNS, {
      title: 'hq-token status',
      description:
        'A terminal. The command hq-token status tells the instance, the user and the client, that the token is fresh, how long the access token and the refresh token still live, each with a bar, when the last refresh was, that none has failed, and where the store is.',
    }),
  story: async () =>
    terminalSvg(await storyScene(), COLUMNS, {
      title: 'npm start',
      description:
        'A terminal. The command npm start tells a story against a local stand-in for HighQ: a seed is imported; a script gets a token; after it has expired another one; twenty jobs at one instant share one refresh; a job is killed in the middle of a refresh, and the next one carries on without a person; hq-token status shows that no grant was lost.',
    }),
}

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const unknown = positionals.filter((name) => !(name in PICTURES))
if (unknown.length > 0) {
  process.stderr.write(
    `there is no picture ${unknown.join(', ')}; there are ${Object.keys(PICTURES).join(', ')}\n`,
  )
  process.exit(2)
}

const stale = []
for (const name of positionals.length > 0 ? positionals : Object.keys(PICTURES)) {
  const path = at(`docs/pictures/${name}.svg`)
  const svg = await PICTURES[name]()
  if (!values.check) writeFileSync(path, svg)
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== svg) stale.push(name)
}
if (stale.length > 0) {
  process.stderr.write(`stale: ${stale.join(', ')}; draw them anew with: npm run pictures\n`)
  process.exit(1)
}
