// The breaks that the tests of `completion` must notice: see breaks-table.js.
import { tests } from './tests.js'

const ROOM = 'src/cli/commands/completion'

export default [
  {
    name: 'completion: bash runs what is on the line',
    file: `${ROOM}/bash.ts`,
    find: '  COMPREPLY=()\n  words[0]= starts[0]=0\n',
    replace: '  COMPREPLY=()\n  eval "words=($COMP_LINE)" 2>/dev/null\n  words[0]= starts[0]=0\n',
    by: tests('e2e/completion', 'in bash runs and writes nothing.*sourced twice'),
  },
  {
    name: 'completion: fish runs what is behind exec',
    file: `${ROOM}/fish.ts`,
    find: '    complete "-C $line"\n',
    replace: '    eval $line\n',
    by: tests('e2e/completion', 'in fish runs and writes nothing.*sourced twice'),
  },
  {
    name: 'completion: the file of a redirection counts as an operand in bash',
    file: `${ROOM}/bash.ts`,
    find: 'skip=1 ;; esac',
    replace: ': ;; esac',
    by: tests('e2e/completion', 'in bash runs and writes nothing.*sourced twice'),
  },
  {
    name: 'completion: bash finds no profile where globs are off',
    file: `${ROOM}/bash.ts`,
    find: '  set +f\n',
    replace: '',
    by: tests('e2e/completion', 'in bash finds commands.*odd options'),
  },
  {
    name: 'completion: the first TAB in zsh only loads the script',
    file: `${ROOM}/zsh.ts`,
    find: '== loadautofunc ]]',
    replace: '== loaded ]]',
    by: tests('e2e/completion', 'in zsh finds commands.*autoloaded'),
  },
  {
    name: 'completion: bash knows no command behind sudo',
    file: `${ROOM}/bash.ts`,
    find: '  line=\\${line#"\\${line%%[![:space:]]*}"}\n  # bash cuts',
    replace: '  # bash cuts',
    by: tests('e2e/completion', 'in bash is there behind commands'),
  },
  {
    name: 'completion: an operand that cannot be foreseen hides the options in zsh',
    file: `${ROOM}/zsh.ts`,
    find: "does === ACTIONS.none ? '( )' : does",
    replace: 'does',
    by: tests('e2e/completion', 'in zsh finds commands.*autoloaded'),
  },
  {
    name: 'completion: zsh takes the -- of exec for a command',
    file: `${ROOM}/zsh.ts`,
    find: '    shift words\n    ((CURRENT--))\n',
    replace: '    :\n',
    by: tests('e2e/completion', 'in zsh is its own for options'),
  },
  {
    name: 'completion: hidden options are offered',
    file: `${ROOM}/tree.ts`,
    find: 'help.visibleOptions(command).map(optionNode)',
    replace: '[...help.visibleOptions(command), ...command.options].map(optionNode)',
    by: tests('cli/completion', 'and no hidden one'),
  },
  {
    name: 'completion: a hidden command is offered',
    file: `${ROOM}/tree.ts`,
    find: 'const commands = helpOf(root).visibleCommands(root)',
    replace: 'const commands = root.commands',
    by: tests('cli/completion', 'no hidden command'),
  },
  {
    name: 'completion: half a script ends with 0',
    file: `${ROOM}/completion.ts`,
    find: 'WRITERS[shell](treeOf(root)))',
    replace: 'WRITERS[shell](treeOf(root))).catch(() => undefined)',
    by: tests('cli/completion', 'ends with 74'),
  },
]
