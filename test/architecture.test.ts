import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { BREAKS } from './faults/breaks-table.js'
import { folder } from './support/folder.js'
import { modulesOf } from './support/modules.js'

const root = process.cwd()
const run = promisify(execFile)

/** Lines for the start of a file. */
type Edit = readonly [file: string, line: string]

/** The gate on a copy of the sources that is edited so. */
async function gate(edits: readonly Edit[] = []): Promise<string> {
  const copy = folder()
  cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true })
  for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.cjs'])
    cpSync(join(root, name), join(copy, name))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const [file, line] of edits) {
    const path = join(copy, 'src', file)
    writeFileSync(path, `${line}\n${existsSync(path) ? readFileSync(path, 'utf8') : ''}`)
  }
  const depcruise = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  return run(
    process.execPath,
    [depcruise, 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'err'],
    { cwd: copy },
  ).then(
    ({ stdout }) => stdout,
    (error: unknown) => (error as { stdout: string }).stdout,
  )
}

describe('the import gate', { timeout: 300_000 }, () => {
  it('the import gate is green, and has looked at the sources', async () => {
    const said = await gate()
    expect(said).toMatch(/no dependency violations found/)
    expect(Number(/\((\d+) modules/.exec(said)?.[1])).toBeGreaterThan(50)
  })

  // A gate is only trusted after it has failed. All at once, for each run takes seconds: what is found of
  // one is what no other brings about.
  const VIOLATIONS = [
    ['core/policy.ts', "import 'node:fs'", 'core-has-no-io: src/core/policy.ts → fs'],
    ['core/guard.ts', "import '../store/files.js'", 'core-has-no-io: src/core/guard.ts → src/store/files.ts'],
    [
      'store/row.ts',
      "import '../config/ini.js'",
      'store-knows-core-and-platform-only: src/store/row.ts → src/config/ini.ts',
    ],
    [
      'store/row.ts',
      "import '../cli/world.js'",
      'only-the-edge-imports-cli: src/store/row.ts → src/cli/world.ts',
    ],
    [
      'cli/commands/get/get.ts',
      "import '../../../store/files.js'",
      'adapters-meet-in-wiring: src/cli/commands/get/get.ts → src/store/files.ts',
    ],
    [
      'version.ts',
      "import './store/files.js'",
      'adapters-meet-in-wiring: src/version.ts → src/store/files.ts',
    ],
    [
      'platform/machine.ts',
      "import '../store/files.js'",
      'platform-knows-core-only: src/platform/machine.ts → src/store/files.ts',
    ],
    [
      'platform/machine.ts',
      "import '../wiring/open.js'",
      'platform-knows-core-only: src/platform/machine.ts → src/wiring/open.ts',
    ],
    [
      'wiring/endpoints.ts',
      "import '../sandbox/faults.js'",
      /wiring-knows-\S+-only: src\/wiring\/endpoints\.ts → src\/sandbox\/faults\.ts/,
    ],
    ['config/ini.ts', "import 'zod'", /warm-path-stays-light: src\/cli\/warm\.ts → .*\/zod\//],
    ['store/sqlite/peek.ts', "import 'undici'", /warm-path-stays-light: src\/cli\/warm\.ts → .*\/undici\//],
    [
      'index.ts',
      "import './cli/commands/status/status.js'",
      'library-without-cli-or-sandbox: src/index.ts → src/cli/commands/status/status.ts',
    ],
    [
      'wiring/open.ts',
      "import '../sandbox/faults.js'",
      'library-without-cli-or-sandbox: src/index.ts → src/sandbox/faults.ts',
    ],
    [
      'bearer/tokens.ts',
      "import 'commander'",
      /library-without-cli-or-sandbox: src\/bearer\/undici\.ts → .*\/commander\//,
    ],
    [
      'bearer/tokens.ts',
      "import '../oauth/token-endpoint.js'",
      'bearer-knows-core-and-platform-only: src/bearer/tokens.ts → src/oauth/token-endpoint.ts',
    ],
    [
      'oauth/answer.ts',
      "import '../config/ini.js'",
      'oauth-knows-core-and-network-and-platform-only: src/oauth/answer.ts → src/config/ini.ts',
    ],
    [
      'network/settings.ts',
      "import '../oauth/answer.js'",
      'network-knows-core-and-platform-only: src/network/settings.ts → src/oauth/answer.ts',
    ],
    [
      'network/tls.ts',
      "import 'oauth4webapi'",
      /refresh-stays-light: src\/oauth\/token-endpoint\.ts → .*\/oauth4webapi\//,
    ],
    ['network/tls.ts', "import 'zod'", /refresh-stays-light: src\/oauth\/token-endpoint\.ts → .*\/zod\//],
    ['wiring/open.ts', "import 'zod'", /zod-has-its-places: src\/wiring\/open\.ts → .*\/zod\//],
    [
      'cli/commands/status/status.ts',
      "import { statusSchema } from '../../../schemas/status.js'",
      'zod-is-loaded-on-demand: src/cli/commands/status/status.ts → src/schemas/status.ts',
    ],
    [
      'wiring/endpoints.ts',
      "import '../oauth/metadata.js'",
      'zod-is-loaded-on-demand: src/wiring/endpoints.ts → src/oauth/metadata.ts',
    ],
    [
      'schemas/get.ts',
      "import '../config/ini.js'",
      'schemas-knows-core-only: src/schemas/get.ts → src/config/ini.ts',
    ],
    ['config/suggest.ts', "import 'pg'", /pg-has-its-place: src\/config\/suggest\.ts → .*\/pg\//],
    [
      'store/postgres/queries.ts',
      "import 'pg'",
      /pg-is-loaded-on-demand: src\/store\/postgres\/queries\.ts → .*\/pg\//,
    ],
    ['core/clock.ts', "import './token-set.js'", 'no-circles: src/core/clock.ts'],
    ['core/alone.ts', 'export const alone = 1', 'no-orphans: src/core/alone.ts'],
    ['core/clock.ts', "import './nowhere.js'", 'resolvable: src/core/clock.ts → ./nowhere.js'],
  ] as const
  let found: string

  beforeAll(async () => {
    found = await gate(VIOLATIONS.map(([file, line]) => [file, line]))
  })

  it.each(VIOLATIONS)('the import gate fails by %s with %s: %s', (_file, _line, finding) => {
    expect(found).toMatch(finding)
  })
})

describe('the warm path', () => {
  it('the warm path loads none of the heavy packages', async () => {
    const loaded = await modulesOf(`
      const { plainCommand } = await import(${JSON.stringify(join(root, 'build/cli/plain.js'))})
      const { warmAnswer } = await import(${JSON.stringify(join(root, 'build/cli/warm.js'))})
      const clock = () => ({ now: 0, boot: null, uptime: 0 })
      warmAnswer(plainCommand(['get']), { env: {}, platform: 'linux', homedir: () => '/', clock })`)
    expect(loaded.packages).toContain('ini')
    for (const heavy of ['commander', 'zod', 'undici', 'oauth4webapi', 'fast-xml-parser', 'pretty-ms'])
      expect(loaded.packages).not.toContain(heavy)
  })
})

describe('what test:breaks takes out', () => {
  it.each(
    BREAKS.flatMap(({ name, and = [], by, ...edit }) =>
      [edit, ...and].map((one) => [name, one, by.file] as const),
    ),
  )('%s is there, once, and so are the tests that must notice', (_, { file, find }, tests) => {
    expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2)
    expect(existsSync(join(root, tests))).toBe(true)
  })
})
