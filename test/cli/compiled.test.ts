import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'

const run = promisify(execFile)

/** The package in a folder of its own, as npm unpacks it. */
let root: string
let kept: string
let here: Place

beforeAll(async () => {
  here = await place({}, 3600)
  expect(await here.run(['get'])).toMatchObject({ code: 0 })
})

beforeEach(() => {
  root = folder()
  for (const name of ['package.json', 'dist']) cpSync(name, join(root, name), { recursive: true })
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'))
  kept = join(root, 'dist/start.cjs.compiled')
  compile()
})

function compile(env: NodeJS.ProcessEnv = process.env): string {
  return execFileSync(process.execPath, [join(root, 'dist/compile.cjs')], { env, encoding: 'utf8' })
}

/** Whether V8 took the kept code, and what was printed. */
async function get(): Promise<{ taken: boolean; stdout: string; stderr: string }> {
  const seen = join(root, 'seen.cjs')
  const told = join(root, 'told')
  writeFileSync(
    seen,
    `process.once('hq-token: loaded', ({ cachedDataRejected }) =>
       require('node:fs').writeFileSync(${JSON.stringify(told)}, String(cachedDataRejected)))`,
  )
  const { stdout, stderr } = await run(process.execPath, ['-r', seen, join(root, 'dist/bin.cjs'), 'get'], {
    env: { HQ_TOKEN_CONFIG: here.config },
  })
  return { taken: readFileSync(told, 'utf8') === 'false', stdout, stderr }
}

const RIGHT = { stdout: expect.stringMatching(/^\S{40,}\n$/) as string, stderr: '' }

describe('the compiled code that an installation leaves', () => {
  it('the compiled code that an installation leaves is what a `get` runs', async () => {
    expect(await get()).toEqual({ ...RIGHT, taken: true })
  })

  it('the compiled code that an installation leaves needs no `import()`, which such code does not have', () => {
    expect(readFileSync(join(root, 'dist/start.cjs'), 'utf8')).not.toMatch(/\bimport\(/)
  })

  it('the compiled code that an installation leaves has the rights of its source, and holds nobody’s token', () => {
    expect(statSync(kept).mode).toBe(statSync(join(root, 'dist/start.cjs')).mode)
    expect(readFileSync(kept, 'latin1')).not.toContain('of-nobody')
  })

  it.each<[string, () => void]>([
    [
      'is missing',
      () => {
        rmSync(kept)
      },
    ],
    [
      'is empty',
      () => {
        writeFileSync(kept, '')
      },
    ],
    [
      'is cut off',
      () => {
        writeFileSync(kept, readFileSync(kept).subarray(0, -4096))
      },
    ],
    [
      'is of another Node',
      () => {
        rewrite((text) => text.replace(process.version, process.version.replace(/.$/, 'x')))
      },
    ],
    [
      'is of a Node in another place',
      () => {
        rewrite((text) => text.replace(process.execPath, process.execPath.replace(/.$/, 'x')))
      },
    ],
    [
      'has another date than its source',
      () => {
        utimesSync(join(root, 'dist/start.cjs'), 1, 1)
      },
    ],
    [
      'belongs to another source',
      () => {
        writeFileSync(join(root, 'dist/start.cjs'), `${readFileSync(join(root, 'dist/start.cjs'), 'utf8')}\n`)
      },
    ],
  ])('the compiled code that an installation leaves is left out where it %s', async (_, spoil) => {
    spoil()
    expect(await get()).toEqual({ ...RIGHT, taken: false })
  })

  it('the compiled code that an installation leaves is left out where its source has changed and kept its length and date', async () => {
    const source = join(root, 'dist/start.cjs')
    const { atime, mtime } = statSync(source)
    const [, build = ''] = /BUILD = '(\w+)'/.exec(readFileSync(join(root, 'dist/bin.cjs'), 'utf8')) ?? []
    expect(build).toBe(createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16))
    // Another version of the package, installed over this one.
    writeFileSync(source, readFileSync(source, 'utf8').replace('SIGUSR1', 'SIGUSR2'))
    const bin = readFileSync(join(root, 'dist/bin.cjs'), 'utf8')
    const other = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16)
    writeFileSync(join(root, 'dist/bin.cjs'), bin.replace(build, other))
    utimesSync(source, atime, mtime)
    expect(await get()).toEqual({ ...RIGHT, taken: false })
  })

  it('the compiled code that an installation leaves is left out, and nothing else, where no file of Node is to be seen', async () => {
    const blind = join(root, 'blind.cjs')
    writeFileSync(blind, "Object.defineProperty(process, 'execPath', { value: '/gone' })")
    const argv = ['-r', blind, join(root, 'dist/bin.cjs'), 'get']
    const { stdout, stderr } = await run(process.execPath, argv, { env: { HQ_TOKEN_CONFIG: here.config } })
    expect({ stdout, stderr }).toEqual(RIGHT)
  })

  it('the compiled code that an installation leaves crashes nothing where a bit of it has turned', async () => {
    const good = readFileSync(kept)
    const begin = good.indexOf('\n') + 1
    for (let at = 0; at < 20; at += 1) {
      const bad = Buffer.from(good)
      const byte = begin + Math.floor(((good.length - begin) * at) / 20)
      bad[byte] = (bad[byte] ?? 0) ^ (1 << (at % 8))
      writeFileSync(kept, bad)
      expect(await get()).toEqual({ ...RIGHT, taken: false })
    }
  })

  it('the compiled code that an installation leaves is loaded once: no class exists twice', async () => {
    const seen = join(root, 'cache.cjs')
    writeFileSync(
      seen,
      `process.once('exit', () => {
         const names = Object.keys(require.cache).map((name) => require('node:path').basename(name))
         require('node:fs').writeSync(1, names.filter((name) => /^(?:start|refresh)\\.cjs$/.test(name)).join())
       })`,
    )
    const argv = ['-r', seen, join(root, 'dist/bin.cjs'), 'get', '--config', '/nowhere.ini']
    const ended = await run(process.execPath, argv, { env: {} }).catch((error: unknown) => error)
    expect(ended).toMatchObject({ code: 78, stdout: 'start.cjs,refresh.cjs' })
  })
})

describe('the installation’s script', () => {
  it('the installation’s script says nothing, and leaves nothing behind', () => {
    const temporary = folder()
    expect(compile({ ...process.env, TMPDIR: temporary })).toBe('')
    expect(readdirSync(temporary)).toEqual([])
    expect(readdirSync(join(root, 'dist')).filter((name) => name.includes('.compiled'))).toEqual([
      'start.cjs.compiled',
    ])
  })

  it('the installation’s script touches no configuration and no store of whoever installs', () => {
    const before = statSync(join(here.dir, 'token.db')).mtimeMs
    compile({ ...process.env, HQ_TOKEN_CONFIG: here.config, HQ_TOKEN_STORE: '/nowhere/token.db' })
    expect(statSync(join(here.dir, 'token.db')).mtimeMs).toBe(before)
    expect(existsSync('/nowhere')).toBe(false)
  })

  it.each([
    ['there is no temporary folder', { TMPDIR: '/nowhere' }],
    ['the program cannot be loaded', {}],
  ])('the installation’s script ends well without compiling where %s', (what, env) => {
    writeFileSync(kept, 'as it was')
    if (what.startsWith('the program')) writeFileSync(join(root, 'dist/main.cjs'), '')
    expect(compile({ ...process.env, ...env })).toBe('')
    expect(readFileSync(kept, 'utf8')).toBe('as it was')
  })
})

function rewrite(change: (text: string) => string): void {
  const bytes = readFileSync(kept)
  const end = bytes.indexOf('\n')
  const key = change(bytes.subarray(0, end).toString('latin1'))
  writeFileSync(kept, Buffer.concat([Buffer.from(key, 'latin1'), bytes.subarray(end)]))
}
