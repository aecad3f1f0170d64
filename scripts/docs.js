// Writes the reference pages from the program itself: `npm run docs`. With --check it only compares.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application } from 'typedoc'
import { program } from '../dist/cli/program.js'
import { exitCodes } from '../dist/cli/exit-codes.js'
import * as errors from '../dist/core/errors.js'
import * as library from '../dist/index.js'
import { configKeys } from '../dist/config/keys.js'
import { faultNames } from '../dist/sandbox/faults.js'

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

function cli() {
  const root = program(
    undefined,
    () => undefined,
    () => undefined,
  )
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
\`$XDG_CONFIG_HOME/hq-token\` (\`~/.config/hq-token\`; \`%APPDATA%\\hq-token\` on Windows), else in \`/etc/hq-token\`. Never the
working directory's. A relative path in it is relative to it. The environment wins over the file; an empty variable counts as
unset. An unknown section or key is an error that names its line. [\`config.example.ini\`](../config.example.ini) has every key.

A \`;\` or \`#\` begins a comment at the start of a line or after white space; a value that holds such goes into quotes.
Durations are seconds, or say their unit: \`90s\`, \`30m\`, \`5h\`, \`10d\`, \`2w\`, \`1h30m\`. Plain \`http\` is taken for loopback
addresses only.
`,
    ...tables,
  ].join('\n')
}

function exits() {
  const rows = exitCodes.map(({ exit, when, then }) => `| ${exit} | ${when} | ${then} |\n`)
  const classes = Object.values(errors)
    .filter((value) => value.prototype instanceof errors.TokenError)
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
    entryPoints: ['index', 'http/undici', 'store/sqlite-store', 'oauth/server'].map((name) =>
      join(root, `src/${name}.ts`),
    ),
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

const pages = { 'cli.md': cli(), 'config.md': config(), 'exit-codes.md': exits(), ...(await api()) }
const at = (name) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url))
const check = process.argv.includes('--check')
const there = existsSync(at('api')) ? readdirSync(at('api'), { recursive: true }) : []
const stale = there
  .map((name) => `api/${name.replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.md') && !(name in pages))
if (!check) for (const name of stale.splice(0)) rmSync(at(name))
for (const [name, text] of Object.entries(pages)) {
  if (check) {
    if (!existsSync(at(name)) || readFileSync(at(name), 'utf8') !== text) stale.push(name)
  } else {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), text)
  }
}
if (stale.length > 0) {
  process.stderr.write(`stale: ${stale.join(', ')}; make them anew with: npm run docs\n`)
  process.exit(1)
}
