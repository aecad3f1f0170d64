// Writes the completion script of zsh. Pure.
import type { CommandNode, OptionNode, Tree, Value } from './tree.js'

export function zsh({ program, commands, common }: Tree): string {
  const names = program.operands[0]
  const commandCase = ({ names: own, options, operands }: CommandNode): string =>
    `  ${own.join(' | ')})\n    specs+=(\n${specs(options)}${operands
      .map((value, at) => operand(value === names ? '_hq_token_commands' : action(value), at + 1))
      .join('')}    )\n    ;;\n`
  const skipped = common.flatMap(({ names, value }) => (value === undefined ? [] : names))
  const described = commands.flatMap(({ names, description }) =>
    names.map((name) => `    ${quoted(`${name}:${description}`)}\n`),
  )
  return SCRIPT.replace('DESCRIBED', () => described.join(''))
    .replace('COMMON', () => specs(common))
    .replace('SKIPPED', () => skipped.join(' | '))
    .replace('PROGRAM', () => `${specs(program.options)}${operand('_hq_token_commands', 1)}`)
    .replace('ARGUMENTS', () => commands.map(commandCase).join(''))
}

function operand(does: string, at: number): string {
  if (does === '_normal')
    return `      '(-)${at}:command:_command_names -e'\n      '*::arguments:_hq_token_exec'\n`
  // A message in place of a list would keep the options from being offered.
  return `      ${quoted(`${at}:value:${does === ACTIONS.none ? '( )' : does}`)}\n`
}

/** For `_arguments`. An option with a value may be repeated, because some of them may. */
function specs(options: readonly OptionNode[]): string {
  return options
    .flatMap(({ names, description, placeholder, value }) =>
      names.map((name) => {
        const text = description.replaceAll(/[[\]\\:]/g, '\\$&')
        const before = value === undefined ? `(${names.join(' ')})` : '*'
        const takes = value === undefined ? '' : name.startsWith('--') ? '=' : '+'
        const after = value === undefined ? '' : `:${placeholder.replaceAll(':', '\\:')}:${action(value)}`
        return `      ${quoted(`${before}${name}${takes}[${text}]${after}`)}\n`
      }),
    )
    .join('')
}

const ACTIONS = {
  file: '_files',
  folder: '_files -/',
  profile: '_hq_token_profiles',
  command: '_normal',
  none: ' ',
}

function action(value: Value): string {
  if (typeof value !== 'string') return `(${value.join(' ')})`
  return ACTIONS[value]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

const SCRIPT = `#compdef hq-token
# zsh completion of hq-token, printed by: hq-token completion zsh

_hq_token_profiles() {
  local folder file expl
  local -a folders names
  if [[ -n \${HQ_TOKEN_CONFIG_DIR-} ]]; then
    case $HQ_TOKEN_CONFIG_DIR in
    '~' | '~/'*) folders=("\${HOME-}\${HQ_TOKEN_CONFIG_DIR#?}") ;;
    *) folders=("$HQ_TOKEN_CONFIG_DIR") ;;
    esac
  else
    case \${XDG_CONFIG_HOME-} in
    /*) folders=("$XDG_CONFIG_HOME/hq-token" /etc/hq-token) ;;
    *) folders=("\${HOME-}/.config/hq-token" /etc/hq-token) ;;
    esac
  fi
  for folder in "\${folders[@]}"; do
    for file in "$folder"/profiles/*.ini; do
      file=\${file##*/}
      file=\${file%.ini}
      case $file in
      *[!a-z0-9_-]* | [!a-z0-9]*) ;;
      *) names+=("$file") ;;
      esac
    done
  done
  _wanted profiles expl profile compadd -a names
}

_hq_token_commands() {
  local -a commands
  commands=(
DESCRIBED  )
  _describe -t commands command commands
}

# Completes what stands behind exec as zsh itself does.
_hq_token_exec() {
  if [[ \${words[1]} == -- ]]; then
    shift words
    ((CURRENT--))
  fi
  _normal
}

_hq-token() {
  local curcontext=$curcontext context state state_descr line command
  local -i at
  local -A opt_args
  local -a specs
  specs=(
COMMON  )
  for ((at = 2; at < CURRENT; at++)); do
    case \${words[at]} in
    SKIPPED) ((at++)) ;;
    -?*) ;;
    *)
      command=\${words[at]}
      break
      ;;
    esac
  done
  if [[ -n $command ]]; then
    words=("\${(@)words[at,-1]}")
    ((CURRENT -= at - 1))
  fi
  case $command in
  '')
    specs+=(
PROGRAM    )
    ;;
ARGUMENTS  esac
  _arguments -s -S : "\${specs[@]}"
}

# A file of $fpath is the body of the function at its first call.
if [[ \${zsh_eval_context[-1]} == loadautofunc ]]; then
  _hq-token "$@"
else
  if ! typeset -f compdef >/dev/null; then
    autoload -Uz compinit
    compinit -D -i
  fi
  compdef _hq-token hq-token
fi
`
