// `completion`, tried in real shells at a terminal: a person types, presses TAB, and reads what stands on the line.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { SHELLS, type Shell } from '../../src/cli/commands/completion/command.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { BIN, start } from '../support/processes.js'
import { atTerminal, type Step } from '../support/terminal.js'

type Tried = Exclude<Shell, 'powershell'>

/** Shows the line and empties it. Bound in each shell to this key. */
const SHOW = '\u0014'

/** How a shell gets the script: by `source` in its start file, or from the folder where it looks by itself. */
type Way = 'sourced' | 'sourced twice' | 'autoloaded' | 'sourced, with odd options'

/** A home folder with an hq-token that leaves a trace of every run, and all that lines below name. */
function home(): string {
  const dir = folder()
  for (const name of [
    'bin',
    'units',
    'conf dir/profiles',
    '.config/hq-token/profiles',
    '.config/fish/completions',
  ])
    mkdirSync(join(dir, name), { recursive: true })
  for (const name of ['acme', 'beta', 'Not One', '-x', 'a$(touch pwned)'])
    writeFileSync(join(dir, 'conf dir/profiles', `${name}.ini`), '')
  writeFileSync(join(dir, '.config/hq-token/profiles/home.ini'), '')
  writeFileSync(join(dir, 'token.txt'), 'kept\n')
  writeFileSync(join(dir, 'my seed.ini'), '')
  for (const name of ['hq-token', 'only-here']) {
    writeFileSync(join(dir, 'bin', name), `#!/bin/sh\necho ran >> "${dir}/ran"\n`)
    chmodSync(join(dir, 'bin', name), 0o755)
  }
  return dir
}

const text = (shell: Shell): string =>
  execFileSync(process.execPath, [BIN, 'completion', shell], {
    encoding: 'utf8',
    env: { HQ_TOKEN_CONFIG: '/none' },
  })

/** The start file of each shell, and the command that reads it. */
const SET_UP: Readonly<
  Record<Tried, (dir: string, way: Way) => { argv: string[]; lines: string[]; place: string }>
> = {
  bash: (dir, way) => ({
    argv: ['/bin/bash', '--noprofile', '--rcfile', join(dir, 'rc'), '-i'],
    place: '.local/share/bash-completion/completions/hq-token',
    lines: [
      'bind "set show-all-if-ambiguous on"; bind "set page-completions off"; bind "set completion-query-items 0"',
      'show() { printf "<<%s>>\\n" "$READLINE_LINE"; READLINE_LINE=; READLINE_POINT=0; }',
      `bind -x '"\\C-t": show'`,
      ...(way === 'autoloaded' ? ['. /usr/share/bash-completion/bash_completion'] : []),
      ...(way === 'sourced, with odd options' ? ['set -euf; shopt -s failglob nocasematch; IFS=-et'] : []),
    ],
  }),
  zsh: (dir, way) => ({
    argv: ['/bin/zsh', '-d', '-i'],
    place: 'functions/_hq-token',
    lines: [
      'unsetopt prompt_sp; unset zle_bracketed_paste',
      'show() { print -r -- "<<$BUFFER>>"; BUFFER=; }; zle -N show; bindkey "^T" show',
      ...(way === 'autoloaded'
        ? [`fpath=(${dir}/functions $fpath); autoload -Uz compinit; compinit -D -u`]
        : []),
      ...(way === 'sourced, with odd options'
        ? ['alias -g L=less; setopt ksh_arrays sh_word_split sh_glob ignore_braces rc_quotes no_unset']
        : []),
    ],
  }),
  fish: () => ({
    argv: ['/usr/bin/fish', '-i'],
    place: '.config/fish/completions/hq-token.fish',
    lines: [
      'set -g fish_greeting; set -g fish_autosuggestion_enabled 0',
      'function show; printf "<<%s>>\\n" (commandline); commandline -r ""; commandline -f repaint; end',
      'bind \\ct show',
    ],
  }),
}

/** A line, and what stands there after a TAB; or what is listed. */
interface Try {
  readonly typed: string
  readonly becomes: string
  readonly lists?: readonly string[]
}

/** @returns What stood on each line in the end. Nothing was run, and no file is another one. */
async function tabs(
  shell: Tried,
  way: Way,
  tries: readonly Try[],
  more: NodeJS.ProcessEnv = {},
): Promise<string[]> {
  const dir = home()
  const { argv, lines, place } = SET_UP[shell](dir, way)
  const script = join(dir, way === 'autoloaded' ? place : 'script')
  mkdirSync(join(script, '..'), { recursive: true })
  writeFileSync(script, text(shell))
  const times = { sourced: 1, 'sourced twice': 2, autoloaded: 0, 'sourced, with odd options': 1 }[way]
  const rc = [
    `cd ${dir}`,
    ...lines,
    ...Array.from({ length: times }, () => `. ${script}`),
    'echo "<<ready>>"',
    '',
  ]
  const start = { bash: 'rc', zsh: '.zshrc', fish: '.config/fish/config.fish' }[shell]
  writeFileSync(join(dir, start), rc.join('\n'))
  const before = readdirSync(dir).sort()
  const steps = tries.flatMap(({ typed, lists = [] }, nth): Step[] => [
    { after: nth === 0 ? '<<ready>>' : '<<[^\\n]*>>', type: `${typed}\t${lists.length > 0 ? '' : SHOW}` },
    // In any order.
    ...(lists.length > 0 ? [{ after: lists.map((one) => `(?=[\\s\\S]*${one})`).join(''), type: SHOW }] : []),
  ])
  const env = {
    ...{
      PATH: `${dir}/bin:/usr/bin:/bin`,
      HOME: dir,
      ZDOTDIR: dir,
      TERM: shell === 'fish' ? 'xterm' : 'dumb',
      PS1: '$ ',
      LC_ALL: 'C.UTF-8',
      HISTFILE: '',
    },
    ...{ HQ_TOKEN_CONFIG_DIR: `${dir}/conf dir`, ...more },
  }
  const end = { after: '<<[^\\n]*>>', type: 'exit\r' }
  const { said } = await atTerminal(argv, [...steps, end], env, 200)
  const after = readdirSync(dir).filter((name) => before.includes(name) || !/^\.(?:local|cache)$/.test(name))
  expect(after.sort()).toEqual(before)
  expect(readFileSync(join(dir, 'token.txt'), 'utf8')).toBe('kept\n')
  return [...said.matchAll(/<<([^\n]*?)>>\r?\n/g)].slice(1).map(([, line = '']) => line.replace(/[= ]+$/, ''))
}

const one = (typed: string, becomes = typed.trimEnd()): Try => ({ typed, becomes })

/** The table that holds in each shell. */
const COMMON: readonly Try[] = [
  one('hq-token st', 'hq-token status'),
  one('hq-token notify --te', 'hq-token notify --test'),
  one('hq-token get --fo', 'hq-token get --format'),
  one('hq-token get --format js', 'hq-token get --format json'),
  one('hq-token get --format=js', 'hq-token get --format=json'),
  one('hq-token get --rejected ', 'hq-token get --rejected -'),
  one('hq-token --log-format js', 'hq-token --log-format json'),
  one('hq-token -v --profile acme get --rej', 'hq-token -v --profile acme get --rejected'),
  one('hq-token get --verb', 'hq-token get --verbose'),
  one('hq-token check -w 14d: --cri', 'hq-token check -w 14d: --critical'),
  one('hq-token schedule sy', 'hq-token schedule systemd'),
  one('hq-token schedule systemd --dir uni', 'hq-token schedule systemd --dir units/'),
  one('hq-token completion po', 'hq-token completion powershell'),
  one('hq-token help ge', 'hq-token help get'),
  one('hq-token seed my', 'hq-token seed my\\ seed.ini'),
  one('hq-token --config tok', 'hq-token --config token.txt'),
  one('hq-token get --outfile=tok', 'hq-token get --outfile=token.txt'),
  one('hq-token --profile ac', 'hq-token --profile acme'),
  one('hq-token get --profile=be', 'hq-token get --profile=beta'),
  one('hq-token exec only-h', 'hq-token exec only-here'),
  one('hq-token exec --min-valid 5m -- only-h', 'hq-token exec --min-valid 5m -- only-here'),
  one('hq-token exec -- only-here tok', 'hq-token exec -- only-here token.txt'),
  // An operand that cannot be foreseen does not hide the options.
  one('hq-token api --inc', 'hq-token api --include'),
  one('hq-token api -X GET --inc', 'hq-token api -X GET --include'),
  one('hq-token credential --prot', 'hq-token credential --protocol'),
  one('hq-token get > tok', 'hq-token get > token.txt'),
  // A value that nobody can foresee, and no file either.
  one('hq-token get --min-valid tok'),
  one('hq-token api tok'),
  one('hq-token get tok'),
  // A hidden option.
  one('hq-token get --tim'),
]

/** The shells hand these on, bash by its package alone. */
const BEHIND: readonly Try[] = [
  one('sudo hq-token st', 'sudo hq-token status'),
  one('sudo -u root hq-token get --fo', 'sudo -u root hq-token get --format'),
  one('nice hq-token get --format=js', 'nice hq-token get --format=json'),
]

/** Lines that a careless script would run, or write a file by. */
const HOSTILE: readonly Try[] = [
  one('hq-token get > token.txt --fo', 'hq-token get > token.txt --format'),
  one('hq-token api $(touch pwned) --inc', 'hq-token api $(touch pwned) --include'),
  one('hq-token get >token.txt 2>token.txt --fo', 'hq-token get >token.txt 2>token.txt --format'),
  one('hq-token seed * --fo', 'hq-token seed * --force'),
  one('hq-token seed "a $(touch pwned)" --fo', 'hq-token seed "a $(touch pwned)" --force'),
  one('hq-token get --outfile $(touch pwned) --rej', 'hq-token get --outfile $(touch pwned) --rejected'),
  one('hq-token --profile $(touch pwned) get --rej', 'hq-token --profile $(touch pwned) get --rejected'),
  one("hq-token api 'x; touch pwned; --inc"),
  one('hq-token seed ${x:=$(touch pwned)} --fo', 'hq-token seed ${x:=$(touch pwned)} --force'),
]

const NATIVE: Readonly<Record<Tried, readonly Try[]>> = {
  // bash itself asks no script where a ` is on the line.
  bash: [
    one('hq-token seed > token.txt my', 'hq-token seed > token.txt my\\ seed.ini'),
    one('hq-token api `touch pwned` --inc'),
    one('hq-token seed $(touch pwned)/'),
  ],
  zsh: [
    one('hq-token seed > token.txt my', 'hq-token seed > token.txt my\\ seed.ini'),
    one('hq-token api `touch pwned` --inc', 'hq-token api `touch pwned` --include'),
  ],
  fish: [
    one('hq-token api (touch pwned) --inc', 'hq-token api (touch pwned) --include'),
    one('hq-token exec only-here (touch pwned) tok', 'hq-token exec only-here (touch pwned) token.txt'),
    one('hq-token seed (touch pwned)/'),
  ],
}

/** fish has another syntax for these. */
const isOf =
  (shell: Tried) =>
  ({ typed }: Try) =>
    shell !== 'fish' || !/\$\{/.test(typed)

beforeAll(() => {
  requirePrograms('python3', 'bash', 'zsh', 'fish', [
    '/usr/share/bash-completion/bash_completion',
    'bash-completion',
  ])
})

describe.each(['bash', 'zsh', 'fish'] as const)('completion in %s', (shell) => {
  const ways: readonly Way[] = [
    'sourced twice',
    'autoloaded',
    ...(shell === 'fish' ? [] : ['sourced, with odd options' as const]),
  ]

  it(`completion in ${shell} is a script that ${shell} -n takes without a word`, () => {
    const script = join(folder(), 'script')
    writeFileSync(script, text(shell))
    const { status, stdout, stderr } = spawnSync(shell, ['-n', script], { encoding: 'utf8' })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  it.each(ways)(
    `completion in ${shell} finds commands, options, choices, files and profiles: %s`,
    async (way) => {
      expect(await tabs(shell, way, COMMON)).toEqual(COMMON.map(({ becomes }) => becomes))
    },
  )

  it.each(ways)(
    `completion in ${shell} runs and writes nothing, whatever is on the line: %s`,
    async (way) => {
      const tries = [...HOSTILE, ...NATIVE[shell]].filter(isOf(shell))
      expect(await tabs(shell, way, tries)).toEqual(tries.map(({ becomes }) => becomes))
    },
  )

  it(`completion in ${shell} is there behind commands that run others, too`, async () => {
    expect(await tabs(shell, 'autoloaded', BEHIND)).toEqual(BEHIND.map(({ becomes }) => becomes))
  })

  it(`completion in ${shell} lists what can stand there`, async () => {
    const lists = [
      { typed: 'hq-token ', becomes: 'hq-token', lists: ['sandbox', 'completion', 'schedule', 'init'] },
      {
        typed: 'hq-token credential --protocol ',
        becomes: 'hq-token credential --protocol',
        lists: ['bazel', 'google', 'kubernetes'],
      },
      { typed: 'hq-token --profile ', becomes: 'hq-token --profile', lists: ['acme', 'beta'] },
    ]
    expect(await tabs(shell, 'sourced', lists)).toEqual(lists.map(({ becomes }) => becomes))
  })

  it(`completion in ${shell} finds profiles in the home folder where no folder is named`, async () => {
    const tries = [one('hq-token --profile ho', 'hq-token --profile home'), one('hq-token --profile ac')]
    const env = { HQ_TOKEN_CONFIG_DIR: undefined, XDG_CONFIG_HOME: undefined }
    expect(await tabs(shell, 'sourced', tries, env)).toEqual(tries.map(({ becomes }) => becomes))
  })
})

describe('completion by the shell itself', () => {
  it('completion in bash is by the package bash-completion behind exec, where that is there', async () => {
    const tries = [one('hq-token exec -t 5m -- bash --rcf', 'hq-token exec -t 5m -- bash --rcfile')]
    expect(await tabs('bash', 'autoloaded', tries)).toEqual(tries.map(({ becomes }) => becomes))
  })

  it.each<[Tried, Way]>([
    ['bash', 'autoloaded'],
    ['zsh', 'autoloaded'],
    ['zsh', 'sourced, with odd options'],
    ['fish', 'autoloaded'],
  ])('completion in %s is its own for options behind exec: %s', async (shell, way) => {
    const tries = ['exec ls', 'exec -- ls', 'exec -t 5m -- ls'].map((before) =>
      one(`hq-token ${before} --vers`, `hq-token ${before} --version`),
    )
    expect(await tabs(shell, way, tries)).toEqual(tries.map(({ becomes }) => becomes))
  })

  it('completion in PowerShell is a script that its parser takes, where there is one', () => {
    const script = join(folder(), 'completion.ps1')
    writeFileSync(script, text('powershell'))
    const parse = `$e = $null; [void][System.Management.Automation.Language.Parser]::ParseFile('${script}', [ref]$null, [ref]$e); $e`
    const { error, stdout } = spawnSync('pwsh', ['-NoProfile', '-Command', parse], { encoding: 'utf8' })
    if (error === undefined) expect(stdout).toBe('')
    else process.stderr.write('no pwsh on this machine: its parser has not read the script for PowerShell\n')
  })
})

describe('the script of completion', () => {
  it.each(SHELLS)(
    'the script of completion %s is either whole or an exit code: a full disk ends with 74',
    async (shell) => {
      const { code, stderr } = await start(['completion', shell], { stdout: openSync('/dev/full', 'w') }).done
      expect({ code, stderr }).toEqual({ code: 74, stderr: expect.stringContaining('ENOSPC') as string })
    },
  )
})
