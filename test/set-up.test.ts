// What `npm start` and `npm test` say on a fresh clone where the packages cannot be installed.
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { folder } from './support/folder.js'

const major = Number(process.versions.node.split('.')[0])
const OTHERWISE =
  major >= 22
    ? 'nor could better-sqlite3 13 be installed, which has a binary for this Node in it'
    : 'or use Node 22 or later, where a binary is in the package'

/** As npm 11 and node-gyp 12 say it, with Node 20, where nodejs.org and github.com are closed. */
const CLOSED = `npm error code 1
npm error path /home/jobs/hq-token/node_modules/better-sqlite3
npm error command failed
npm error command sh -c prebuild-install || node-gyp rebuild --release
npm error prebuild-install warn install getaddrinfo ENOTFOUND github.com
npm error gyp info find Python using Python version 3.11.2 found at "/usr/bin/python3"
npm error gyp http GET https://nodejs.org/download/release/v20.20.2/node-v20.20.2-headers.tar.gz
npm error gyp ERR! stack is related to network connectivity. In most cases you are behind a proxy or have bad
npm error gyp ERR! not ok`
const NO_MAKE = `npm error path /home/jobs/hq-token/node_modules/better-sqlite3
npm error gyp ERR! stack Error: not found: make
npm error gyp ERR! not ok`
const NO_COMPILER = `npm error path /home/jobs/hq-token/node_modules/better-sqlite3
npm error make: g++: No such file or directory
npm error gyp ERR! not ok`
const NO_PYTHON = `npm error path /home/jobs/hq-token/node_modules/better-sqlite3
npm error gyp ERR! find Python You need to install the latest version of Python.
npm error gyp ERR! stack Error: Could not find any Python installation to use`
const NO_REGISTRY = `npm error code ENOTFOUND
npm error syscall getaddrinfo
npm error network request to https://registry.npmjs.org/zod failed`

/** A clone whose npm says so and fails; it answers a question for its settings with `nodedir`. */
function cloned(said: string, nodedir = 'undefined', installed?: string) {
  const root = folder()
  mkdirSync(join(root, 'scripts'))
  copyFileSync('scripts/set-up.js', join(root, 'scripts/set-up.js'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(
    join(root, 'package-lock.json'),
    JSON.stringify({ packages: { '': {}, 'node_modules/better-sqlite3': { version: '12.11.1' } } }),
  )
  if (installed !== undefined) {
    mkdirSync(join(root, 'node_modules/better-sqlite3'), { recursive: true })
    const packages = { 'node_modules/better-sqlite3': { version: installed } }
    writeFileSync(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
  }
  const bin = folder()
  writeFileSync(join(bin, 'said'), said)
  writeFileSync(
    join(bin, 'npm'),
    `#!/bin/sh\necho "$npm_config_nodedir $*" >> '${bin}/asked'\n` +
      `[ "$1" = config ] && { echo '${nodedir}'; exit 0; }\ncat '${bin}/said' >&2\nexit 1\n`,
    { mode: 0o755 },
  )
  const env = { PATH: [bin, process.env['PATH']].join(delimiter) }
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts/set-up.js')], {
    env,
    encoding: 'utf8',
  })
  return { root, status, stdout, stderr, asked: readFileSync(join(bin, 'asked'), 'utf8').trim().split('\n') }
}

describe('an installation that fails says in one line what is missing and what helps', () => {
  it.each([
    [
      'nodejs.org and github.com are closed',
      CLOSED,
      `better-sqlite3 cannot be built: github.com has its binary and nodejs.org the headers of Node ${process.version}, and neither can be reached; npm_config_nodedir=DIR npm start, where DIR/include/node/node.h is (Node's own archive has it), ${OTHERWISE}`,
    ],
    [
      'there is no make',
      NO_MAKE,
      `better-sqlite3 cannot be built: there is no make or no C++ compiler; install both (Debian: apt-get install make g++), ${OTHERWISE}`,
    ],
    [
      'there is no compiler',
      NO_COMPILER,
      `better-sqlite3 cannot be built: there is no make or no C++ compiler; install both (Debian: apt-get install make g++), ${OTHERWISE}`,
    ],
    [
      'there is no Python',
      NO_PYTHON,
      `better-sqlite3 cannot be built: there is no Python 3; install python3, make and a C++ compiler, ${OTHERWISE}`,
    ],
    [
      'the registry is closed',
      NO_REGISTRY,
      'npm ci failed: the registry of npm cannot be reached; check: npm ping (a mirror or a proxy: npm config set registry URL, npm config set proxy URL)',
    ],
    ['nobody knows why', 'npm error oops', 'npm ci failed'],
  ])(
    'an installation that fails says in one line what is missing and what helps: %s',
    (_what, said, line) => {
      const { root, status, stdout, stderr } = cloned(said)
      const log = join(root, 'artifacts/npm-ci.log')
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toBe(
        `Installing the packages (a minute, once) …\n${line}; all that npm said is in ${log}\n`,
      )
      expect(readFileSync(log, 'utf8')).toContain(said)
    },
  )
})

it('a better-sqlite3 that was never built is no installation', () => {
  const { asked } = cloned(CLOSED, 'undefined', '12.11.1')
  expect(asked).toContainEqual(expect.stringContaining('ci --include=dev'))
})

describe('the headers of Node', () => {
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  const there = (place: string): string | undefined => {
    try {
      const text = readFileSync(join(place, 'include/node/node_version.h'), 'utf8')
      return ['MAJOR', 'MINOR', 'PATCH']
        .map((part) => new RegExp(`NODE_${part}_VERSION (\\d+)`).exec(text)?.[1])
        .join('.')
    } catch {
      return undefined
    }
  }
  const found = [prefix, '/usr', '/usr/local'].find((place) => there(place) === process.versions.node) ?? ''

  it('the headers of Node are taken from beside Node where they are there, and fit', () => {
    expect(cloned(CLOSED).asked[1]).toBe(`${found} ci --include=dev --no-audit --no-fund`)
  })

  it('the headers of Node are taken from where the user’s settings say', () => {
    expect(cloned(CLOSED, '/opt/node').asked[1]).toBe(' ci --include=dev --no-audit --no-fund')
  })
})
