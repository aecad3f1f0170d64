// After the compiler, which leaves each module by itself in build/: makes dist/, which is what a user gets, and holds
// each module once. A `get`, a `refresh` and an `exec` open a few files, because opening a hundred takes longer than
// their work: dist/start.cjs hands out a fresh token, dist/refresh.cjs and those of the library get a new one. No
// package is inside: a fix of one must reach the user.
// Writes dist/bin.cjs, which tells a Node that could not even read start.cjs that it is too old.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, posix } from 'node:path'
import { rolldown } from 'rolldown'
import ts from 'typescript'

const { engines, exports: faces } = JSON.parse(readFileSync('package.json', 'utf8'))

/** The library's entries by package.json: the name of the file in dist, and the module in src. */
const LIBRARY = Object.values(faces)
  .filter(({ types }) => types !== undefined)
  .map((face) => ({
    name: basename(face.default, '.js'),
    module: face.types.replace('./dist/', '').replace('.d.ts', ''),
  }))

/**
 * The modules of each file. It holds these and all that they import, without what a file before it in this list holds.
 * Every refresh loads the files up to `refresh`, except `undici` and `schemas`.
 */
const FILES = {
  start: ['bin'],
  ...Object.fromEntries(LIBRARY.map(({ name, module }) => [name, [module]])),
  // Apart, for a check needs no more of what follows.
  common: [
    ...['cli/world', 'cli/terminal/output', 'cli/next-step'],
    ...['wiring/endpoints', 'wiring/names-store', 'config/seed-source'],
  ],
  refresh: ['cli/run-plain', 'cli/commands/get/get', 'cli/commands/refresh/refresh'],
  main: ['cli/main'],
}

/** The names of functions and classes stay, so that a report of a bug tells the function, and by its column the place. */
const SMALL = {
  compress: { target: 'es2022', keepNames: { function: true, class: true } },
  mangle: { keepNames: true },
  codegen: true,
}

/**
 * Loads a module when something of it is first used, because a fresh token needs few of them. Only
 * start.cjs does so: the other files use what they name, and a default import needs the module itself.
 */
const LAZILY = `const requireNow = require
require = ((now) => (id) => {
  let module
  return new Proxy({}, { get: (_, name) => (module ??= now(id))[name] })
})(require);`

/** The imports of each module, without those by `import()`, and the names that it exports. */
const parsed = new Map()

rmSync('dist', { recursive: true, force: true })
const bundle = await rolldown({
  input: {
    start: source('bin'),
    ...Object.fromEntries(LIBRARY.map(({ name, module }) => [name, source(module)])),
  },
  platform: 'node',
  // Every package.
  external: [/^[^./]/],
  treeshake: { moduleSideEffects: 'no-external' },
  preserveEntrySignatures: 'allow-extension',
  plugins: [
    {
      name: 'parsed',
      moduleParsed({ id, importedIds, exports }) {
        parsed.set(id, { imports: importedIds, exports })
      },
      // The bundle has a `require` of its own: see that file.
      load: (id) => (id.endsWith('/platform/require.ts') ? 'export const nodeRequire = requireNow' : null),
    },
  ],
})
await bundle.write({
  dir: 'dist',
  entryFileNames: '[name].cjs',
  chunkFileNames: '[name].cjs',
  // The loader of ES modules costs a fifth of Node's start.
  format: 'cjs',
  intro: ({ name }) => (name === 'start' ? LAZILY : ''),
  comments: false,
  minify: SMALL,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: Object.entries(FILES).map(([name, modules], nth, { length }) => {
      let all
      return { name, test: (id) => (all ??= reached(modules)).has(id), priority: length - nth }
    }),
  },
})

// The library is for `import`, which looks for the names of a CommonJS file by reading all of it. That takes longer than
// to run it, so it finds a file that holds the names and nothing else.
for (const { name, module } of LIBRARY) {
  const names = parsed.get(source(module)).exports.toSorted()
  const assignments = names.map((one) => `exports.${one} = library.${one}\n`)
  writeFileSync(`dist/${name}.names.cjs`, `const library = require('./${name}.cjs')\n${assignments.join('')}`)
  writeFileSync(`dist/${name}.js`, `export { ${names.join(', ')} } from './${name}.names.cjs'\n`)
}

// The declarations that a user's compiler reads, and no others.
const declarations = new Set(LIBRARY.map(({ module }) => `${module}.d.ts`))
for (const path of declarations) {
  const text = readFileSync(join('build', path), 'utf8')
  for (const { fileName } of ts.preProcessFile(text).importedFiles)
    if (fileName.startsWith('.')) declarations.add(posix.join(path, '..', fileName.replace(/\.js$/, '.d.ts')))
  cpSync(join('build', path), join('dist', path))
}

function source(module) {
  return join(process.cwd(), `src/${module}.ts`)
}

function reached(modules) {
  const found = new Set(modules.map(source))
  for (const id of found) for (const next of parsed.get(id)?.imports ?? []) found.add(next)
  return found
}

// V8 reads a file of plain ASCII faster.
const start = readFileSync('dist/start.cjs', 'utf8').replaceAll(/[^\x00-\x7f]/g, escaped)
writeFileSync('dist/start.cjs', start)

const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)
const filled = {
  'MAJOR = 0': `MAJOR = ${major}`,
  'MINOR = 0': `MINOR = ${minor}`,
  "BUILD = ''": `BUILD = '${createHash('sha256').update(start).digest('hex').slice(0, 16)}'`,
}
const bin = readFileSync('scripts/bin.cjs', 'utf8')
const missing = Object.keys(filled).filter((place) => !bin.includes(place))
if (missing.length > 0) throw new Error(`scripts/bin.cjs has no place for ${missing.join(', ')}`)
writeFileSync(
  'dist/bin.cjs',
  Object.entries(filled).reduce((text, [place, value]) => text.replace(place, value), bin),
)
copyFileSync('scripts/compile.cjs', 'dist/compile.cjs')
execFileSync(process.execPath, ['dist/compile.cjs'])

/** As it may stand in a literal; there are no comments. */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
