// Puts the man page together from commander's tree and the tables of the program; `npm run docs` writes it. Writes nothing.
import { exitCodes } from '../build/cli/exit-codes.js'
import { configKeys } from '../build/config/keys.js'
import { usualFiles } from '../build/config/locate.js'
import { defaultStore } from '../build/config/paths.js'
import { CHECK_EXIT } from '../build/core/check.js'
import { storePaths } from '../build/store/paths.js'
import { argument, display, lines, list, section, text } from './mdoc.js'
import { variables } from './variables.js'

/**
 * The day on which the page was first written. It stands still, because a page that had the day of its making would be stale on
 * the next one; the CHANGELOG has the days of the releases.
 */
const DATE = 'November 29, 2026'

/** @param root The whole command line, as commander has it. */
export function manPage(root) {
  const sections = [
    '.\\" Made by `npm run docs`; changes here are lost.',
    `.Dd ${DATE}\n.Dt HQ\\-TOKEN 1\n.Os hq\\-token`,
    section('NAME', `.Nm hq\\-token\n.Nd ${text(root.description()).replace(/\.$/, '').replace(/^K/, 'k')}`),
    section('SYNOPSIS', '.Nm\n.Op Ar options\n.Ar command\n.Op Ar arguments'),
    section('DESCRIPTION', description()),
    section(
      'COMMANDS',
      text('Each also takes the options under OPTIONS, before its name or behind it.'),
      commands(root),
    ),
    section('OPTIONS', list(optionsOf(root)), '.Pp', text(VALUES)),
    section('ENVIRONMENT', environment()),
    section('FILES', list(files())),
    section('EXIT STATUS', exits()),
    section('EXAMPLES', examples()),
    section('SEE ALSO', '.Xr curl 1 ,\n.Xr crontab 5 ,\n.Xr systemd.timer 5'),
  ]
  return `${sections.join('\n')}\n`
}

const VALUES = 'A duration is a number of seconds, or says its unit: 90s, 30m, 5h, 10d, 2w, 1h30m.'

function description() {
  return lines(
    '.Nm',
    text(
      'keeps an OAuth2 token alive for scripts that run with nobody there: for the API of HighQ Collaborate, and for any server with a refresh grant. It refreshes the token when that is needed, saves the answer before anything else can happen, and serves any number of processes at once.',
    ),
    '.Pp',
    text(
      'To begin: `hq-token init` writes the config file, and `hq-token login` obtains the first tokens with a person in a browser, or `hq-token seed` imports them from a file. From then on `get`, `exec`, `api` and `credential` hand out or use a token that works. `hq-token schedule` prints what keeps the grant alive while no job runs; `[notify]` in the config file and `hq-token check` tell people before it ends. `hq-token help COMMAND` says more of a command, and has examples.',
    ),
    '.Pp',
    text(
      'Standard output carries the token or nothing. Standard error says what is wrong, then what to type next; the exit status says who has to act.',
    ),
    '.Pp',
    text(
      'Each refresh replaces both tokens. So no other program, no second machine and no copy of the store may refresh with the same grant: many servers end it then. Several machines share one store by `url` in `[store]`.',
    ),
  )
}

function commands(root) {
  const helper = root.createHelp()
  return list(
    helper.visibleCommands(root).map((command) => {
      const own = command.createHelp()
      const operands = own
        .visibleArguments(command)
        .map((one) => [`Ar ${argument(one.name())}`, text(own.argumentDescription(one))])
      // The option for help is shown once, with the program's own options.
      const options = optionsOf(command).filter(([head]) => !head.includes('\\-help'))
      return [
        `Cm ${argument(command.name())} ${usage(command)}`.trim(),
        lines(text(sentence(helper.subcommandDescription(command))), list([...operands, ...options])),
      ]
    }),
  )
}

/** `[options] -- <command> [arguments...]`, in macros. */
function usage(command) {
  const words = command.usage().match(/\S+/g) ?? []
  return words
    .map((word) => {
      if (word === '--') return 'Fl \\-'
      const [, open, name, more] = /^([[<])(.+?)(\.\.\.)?[\]>]$/.exec(word) ?? []
      if (name === undefined) throw new Error(`the usage of ${command.name()} has ${word}`)
      const shown = `Ar ${argument(name)}${more === undefined ? '' : ' ...'}`
      return open === '[' ? `Oo ${shown} Oc` : shown
    })
    .join(' ')
}

function optionsOf(command) {
  const helper = command.createHelp()
  return helper.visibleOptions(command).map((option) => {
    const [, value] = / <(.+)>$/.exec(option.flags) ?? []
    const names = [option.short, option.long].filter((name) => name != null)
    const flags = names.map((name) => `Fl ${argument(name.slice(1))}`).join(' , ')
    return [
      value === undefined ? flags : `${flags} Ar ${argument(value)}`,
      text(helper.optionDescription(option)),
    ]
  })
}

function environment() {
  const keys = configKeys
    .filter(({ supported }) => supported)
    .map(({ section: name, key, env, default: usual, description: meaning }) => [
      `Ev ${env}`,
      text(`${key} in [${name}]${usual === null ? '' : `, by default ${usual}`}. ${meaning}`),
    ])
  const others = variables.map(([names, meaning]) => [
    names.map((name) => `Ev ${name}`).join(' , '),
    text(meaning),
  ])
  return lines(list(others), '.Pp', text(KEYS), list(keys))
}

const KEYS =
  'Each key of the config file has a variable, which wins over the file and holds for every profile. An empty one counts as unset. These are the keys:'

function files() {
  const around = { env: {}, platform: 'linux', homedir: () => '/home' }
  const shown = (path) => path.replace(/^\/home\//, '~/')
  const all = (located) => located.map(({ path }) => `Pa ${argument(shown(path))}`).join(' , ')
  const store = defaultStore(undefined, around).path
  const { lock, rescue } = storePaths(store)
  return [
    [
      all(usualFiles(undefined, around)),
      text(
        'The config file, an INI file: the first of these that is there. `$XDG_CONFIG_HOME` takes the place of `~/.config`. Where it holds a secret, nobody else may read it. A relative path in it is relative to it.',
      ),
    ],
    [all(usualFiles('NAME', around)), text('That of the profile NAME.')],
    [
      `Pa ${argument(shown(store))}`,
      text(
        'The store, which keeps the tokens; that of the profile NAME is `NAME.db`. `$XDG_STATE_HOME` takes the place of `~/.local/state`. Do not use a copy on a second machine, nor put an older one back. With `url` in `[store]` the tokens are in that database, and `token.seat` keeps what this host needs.',
      ),
    ],
    [`Pa ${argument(shown(lock))}`, text('The lock of the store. It stays for ever: do not remove it.')],
    [
      `Pa ${argument(shown(rescue))}`,
      text(
        'An answer of the server until it is saved. Where the disk of the store fails, the answer goes to `/var/tmp` or `/dev/shm`, and the next command takes it up.',
      ),
    ],
    [
      'Pa FILE.spent',
      text(
        'Marks the seed file FILE, whose refresh token has been replaced: it is not imported again by itself.',
      ),
    ],
    [
      'Pa config.example.ini , Pa docs/exit\\-codes.md',
      text('All about the keys and the exit codes, in the folder of the package: `$(npm root -g)/hq-token`.'),
    ],
  ]
}

function exits() {
  const rows = exitCodes.map(({ exit, when, then }) => [
    String(exit),
    text(`${sentence(when)} ${sentence(then)}`),
  ])
  const states = Object.entries(CHECK_EXIT).map(([state, exit]) => [String(exit), text(state)])
  return lines(
    list(rows, '-tag -width Ds -compact'),
    '.Pp',
    text(
      'At 4, `hq-token doctor` says what was found, and `hq-token history` what happened. Then, as the user that runs the jobs and with the same options and variables: `hq-token login`. Where there is no browser: `hq-token login --no-browser`, open the address that it prints on any machine, and give the address at which the browser ends to `hq-token login --complete -`. With a new pair in a file: `hq-token seed FILE`.',
    ),
    '.Pp',
    text(
      'At 74 and 75 nothing is lost: once the disk or the network is well again, the next command goes on. `exec` ends as its command does. `check` has exit codes of its own:',
    ),
    '.Pp',
    list(states, '-tag -width Ds -compact'),
  )
}

/** With a capital and a full stop. */
function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}${words.endsWith('.') ? '' : '.'}`
}

function examples() {
  return lines(
    text('A crontab: a job with a token in its environment, and the keep-alive.'),
    display(CRONTAB),
    '.Pp',
    text(
      'A script that calls the API. The token goes to curl by standard input, because others can read a command line; a failure of `hq-token` ends the script with its exit code.',
    ),
    display(SCRIPT),
  )
}

const CRONTAB = `PATH=/usr/local/bin:/usr/bin:/bin
*/15 * * * *  hq-token exec --min-valid 10m -- export-sites
0 4 * * *     hq-token refresh --if-older 7d --quiet
`

const SCRIPT = `#!/bin/sh
auth=$(hq-token get --min-valid 10m --format curl) || exit
printf '%s\\n' "$auth" |
  curl --silent --show-error --fail --config - \\
    https://acme.highq.com/acme/api/1/sites
`
