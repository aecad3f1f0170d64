// `completion` prints scripts that offer what commander's program takes. The shells themselves: test/e2e/completion.test.ts.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { SHELLS, type Shell } from '../../src/cli/commands/completion/command.js'
import { treeOf } from '../../src/cli/commands/completion/tree.js'
import { program } from '../../src/cli/program.js'
import { told, type WorldOptions } from '../support/world.js'

const root = program(
  undefined as never,
  () => undefined,
  () => undefined,
)
const namesOf = (command: Command): string[] =>
  command.options.flatMap(({ short, long, hidden }) => (hidden ? [] : [short ?? [], long ?? []].flat()))

async function script(shell: Shell, options: WorldOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await told(['completion', shell], options)
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** The options that a script offers behind a command, read from its own table. */
const OFFERED: Readonly<Record<Shell, (text: string, command: string) => readonly string[]>> = {
  bash: (text, command) =>
    new RegExp(`^ {2}(?:.* \\| )?${command}(?: \\| .*)?\\) found='(.*)' ;;$`, 'm')
      .exec(text)?.[1]
      ?.split(' ') ?? [],
  zsh: (text, command) =>
    [
      /^ {2}specs=\(\n([^]*?)^ {2}\)$/m,
      new RegExp(`^ {2}${command}\\)\\n {4}specs\\+=\\(\\n([^]*?)^ {4}\\)$`, 'm'),
    ]
      .flatMap((block) => [
        ...(block.exec(text)?.[1] ?? '').matchAll(/^ +'(?:\*|\([^)]*\))(-[\w-]+)[+=]?\[/gm),
      ])
      .map(([, name = '']) => name),
  fish: (text, command) =>
    text
      .split('\n')
      .filter((line) => /-n 'not /.test(line) || line.includes(`-n '__hq_token_at ${command}`))
      .flatMap((line) => [...line.replace(/ -d .*/, '').matchAll(/ -([ls]) (\S+)/g)])
      .map(([, kind, name = '']) => `${kind === 'l' ? '--' : '-'}${name}`),
  powershell: (text, command) =>
    text.split('\n').flatMap((line) => {
      const [of, name = ''] = line.split('|')
      return (of === command || of === '*') && name.startsWith('-') ? [name] : []
    }),
}

describe.each(SHELLS)('completion %s', (shell) => {
  it.each(root.commands.map((command) => command.name()))(
    `completion ${shell} offers each visible option of %s, and no hidden one`,
    async (name) => {
      const command = root.commands.find((one) => one.name() === name)
      const wanted = [...namesOf(command as Command), ...namesOf(root), '-h', '--help']
      expect([...new Set(OFFERED[shell](await script(shell), name))].sort()).toEqual(
        [...new Set(wanted)].sort(),
      )
    },
  )

  it(`completion ${shell} names each command, with the words of its help where the shell shows them`, async () => {
    const text = await script(shell)
    for (const command of root.commands) {
      expect(text).toMatch(new RegExp(`[ '|]${command.name()}[ :'|]`))
      if (shell !== 'bash') expect(text).toContain(command.description())
    }
  })

  it(`completion ${shell} offers every choice of an option and of an argument`, async () => {
    const text = await script(shell)
    const lists = root.commands.flatMap(({ options, registeredArguments }) =>
      [...options, ...registeredArguments].flatMap(({ argChoices }) => (argChoices ? [argChoices] : [])),
    )
    expect(lists.length).toBeGreaterThan(4)
    for (const list of lists) expect(text).toContain(list.join(' '))
  })

  it(`completion ${shell} is the same text at each run, in plain ASCII, whatever the configuration is`, async () => {
    const text = await script(shell)
    const env = { HQ_TOKEN_CONFIG: '/nowhere/config.ini', HQ_TOKEN_NO_SUCH_KEY: '1', LANG: 'de_DE.UTF-8' }
    expect(await script(shell, { env, terminal: 40 })).toBe(text)
    expect((await told(['-v', '--profile', 'none', 'completion', shell])).stdout).toBe(text)
    expect(text).toMatch(/^[\n\x20-\x7e]+\n$/)
    // Words of the templates that are filled in.
    expect(text).not.toMatch(/\b(?:SKIPPED|VALUES|OPTIONS|ROWS|NAMES|COMMON|PROGRAM|DESCRIBED|ARGUMENTS)\b/)
  })

  it(`completion ${shell} ends with 74 where standard output takes nothing`, async () => {
    expect(await told(['completion', shell], { broken: true })).toMatchObject({ code: 74, stdout: '' })
  })
})

describe('completion', () => {
  it.each([
    [[], "missing required argument 'shell'"],
    [['tcsh'], 'Allowed choices are bash, zsh, fish, powershell.'],
    [['BASH'], 'Allowed choices are bash, zsh, fish, powershell.'],
    [['bash', 'zsh'], 'too many arguments'],
  ])('completion %j is wrong usage, and guesses nothing from SHELL', async (args, message) => {
    const { code, stdout, stderr } = await told(['completion', ...args], { env: { SHELL: '/bin/zsh' } })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
    expect(stderr).toContain('hq-token completion --help')
  })

  it('completion --help names the place of each script', async () => {
    const { stdout } = await told(['completion', '--help'])
    expect(stdout).toContain('completion bash > ~/.local/share/bash-completion/completions/hq-token\n')
    expect(stdout).toContain('completion zsh > "${fpath[1]}/_hq-token"\n')
    expect(stdout).toContain('completion fish > ~/.config/fish/completions/hq-token.fish\n')
    expect(stdout).toContain('completion powershell | Out-String | Invoke-Expression\n')
  })

  it('completion knows aliases, and offers no hidden command', () => {
    const made = new Command('made')
    made.command('shown').alias('other').option('--yes', 'yes')
    made.command('secret', { hidden: true }).option('--no', 'no')
    const { program: top, commands } = treeOf(made)
    expect(top.operands).toEqual([['shown', 'other', 'help']])
    expect(commands.map(({ names }) => names)).toEqual([['shown', 'other'], ['help']])
  })

  it('completion reads one level of commands, and there is no other', () => {
    expect(root.commands.flatMap(({ commands }) => commands)).toEqual([])
  })

  it('completion is in a file of its own that no other command loads', () => {
    const files = readdirSync('dist').filter((name) => name.endsWith('.cjs'))
    const holds = files.filter((name) => readFileSync(join('dist', name), 'utf8').includes('COMPREPLY'))
    expect(holds).toEqual(['completion.cjs'])
  })
})
