// Reads from commander's program all that can be completed. Knows no shell.
import type { Argument, Command, Option } from 'commander'

/**
 * A value: one of a list, a file, a folder, the name of a profile, the command line of another program, or a text that
 * nobody can foresee.
 */
export type Value = readonly string[] | 'file' | 'folder' | 'profile' | 'command' | 'none'

export interface OptionNode {
  /** `-t` before `--min-valid`. */
  readonly names: readonly string[]
  readonly description: string
  /** `duration`; empty for an option without a value. */
  readonly placeholder: string
  readonly value: Value | undefined
}

export interface CommandNode {
  /** Its name and its aliases. */
  readonly names: readonly string[]
  readonly description: string
  readonly options: readonly OptionNode[]
  readonly operands: readonly Value[]
}

export interface Tree {
  /** The program itself, without the options of every command. */
  readonly program: CommandNode
  readonly commands: readonly CommandNode[]
  /** Options that every command takes too. */
  readonly common: readonly OptionNode[]
}

/** The values by the name that the help gives them; any other can only be typed. */
const VALUES: Readonly<Record<string, Value>> = {
  file: 'file',
  folder: 'folder',
  // A file or a URL.
  store: 'file',
  // Standard input: a secret does not belong on a command line.
  source: ['-'],
}

/** Reads what the help of each command shows. */
export function treeOf(root: Command): Tree {
  const commands = helpOf(root).visibleCommands(root)
  const names = commands.flatMap((command) => namesOf(command))
  const { options, ...program } = nodeOf(root)
  return {
    program: {
      ...program,
      names: [''],
      options: options.filter(({ names }) => names.includes('--help')),
      operands: [names],
    },
    commands: commands.map((command) => ({
      ...nodeOf(command),
      // The command of commander itself.
      ...(command.name() === 'help' && { operands: [names] }),
    })),
    common: options.filter(({ names }) => !names.includes('--help')),
  }
}

/** The key of what takes a value: `NAME:OPTION`, `NAME:POSITION`; for an option of every command `*:OPTION`. */
export function valuesOf({ program, commands, common }: Tree): readonly (readonly [key: string, Value])[] {
  const every: CommandNode = { ...program, names: ['*'], options: common, operands: [] }
  return [program, ...commands, every].flatMap(({ names, options, operands }) =>
    names.flatMap((name) => [
      ...options.flatMap((option) =>
        option.names.flatMap((one) =>
          option.value === undefined ? [] : [[`${name}:${one}`, option.value] as const],
        ),
      ),
      ...operands.map((value, at) => [`${name}:${at}`, value] as const),
    ]),
  )
}

/** The names of options, by the name of each command; empty for the program itself. */
export function optionNames({ program, commands, common }: Tree): readonly (readonly [string, string])[] {
  return [program, ...commands].flatMap(({ names, options }) =>
    names.map((name) => [name, [...options, ...common].flatMap((option) => option.names).join(' ')] as const),
  )
}

function helpOf(command: Command) {
  return Object.assign(command.createHelp(), command.configureHelp())
}

function namesOf(command: Command): readonly string[] {
  return [command.name(), ...command.aliases()]
}

function nodeOf(command: Command): CommandNode {
  const help = helpOf(command)
  return {
    names: namesOf(command),
    description: command.description(),
    options: help.visibleOptions(command).map(optionNode),
    operands: help.visibleArguments(command).map(operand),
  }
}

function optionNode(option: Option): OptionNode {
  const [, placeholder = ''] = /<(.*)>$/.exec(option.flags) ?? []
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    placeholder,
    value: placeholder === '' ? undefined : valueOf(option, placeholder),
  }
}

function valueOf(option: Option, placeholder: string): Value {
  return option.long === '--profile' ? 'profile' : (option.argChoices ?? VALUES[placeholder] ?? 'none')
}

function operand(argument: Argument): Value {
  return argument.variadic ? 'command' : (argument.argChoices ?? VALUES[argument.name()] ?? 'none')
}
