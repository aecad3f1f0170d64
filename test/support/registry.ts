import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const open: (() => void)[] = []

afterAll(() => {
  for (const close of open.splice(0)) close()
})

/**
 * A registry on this machine, for a real `npm install`: it has the packages of `node_modules`, in the versions that are
 * there, without what was compiled.
 *
 * @returns Its address.
 */
export async function registry(): Promise<string> {
  const server = createServer(({ url = '' }, response) => {
    const [name = '', folder] = decodeURIComponent(url.slice(1)).split('?')
    const folders = foldersOf(name)
    if (folder !== undefined && folders.includes(folder)) response.end(packedFolder(folder))
    else if (folder === undefined && folders.length > 0)
      response.end(JSON.stringify(described(name, folders)))
    else response.writeHead(404).end()
  })
  const address = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const described = (name: string, folders: readonly string[]): object => {
    const versions = folders.map((folder) => {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
      const tarball = `${address()}${name}?${encodeURIComponent(folder)}`
      return [manifest.version, { ...manifest, dist: { tarball } }] as const
    })
    return { name, 'dist-tags': { latest: versions[0]?.[0] }, versions: Object.fromEntries(versions) }
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return address()
}

/** All places below `node_modules` where a package lies, the outermost first. */
function foldersOf(name: string): readonly string[] {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: object }
  return Object.keys(packages).filter((path) => path.endsWith(`node_modules/${name}`) && existsSync(path))
}

function packedFolder(folder: string): Buffer {
  const without = ['node_modules', './build', './deps'].map((name) => `--exclude=${name}`)
  const args = ['-cz', ...without, '--transform', 's,^\\.,package,', '-C', folder, '.']
  return execFileSync('tar', args, { maxBuffer: 256 * 1024 * 1024 })
}
