// Draws who imports whom in src as a Mermaid diagram, from the imports themselves. It judges nothing: the import gate does.
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'

/** Each room, from the edge inwards: what it holds, and what it does. */
const ROOMS = [
  { id: 'bin', holds: /^bin\.ts$/, does: 'the process: the warm path, else the command line' },
  { id: 'index', holds: /^index\.ts$/, does: 'the library’s face' },
  { id: 'cli', holds: /^cli\//, does: 'speaks' },
  { id: 'wiring', holds: /^(wiring\/|open(-guard)?\.ts$)/, does: 'puts together' },
  { id: 'sandbox', holds: /^sandbox\//, does: 'stands in for HighQ' },
  { id: 'config', holds: /^config\//, does: 'reads settings and the seed file' },
  { id: 'store', holds: /^store\//, does: 'remembers' },
  { id: 'bearer', holds: /^bearer\//, does: 'puts the token on calls' },
  { id: 'oauth', holds: /^oauth\//, does: 'talks to the authorization server' },
  { id: 'network', holds: /^network\//, does: 'reaches servers' },
  { id: 'schemas', holds: /^schemas\//, does: 'describes what is printed' },
  { id: 'platform', holds: /^platform\//, does: 'this machine' },
  { id: 'core', holds: /^core\//, does: 'decides' },
]

/**
 * An arrow that follows from others is left out: where A leads to B and B to C, A may import C too.
 *
 * @param src The folder of the sources.
 * @throws {Error} where a file is in no room, or rooms import one another in a circle.
 */
export function roomsDiagram(src) {
  const files = readdirSync(src, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => ({ name, imports: importsOf(src, name) }))
  // A loose file that imports nothing says nothing of who may import whom.
  const drawn = files.filter(
    ({ name, imports }) => roomOf(name) !== undefined || name.includes('/') || imports.length > 0,
  )
  const homeless = drawn.filter(({ name }) => roomOf(name) === undefined).map(({ name }) => name)
  if (homeless.length > 0) throw new Error(`in no room of scripts/rooms.js: ${homeless.join(', ')}`)

  const arrows = new Map(ROOMS.map(({ id }) => [id, new Set()]))
  for (const { name, imports } of drawn)
    for (const to of imports.map(roomOf))
      if (to !== undefined && to !== roomOf(name)) arrows.get(roomOf(name)).add(to)
  const led = new Map(ROOMS.map(({ id }) => [id, reached(arrows, id)]))
  const circle = ROOMS.find(({ id }) => led.get(id).has(id))
  if (circle !== undefined) throw new Error(`there is a circle through ${circle.id}`)

  const rooms = ROOMS.filter(({ holds }) => drawn.some(({ name }) => holds.test(name)))
  const nodes = rooms.map(({ id, holds, does }) => `  ${id}["<b>${placesOf(drawn, holds)}</b><br>${does}"]\n`)
  const lines = rooms.flatMap(({ id }) => {
    const direct = [...arrows.get(id)].filter(
      (to) => ![...arrows.get(id)].some((via) => led.get(via).has(to)),
    )
    return rooms.filter((room) => direct.includes(room.id)).map((room) => `  ${id} --> ${room.id}\n`)
  })
  return `flowchart TD\n${nodes.join('')}${lines.join('')}`
}

/** The files of src that one of them imports, for their types too. */
function importsOf(src, name) {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(src, name), 'utf8'), true, true)
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((path) => path.startsWith('.') && path.endsWith('.js'))
    .map((path) => posix.join(posix.dirname(name), path).replace(/\.js$/, '.ts'))
}

function roomOf(name) {
  return ROOMS.find(({ holds }) => holds.test(name))?.id
}

function reached(arrows, from, seen = new Set()) {
  for (const to of arrows.get(from))
    if (!seen.has(to)) {
      seen.add(to)
      reached(arrows, to, seen)
    }
  return seen
}

/** The folder, and what lies loose in src, as a reader finds them there. */
function placesOf(files, holds) {
  const places = files.map(({ name }) => name).filter((name) => holds.test(name))
  return [...new Set(places.map((name) => name.replace(/\/.*/, '/')))].sort().reverse().join(' ')
}
