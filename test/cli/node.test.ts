import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LEAST } from '../../src/core/node-version.js'
import { addonFault, remember } from '../../src/store/sqlite/addon-fault.js'
import { hold } from '../support/json-outputs.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'

// Another Node than the program was made or installed for, and one that is given too few files.

const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } }

/** Thrown at the first file that is asked for. */
class Loading extends Error {}

describe('a Node that is too old', () => {
  /** What the first file does under a Node of this version, without one. */
  function under(version: string, argv: readonly string[] = []) {
    const told: string[] = []
    const asked: string[] = []
    const process = {
      version: `v${version}`,
      versions: { node: version },
      execPath: '/old/node',
      argv: ['node', 'hq-token', ...argv],
      exitCode: 0,
      stderr: { write: (text: string) => told.push(text) },
    }
    const text = readFileSync(BIN, 'utf8').replace(/^#!.*/, '')
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    const run = new Function('process', 'require', text) as (...given: unknown[]) => void
    const require = (name: string): never => {
      asked.push(name)
      throw new Loading()
    }
    try {
      run(process, require)
    } catch (error) {
      if (!(error instanceof Loading)) throw error
    }
    return { told: told.join(''), asked, exit: process.exitCode }
  }

  it.each(['0.12.18', '10.24.1', '16.20.2', '18.20.8', '20.18.3'])(
    '%s is told so, and loads nothing',
    async (version) => {
      const { told, asked, exit } = under(version)
      expect({ asked, exit }).toEqual({ asked: [], exit: 78 })
      expect(told).toMatch(
        new RegExp(
          `^hq-token: error: this is Node v${version} \\(/old/node\\), and hq-token needs Node 20\\.19 or newer\nhq-token: hint: `,
        ),
      )
      const json = under(version, ['--log-format', 'json', 'get']).told
      expect(await hold('log-line', json)).toMatchObject({
        level: 'error',
        code: 'HQ_CONFIG_INVALID',
        hint: expect.any(String) as string,
      })
    },
  )

  it.each(['20.19.0', '20.20.2', '22.0.0', '24.1.0'])('a Node that is too old is none of %s', (version) => {
    expect(under(version)).toEqual({ told: '', asked: ['fs'], exit: 0 })
  })

  it('a Node that is too old can read the first file: nothing in it is newer than ES5', () => {
    const text = readFileSync(BIN, 'utf8').replace(/\/\/.*|'(?:[^'\\]|\\.)*'|\/\S+\//g, '')
    expect(text).not.toMatch(/=>|`|\?\.|\?\?|\*\*|\.\.\.|\b(?:const|let|class|async|await|of|import)\b/)
  })

  it('a Node that is too old is what `engines` says, for the library as for the program', () => {
    expect(`>=${LEAST.major}.${LEAST.minor}`).toBe(engines.node)
    expect(readFileSync(BIN, 'utf8')).toContain(`MAJOR = ${LEAST.major}\n`)
    expect(readFileSync(BIN, 'utf8')).toContain(`MINOR = ${LEAST.minor}\n`)
  })
})

describe('the addon of another Node', () => {
  const failed = (message: string, code = 'ERR_DLOPEN_FAILED'): Error =>
    Object.assign(new Error(message), { code })
  // As Node 22 and 24 say it of an addon that was built by Node 20.
  const OTHER = `The module '/x/better_sqlite3.node'
was compiled against a different Node.js version using
NODE_MODULE_VERSION 115. This version of Node.js requires
NODE_MODULE_VERSION 137. Please try re-compiling or re-installing
the module (for instance, using \`npm rebuild\` or \`npm install\`).`

  it('the addon of another Node names both, and what to type', () => {
    const fault = addonFault(failed(OTHER))
    expect(fault).toMatchObject({ code: 'HQ_STORE_UNUSABLE', exit: 74 })
    expect(fault?.message).toBe(
      `better-sqlite3 was installed for Node 20 (module version 115), and this is Node ${process.version} (${process.execPath}, module version 137)`,
    )
    expect(fault?.hint).toMatch(/npm rebuild --prefix \S+ better-sqlite3; or run hq-token with Node 20$/)
    expect(fault?.hint).toContain(process.cwd())
  })

  it('the addon of another Node is named by the first failure: the second says less', () => {
    const second = failed("Module did not self-register: '/x/better_sqlite3.node'.")
    expect(addonFault(second)?.message).toContain('did not self-register')
    remember(failed(OTHER))
    expect(addonFault(second)?.message).toMatch(/^better-sqlite3 was installed for Node 20 /)
  })

  it.each([
    ['Could not locate the bindings file. Tried:\n → /x', '', 'without its native part'],
    ["Cannot find module '/x/better_sqlite3.node'", 'MODULE_NOT_FOUND', 'without its native part'],
    [
      "/lib/libc.so.6: version `GLIBC_2.38' not found (required by /x)\nmore",
      'ERR_DLOPEN_FAILED',
      "GLIBC_2.38' not found",
    ],
    ['/x/better_sqlite3.node: invalid ELF header', 'ERR_DLOPEN_FAILED', 'invalid ELF header'],
  ])(
    'the addon of another Node is told from one that is missing or of another system: %j',
    (message, code, words) => {
      const fault = addonFault(failed(message, code))
      expect(fault?.message).toContain(words)
      expect(fault?.message).not.toContain('\n')
      expect(fault?.hint).toMatch(/npm install -g --allow-scripts=better-sqlite3,hq-token hq-token$/)
    },
  )

  it('the addon of another Node is nothing else', () => {
    expect(addonFault(failed('x', 'EACCES'))).toBeUndefined()
    expect(addonFault('x')).toBeUndefined()
  })
})

describe.runIf(process.platform === 'linux')('where no more files may be opened', { timeout: 60_000 }, () => {
  const limited = ({ config }: Place, files: number, args: readonly string[]): Promise<Ended> =>
    ended(
      spawn(
        'sh',
        ['-c', 'ulimit -n "$1"; shift; exec "$@"', 'sh', String(files), process.execPath, BIN, ...args],
        {
          env: { PATH: process.env['PATH'], HQ_TOKEN_CONFIG: config },
        },
      ),
    )

  /** SQLite does not say why it can open no file. */
  const SAID =
    /^hq-token: error: (this process may open no more files \(EMFILE\)\nhq-token: hint: ulimit -n 1024; in a unit of systemd: LimitNOFILE=1024|\S+token\.db cannot be used \(SQLITE_CANTOPEN\)\nhq-token: hint: .*)\n$/

  it.each([
    ['refresh'],
    ['status'],
    ['doctor'],
    ['api', '1/sites'],
    ['exec', '--', 'true'],
    ['get', '--min-valid', '2h'],
  ])('%s %s %s says so: 74, and what comes next is as before', async (...args) => {
    const here = await place({}, 3600)
    expect((await here.run(['get'])).code).toBe(0)
    const codes: unknown[] = []
    // A newer Node opens fewer files at once, and so does what is in the bundle.
    for (const files of [18, 19, 20, 21, 22, 24, 28, 31, 34]) {
      const { code, stdout, stderr } = await limited(here, files, args)
      codes.push(code)
      if (code === 0) continue
      expect({ code, stdout }, stderr).toEqual({ code: 74, stdout: '' })
      expect(stderr).toMatch(SAID)
    }
    if (process.version.startsWith('v20.')) expect(codes).toContain(74)
    const before = here.sandbox.refreshes()
    expect((await here.run(['refresh'])).code).toBe(0)
    expect(here.sandbox.refreshes()).toBe(before + 1)
  })

  it('a token that is fresh is handed out, and JSON is JSON', async () => {
    const here = await place({}, 3600)
    expect((await here.run(['get'])).code).toBe(0)
    expect((await limited(here, 24, ['get'])).code).toBe(0)
    for (const files of [24, 21, 20, 19, 18]) {
      const { code, stderr } = await limited(here, files, ['--log-format', 'json', 'status'])
      if (code === 0) continue
      expect(await hold('log-line', stderr)).toMatchObject({ level: 'error', code: 'HQ_STORE_UNUSABLE' })
      return
    }
    expect.fail('18 open files are enough for `status`')
  })
})
