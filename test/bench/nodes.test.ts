// Holds the Nodes of the benchmark: what was fetched is kept, what failed is not, and without a registry it goes on.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fetchNode, fetchPackages } from '../../scripts/nodes.js'
import { requirePrograms } from '../support/debian.js'

const PAGES = ['bench/results.md', 'docs/performance.md', 'docs/pictures/performance.svg']

let folder: string
let cache: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hq-token-nodes-'))
  cache = join(folder, 'nodes')
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

/** An npm that notes each call, and does what it is told. */
function npm(code = ''): () => number {
  const [script, calls] = [join(folder, 'npm.cjs'), join(folder, 'calls')]
  writeFileSync(script, `require('fs').appendFileSync(${JSON.stringify(calls)}, 'called\\n')\n${code}`)
  vi.stubEnv('npm_execpath', script)
  return () => (existsSync(calls) ? readFileSync(calls, 'utf8').split('\n').length - 1 : 0)
}

/** The Node that runs this, in the place of another. */
function here(major: number) {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  return { major, path: process.execPath, bin }
}

describe('the Nodes of `npm run bench`', () => {
  it('the Nodes of `npm run bench` are fetched once, and kept', async () => {
    const calls = npm()
    const first = await fetchNode(22, cache)
    expect(calls()).toBe(1)
    expect(await fetchNode(22, cache)).toEqual(first)
    expect(calls()).toBe(1)
    await fetchNode(24, cache)
    expect(calls()).toBe(2)
  })

  it('the packages of a Node are installed anew when other ones are needed, and only then', async () => {
    const calls = npm()
    for (const range of ['^1', '^1', '^2']) await fetchPackages(here(22), { one: range }, cache)
    expect(calls()).toBe(2)
    await fetchPackages(here(20), { one: '^2' }, cache)
    expect(calls()).toBe(3)
  })

  it('a fetch of a Node that fails says why in one line, and is tried again the next time', async () => {
    npm(`console.error('npm error code E404\\nnpm error 404 no such version\\nmore'); process.exit(1)`)
    await expect(fetchNode(22, cache)).rejects.toThrow(/^404 no such version$/)
    const calls = npm()
    await fetchNode(22, cache)
    expect(calls()).toBe(2)
  })

  it(
    'without a registry `npm run bench` says so in one line, measures with its own Node, and writes no page',
    { timeout: 300_000 },
    async () => {
      requirePrograms('openssl', 'python3')
      writeFileSync(join(folder, '.npmrc'), 'registry=http://127.0.0.1:9/\nfetch-retries=0\n')
      const before = PAGES.map((page) => readFileSync(page, 'utf8'))
      const { PATH } = process.env
      const failed = promisify(execFile)(
        process.execPath,
        ['bench/run.js', 'refreshing', '--node', '22', '--cache', cache],
        { env: { PATH, HOME: folder, PYENV_ROOT: process.env.PYENV_ROOT } },
      )
      await expect(failed).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(
          /^the registry of npm cannot be reached \(ECONNREFUSED\): only Node v\S+ is measured, and no page is written\n/,
        ) as string,
        stdout: expect.stringMatching(
          new RegExp(
            String.raw`^\| measured +\| beside +\| Node ${process.versions.node.split('.')[0]} .*\n.*\n\| \`get\` that refreshes, cpu .* \d\.\d\d \(`,
            'm',
          ),
        ) as string,
      })
      expect(PAGES.map((page) => readFileSync(page, 'utf8'))).toEqual(before)
    },
  )
})
