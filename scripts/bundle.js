// Bundles the warm path into one file, dist/bin.cjs: to open a few dozen takes longer than to hand out a fresh token.
import { rolldown } from 'rolldown'

const bundle = await rolldown({
  input: 'src/bin.ts',
  platform: 'node',
  // The rest of the command line, and every package: a fix of one must reach the user.
  external: [/^\.\/cli\/main\.js$/, /^[^./]/],
  treeshake: { moduleSideEffects: 'no-external' },
})
await bundle.write({
  file: 'dist/bin.cjs',
  // The loader of ES modules costs a fifth of Node's start.
  format: 'cjs',
  // A module is loaded when something of it is first used: most commands use few of Node's own.
  intro: 'require = ((now) => (id) => new Proxy({}, { get: (_, name) => now(id)[name] }))(require);',
  sourcemap: true,
  sourcemapExcludeSources: true,
})
