// Holds the pages for Windows and macOS to the program: their commands, exit codes, paths and settings.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { program } from '../src/cli/program.js'
import { usualFiles } from '../src/config/locate.js'
import { configKeys } from '../src/config/keys.js'
import { defaultStore, type Surroundings } from '../src/config/paths.js'
import { Exit } from '../src/core/errors.js'
import { HELD_MS } from '../src/platform/held-files.js'
import { lastCopyFolders } from '../src/store/rescue/last-copies.js'

const PAGES = ['docs/windows.md', 'docs/macos.md', 'docs/keeping-it-alive.md']
const page = (name: string): string => readFileSync(name, 'utf8')
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(([, code = '']) => code)

/** The words of each `hq-token …` in the code of a page, up to the end of that command, and those of a task. */
function typed(text: string): string[][] {
  const code = [
    ...['sh', 'powershell', 'bat'].flatMap((language) => blocks(text, language)),
    ...[...text.matchAll(/`([^`\n]+)`/g)].map(([, words = '']) => words),
  ]
  const lines = code.flatMap((block) => block.replace(/ [\\`]\n\s*/g, ' ').split('\n'))
  // The value of an option, such as an account of this name, is no command.
  const own = /(?<![^ (]| -\w+ )"?(?:\S*\\)?hq-token(?:\.cmd)?"? (?=[a-z-])([^|;&)]*)|-Argument '([^']*)'/g
  return lines
    .filter((line) => !/^npm |-TaskName /.test(line))
    .flatMap((line) => [...line.matchAll(own)].map(([, words, task]) => wordsOf(words ?? task ?? '')))
}

function wordsOf(line: string): string[] {
  const words = line.replace(/ #.*$/, '').matchAll(/'[^']*'|"[^"]*"|\S+/g)
  return [...words].map(([word]) => word.replace(/^(['"])(.*)\1$/, '$2'))
}

/** Reads a command line as commander does, and runs nothing. */
function parse(words: readonly string[]): void {
  const silent = (): undefined => undefined
  const root = program(undefined as never, silent, silent)
  const quiet = (command: Command): Command =>
    command.exitOverride().configureOutput({ writeErr: silent, writeOut: silent })
  for (const command of quiet(root).commands) quiet(command).action(silent)
  root.parse(words, { from: 'user' })
}

describe('the pages for Windows and macOS', () => {
  it.each(PAGES)('the commands of %s are taken by the program', (name) => {
    const commands = typed(page(name))
    expect(commands.length).toBeGreaterThan(4)
    for (const words of commands)
      expect(() => {
        parse(words)
      }, words.join(' ')).not.toThrow(
        words.length === 1 ? /unknown/ : /unknown|invalid|missing|too many|required/,
      )
  })

  it('a wrong command of a page is found', () => {
    expect(() => {
      parse(['get', '--min-vald', '5m'])
    }).toThrow(/unknown option/)
    expect(typed('`hq-token.cmd get --x y | more`')).toEqual([['get', '--x', 'y']])
  })

  it('each Last Run Result is its exit code, and none is left out', () => {
    const rows = [...page('docs/windows.md').matchAll(/^\| `0x(\w+)` \| ?(\d*) \|/gm)]
    const codes = rows.flatMap(([, hex = '', code = '']) =>
      code === '' ? [] : [[parseInt(hex, 16), Number(code)]],
    )
    for (const [hex, code] of codes) expect(hex).toBe(code)
    expect(codes.map(([, code]) => code)).toEqual(Object.values(Exit).sort((a, b) => a - b))
    // The codes of Windows itself: SCHED_S_TASK_RUNNING, …_HAS_NOT_RUN, …_TERMINATED.
    expect(rows.flatMap(([, hex = '', code]) => (code === '' ? [hex] : []))).toEqual([
      '41301',
      '41303',
      '41306',
    ])
  })

  it('the settings of the task that the page explains are in the task that is printed', () => {
    const rows = [...page('docs/windows.md').matchAll(/^\| (`-.*?) \|/gm)].map(([, cell = '']) => cell)
    const settings = rows.flatMap((cell) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, setting = '']) => setting),
    )
    expect(settings).toContain('-ExecutionTimeLimit 00:10:00')
    const task = page('test/golden/schedule-windows.txt')
    expect(settings.filter((setting) => !task.includes(setting))).toEqual([])
  })

  it('each path of Windows is where the program looks for it', () => {
    const variables = { APPDATA: 'C:\\A', LOCALAPPDATA: 'C:\\L', ProgramData: 'C:\\P' }
    const paths = pathsOf({ platform: 'win32', env: variables, homedir: () => 'C:\\U' }).map((path) =>
      Object.entries(variables).reduce((text, [name, value]) => text.replace(value, `%${name}%`), path),
    )
    // The folder of npm's programs is no place of ours.
    const named = [...page('docs/windows.md').matchAll(/%\w+%\\(?!npm\b)[\w.\\-]+/g)].map(([path]) => path)
    expect([...new Set(named)].sort()).toEqual(
      paths.filter((path) => !/ProgramData%.*profiles/.test(path)).sort(),
    )
  })

  it('each path of macOS is where the program looks for it', () => {
    const paths = pathsOf({ platform: 'darwin', env: {}, homedir: () => '/home' }).map((path) =>
      path.replace('/home', '~'),
    )
    const named = [...page('docs/macos.md').matchAll(/(?:~\/\.|\/etc\/)[\w./-]+\.(?:ini|db)/g)].map(
      ([path]) => path,
    )
    expect([...new Set(named)].sort()).toEqual(
      paths.filter((path) => !/^\/etc\/.*profiles/.test(path)).sort(),
    )
    for (const folder of lastCopyFolders({}, 'darwin', '$TMPDIR'))
      expect(page('docs/macos.md')).toContain(`\`${folder}\``)
  })

  it('the settings in the pages are settings of the program', () => {
    const settings = PAGES.flatMap((name) => blocks(page(name), 'ini')).flatMap((block) => {
      const [, section] = /^\[(\w+)\]$/m.exec(block) ?? []
      return [...block.matchAll(/^(\w+) = /gm)].map(([, key]) => `${section}.${key}`)
    })
    expect(settings).toEqual(['network.ca_file', 'network.proxy', 'client.client_secret_command'])
    const known = configKeys.map(({ section, key }) => `${section}.${key}`)
    expect(known).toEqual(expect.arrayContaining(settings))
  })

  it('a file that is held is tried as long as the page says', () => {
    expect(page('docs/windows.md')).toContain(`tries for ${HELD_MS / 1000} s.`)
  })

  it('the recipes for PowerShell are read by its parser without an error, where there is one', () => {
    const scripts = blocks(page('docs/windows.md'), 'powershell')
    expect(scripts.length).toBeGreaterThan(10)
    const parser =
      '[System.Management.Automation.Language.Parser]::ParseInput([Console]::In.ReadToEnd(), [ref]$null, [ref]$errors)'
    const read = `$errors = $null; $null = ${parser}; $errors | ForEach-Object { $_.Message }; exit $errors.Count`
    if (spawnSync('pwsh', ['-Version']).error !== undefined) {
      process.stderr.write(
        'no pwsh on this machine: its parser has not read the recipes of docs/windows.md\n',
      )
      return
    }
    for (const input of scripts) {
      const { stdout, status } = spawnSync('pwsh', ['-NoProfile', '-Command', read], {
        input,
        encoding: 'utf8',
      })
      expect([stdout, status]).toEqual(['', 0])
    }
  })

  it('a failure of hq-token ends each script of the pages that goes on with a token', () => {
    const scripts = blocks(page('docs/windows.md'), 'powershell').filter((one) =>
      /hq-token\.cmd get(?! --outfile)/.test(one),
    )
    expect(scripts.filter((one) => one.includes(' get '))).not.toEqual([])
    for (const script of scripts.filter((one) => !one.includes('--outfile')))
      expect(script).toMatch(/hq-token\.cmd get .*\nif \(\$LASTEXITCODE\) \{ exit \$LASTEXITCODE \}\n/)
  })

  it('the page on reliability names every file of scenarios for Windows', () => {
    const files = readdirSync('test/windows').filter((name) => name.endsWith('.mjs') && name !== 'run.mjs')
    expect(files.filter((file) => !page('docs/reliability.md').includes(`| \`${file}\` |`))).toEqual([])
  })
})

/** The files of a configuration with and without a profile. */
function pathsOf(around: Surroundings): string[] {
  return [undefined, 'NAME'].flatMap((profile) => [
    ...usualFiles(profile, around).map(({ path }) => path),
    defaultStore(profile, around).path,
  ])
}
