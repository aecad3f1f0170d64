// Reads the command line of a plain `get` without commander. Leaves everything that is wrong or unusual to
// commander.
import { parseArgs } from 'node:util'
import { getOptions, type GetFlags } from './commands/get/options.js'
import { globalOptions, type OptionRow } from './options.js'
import type { GlobalOptions } from './terminal/output.js'

export interface PlainGet {
  readonly options: GlobalOptions
  readonly flags: GetFlags
}

interface Flag {
  readonly row: OptionRow
  readonly name: string
  readonly isGlobal: boolean
}

/**
 * Reads a plain `get` by the same table of options as commander, because commander takes longer to load than a
 * fresh token takes to hand out.
 *
 * @returns `undefined` for everything else: commander knows what it means, or what is wrong with it.
 */
export function plainGet(argv: readonly string[]): PlainGet | undefined {
  if (argv.length === 1 && argv[0] === 'get') return { options: {}, flags: { format: 'bare' } }
  // Commander tells apart joined letters (`-vt`) and values that begin with a dash.
  if (argv.some((argument) => /^-[^-]./.test(argument))) return undefined
  try {
    const all = [...globalOptions.map(flagOf(true)), ...getOptions.map(flagOf(false))]
    const { tokens } = parseArgs({
      args: [...argv],
      options: Object.fromEntries(all.map(typeOf)),
      allowPositionals: true,
      tokens: true,
    })
    const [command, ...more] = tokens.filter(({ kind }) => kind !== 'option')
    if (command?.kind !== 'positional' || command.value !== 'get' || more.length > 0) return undefined
    const options: Record<string, unknown> = {}
    const flags: Record<string, unknown> = { format: 'bare' }
    for (const token of tokens) {
      if (token.kind !== 'option') continue
      const flag = all.find(({ name }) => name === token.name)
      if (flag === undefined || (!flag.isGlobal && token.index < command.index)) return undefined
      const value = valueOf(flag.row, token.value)
      if (value === undefined) return undefined
      const into = flag.isGlobal ? options : flags
      into[camelCase(flag.name)] = value
    }
    return { options, flags: flags as unknown as GetFlags }
  } catch {
    return undefined
  }
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
