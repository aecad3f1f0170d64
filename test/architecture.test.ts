import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { BREAKS } from './faults/breaks-table.js'
import { folder } from './support/folder.js'
import { modulesOf } from './support/modules.js'

const root = process.cwd()
const run = promisify(execFile)

/** The gate on a copy of the sources, with lines added to a file. */
async function gate(file?: string, line = ''): Promise<string> {
  const copy = folder()
  cpSync(join(root, 'src'), join(copy, 'src'), { recursive: true })
  for (const name of ['package.json', 'tsconfig.json', '.dependency-cruiser.cjs'])
    cpSync(join(root, name), join(copy, name))
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  if (file !== undefined) {
    const path = join(copy, 'src', file)
    mkdirSync(dirname(path), { recursive: true })
    let text = ''
    try {
      text = readFileSync(path, 'utf8')
    } catch {
      // A file of its own.
    }
    writeFileSync(path, `${line}\n${text}`)
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

describe('the import gate', { timeout: 60_000 }, () => {
  it('is green, and has looked at the sources', async () => {
    const said = await gate()
    expect(said).toMatch(/no dependency violations found/)
    expect(Number(/\((\d+) modules/.exec(said)?.[1])).toBeGreaterThan(50)
  })

  // A gate is only trusted after it has failed.
  it.each([
    ['core-has-no-io', 'core/policy.ts', "import 'node:fs'"],
    ['core-has-no-io', 'core/guard.ts', "import '../store/files.js'"],
    ['store-knows-core-only', 'store/row.ts', "import '../config/ini.js'"],
    ['only-the-edge-imports-cli', 'store/row.ts', "import '../cli/world.js'"],
    ['adapters-meet-in-open', 'cli/commands/get.ts', "import '../../store/files.js'"],
    ['adapters-meet-in-open', 'machine.ts', "import './store/files.js'"],
    ['warm-path-stays-light', 'config/ini.ts', "import 'zod'"],
    ['warm-path-stays-light', 'store/peek.ts', "import 'undici'"],
    ['library-without-cli-or-sandbox', 'index.ts', "import 'commander'"],
    ['library-without-cli-or-sandbox', 'open.ts', "import './sandbox/faults.js'"],
    ['library-without-cli-or-sandbox', 'http/repeat.ts', "import 'commander'"],
    ['http-knows-core-only', 'http/repeat.ts', "import '../oauth/server.js'"],
    ['no-circles', 'core/moment.ts', "import './token-set.js'"],
    ['no-orphans', 'core/alone.ts', 'export const alone = 1'],
    ['resolvable', 'core/moment.ts', "import './nowhere.js'"],
  ])('fails by %s on %s with %s', async (rule, file, line) => {
    expect(await gate(file, line)).toContain(rule)
  })
})

describe('the warm path', () => {
  it('loads none of the heavy packages', async () => {
    const loaded = await modulesOf(`
      const { plainGet } = await import(${JSON.stringify(join(root, 'dist/cli/plain.js'))})
      const { warmAnswer } = await import(${JSON.stringify(join(root, 'dist/cli/warm.js'))})
      const clock = () => ({ now: 0, boot: null, uptime: 0 })
      warmAnswer(plainGet(['get']), { env: {}, platform: 'linux', homedir: () => '/', clock })`)
    expect(loaded.packages).toContain('ini')
    for (const heavy of ['commander', 'zod', 'undici', 'oauth4webapi', 'fast-xml-parser', 'pretty-ms'])
      expect(loaded.packages).not.toContain(heavy)
  })
})

describe('what test:breaks takes out', () => {
  it.each(BREAKS.flatMap(({ name, and = [], ...edit }) => [edit, ...and].map((one) => [name, one] as const)))(
    '%s is there, once',
    (_, { file, find }) => {
      expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2)
    },
  )
})
