// Holds the man page against the command line, and against the programs that show it: mandoc and groff.
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { beforeAll, describe, expect, it } from 'vitest'
import { manPage } from '../scripts/man.js'
import { exitCodes } from '../src/cli/exit-codes.js'
import { program } from '../src/cli/program.js'
import { configKeys } from '../src/config/keys.js'
import { CHECK_EXIT } from '../src/core/check.js'
import { requirePrograms } from './support/debian.js'
import { folder } from './support/folder.js'
import { packed } from './support/packed.js'
import { place } from './support/place.js'
import { registry } from './support/registry.js'

const commandLine = (): Command =>
  program(
    undefined as never,
    () => undefined,
    () => undefined,
  )
const root = commandLine()
const commands = root.createHelp().visibleCommands(root)
const page = manPage(commandLine())
/** The page as people see it, 80 columns wide. */
const shown: Record<'mandoc' | 'man', (text: string) => string> = {
  mandoc: (text) =>
    said('mandoc', ['-T', 'utf8', written(text)])
      .stdout.replaceAll(/.\x08/gs, '')
      .replaceAll('\t', ' '),
  man: (text) => said('man', ['-E', 'UTF-8', '-l', written(text)]).stdout,
}
const readers = Object.keys(shown) as (keyof typeof shown)[]

beforeAll(() => {
  requirePrograms('mandoc', ['man', 'man-db'], ['crontab', 'cron'], 'curl')
}, 300_000)

function written(text: string): string {
  const path = join(folder(), 'hq-token.1')
  writeFileSync(path, text)
  return path
}

function said(command: string, args: readonly string[]): { stdout: string; stderr: string } {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent', LC_ALL: 'C.UTF-8', MANWIDTH: '80' }
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (error !== undefined) throw error
  return { stdout, stderr }
}

/** The lines of a part, whose heading stands at the margin. */
function part(text: string, heading: string): string {
  const [, found = ''] = new RegExp(`^${heading}\\n([^]*?)^(?=\\S)`, 'm').exec(text) ?? []
  return found
}

/** The blocks of a part by their first lines, which stand a step from the margin. */
function blocks(text: string): Map<string, string> {
  const all = text.split(/^ {5}(?=\S)/m).slice(1)
  return new Map(all.map((block) => [block.slice(0, block.indexOf('\n')), block]))
}

const inline = (text: string): string => text.replaceAll(/\s+/g, ' ')
const quoted = (text: string): string => text.replaceAll(/`([^`]*)`/g, '‘$1’')
const asShown = (flags: string): string => flags.replaceAll(/<([^>]+?)(\.\.\.)?>/g, '$1').trim()

describe('the man page', () => {
  it('the man page is what `npm run docs` has written, and the same at each run', () => {
    expect(readFileSync('man/hq-token.1', 'utf8')).toBe(page)
    expect(manPage(commandLine())).toBe(page)
  })

  it('the man page gives mandoc and groff nothing to warn of', () => {
    expect(said('mandoc', ['-T', 'lint', '-W', 'warning', written(page)])).toEqual({ stdout: '', stderr: '' })
    const { stdout, stderr } = said('man', ['--warnings', '-E', 'UTF-8', '-l', written(page)])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^HQ-TOKEN\(1\) /)
  })

  describe.each(readers)('the man page by %s', (reader) => {
    let text = ''
    beforeAll(() => {
      text = shown[reader](page)
    })

    it('has its headings in the order of man pages, and no line that is too long', () => {
      const headings = text.split('\n').filter((line) => /^[A-Z][A-Z ]+$/.test(line))
      expect(headings.join(', ')).toBe(
        'NAME, SYNOPSIS, DESCRIPTION, COMMANDS, OPTIONS, ENVIRONMENT, FILES, EXIT STATUS, EXAMPLES, SEE ALSO',
      )
      expect(text.split('\n').filter((line) => line.length > 80)).toEqual([])
    })

    it('has every command with its usage, what it does, and each of its options', () => {
      const found = blocks(part(text, 'COMMANDS'))
      expect(commands.length).toBeGreaterThan(15)
      for (const command of commands) {
        const usage = command.usage().replaceAll(/<(.*?)>/g, '$1')
        const block = found.get(`${command.name()} ${usage.replaceAll('...]', ' ...]')}`.trim()) ?? ''
        expect([command.name(), block]).not.toContain('')
        const help = command.createHelp()
        const rows = [
          ...help
            .visibleArguments(command)
            .map((one) => [one.name(), help.argumentDescription(one)] as const),
          ...help
            .visibleOptions(command)
            .filter(({ long }) => long !== '--help')
            .map((option) => [asShown(option.flags), help.optionDescription(option)] as const),
        ]
        for (const [head, what] of rows) {
          const heads = block.split('\n').map((line) => /^ {13}(\S.*?)(?: {2}|$)/.exec(line)?.[1])
          expect(heads).toContain(head)
          // groff hyphenates.
          if (reader === 'mandoc') expect(inline(block)).toContain(` ${head} ${quoted(inline(what))} `)
        }
      }
    })

    it('has the options of all commands', () => {
      const found = part(text, 'OPTIONS')
      for (const { flags } of root.createHelp().visibleOptions(root))
        expect(found).toContain(`\n     ${asShown(flags)}\n`.replace('\n     --version', '     --version'))
    })

    it('has the variable of every key, with its section', () => {
      const found = part(text, 'ENVIRONMENT')
      for (const { section, key, env, supported } of configKeys)
        if (supported) expect(found).toMatch(new RegExp(`^ {5}${env}\\s+${key} in \\[${section}\\]`, 'm'))
        else expect(found).not.toContain(env)
    })

    it('has every exit code, and those of check by themselves', () => {
      const [codes = '', ofCheck = ''] = part(text, 'EXIT STATUS').split('exit codes of its own')
      for (const { exit } of exitCodes) expect(codes).toMatch(new RegExp(`^ {5}${exit} +\\S`, 'm'))
      for (const [state, exit] of Object.entries(CHECK_EXIT))
        expect(ofCheck).toMatch(new RegExp(`^ {5}${exit} +${state}$`, 'm'))
      expect(inline(codes)).toContain('At 4, ‘hq-token doctor’ says')
    })

    it('has the files where the program looks for them', () => {
      expect([...blocks(part(text, 'FILES')).keys()]).toEqual([
        '~/.config/hq-token/config.ini, /etc/hq-token/config.ini',
        '~/.config/hq-token/profiles/NAME.ini, /etc/hq-token/profiles/NAME.ini',
        '~/.local/state/hq-token/token.db',
        '~/.local/state/hq-token/token.lock',
        '~/.local/state/hq-token/token.rescue',
        'FILE.spent',
        'config.example.ini, docs/exit-codes.md',
      ])
    })

    it('parts no name at the end of a line, so that each can be searched for', () => {
      const parted = [...text.matchAll(/(\S+)[‐−]\n\s*(\S+)/g)].map(
        ([, before = '', after = '']) => before + after,
      )
      expect(parted.filter((word) => !/^\(?[A-Za-z]+[.,;:)]*$/.test(word))).toEqual([])
      expect(text.match(/\S[‐−]\S/g)).toBeNull()
    })

    it('shows whatever a description holds as it stands', () => {
      const odd = `.Sh "is" no 'heading', C:\\new\\%n ~ ^ \\fB \`code .Pp\` \\" ${'.br --x '.repeat(60)}…`
      const tree = new Command('hq-token').description('Keeps.').helpCommand(false)
      tree.command('Op').description(odd).argument('[Fl]', odd).option('-f, --Pp-x <Ar|"b c">', odd)
      const text = inline(shown[reader](manPage(tree)))
      const expected = quoted(odd).replace('…', '...').trim()
      expect(text).toContain(
        ` Op [options] [Fl] ${expected}. Fl ${expected} -f, --Pp-x Ar|"b c" ${expected} `,
      )
    })
  })

  it('the man page writes every hyphen as a minus, which can be copied wherever groff makes two characters of them', () => {
    const lines = page.split('\n').filter((line) => !/^\.(?:\\"|Bl |Bd )/.test(line))
    expect(lines.filter((line) => /(?<!\\)-/.test(line))).toEqual([])
  })

  it('the man page has no character that it cannot name', () => {
    const tree = new Command('hq-token').description('Keeps ü.')
    expect(() => manPage(tree)).toThrow('no name for ü')
    expect(page).toMatch(/^[\n -~]*$/)
  })
})

describe('the examples of the man page', () => {
  /** The lines of the example that begins so, as a person copies them. */
  const copied = (reader: keyof typeof shown, begin: string): string => {
    const text = part(shown[reader](page), 'EXAMPLES')
    const lines = text.slice(text.indexOf(begin)).split(/\n(?! {11}|$)/)[0] ?? ''
    return `${lines.replaceAll(/^ {11}/gm, '').trim()}\n`
  }

  it.each(readers)('the script, copied from %s, calls the API, and ends as hq-token does', async (reader) => {
    const here = await place()
    const path = join(folder(), 'script')
    const script = copied(reader, '#!/bin/sh')
    writeFileSync(path, script.replace('https://acme.highq.com/acme/', here.sandbox.url))
    chmodSync(path, 0o755)
    const bin = join(await packed(), 'node_modules/.bin')
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HQ_TOKEN_CONFIG: here.config }
    const { stdout } = await promisify(execFile)(path, { env })
    expect(stdout).toContain('Deal room')
    // Another store is empty, and the seed is spent.
    const none = join(here.dir, 'none.db')
    const failed = promisify(execFile)(path, { env: { ...env, HQ_TOKEN_STORE: none } })
    await expect(failed).rejects.toMatchObject({ code: 4, stdout: '' })
  })

  it.each(readers)(
    'the crontab, copied from %s, is one that cron takes, of commands that there are',
    (reader) => {
      const path = join(folder(), 'crontab')
      const lines = copied(reader, 'PATH=')
      writeFileSync(path, lines)
      expect(spawnSync('crontab', ['-n', path], { encoding: 'utf8' })).toMatchObject({ status: 0 })
      const calls = [...lines.matchAll(/ hq-token (\w+) (.*?)(?: -- .*)?$/gm)]
      expect(calls).toHaveLength(2)
      for (const [, name, rest = ''] of calls) {
        const known = commands.find((command) => command.name() === name)?.options.map(({ long }) => long)
        expect(known).toEqual(expect.arrayContaining(rest.match(/--[a-z-]+/g) ?? ['none']))
      }
    },
  )
})

describe('the man page of the packed tarball', () => {
  it('is linked by a global installation, and man finds it', { timeout: 300_000 }, async () => {
    const project = await packed()
    const prefix = folder()
    const [tarball = ''] = readdirSync(project).filter((name) => name.endsWith('.tgz'))
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--registry', await registry()]
    const env = { PATH: process.env['PATH'], HOME: folder(), npm_config_cache: folder() }
    const install = ['install', '-g', '--prefix', prefix, ...options, join(project, tarball)]
    await promisify(execFile)('npm', install, { env, cwd: project })
    const linked = join(prefix, 'share/man/man1/hq-token.1')
    expect(readlinkSync(linked)).toBe('../../../lib/node_modules/hq-token/man/hq-token.1')
    expect(readFileSync(linked, 'utf8')).toBe(page)
    const found = said('man', ['-w', '-M', join(prefix, 'share/man'), 'hq-token'])
    expect(found).toEqual({ stdout: `${realpathSync(linked)}\n`, stderr: '' })
    // man finds the page by the folder of the program, as for a prefix of the user's own.
    const ownPath = `${join(prefix, 'bin')}:${process.env['PATH'] ?? ''}`
    const own = spawnSync('man', ['-w', 'hq-token'], { encoding: 'utf8', env: { ...env, PATH: ownPath } })
    expect(own.stdout).toBe(`${realpathSync(linked)}\n`)
    expect(said('lexgrog', [linked]).stdout).toContain('"hq-token - keeps an OAuth2 token alive')
  })
})
