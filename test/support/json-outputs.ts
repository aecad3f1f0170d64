// Holds every JSON that the program prints against its schema, in whatever test it is printed.
import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { z, ZodType } from 'zod'
import type { schemas as Schemas } from '../../src/schemas/index.js'

type Name = keyof typeof Schemas

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** @throws what `expect` throws, where an output has another key than its schema lists, or lacks one. */
export async function holdToSchemas(argv: readonly string[], { code, stdout, stderr }: Said): Promise<void> {
  // A process that a signal has ended may have written half a line.
  if (code === null) return
  const [command] = argv.filter((word) => COMMANDS.has(word))
  const name = command === undefined ? undefined : nameOf(command, argv)
  if (name !== undefined && stdout !== '') await hold(name, stdout)
  // Beside it stands what the command of an `exec` says.
  if (command !== 'exec' && isGiven(argv, '--log-format', 'json'))
    for (const line of stderr.split('\n').filter((line) => line !== '')) await hold('log-line', line)
}

const COMMANDS = new Set(['init', 'seed', 'get', 'refresh', 'api', 'exec', 'credential'])
for (const more of ['login', 'logout', 'status', 'history', 'check', 'doctor', 'sandbox']) COMMANDS.add(more)

function nameOf(command: string, argv: readonly string[]): Name | undefined {
  if (command === 'get') return isGiven(argv, '--format', 'json') ? 'get' : undefined
  if (command === 'status' && argv.includes('--all'))
    return argv.includes('--json') ? 'status-all' : undefined
  if (command === 'status' || command === 'doctor') return argv.includes('--json') ? command : undefined
  if (command === 'history' && argv.includes('--json'))
    return argv.some((word) => word.startsWith('--compare')) ? 'history-comparison' : 'history'
  if (command !== 'credential') return undefined
  return (['kubernetes', 'bazel', 'google'] as const)
    .filter((protocol) => isGiven(argv, '--protocol', protocol))
    .map((protocol) => `credential-${protocol}` as const)[0]
}

/** Of an option that is given twice, the last value counts. */
function isGiven(argv: readonly string[], option: string, value: string): boolean {
  const values = argv.flatMap((word, at) => {
    if (word === option) return argv[at + 1] ?? []
    return word.startsWith(`${option}=`) ? word.slice(option.length + 1) : []
  })
  return values.at(-1) === value
}

/**
 * The schema and the published file take it, and the schema lists each of its keys: it leaves out what it does not know.
 *
 * @returns What the output says.
 */
export async function hold<N extends Name>(name: N, text: string): Promise<z.infer<(typeof Schemas)[N]>> {
  // Here, because most tests print no JSON and zod takes long to load.
  const { fromJSONSchema } = await import('zod')
  const { schemas } = await import('../../src/schemas/index.js')
  const found: unknown = JSON.parse(text)
  const schema: ZodType = schemas[name]
  expect(schema.parse(found), `${name}: ${text}`).toStrictEqual(found)
  const published = JSON.parse(readFileSync(`docs/schemas/${name}.json`, 'utf8')) as Parameters<
    typeof fromJSONSchema
  >[0]
  fromJSONSchema(published).parse(found)
  return found as z.infer<(typeof Schemas)[N]>
}
