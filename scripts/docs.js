// Writes the reference pages from the program itself: `npm run docs`. With --check it only compares.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { program } from '../build/cli/program.js'
import { exitCodes } from '../build/cli/exit-codes.js'
import * as errors from '../build/core/errors.js'
import * as library from '../build/index.js'
import { configKeys } from '../build/config/keys.js'
import { faultNames } from '../build/sandbox/faults.js'
import { roomsDiagram } from './rooms.js'
import { schemaFiles } from './schemas.js'
import { manPage } from './man.js'
import { variables } from './variables.js'

const MADE = '<!-- Made by `npm run docs`; changes here are lost. -->\n'

function help(command) {
  let text = ''
  // Those that every command takes are shown once, with the program's own.
  command.configureHelp({ showGlobalOptions: false })
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text.trim()
}

const commandLine = () =>
  program(
    undefined,
    () => undefined,
    () => undefined,
  )

function cli() {
  const root = commandLine()
  const pages = [root, ...root.commands].map((command) => {
    const name = command === root ? 'hq-token' : `hq-token ${command.name()}`
    return `## \`${name}\`\n\n\`\`\`text\n${help(command)}\n\`\`\`\n`
  })
  const faults = Object.entries(faultNames).map(([name, what]) => `| \`${name}\` | ${what} |\n`)
  return [
    MADE,
    '# Commands\n',
    'Every command takes the options of `hq-token` itself too, before its name or behind it.\n',
    ...pages,
    `## Faults of the sandbox\n\n\`hq-token sandbox --fault NAME[:COUNT]\` makes the token endpoint fail so, COUNT times or for good.\n\n| name | what it does |\n| --- | --- |\n${faults.join('')}`,
  ].join('\n')
}

function config() {
  const sections = [...new Set(configKeys.map(({ section }) => section))]
  const tables = sections.map((section) => {
    const rows = configKeys
      .filter((key) => key.section === section && key.supported)
      .map(
        ({ key, env, description, default: standard }) =>
          `| \`${key}\` | \`${env}\` | ${standard === null ? '' : `\`${standard}\``} | ${description.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |\n`,
      )
    return `## \`[${section}]\`\n\n| key | environment | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('')}`
  })
  return [
    MADE,
    '# Configuration\n',
    `An INI file: \`--config FILE\`, else \`HQ_TOKEN_CONFIG\`, else \`config.ini\` (with \`--profile NAME\`: \`profiles/NAME.ini\`) in
\`$XDG_CONFIG_HOME/hq-token\` (\`~/.config/hq-token\`; \`%APPDATA%\\hq-token\` on Windows), else in \`/etc/hq-token\`
(\`%ProgramData%\\hq-token\` on Windows, [where only administrators may change it](#on-windows)). Never the working directory's. A relative path in it is relative to it. The environment wins over the file; an empty variable counts as
unset. An unknown section or key is an error that names its line. [\`config.example.ini\`](../config.example.ini) has every key.

A \`;\` or \`#\` begins a comment at the start of a line or after white space; a value that holds such goes into quotes. One
pair of quotes around a value, single or double, is taken away; where the same quotes stand inside too, all of them stay:
\`"/bin/sh" -c "exit 3"\` is a command of three words. There are no escapes: what holds double quotes goes into single ones, and a
value that begins and ends with a double quote of its own is written \`'"…"'\`.
Durations are seconds, or say their unit: \`90s\`, \`30m\`, \`5h\`, \`10d\`, \`2w\`, \`1h30m\`. Plain \`http\` is taken for loopback
addresses only: \`localhost\`, \`127.…\` and \`[::1]\`, by these very names.
`,
    which(),
    variablesTable(),
    ...tables,
    storeUrl(),
    `## \`client_secret_basic\`

RFC 6749 (section 2.3.1) wants the client id and the client secret encoded as forms are before they go into the header of HTTP Basic.
Many servers decode them; some compare what \`curl -u ID:SECRET\` would send, and decode nothing. \`client_secret_basic\` encodes, and
leaves letters, digits and \`* - . _\` as they are: with these alone both kinds of server read the same. For any other character
(\`;\`, \`#\`, \`~\`, \`+\`, \`/\`, a space …) only one of the two can be right, and nobody can see which. hq-token does not try both,
because that would send the secret twice and count as a failed try where clients are locked out. It sends what the
configuration says: if the server answers \`invalid_client\`, the hint names the other way, \`client_secret_basic_plain\`, which
sends both as they are. That one cannot send a client id with a colon, nor control characters.
`,
  ].join('\n')
}

/** Tested cell by cell in test/config/which.test.ts. */
function which() {
  return `## Which file, which store

What was typed wins over a variable, and a variable that names a file over one that names a folder. For a program
\`openGuard({ config, profile })\` counts as typed.

| typed | set | config file | store |
| --- | --- | --- | --- |
| | | \`config.ini\` in the usual places | \`token.db\` in the usual folder |
| | \`HQ_TOKEN_CONFIG\` | that file | \`token.db\` |
| \`--config\` | \`HQ_TOKEN_CONFIG\` or not | the one that was typed | \`token.db\` |
| | \`HQ_TOKEN_PROFILE\` | \`profiles/NAME.ini\` in the usual places | \`NAME.db\` |
| \`--profile\` | \`HQ_TOKEN_PROFILE\` or not | \`profiles/NAME.ini\` of the one that was typed | \`NAME.db\` |
| \`--profile\` | \`HQ_TOKEN_CONFIG\` | \`profiles/NAME.ini\`: the variable is not used, and \`-v\` and \`doctor\` say so | \`NAME.db\` |
| | \`HQ_TOKEN_CONFIG\` and \`HQ_TOKEN_PROFILE\` | that file | \`NAME.db\` |
| \`--config\` | \`HQ_TOKEN_PROFILE\` | the one that was typed | \`NAME.db\` |
| \`--config\` and \`--profile\` | | the one that was typed | \`NAME.db\` of the one that was typed |
| any of these | \`HQ_TOKEN_CONFIG_DIR\` | where it is \`config.ini\` or \`profiles/NAME.ini\`: in that folder and nowhere else | as above |
| any of these | \`HQ_TOKEN_STATE_DIR\` | as above | \`token.db\` or \`NAME.db\` in that folder |
| any of these | | one with \`path\` in \`[store]\` | that path, also where \`HQ_TOKEN_STATE_DIR\` is set |
| all but \`--profile\` | \`HQ_TOKEN_STORE\` | as above | that path, also where \`[store] path\` is another |
| \`--profile\` | \`HQ_TOKEN_STORE\` | exit code 2: one file cannot be the store of two profiles | |

The usual folder of the stores is \`$XDG_STATE_HOME/hq-token\` (\`~/.local/state/hq-token\`; \`%LOCALAPPDATA%\\hq-token\` on
Windows). A variable that names a file or a folder may be relative to the working directory, or begin with \`~/\`. What
\`hq-token init\` writes goes where it is then looked for, and each folder that it makes is the owner's alone.

The variable of a key holds for every profile. A profile's name is made of \`a-z\`, \`0-9\`, \`_\` and \`-\`, at most 64; it cannot be
\`token\`, whose store would be \`token.db\`, unless its file has a \`[store] path\`.

With \`url\` in \`[store]\` the token set is in a database, and the file of this table is the seat of this host: it keeps what only this
host needs, and ends in \`.seat\` instead of \`.db\` unless it is named. The token set is found by its \`name\`, which is that of the
profile, or \`default\`: so no profile can be called \`default\` then, unless its file has a \`name\`. \`--profile\` and
\`HQ_TOKEN_STORE_NAME\` exclude one another, as \`--profile\` and \`HQ_TOKEN_STORE\` do.
`
}

/** Tested in test/config/store-url.test.ts and shared-store.test.ts. */
function storeUrl() {
  return `## The URL of a shared store

\`postgres://USER@HOST:PORT/DATABASE\`, as PostgreSQL's own programs take it. Parts that hold \`/ : @ ? %\` are percent-encoded.
An \`@\` behind the hosts is refused, because it ends a password that is not. Several
hosts, \`postgres://HOST1,HOST2:5433/DATABASE\`, are those of one cluster: the first that can write is used. A socket is named by its
folder: \`postgres:///DATABASE?host=/run/postgresql\`.

| parameter | variable | meaning |
| --- | --- | --- |
| \`host\`, \`port\` | \`PGHOST\`, \`PGPORT\` | as before the database; default \`localhost\` and 5432 |
| \`user\` | \`PGUSER\` | default: the name of the system's user |
| \`dbname\` | \`PGDATABASE\` | default: called like the user |
| \`sslmode\` | \`PGSSLMODE\` | \`verify-full\` (the default), or \`disable\`, which is only for this machine itself |
| \`sslrootcert\` | \`PGSSLROOTCERT\` | PEM file of the authorities that may vouch for the server; default \`system\`: those that Node trusts by itself, \`NODE_EXTRA_CA_CERTS\` among them |
| \`sslcert\`, \`sslkey\` | \`PGSSLCERT\`, \`PGSSLKEY\` | PEM files of a client certificate and its key |
| \`target_session_attrs\` | | \`read-write\`, which is always meant |

The URL wins over the variables. Any other parameter is an error. Relative files are relative to the config file.

To any other machine there is TLS, and the server's certificate must be of a trusted authority and of the name in the URL, before
anything else is said. To this machine (\`localhost\`, \`127.…\`, \`::1\` and sockets) there is none, unless the URL has \`sslmode\` or one
of the files. \`require\`, \`prefer\` and their like are refused, because they connect to a server without knowing who it is.

The password is the one in the URL, in \`url_password_file\` or of \`url_password_command\` (one of these three); else that of
\`PGPASSWORD\`; else the one in the password file (\`PGPASSFILE\`, \`~/.pgpass\`), which nobody else may be able to read. It is looked up for
each connection, when the server asks for it.

The package \`pg\` is not installed with hq-token: \`npm install pg\` beside it.
`
}

function variablesTable() {
  const rows = variables.map(
    ([names, meaning]) => `| ${names.map((name) => `\`${name}\``).join(', ')} | ${meaning} |\n`,
  )
  return `### On Windows

In a path of the configuration, or of a variable, \`%NAME%\` is the variable of that name; one that is not set is an error (78). \`%%\` is a
percent sign. A folder that hq-token makes is closed by \`icacls\`: to all but you, the administrators and the system. A folder
that is there stays as it is; where it lies outside of your profile and others may use it, no new store and no file of \`init\` goes into it (74).
\`hq-token doctor\` says who may use it, and the command that closes it; for a drive or a folder of many programs, such as \`%ProgramData%\` itself,
there is none: make a folder in it.

A configuration for the whole machine lies in \`%ProgramData%\\hq-token\`. Users may make folders there, so it is used only if nobody but
administrators and the system can change it or own it, and is refused otherwise (78). Read a folder that is there already first: what no administrator wrote,
remove with it (\`Remove-Item -Recurse\`), because whoever made a file may keep it open, and make it anew. Then, as an administrator:

\`\`\`powershell
icacls "$env:ProgramData\\hq-token" /setowner "*S-1-5-32-544" /T
icacls "$env:ProgramData\\hq-token" /reset /T
icacls "$env:ProgramData\\hq-token" /inheritance:r /grant:r "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" "DOMAIN\\ACCOUNT:(OI)(CI)RX"
\`\`\`

\`hq-token init --config "$env:ProgramData\\hq-token\\config.ini"\` writes into that folder too, and warns of those who may read what it writes.

Each command, \`get\` too, then asks Windows first, by PowerShell and \`whoami\`: that takes 0.3 to 1 second, and up to 20 on a machine that is too busy. Where policy
forbids PowerShell, the file is refused (78). So rather name one: a file of \`HQ_TOKEN_CONFIG\`, set for the machine by its administrator, is not asked about, and costs nothing.

A path has one spelling on Windows, so a store has one lock however it is named: \`token.db.\`, \`\\\\?\\C:\\hq\\token.db\` and \`C:/hq/token.db\` mean
\`token.db\` in \`C:\\hq\`. One that no file has is refused, with 78, or 2 where it was typed: the name of a device (\`NUL\`, \`con.db\`), a colon behind the
drive, a folder whose name ends in a space, one of \`< > " | ? *\`. So is, in the file, a path that names a drive and no folder (\`C:token.db\`). The double quotes that
\`set NAME="C:\\a b"\` of cmd makes part of a variable are dropped.

No new store is made on a network share, be it \`\\\\server\\share\` or a mapped drive, because the locks there cannot be relied on (78). A
store in a profile that roams, or in the temporary one that Windows makes when it cannot load the user's own, gets a warning.

## Variables

| variable | meaning |
| --- | --- |
${rows.join('')}| those below | A key of the file; the variable wins. |

Any other that begins with \`HQ_TOKEN_\` gets a warning with the nearest name, and a line in \`doctor\`; but not what Kubernetes sets
for a service called \`hq-token\` or \`hq-token-…\` (\`HQ_TOKEN_SERVICE_HOST\`, \`HQ_TOKEN_PORT_443_TCP\` and so on), nor what begins with
\`HQ_TOKEN_EVENT\`.
`
}

function exits() {
  const rows = exitCodes.map(({ exit, when, then }) => `| ${exit} | ${when} | ${then} |\n`)
  const classes = Object.values(errors)
    .filter((value) => Object.getPrototypeOf(value) === errors.TokenError)
    .map((Class) => ({ name: Class.name, ...new Class('') }))
    .sort((a, b) => a.exit - b.exit || a.code.localeCompare(b.code))
    .map(
      ({ name, code, exit, transient }) =>
        `| \`${code}\` | ${name in library ? `\`${name}\`` : ''} | ${exit} | ${transient ? 'yes' : 'no'} |\n`,
    )
  return `${MADE}
# Exit codes

On any failure standard output stays empty, and standard error has \`hq-token: error: …\`, then \`hq-token: hint: …\` with the
next command to type. But:

* \`api\` hands on what the API said, on standard output. \`HQ_API_REFUSED\` has a hint at 401, 403 and a redirect only; every
  other error has one always.
* \`credential --protocol google\` tells of a failure as that protocol has it: as JSON on standard output
  (\`{"version":1,"success":false,"code":…,"message":…}\`), with nothing on standard error.
* \`doctor\` writes its report to standard output whatever it finds, and ends with the exit code of the first \`fail\`; what to do
  stands below each line. \`status\` ends with 0 in every state.
* Where whoever read standard output has gone (\`… | head -1\`, \`… | true\`), it is 74 without a word: not all was taken. Of a
  report (\`status\`, \`doctor\`, a help) that is no failure.
* \`exec\` ends as its command does: with that one's exit code, 126 where it cannot be run, 127 where there is none, or by the
  signal that ended it.

| code | when | a script should |
| --- | --- | --- |
${rows.join('')}
With \`--log-format json\` an error has a code of its own. The library's errors have the same, and the class that is named here:

| code | class | exit code | may the same call succeed later? |
| --- | --- | --- | --- |
${classes.join('')}`
}

/** One page for each entry of the package, from the docstrings. */
async function api() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  // It empties the folder that it writes to.
  const folder = mkdtempSync(join(tmpdir(), 'hq-token-docs-'))
  const app = await Application.bootstrapWithPlugins({
    entryPoints: [
      'index',
      'bearer/undici',
      'store/sqlite/sqlite-store',
      'oauth/token-endpoint',
      'schemas/index',
    ].map((name) => join(root, `src/${name}.ts`)),
    tsconfig: join(root, 'tsconfig.json'),
    basePath: root,
    plugin: ['typedoc-plugin-markdown'],
    outputs: [{ name: 'markdown', path: folder }],
    logLevel: 'Warn',
    readme: 'none',
    validation: { notDocumented: true, notExported: true, invalidLink: true },
    requiredToBeDocumented: ['Class', 'Interface', 'TypeAlias', 'Function', 'Variable'],
    router: 'module',
    entryFileName: 'README',
    excludeExternals: true,
    excludePrivate: true,
    disableSources: true,
    preservedTypeAnnotationTags: ['@throws'],
    sort: ['kind', 'source-order'],
    kindSortOrder: ['Function', 'Class', 'Constructor', 'Property', 'Accessor', 'Method'],
    categorizeByGroup: false,
    defaultCategory: 'Parts',
    categoryOrder: ['Start here', 'Parts', 'Errors'],
    sortEntryPoints: false,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    useCodeBlocks: true,
    expandObjects: true,
    ...Object.fromEntries(
      ['parameters', 'interfaceProperties', 'classProperties', 'typeDeclaration', 'typeAliasProperties'].map(
        (part) => [`${part}Format`, 'table'],
      ),
    ),
    tableColumnSettings: {
      hideDefaults: true,
      hideInherited: true,
      hideModifiers: true,
      hideOverrides: true,
    },
  })
  const project = await app.convert()
  if (project === undefined) throw new Error('the sources do not compile')
  app.validate(project)
  if (app.logger.hasWarnings()) throw new Error('the docstrings are not right')
  // The theme leaves out what is thrown, says when only, and gives each a heading of its own.
  for (const { comment } of Object.values(project.reflections)) {
    const thrown = comment?.getTags('@throws') ?? []
    for (const { typeAnnotation = '', content } of thrown) {
      const names = typeAnnotation.match(/\w+/g) ?? []
      const codes = names.map((name) => `\`${name}\``).join(', ')
      if (names.length > 0) content.unshift({ kind: 'text', text: content.length > 0 ? `${codes}: ` : codes })
    }
    const [first, ...more] = thrown
    if (more.length === 0) continue
    first.content = thrown.flatMap(({ content }, at) => [
      { kind: 'text', text: `${at === 0 ? '' : '\n'}* ` },
      ...content,
    ])
    comment.blockTags = comment.blockTags.filter((tag) => !more.includes(tag))
  }
  await app.generateOutputs(project)
  const written = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.md'))
  const pages = written.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8').replaceAll(/(?:\\?_){2}namedParameters/g, 'options')
    return [`api/${name.replaceAll('\\', '/')}`, `${MADE}\n${text}`]
  })
  rmSync(folder, { recursive: true })
  return Object.fromEntries(pages)
}

/** The page is written by hand, but for the diagram. */
function architecture() {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const before = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
  const between = /(<!-- rooms by npm run docs -->\n)[^]*?(<!-- end of the rooms -->)/
  if (!between.test(before)) throw new Error('docs/architecture.md has no place for the rooms')
  const diagram = `\`\`\`mermaid\n${roomsDiagram(join(root, 'src'))}\`\`\`\n`
  return before.replace(between, (_, begin, end) => `${begin}\n${diagram}\n${end}`)
}

const pages = {
  '../man/hq-token.1': manPage(commandLine()),
  'architecture.md': architecture(),
  'cli.md': cli(),
  'config.md': config(),
  'exit-codes.md': exits(),
  ...schemaFiles(MADE),
  ...(await api()),
}
const at = (name) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url))
const check = process.argv.includes('--check')
const stale = ['api', 'schemas'].flatMap((folder) =>
  (existsSync(at(folder)) ? readdirSync(at(folder), { recursive: true }) : [])
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => /\.(?:md|json)$/.test(name) && !(name in pages)),
)
if (!check) for (const name of stale.splice(0)) rmSync(at(name))
for (const [name, text] of Object.entries(pages)) {
  if (check) {
    if (!existsSync(at(name)) || readFileSync(at(name), 'utf8') !== text) stale.push(name)
  } else if (!existsSync(at(name)) || readFileSync(at(name), 'utf8') !== text) {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), text)
    process.stdout.write(`wrote ${join('docs', name)}\n`)
  }
}
if (stale.length > 0) {
  process.stderr.write(`stale: ${stale.join(', ')}; make them anew with: npm run docs\n`)
  process.exit(1)
}
