// After the compiler: bundles what a `get`, a `refresh` and an `exec` run into a few files, because opening a hundred
// takes longer than their work. dist/start.cjs hands out a fresh token, dist/refresh.cjs gets a new one, and what few
// refreshes need lies beside them. No package is inside: a fix of one must reach the user.
// Takes the comments out of the compiler's other files, because the declarations and the sources have them.
// Writes dist/bin.cjs, which tells a Node that could not even read start.cjs that it is too old.
import { execFileSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { minifySync } from 'rolldown/utils'

/** Names and lines stay: a report of a bug tells where. */
const WITHOUT_COMMENTS = { compress: false, mangle: false, codegen: false }

/** Every refresh runs these files and all that they import. What start.cjs has already is left out. */
const REFRESH = ['src/cli/run-plain.ts', 'src/cli/commands/get/get.ts', 'src/oauth/token-endpoint.ts']

/**
 * Loads a module when something of it is first used, because a fresh token needs few of them. Only
 * start.cjs does so: the other files use what they name, and a default import needs the module itself.
 */
const LAZILY = `const requireNow = require
require = ((now) => (id) => {
  let module
  return new Proxy({}, { get: (_, name) => (module ??= now(id))[name] })
})(require);`

/** The imports of each module, without those by `import()`. */
const imports = new Map()

const bundle = await rolldown({
  input: { start: 'src/bin.ts' },
  platform: 'node',
  // Every package.
  external: [/^[^./]/],
  treeshake: { moduleSideEffects: 'no-external' },
  preserveEntrySignatures: 'allow-extension',
  plugins: [
    {
      name: 'imports',
      moduleParsed({ id, importedIds }) {
        imports.set(id, importedIds)
      },
      // The rest of the command line stays as it is.
      resolveId: (id) => (id === './main.js' ? { id: './cli/main.js', external: true } : null),
      // See there.
      load: (id) => (id.endsWith('/platform/require.ts') ? 'export const nodeRequire = requireNow' : null),
    },
  ],
})
let ofRefresh
await bundle.write({
  dir: 'dist',
  entryFileNames: 'start.cjs',
  chunkFileNames: '[name].cjs',
  // The loader of ES modules costs a fifth of Node's start.
  format: 'cjs',
  intro: ({ isEntry }) => (isEntry ? LAZILY : ''),
  comments: false,
  minify: WITHOUT_COMMENTS,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: [
      // V8's compiled code knows no `import()`.
      { name: 'main', test: (id) => id.endsWith('/cli/whole.ts') },
      { name: 'refresh', test: (id) => (ofRefresh ??= without(REFRESH, ['src/bin.ts'])).has(id) },
    ],
  },
})

const { engines } = JSON.parse(readFileSync('package.json', 'utf8'))
const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)
const check = readFileSync('scripts/bin.cjs', 'utf8')
writeFileSync(
  'dist/bin.cjs',
  check.replace('MAJOR = 0', `MAJOR = ${major}`).replace('MINOR = 0', `MINOR = ${minor}`),
)

// V8 reads a file of plain ASCII faster.
const start = readFileSync('dist/start.cjs', 'utf8')
writeFileSync('dist/start.cjs', start.replaceAll(/[^\x00-\x7f]/g, escaped))
copyFileSync('scripts/compile.cjs', 'dist/compile.cjs')
execFileSync(process.execPath, ['dist/compile.cjs'])

for (const name of readdirSync('dist', { recursive: true }).filter((name) => name.endsWith('.js'))) {
  const path = join('dist', name)
  writeFileSync(path, minifySync(path, readFileSync(path, 'utf8'), WITHOUT_COMMENTS).code)
}

/** As it may stand in a literal; there are no comments. */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** The modules that some files import, and all that these import, but none of what `others` do. */
function without(files, others) {
  const left = reached(others)
  return new Set([...reached(files)].filter((id) => !left.has(id)))
}

function reached(files) {
  const found = new Set(files.map((file) => join(process.cwd(), file)))
  for (const id of found) for (const next of imports.get(id) ?? []) found.add(next)
  return found
}
