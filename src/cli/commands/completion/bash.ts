// Writes the completion script of bash, from the 3.2 of macOS on. Pure.
import { optionNames, valuesOf, type Tree, type Value } from './tree.js'

export function bash(tree: Tree): string {
  return SCRIPT.replace('VALUES', () =>
    cases(valuesOf(tree).map(([key, value]) => [key, valueText(value)])),
  ).replace('OPTIONS', () => cases(optionNames(tree)))
}

/** A list of words begins with a space. */
function valueText(value: Value): string {
  return typeof value === 'string' ? value : ` ${value.join(' ')}`
}

/** A pattern for each text; keys of one text share it. */
function cases(rows: readonly (readonly [key: string, text: string])[]): string {
  const keys = new Map<string, string[]>()
  for (const [key, text] of rows) keys.set(text, [...(keys.get(text) ?? []), key === '' ? `''` : key])
  return [...keys].map(([text, all]) => `  ${all.join(' | ')}) found='${text}' ;;\n`).join('')
}

const SCRIPT = `# bash completion of hq-token, printed by: hq-token completion bash

# Sets $found to the kind of value that COMMAND:OPTION or COMMAND:POSITION takes; to nothing where there is none.
_hq_token_value() {
  found=
  case $1 in
VALUES  esac
}

_hq_token_options() {
  found=
  case $1 in
OPTIONS  esac
}

# For a shell of its own, because it sets options.
_hq_token_profiles() {
  local LC_ALL=C dir file
  if [ -n "\${HQ_TOKEN_CONFIG_DIR-}" ]; then
    case $HQ_TOKEN_CONFIG_DIR in
    '~' | '~/'*) set -- "\${HOME-}\${HQ_TOKEN_CONFIG_DIR#?}" ;;
    *) set -- "$HQ_TOKEN_CONFIG_DIR" ;;
    esac
  else
    case \${XDG_CONFIG_HOME-} in
    /*) set -- "$XDG_CONFIG_HOME/hq-token" /etc/hq-token ;;
    *) set -- "\${HOME-}/.config/hq-token" /etc/hq-token ;;
    esac
  fi
  set +f
  shopt -u failglob
  unset GLOBIGNORE
  for dir; do
    for file in "$dir"/profiles/*.ini; do
      if [ ! -e "$file" ]; then continue; fi
      file=\${file##*/}
      file=\${file%.ini}
      case $file in
      *[!a-z0-9_-]* | [!a-z0-9]*) ;;
      *) printf ' %s' "$file" ;;
      esac
    done
  done
}

# Offers what $1, a kind of value, holds for the text $2. Where nothing is offered, bash itself offers files.
_hq_token_offer() {
  local list= one
  case $1 in
  file) return 0 ;;
  folder) compopt -o dirnames 2>/dev/null || : ;;
  profile) list=$(_hq_token_profiles 2>/dev/null) ;;
  ' '*) list=$1 ;;
  esac
  # The bash of macOS has no compopt: it offers files.
  compopt +o default 2>/dev/null || :
  for one in $list; do
    case $one in
    "$2"*) COMPREPLY[\${#COMPREPLY[@]}]=$before$one ;;
    esac
  done
}

# Completes the command line that begins at the word $1 of bash as bash itself does. The package bash-completion would end a
# shell with set -e or -u.
_hq_token_exec() {
  case $- in *[eu]*) ;; *)
    if type -t _comp_command_offset >/dev/null; then
      _comp_command_offset "$1"
      return 0
    elif type -t _command_offset >/dev/null; then
      _command_offset "$1"
      return 0
    fi
    ;;
  esac
  if [ "$1" -eq "$COMP_CWORD" ]; then
    local IFS=$'\\n'
    COMPREPLY=($(compgen -c -- "$2")) || :
  fi
}

_hq_token() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} words starts last=0 at gap word
  local text before= found= command= operands=0 skip= value= ended=
  COMPREPLY=()
  words[0]= starts[0]=0
  # bash-completion leaves a space in front of a line that stands behind sudo.
  line=\${line#"\${line%%[![:space:]]*}"}
  # bash cuts words at = : > and others. Those with no space between are one.
  for ((at = 0; at <= COMP_CWORD; at++)); do
    gap=\${line%%[![:space:]]*}
    line=\${line#"$gap"}
    word=\${COMP_WORDS[at]}
    if [ "$at" -eq "$COMP_CWORD" ]; then word=$line; fi
    line=\${line#"$word"}
    if [ -n "$gap" ]; then
      last=$((last + 1))
      words[last]= starts[last]=$at
    fi
    words[last]=\${words[last]}$word
  done
  for ((at = 1; at < last; at++)); do
    word=\${words[at]}
    if [ -n "$skip" ]; then
      skip=
      continue
    fi
    case \${word#"\${word%%[!0-9]*}"} in
    [\\<\\>]* | \\&\\>*)
      # A redirection, with its file in the next word where it has none.
      case $word in *[\\<\\>\\|\\&]) skip=1 ;; esac
      continue
      ;;
    esac
    if [ -n "$value" ]; then
      value=
      continue
    fi
    case $ended$word in
    --) ended=1 ;;
    --*=*) ;;
    --*)
      _hq_token_value "$command:$word"
      value=$found
      ;;
    -?*)
      # The last of joined letters takes the value.
      _hq_token_value "$command:-\${word#"\${word%?}"}"
      value=$found
      ;;
    *)
      if [ -z "$command" ]; then
        command=$word
      else
        operands=$((operands + 1))
        if [ "$command" = exec ]; then
          _hq_token_exec "\${starts[at]}" "$2"
          return 0
        fi
      fi
      ;;
    esac
  done
  word=\${words[last]#[\\"\\']}
  if [ -n "$skip" ]; then return 0; fi
  case $word in *[\\<\\>]*) return 0 ;; esac
  text=$word
  if [ -z "$value$ended" ]; then
    case $word in
    --*=*)
      _hq_token_value "$command:\${word%%=*}"
      value=\${found:-none}
      text=\${word#*=}
      # Where = does not cut words, the option stands before the value.
      before=\${2%"$text"}
      ;;
    -*)
      _hq_token_options "$command"
      value=" $found"
      ;;
    esac
  fi
  if [ -z "$value" ] && [ "$command" = exec ]; then
    _hq_token_exec "\${starts[last]}" "$2"
    return 0
  fi
  if [ -z "$value" ]; then
    _hq_token_value "$command:$operands"
    value=$found
  fi
  if [ -z "$value$word$ended" ]; then
    _hq_token_options "$command"
    value=" $found"
  fi
  _hq_token_offer "\${value:-none}" "$text"
}

complete -o bashdefault -o default -F _hq_token hq-token
`
