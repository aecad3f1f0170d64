// The command line of `hq-token completion`: its argument and its help. Loads what does the work when it runs.
import { Argument, type Command } from 'commander'
import type { Edge } from '../../edge.js'

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const
export type Shell = (typeof SHELLS)[number]

const HELP = `
Prints a script that completes commands, options and their values at a TAB, without a run of hq-token. Make it anew after an
update. Where the shell looks for it:

  hq-token completion bash > ~/.local/share/bash-completion/completions/hq-token
  hq-token completion zsh > "\${fpath[1]}/_hq-token"
  hq-token completion fish > ~/.config/fish/completions/hq-token.fish
  hq-token completion powershell | Out-String | Invoke-Expression

bash finds that file where the package bash-completion is installed. Without it, and in a zsh without compinit, put a line into
~/.bashrc or ~/.zshrc: source <(hq-token completion bash), or zsh. The bash of macOS: eval "$(hq-token completion bash)".
PowerShell: the line goes into the file that $PROFILE names.`

/** Adds `completion`: to print a completion script. */
export function command(root: Command, { world }: Edge): void {
  root
    .command('completion')
    .addArgument(new Argument('<shell>', 'the shell that reads the script').choices(SHELLS))
    .description('print the completion script of a shell')
    .addHelpText('after', HELP)
    .action(async (shell: Shell) => {
      const { completion } = await import('./completion.js')
      await completion(world, root, shell)
    })
}
