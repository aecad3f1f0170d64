import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { program } from '../src/cli/program.js'
import { exitCodes } from '../src/cli/exit-codes.js'
import { configKeys } from '../src/config/keys.js'
import { Exit, TokenError, type ErrorCode } from '../src/core/errors.js'
import * as library from '../src/index.js'
import { faultNames } from '../src/sandbox/faults.js'
import { packed } from './support/packed.js'
import { place } from './support/place.js'
import { told } from './support/world.js'

const page = (name: string): string => readFileSync(name, 'utf8')
const commands = program(
  undefined as never,
  () => undefined,
  () => undefined,
).commands

describe('the documentation', () => {
  it(
    'the documentation is not stale: `npm run docs` would change nothing',
    { timeout: 300_000 },
    async () => {
      await expect(
        promisify(execFile)(process.execPath, ['scripts/docs.js', '--check']),
      ).resolves.toBeDefined()
    },
  )

  it.each(commands.map((command) => command.name()))(
    'the documentation tells of the command %s, and its help describes it',
    (name) => {
      const command = commands.find((one) => one.name() === name)
      expect(command?.description()).not.toBe('')
      for (const option of command?.options ?? []) expect([option.long, option.description]).not.toContain('')
      expect(page('README.md') + page('docs/guide.md')).toContain(`hq-token ${name}`)
      expect(command?.helpInformation()).not.toMatch(/default: \[\]|<\W>/)
      expect(page('docs/cli.md')).toContain(`## \`hq-token ${name}\``)
    },
  )

  it('the documentation has an example for every command, in its help and in the reference', () => {
    for (const command of commands) {
      const section = page('docs/cli.md').split(`## \`hq-token ${command.name()}\``)[1]?.split('\n## ')[0]
      expect([command.name(), section]).toEqual([
        command.name(),
        expect.stringMatching(
          new RegExp(`^ {2}\\S.*\\bhq-token ${command.name()}\\b|^ {2}hq-token ${command.name()}`, 'm'),
        ),
      ])
    }
  })

  it('the documentation shows what every command takes once', () => {
    expect(page('docs/cli.md').match(/^ +--profile <name>/gm)).toHaveLength(1)
    // At a terminal it is beside the command's own.
    let help = ''
    const get = commands.find((command) => command.name() === 'get')
    get?.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    expect(help).toContain('--profile <name>')
  })

  it('the documentation has one heading for all that a function throws', () => {
    for (const name of [
      'hq-token',
      'hq-token/undici',
      'hq-token/sqlite',
      'hq-token/oauth',
      'hq-token/schemas',
    ]) {
      const functions = page(`docs/api/${name}.md`).split(/^#{2,5} (?!Throws)/m)
      for (const text of functions) expect(text.match(/^#+ Throws$/gm)?.length ?? 0).toBeLessThanOrEqual(1)
    }
  })

  it('the documentation gives options in the examples of a help that the command has', () => {
    const examples = [...page('docs/cli.md').matchAll(/^ {2}hq-token (\w+)(.*)$/gm)]
    expect(examples.map(([, name]) => name)).toEqual(
      expect.arrayContaining(['init', 'login', 'doctor', 'api']),
    )
    for (const [line, name, rest = ''] of examples) {
      const known = commands.find((command) => command.name() === name)?.options.map(({ long }) => long)
      const [own = ''] = rest.split(' -- ')
      for (const [, long] of own.matchAll(/ (--[a-z-]+)/g))
        expect([line, known]).toEqual([line, expect.arrayContaining([long])])
    }
  })

  it('the documentation has a page for every entry of the package', () => {
    const { exports } = JSON.parse(page('package.json')) as { exports: Record<string, string | object> }
    for (const [entry, target] of Object.entries(exports))
      if (typeof target === 'object')
        expect(page(`docs/api/hq-token${entry.slice(1)}.md`)).toContain('# hq-token')
  })

  it('the documentation tells of every exit code, in the README as everywhere', () => {
    expect(exitCodes.map(({ exit }) => exit)).toEqual(Object.values(Exit).sort((a, b) => a - b))
    for (const { exit, when, then } of exitCodes)
      expect(page('README.md')).toContain(`| ${exit} | ${when} | ${then} |`)
  })

  it('the documentation has every code of an error, and its type has no other', () => {
    // The compiler wants all of the type here, and nothing else.
    const codes: Record<ErrorCode, true> = {
      ...{ HQ_USAGE: true, HQ_LOGIN_REQUIRED: true, HQ_SEED_INVALID: true, HQ_STORE_UNUSABLE: true },
      ...{
        HQ_LOCK_TIMEOUT: true,
        HQ_STORE_BUSY: true,
        HQ_STORE_UNREACHABLE: true,
        HQ_SERVER_UNAVAILABLE: true,
        HQ_OUTCOME_UNKNOWN: true,
      },
      ...{ HQ_CONFIG_INVALID: true, HQ_OTHER_CLIENT: true, HQ_CLIENT_REFUSED: true, HQ_OUTPUT_FAILED: true },
      ...{ HQ_API_REFUSED: true, HQ_COMMAND_NOT_FOUND: true, HQ_COMMAND_NOT_EXECUTABLE: true },
    }
    const listed = [...page('docs/exit-codes.md').matchAll(/^\| `(HQ_\w+)` \|/gm)].map(([, code]) => code)
    expect(listed.sort()).toEqual(Object.keys(codes).sort())
  })

  it('the documentation names no class that the library does not have', () => {
    const named = [...page('docs/exit-codes.md').matchAll(/^\| `HQ_\w+` \| `(\w+)` /gm)].map(
      ([, name]) => name,
    )
    const had = Object.entries(library).filter(([, value]) =>
      Object.prototype.isPrototypeOf.call(TokenError, value),
    )
    expect(named.sort()).toEqual(had.map(([name]) => name).sort())
  })

  it('the documentation tells of every key and every fault', () => {
    for (const { key, env, supported } of configKeys) {
      if (!supported) continue
      expect(page('docs/config.md')).toContain(`| \`${key}\` | \`${env}\` |`)
      expect(page('config.example.ini')).toMatch(new RegExp(`^; ${key} = `, 'm'))
    }
    for (const name of Object.keys(faultNames)) expect(page('docs/cli.md')).toContain(`| \`${name}\` |`)
  })

  it('the documentation gives a query that makes a seed of the previous pair', async () => {
    const { config, dir, sandbox, store } = await place({ graceMs: 3_600_000 }, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['refresh'], { env })
    const previous = (await store.read())?.previous
    const [, sql] = /sqlite3 \S+ "(SELECT [^"]*)"/.exec(page('docs/guide.md')) ?? []
    const db = new Database(join(dir, 'token.db'), { readonly: true })
    const seed = String(db.prepare(String(sql)).pluck().get())
    db.close()
    expect(await told(['seed', '--force', '--issued-at', '0', '-'], { env, input: seed })).toMatchObject({
      code: 0,
    })
    expect((await store.read())?.pair.refreshToken.reveal()).toBe(previous?.refreshToken.reveal())
    expect(await told(['get'], { env })).toMatchObject({ code: 0 })
    expect(sandbox.refreshes()).toBe(2)
  })
})

/** The blocks of a section are one program: each goes on from the one before. */
const programs = ['README.md', 'docs/guide.md'].flatMap((name) =>
  page(name)
    .split(/^(?=#+ )/m)
    .map((section) => ({
      name: `${name}, ${section.slice(0, section.indexOf('\n'))}`,
      code: [...section.matchAll(/^```[jt]s\n([^]*?)^```$/gm)].map(([, block = '']) => block).join('\n'),
    }))
    .filter(({ code }) => code !== ''),
)

describe('a program in the documentation', { timeout: 300_000 }, () => {
  it('a program in the documentation is there to be tried', () => {
    expect(programs.map(({ name }) => name)).toContain('docs/guide.md, ## As a library')
  })

  const isOfSchemas = ({ code }: { readonly code: string }): boolean => code.includes("'hq-token/schemas'")

  /** Compiles it in a project that has the package, and runs it there. */
  async function ran(program: string, config: string): Promise<{ stdout: string; stderr: string }> {
    const project = await packed()
    writeFileSync(join(project, 'program.ts'), program)
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
    for (const name of ['@types/node', 'undici-types'])
      symlinkSync(join(process.cwd(), 'node_modules', name), join(project, 'node_modules', name))
    const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
    // The declarations are checked as what is packed.
    const options = ['--strict', '--skipLibCheck', '--types', 'node', '--target', 'es2022']
    const run = promisify(execFile)
    await run(process.execPath, [tsc, ...options, '--module', 'nodenext', 'program.ts'], { cwd: project })
    const PATH = `${join(project, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`
    const env = { ...process.env, PATH, HQ_TOKEN_CONFIG: config }
    return run(process.execPath, ['program.js'], { cwd: project, env })
  }

  it('reads what `status` prints by its schema', async () => {
    const here = await place({}, 3600)
    await here.run(['seed'])
    const [code = '', ...more] = programs.filter(isOfSchemas).map((program) => program.code)
    expect(more).toEqual([])
    const { stdout, stderr } = await ran(code, here.config)
    expect({ stdout, stderr }).toEqual({
      stdout: expect.stringMatching(/^fresh: 3\d{3} s left\n$/) as string,
      stderr: '',
    })
    // Without a token set, too.
    const missing = join(here.dir, 'missing.ini')
    writeFileSync(missing, '[store]\npath = none.db\n')
    expect((await ran(code, missing)).stdout).toBe('empty: no token\n')
  })

  it.each(programs.filter((program) => !isOfSchemas(program)))(
    '$name compiles, and does what it says',
    async ({ code }) => {
      const here = await place()
      const { origin, pathname } = new URL(here.sandbox.url)
      const program = code.replaceAll('https://acme.highq.com', origin).replaceAll("'/acme/", `'${pathname}`)
      const { stdout, stderr } = await ran(program, here.config)
      expect(stderr).toBe('')
      expect(stdout.match(/sitename: 'Deal room'/g)).toHaveLength(2)
      expect(stdout).toMatch(/^\[secret\] until 20/m)
      expect(here.sandbox.refreshes()).toBe(1)
    },
  )
})

describe('the example of a guard that is put together by hand', () => {
  const source = page('src/core/guard.ts')
  const block = /^ \* ```ts\n([^]*?)^ \* ```$/m.exec(source)?.[1] ?? ''
  const code = block.replaceAll(/^ \* ?/gm, '')

  it('the example of a guard that is put together by hand is in the reference', () => {
    expect(code).toContain('new TokenGuard({')
    expect(page('docs/api/hq-token.md')).toContain(code)
  })

  it(
    'the example of a guard that is put together by hand compiles under strict rules, takes its seed, and refreshes',
    { timeout: 300_000 },
    async () => {
      const [here, project] = [await place(), await packed()]
      const { accessToken, refreshToken } = here.sandbox.issue()
      const store = join(here.dir, 'by-hand.db')
      const program = code
        .replace('https://acme.highq.com/acme/', here.sandbox.url)
        .replace('/var/lib/reports/token.db', store)
        // Over at once, so that there is something to refresh.
        .replace('lifetime: 18_000', 'lifetime: 0')
      writeFileSync(join(project, 'by-hand.ts'), program)
      mkdirSync(join(project, 'node_modules/@types'), { recursive: true })
      for (const name of ['@types/node', 'undici-types'])
        if (!existsSync(join(project, 'node_modules', name)))
          symlinkSync(join(process.cwd(), 'node_modules', name), join(project, 'node_modules', name))
      const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc')
      const options = ['--strict', '--exactOptionalPropertyTypes', '--noUnusedLocals', '--skipLibCheck']
      const run = promisify(execFile)
      const target = ['--types', 'node', '--target', 'es2022', '--module', 'nodenext']
      await run(process.execPath, [tsc, ...options, ...target, 'by-hand.ts'], { cwd: project })
      const env = {
        PATH: process.env['PATH'],
        CLIENT_SECRET: here.sandbox.clientSecret,
        ...{ ACCESS_TOKEN: accessToken, REFRESH_TOKEN: refreshToken },
      }
      const { stdout, stderr } = await run(process.execPath, ['by-hand.js'], { cwd: project, env })
      expect(stderr).toBe('')
      expect(stdout).toMatch(/^\[secret\] until 20\S+Z\n$/)
      expect(here.sandbox.refreshes()).toBe(1)
      // A second run finds its set, and keeps it.
      await run(process.execPath, ['by-hand.js'], { cwd: project, env })
      expect(here.sandbox.refreshes()).toBe(1)
    },
  )
})
