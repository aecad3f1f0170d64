// Reads the command line of a plain `get`, `refresh`, `check` or `exec` without commander. Leaves everything that is wrong or
// unusual to commander.
import { parseArgs } from 'node:util'
import { checkOptions, type CheckFlags } from './commands/check/options.js'
import { execOptions, type ExecFlags } from './commands/exec/options.js'
import { getOptions, type GetFlags } from './commands/get/options.js'
import { refreshOptions, type RefreshFlags } from './commands/refresh/options.js'
import { globalOptions, type OptionRow } from './options.js'
import type { GlobalOptions } from './terminal/output.js'

interface Typed<Name, Flags> {
  readonly name: Name
  readonly options: GlobalOptions
  readonly flags: Flags
}

export type PlainGet = Typed<'get', GetFlags>
export type PlainCheck = Typed<'check', CheckFlags>
export type Plain =
  | PlainGet
  | Typed<'refresh', RefreshFlags>
  | PlainCheck
  | (Typed<'exec', ExecFlags> & { readonly command: readonly string[] })

const COMMANDS: Readonly<Record<Plain['name'], readonly OptionRow[]>> = {
  get: getOptions,
  refresh: refreshOptions,
  check: checkOptions,
  exec: execOptions,
}

interface Flag {
  readonly row: OptionRow
  readonly name: string
  readonly isGlobal: boolean
}

/**
 * Reads a plain command by the same tables of options as commander, because commander takes longer to load than a
 * fresh token takes to hand out.
 *
 * @returns `undefined` for everything else: commander knows what it means, or what is wrong with it.
 */
export function plainCommand(argv: readonly string[]): Plain | undefined {
  if (argv.length === 1 && argv[0] === 'get') return { name: 'get', options: {}, flags: { format: 'bare' } }
  const name = argv.find((argument): argument is Plain['name'] => Object.hasOwn(COMMANDS, argument))
  if (name === undefined) return undefined
  const flags = [...globalOptions.map(flagOf(true)), ...COMMANDS[name].map(flagOf(false))]
  try {
    const end = name === 'exec' ? commandBegins(argv, flags) : argv.length
    const read = readOptions(argv.slice(0, end), name, flags)
    if (read === undefined) return undefined
    if (name !== 'exec') return { name, ...read } as Plain
    const command = argv.slice(argv[end] === '--' ? end + 1 : end)
    // Commander goes on reading options after a lone dash.
    return command.length === 0 || argv[end] === '-' ? undefined : { name, ...read, command }
  } catch {
    return undefined
  }
}

/** Where the command that `exec` runs begins: everything from there on is that command's. */
function commandBegins(argv: readonly string[], flags: readonly Flag[]): number {
  const { tokens } = tokensOf(argv, flags, false)
  const [, begin] = tokens.filter(({ kind }) => kind !== 'option')
  return begin?.index ?? argv.length
}

function readOptions(argv: readonly string[], name: string, known: readonly Flag[]) {
  // Commander tells apart joined letters (`-vt`) and values that begin with a dash.
  if (argv.some((argument) => /^-[^-]./.test(argument))) return undefined
  const { tokens } = tokensOf(argv, known, true)
  const [command, ...more] = tokens.filter(({ kind }) => kind !== 'option')
  if (command?.kind !== 'positional' || command.value !== name || more.length > 0) return undefined
  const options: Record<string, unknown> = {}
  const flags: Record<string, unknown> = name === 'get' ? { format: 'bare' } : {}
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const flag = known.find(({ name }) => name === token.name)
    if (flag === undefined || (!flag.isGlobal && token.index < command.index)) return undefined
    const value = valueOf(flag.row, token.value)
    if (value === undefined) return undefined
    const into = flag.isGlobal ? options : flags
    into[camelCase(flag.name)] = value
  }
  const isInConflict = known.some(
    ({ name, row: { conflicts } }) =>
      conflicts !== undefined && camelCase(name) in flags && conflicts in flags,
  )
  return isInConflict ? undefined : { options, flags }
}

function tokensOf(argv: readonly string[], flags: readonly Flag[], strict: boolean) {
  return parseArgs({
    args: [...argv],
    options: Object.fromEntries(flags.map(typeOf)),
    ...{ strict, allowPositionals: true, tokens: true },
  })
}

function valueOf({ choices, value }: OptionRow, text: string | undefined): unknown {
  if (text === undefined) return true
  if (choices?.includes(text) === false) return undefined
  return value === undefined ? text : value.read(text)
}

const flagOf =
  (isGlobal: boolean) =>
  (row: OptionRow): Flag => ({ row, isGlobal, name: /--([\w-]+)/.exec(row.flags)?.[1] ?? '' })

function typeOf({ row: { flags }, name }: Flag) {
  const short = /^-(\w), /.exec(flags)?.[1]
  const type = flags.endsWith('>') ? ('string' as const) : ('boolean' as const)
  return [name, { type, ...(short !== undefined && { short }) }] as const
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}
