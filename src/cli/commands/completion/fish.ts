// Writes the completion script of fish. Pure.
import { valuesOf, type CommandNode, type OptionNode, type Tree, type Value } from './tree.js'

export function fish(tree: Tree): string {
  const { program, commands, common } = tree
  const skipped = valuesOf(tree).flatMap(([key]) => (/:-/.test(key) ? [quoted(key)] : []))
  const rows = [
    ...commands.flatMap(({ names, description }) =>
      names.map((name) => row(at('', 0), `-a ${name} -d ${quoted(description)}`)),
    ),
    ...options(program.options, at('', 0)),
    ...options(common, 'not __hq_token_at exec 1'),
    ...commands.flatMap(ofCommand),
  ]
  return SCRIPT.replace('SKIPPED', () => skipped.join(' '))
    .replace('NAMES', () =>
      program.operands
        .flat()
        .map((name) => `:${name}`)
        .join(' '),
    )
    .replace('ROWS', () => rows.join(''))
}

function ofCommand({ names, options: own, operands }: CommandNode): readonly string[] {
  return names.flatMap((name) => [
    ...options(own, operands.includes('command') ? at(name, 0) : `__hq_token_at ${name}`),
    ...operands.map((value, nth) =>
      value === 'command' ? row(`__hq_token_at ${name}`, words(value)) : row(at(name, nth), words(value)),
    ),
  ])
}

function options(all: readonly OptionNode[], condition: string): readonly string[] {
  return all.map(({ names, description, value }) => {
    const flags = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
    const takes = value === undefined ? [] : ['-r', words(value)]
    return row(condition, [...flags, ...takes, `-d ${quoted(description)}`].join(' '))
  })
}

function words(value: Value): string {
  return typeof value === 'string' ? WORDS[value] : `-f -a ${quoted(value.join(' '))}`
}

const WORDS = {
  file: '-F',
  folder: "-f -a '(__fish_complete_directories (commandline -ct))'",
  profile: "-f -a '(__hq_token_profiles)'",
  command: "-f -a '(__hq_token_exec)'",
  none: '-f',
}

function at(command: string, operand: number): string {
  return `__hq_token_at ${command === '' ? '""' : command} ${operand}`
}

function row(condition: string, rest: string): string {
  return `complete -c hq-token -n ${quoted(condition)} ${rest}\n`
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}

const SCRIPT = `# fish completion of hq-token, printed by: hq-token completion fish

# Whether the cursor is behind the command $argv[1], and behind so many of its operands as $argv[2] says. The command line of exec
# is one operand.
function __hq_token_at
    set -l words (commandline -opc)
    set -l command ''
    set -l operands 0
    set -g __hq_token_line
    while set -q words[2]
        set -e words[1]
        switch "$command:$words[1]"
            case SKIPPED
                set -q words[2]; and set -e words[1]
            case '*:-*'
            case NAMES
                set command $words[1]
            case 'exec:*'
                set operands 1
                set -g __hq_token_line $words
                break
            case ':*'
            case '*'
                set operands (math $operands + 1)
        end
    end
    test "$command" = "$argv[1]"; or return 1
    not set -q argv[2]; or test $operands = $argv[2]
end

function __hq_token_profiles
    set -l folders /etc/hq-token
    if test -n "$HQ_TOKEN_CONFIG_DIR"
        set folders (string replace -r '^~(?=/|$)' -- "$HOME" "$HQ_TOKEN_CONFIG_DIR")
    else if string match -q '/*' -- "$XDG_CONFIG_HOME"
        set -p folders "$XDG_CONFIG_HOME/hq-token"
    else
        set -p folders "$HOME/.config/hq-token"
    end
    for file in $folders/profiles/*.ini
        string match -r '[^/]*(?=\\\\.ini$)' -- $file | string match -r '^[a-z0-9][a-z0-9_-]*$'
    end
end

# Completes the command line behind exec as fish itself does, and runs nothing of it.
function __hq_token_exec
    set -l line (string escape -- $__hq_token_line) (commandline -ct)
    complete "-C $line"
end

complete -c hq-token -e
complete -c hq-token -f
ROWS`
