import type { Tree } from './tree.js'
export function fish(tree: Tree): string { return String(tree.commands.length) }
