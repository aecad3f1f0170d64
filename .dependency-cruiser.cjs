/** The house's rule of who may import whom: `bin → cli → {config, oauth → network, store, http, sandbox} → core`. */
const adapter = (name, ...others) => ({
  name: `${name}-knows-${['core', ...others].join('-and-')}-only`,
  comment: 'Adapters meet in open.ts and wiring/ alone; signals are the process’s, and everybody’s.',
  severity: 'error',
  from: { path: `^src/${name}/` },
  to: { path: '^src/', pathNot: `^src/((${['core', name, ...others].join('|')})/|signals\\.ts$)` },
})

module.exports = {
  forbidden: [
    {
      name: 'core-has-no-io',
      comment: 'The core decides; what reads, writes or asks is an adapter.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: ['^src/core/', '^(node:)?(util|crypto)$'] },
    },
    ...['config', 'network', 'store', 'http', 'sandbox', 'schemas'].map((name) => adapter(name)),
    // The request that spends a token is made in network, and its answer is read in oauth.
    adapter('oauth', 'network'),
    {
      name: 'only-the-edge-imports-cli',
      comment: 'The library must not pull in the command line.',
      severity: 'error',
      from: { pathNot: '^src/(bin\\.ts$|cli/)' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'adapters-meet-in-open',
      comment: 'One composition root; warm.ts reads and judges only, and commands read what is only theirs.',
      severity: 'error',
      from: {
        path: '^src/(cli/|[^/]+\\.ts$)',
        pathNot: '^src/(open\\.ts$|cli/(warm|body|login-pages|commands/(init|seed|login|sandbox|api))\\.ts$)',
      },
      to: { path: '^src/(config|network|oauth|store|http|sandbox)/' },
    },
    {
      name: 'warm-path-stays-light',
      comment: 'A fresh token must not pay for what it does not use.',
      severity: 'error',
      from: { path: '^src/cli/warm\\.ts$' },
      to: {
        path: '(^|/)node_modules/(commander|zod|undici|oauth4webapi|fast-xml-parser|pg|pretty-ms)/',
        reachable: true,
      },
    },
    {
      name: 'library-without-cli-or-sandbox',
      comment: 'What package.json exports is for programs, which must not pay for the command line.',
      severity: 'error',
      from: { path: '^src/(index|http/undici|store/sqlite-store|oauth/server|schemas/index)\\.ts$' },
      to: { path: '(^src/(cli|sandbox)/|(^|/)node_modules/commander/)', reachable: true },
    },
    {
      name: 'refresh-stays-light',
      comment: 'The exchange of a token needs neither a second HTTP client nor what a login needs.',
      severity: 'error',
      from: { path: '^src/oauth/server\\.ts$' },
      to: { path: '(^|/)node_modules/(commander|zod|undici|oauth4webapi|pg)/', reachable: true },
    },
    {
      name: 'zod-has-its-places',
      comment:
        'Loading zod takes longer than Node to start: it reads data of others, and describes what is printed.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(schemas/|oauth/metadata\\.ts$)' },
      to: { path: '(^|/)node_modules/zod/' },
    },
    {
      name: 'zod-is-loaded-on-demand',
      comment: 'What uses zod is loaded by an import() alone; the program takes its types from the schemas.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/schemas/' },
      to: {
        path: '^src/(schemas/|oauth/metadata\\.ts$)',
        dependencyTypesNot: ['type-only', 'dynamic-import'],
      },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: '^src/((bin|index)\\.ts$|.*\\.d\\.ts$)' },
      to: {},
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
