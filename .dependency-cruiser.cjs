/**
 * Who may import whom:
 * `bin → cli → {wiring → {config, store, oauth → network, bearer}, sandbox, schemas} → platform → core`.
 */
const room = (name, ...others) => ({
  name: `${name}-knows-${['core', ...others].join('-and-')}-only`,
  comment: 'Adapters do not know one another, because wiring/ puts them together.',
  severity: 'error',
  from: { path: `^src/${name}/` },
  to: { path: '^src/', pathNot: `^src/((${['core', name, ...others].join('|')})/|version\\.ts$)` },
})

const ADAPTERS = '^src/(config|network|oauth|store|bearer|sandbox)/'

/** Which commands reach an adapter past wiring/: one each. */
const OWN_ADAPTER = {
  api: { room: 'bearer', why: 'It makes the body of a call.' },
  init: { room: 'config', why: 'It writes the config, and reads it back.' },
  login: { room: 'oauth', why: 'It listens for the browser.' },
  sandbox: { room: 'sandbox', why: 'It starts the stand-in.' },
  seed: { room: 'config', why: 'It reads the seed file.' },
}

module.exports = {
  forbidden: [
    {
      name: 'core-has-no-io',
      comment: 'The core decides; what reads, writes or asks is an adapter.',
      severity: 'error',
      from: { path: '^src/core/' },
      to: { pathNot: ['^src/core/', '^(node:)?(util|crypto)$'] },
    },
    room('platform'),
    ...['config', 'network', 'store', 'bearer', 'sandbox'].map((name) => room(name, 'platform')),
    room('schemas'),
    // The request that spends a token is made in network, and its answer is read in oauth.
    room('oauth', 'network', 'platform'),
    room('wiring', 'platform', 'config', 'network', 'oauth', 'store', 'bearer'),
    {
      name: 'only-the-edge-imports-cli',
      comment: 'The library must not pull in the command line.',
      severity: 'error',
      from: { pathNot: '^src/(bin\\.ts$|cli/)' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'adapters-meet-in-wiring',
      comment: 'The warm path reads and judges by itself, because wiring/ would load all of them.',
      severity: 'error',
      from: {
        path: '^src/(cli/|[^/]+\\.ts$)',
        pathNot: `^src/cli/(warm\\.ts$|commands/(${Object.keys(OWN_ADAPTER).join('|')})/)`,
      },
      to: { path: ADAPTERS },
    },
    ...Object.entries(OWN_ADAPTER).map(([command, own]) => ({
      name: `${command}-reaches-its-own-adapter`,
      comment: own.why,
      severity: 'error',
      from: { path: `^src/cli/commands/${command}/` },
      to: { path: ADAPTERS, pathNot: `^src/${own.room}/` },
    })),
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
      from: {
        path: '^src/(index|bearer/undici|store/sqlite/sqlite-store|oauth/token-endpoint|schemas/index)\\.ts$',
      },
      to: { path: '(^src/(cli|sandbox)/|(^|/)node_modules/commander/)', reachable: true },
    },
    {
      name: 'refresh-stays-light',
      comment: 'The exchange of a token needs neither a second HTTP client nor what a login needs.',
      severity: 'error',
      from: { path: '^src/oauth/token-endpoint\\.ts$' },
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
    {
      name: 'pg-has-its-place',
      comment: 'Only a shared store needs pg.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/store/postgres/' },
      to: { path: '(^|/)node_modules/(@types/)?pg/' },
    },
    {
      name: 'pg-is-loaded-on-demand',
      comment: 'It may not be installed, and takes longer to load than Node to start.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        path: '(^|/)node_modules/(@types/)?pg/',
        dependencyTypesNot: ['type-only', 'dynamic-import'],
      },
    },
    {
      name: 'no-circles',
      comment: 'But a command’s work may take the type of its flags from the command.ts that loads it.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { pathNot: '^src/cli/commands/[^/]+/command\\.ts$' } },
    },
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
