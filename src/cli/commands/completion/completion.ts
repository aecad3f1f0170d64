// Prints the completion script of a shell. Reads no configuration and no environment.
import type { Command } from 'commander'
import { writeOut } from '../../terminal/output.js'
import type { World } from '../../world.js'
import { bash } from './bash.js'
import type { Shell } from './command.js'
import { fish } from './fish.js'
import { powershell } from './powershell.js'
import { treeOf, type Tree } from './tree.js'
import { zsh } from './zsh.js'

const WRITERS: Readonly<Record<Shell, (tree: Tree) => string>> = {
  bash,
  zsh,
  fish,
  powershell,
}

/** @throws {OutputFailed} */
export async function completion(world: World, root: Command, shell: Shell): Promise<void> {
  await writeOut(world.stdout, WRITERS[shell](treeOf(root)))
}
