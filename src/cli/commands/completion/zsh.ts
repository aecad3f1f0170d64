import type { Tree } from './tree.js'
export function zsh(tree: Tree): string { return String(tree.commands.length) }
