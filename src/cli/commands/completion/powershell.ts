import type { Tree } from './tree.js'
export function powershell(tree: Tree): string { return String(tree.commands.length) }
