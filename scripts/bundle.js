// After the compiler: bundles the warm path into one file, dist/start.cjs, since to open a few dozen takes longer than
// to hand out a fresh token, and takes the comments out of the others, which are in the declarations and the sources.
// Before it comes dist/bin.cjs, which tells a Node that could not even read it that it is too old.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { minifySync } from 'rolldown/utils'

/** Names and lines stay: a report of a bug tells where. */
const WITHOUT_COMMENTS = { compress: false, mangle: false, codegen: false }

const bundle = await rolldown({
  input: 'src/bin.ts',
  platform: 'node',
  // The rest of the command line, and every package: a fix of one must reach the user.
  external: [/^\.\/cli\/main\.js$/, /^[^./]/],
  treeshake: { moduleSideEffects: 'no-external' },
})
await bundle.write({
  file: 'dist/start.cjs',
  // The loader of ES modules costs a fifth of Node's start.
  format: 'cjs',
  // A module is loaded when something of it is first used: most commands use few of Node's own.
  intro: 'require = ((now) => (id) => new Proxy({}, { get: (_, name) => now(id)[name] }))(require);',
  minify: WITHOUT_COMMENTS,
  sourcemap: true,
  sourcemapExcludeSources: true,
})

const { engines } = JSON.parse(readFileSync('package.json', 'utf8'))
const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engines.node)
const check = readFileSync('scripts/bin.cjs', 'utf8')
writeFileSync(
  'dist/bin.cjs',
  check.replace('MAJOR = 0', `MAJOR = ${major}`).replace('MINOR = 0', `MINOR = ${minor}`),
)

for (const name of readdirSync('dist', { recursive: true }).filter((name) => name.endsWith('.js'))) {
  const path = join('dist', name)
  writeFileSync(path, minifySync(path, readFileSync(path, 'utf8'), WITHOUT_COMMENTS).code)
}
