// The Nodes to measure on, and for each the package as users install it.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fetchNode, fetchPackages } from '../scripts/nodes.js'
import { HERE, ROOT } from './place.js'

/**
 * Lays this checkout's build beside packages that this Node takes. Only the build is laid anew each time.
 *
 * @throws with one line where the registry does not give a Node or a package.
 */
export async function nodeFor(major, cache) {
  const node = await fetchNode(major, cache)
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const root = join(await fetchPackages(node, dependencies, cache), 'node_modules/hq-token')
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  for (const name of ['package.json', 'dist']) cpSync(join(ROOT, name), join(root, name), { recursive: true })
  // As npm runs it after an installation.
  execFileSync(node.path, [join(root, 'dist/compile.cjs')])
  return { major, path: node.path, root }
}

/** @returns The Nodes; of those that the registry does not give, why, and in their place the Node that runs this. */
export async function nodesFor(majors, cache) {
  try {
    const nodes = []
    for (const major of majors) nodes.push(await nodeFor(major, cache))
    return { nodes }
  } catch (error) {
    return { nodes: [HERE], problem: error.message }
  }
}
