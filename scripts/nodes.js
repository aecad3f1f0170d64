// The Nodes that are supported, as the registry has them, for `npm run test:matrix` and `npm run bench`. What was fetched
// and compiled is kept in artifacts/nodes: without that folder, the newest of each is fetched again.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const MAJORS = [20, 22, 24, 26]
export const KEPT = fileURLToPath(new URL('../artifacts/nodes', import.meta.url))

/** From this Node on, npm takes better-sqlite3 13, which has its binaries in the package. */
const HAS_BINARY = 22

/** Without npm's own variables, because `npm run` leaves settings of this project there. */
export const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)),
)

/**
 * One Node, and a folder with this Node, a shell, and nothing else, where a compiler would have to be found by.
 *
 * @throws with one line where the registry does not give it.
 */
export async function fetchNode(major, cache = KEPT) {
  const name = `node-${process.platform.replace('win32', 'win')}-${process.arch}`
  const project = { private: true, dependencies: { [name]: String(major) } }
  const folder = await kept(join(cache, `node-${major}`), project, async (made) => {
    await npmInstall({ major, path: process.execPath }, made, ['--ignore-scripts'])
    mkdirSync(join(made, 'bin'))
    symlinkSync(join('../node_modules', name, 'bin/node'), join(made, 'bin/node'))
    symlinkSync('/bin/sh', join(made, 'bin/sh'))
  })
  const home = join(folder, 'node_modules', name)
  return { major, home, path: join(home, 'bin/node'), bin: join(folder, 'bin') }
}

/**
 * A folder whose node_modules has these packages as this Node takes them.
 *
 * @throws as `fetchNode`.
 */
export function fetchPackages(node, dependencies, cache = KEPT) {
  const project = { ...projectFor(node), dependencies }
  return kept(join(cache, `packages-${node.major}`), project, (made) => install(node, made))
}

/** The package.json of an empty project. */
export function projectFor({ major }) {
  return {
    private: true,
    type: 'module',
    allowScripts: needsCompiler(major) ? { 'better-sqlite3': true } : {},
  }
}

/** Installs what a project names, and `packages`: with scripts and a compiler only where no other way is. */
export function install(node, project, packages = []) {
  return npmInstall(node, project, [...(needsCompiler(node.major) ? [] : ['--ignore-scripts']), ...packages])
}

export function needsCompiler(major) {
  return major < HAS_BINARY
}

function npmInstall({ major, path, bin, home }, cwd, args) {
  const npm =
    process.env.npm_execpath ?? join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js')
  const env = {
    ...environment,
    ...(bin === undefined
      ? {}
      : { PATH: needsCompiler(major) ? `${bin}${delimiter}${process.env.PATH}` : bin }),
    // The headers of this very Node, which node-gyp would fetch from nodejs.org.
    ...(home === undefined ? {} : { npm_config_nodedir: home }),
  }
  return promisify(execFile)(path, [npm, 'install', '--no-audit', '--no-fund', ...args], { cwd, env })
}

/** Makes a folder with this package.json, unless there is one: a work that fails leaves none. */
async function kept(folder, project, make) {
  const text = JSON.stringify(project)
  const file = join(folder, 'package.json')
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return folder
  const made = `${folder}.new`
  for (const old of [folder, made]) rmSync(old, { recursive: true, force: true })
  mkdirSync(made, { recursive: true })
  writeFileSync(join(made, 'package.json'), text)
  try {
    await make(made)
  } catch (error) {
    throw new Error(reasonOf(error), { cause: error })
  }
  renameSync(made, folder)
  return folder
}

function reasonOf({ stderr = '', message }) {
  const network = /ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ECONNRESET|EAI_AGAIN/.exec(stderr)?.[0]
  if (network !== undefined) return `the registry of npm cannot be reached (${network})`
  return /^npm error (?!code)(.*)/m.exec(stderr)?.[1] ?? message.split('\n')[0]
}
