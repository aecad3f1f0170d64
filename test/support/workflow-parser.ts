// Loads GitHub's own parser of workflows for tests.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { rolldown } from 'rolldown'
import { folder } from './folder.js'

type Parser = typeof import('@actions/workflow-parser')

/** Bundles it first, because the package imports JSON without an attribute, which Node refuses. */
export async function workflowParser(): Promise<Parser> {
  const file = join(folder(), 'workflow-parser.mjs')
  const bundle = await rolldown({ input: '@actions/workflow-parser', platform: 'node' })
  await bundle.write({ file })
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Parser
}
