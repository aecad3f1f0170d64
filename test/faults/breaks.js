// A guarantee whose removal nothing notices is not tested. Takes one after the other out of a copy of the
// program and expects the test that is meant for it to fail, in its short run: `npm run test:breaks -- [NAME]`.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Of `test/`, by the name of the file, and only the tests whose full names match. */
const tests = (name, filter) => ({ file: `test/${name}.test.ts`, filter })

const BREAKS = [
  {
    name: 'no intent before the request',
    file: 'src/core/exchange.ts',
    find: "      await this.#held.save(next, next.generation, entry(next, 'refresh', 'unfinished', at))\n",
    replace: '',
    by: tests('faults/crash-points', 'a get, no grace'),
  },
  {
    name: 'no rescue file',
    file: 'src/store/rescue.ts',
    find: '  keep(record: Rescued): Promise<void> {\n',
    replace: '  keep(record: Rescued): Promise<void> {\n    if (this.#end >= 0) return Promise.resolve()\n',
    by: tests('faults/kill', 'get, no grace'),
  },
  {
    name: 'the answer is read before it is kept',
    file: 'src/core/exchange.ts',
    find: `      const kept = await this.#landing.keep(record)
      const outcome = await this.#landing.read(answer)
`,
    replace: `      const outcome = await this.#landing.read(answer)
      const kept = await this.#landing.keep(record)
`,
    by: tests('faults/kill', 'while it reads an answer'),
  },
  {
    name: 'the rescue file is scrubbed before the save',
    file: 'src/core/landing.ts',
    find: '    for (const giveUp = performance.now() + CLING_MS; ;) {\n',
    replace:
      '    await this.#held.rescue.scrub()\n    for (const giveUp = performance.now() + CLING_MS; ;) {\n',
    by: tests('faults/crash-points', 'a get, no grace'),
  },
  {
    name: 'what a dead process received is not taken up',
    file: 'src/core/exchange.ts',
    find: 'const records = [...(await this.#held.rescue.records())]',
    replace: 'const records = [...(await this.#held.rescue.records()).slice(0, 0)]',
    by: tests('faults/kill', 'get, no grace'),
  },
  {
    name: 'an answer to another refresh token is taken up',
    file: 'src/core/exchange.ts',
    find: '.find((token) => token?.fingerprint === spent)',
    replace: '.find((token) => token?.fingerprint !== null)',
    by: tests('core/exchange', 'another refresh token'),
  },
  {
    name: 'a token is printed before it is on disk',
    file: 'src/core/exchange.ts',
    find: '      const kept = await this.#landing.keep(record)\n',
    replace: `      const early = await this.#landing.read(answer)
      if (early.kind === 'granted') process.stdout.write(\`\${early.tokens.accessToken.reveal()}\\n\`)
      process.exitCode = 0
      const kept = await this.#landing.keep(record)
`,
    and: [
      {
        file: 'src/cli/commands/get.ts',
        find: '    ? writeOut(world.stdout, answer)',
        replace: "    ? writeOut(world.stdout, process.exitCode === undefined ? answer : '')",
      },
    ],
    by: tests('faults/crash-points', 'a get, no grace'),
  },
  {
    name: 'a save that needs a new file: DELETE',
    file: 'src/store/database.ts',
    find: "['journal_mode', 'PERSIST', 'persist']",
    replace: "['journal_mode', 'DELETE', 'delete']",
    by: tests('faults/io-errors', 'takes no new file'),
  },
  {
    name: 'a journal that is synced once: NORMAL',
    file: 'src/store/database.ts',
    find: "['synchronous', 'EXTRA', 3]",
    replace: "['synchronous', 'NORMAL', 1]",
    by: tests('faults/power-cut-mixes'),
  },
  {
    name: 'pages are not synced: OFF',
    file: 'src/store/database.ts',
    find: "['synchronous', 'EXTRA', 3]",
    replace: "['synchronous', 'OFF', 0]",
    by: tests('faults/power-cut', 'right after a token was printed'),
  },
  {
    name: 'an answer is not synced',
    file: 'src/store/rescue.ts',
    find: '        writeFully(this.#fd, bytes, position)\n        fdatasyncSync(this.#fd)\n',
    replace: '        writeFully(this.#fd, bytes, position)\n',
    by: tests('faults/power-cut', 'during a first get costs at most'),
  },
  {
    name: 'no name is synced',
    file: 'src/store/files.ts',
    find: 'export function syncFolder(folder: string): void {\n  if (!posix) return\n',
    replace: "export function syncFolder(folder: string): void {\n  if (!posix || folder !== '') return\n",
    by: tests('faults/power-cut', 'right after a token was printed'),
  },
  {
    name: 'the name of a new file is not synced',
    file: 'src/store/files.ts',
    find: '    renameSync(draft, path)\n    syncFolder(dirname(path))\n',
    replace: '    renameSync(draft, path)\n',
    by: tests('faults/crash-points', 'a name that lasts'),
  },
  {
    name: 'a new file is put in place before it is synced',
    file: 'src/store/files.ts',
    find: '      writeFully(fd, content, 0)\n      fsyncSync(fd)\n',
    replace: '      writeFully(fd, content, 0)\n',
    by: tests('faults/power-cut', 'during a first seed'),
  },
  {
    name: 'no second look under the lock',
    file: 'src/core/guard.ts',
    find: "        if (verdict === 'fresh' || this.#serves(set, seen, ask)) return set\n",
    replace: '',
    by: tests('faults/storm', 'gets the lock when it has been renewed'),
  },
  {
    name: 'no lock',
    file: 'src/store/lock.ts',
    find: '      if (tryLock(db, paths)) return',
    replace: '      if (tryLock(db, paths) || waitMs >= 0) return',
    by: tests('faults/storm', 'make one request'),
  },
  {
    name: 'the failure of one is not that of all who wait',
    file: 'src/core/guard.ts',
    find: '          throw recalled(set.lastFailure)\n',
    replace: '          void recalled(set.lastFailure)\n',
    by: tests('core/guard', '60 processes and a server that is down'),
  },
  {
    name: 'signals are not held',
    file: 'src/signals.ts',
    find: '  for (const signal of HELD) process.on(signal, hold)\n',
    replace: '',
    by: tests('faults/storm', 'when it has saved'),
  },
  {
    name: 'the row is overwritten whatever it has become',
    file: 'src/store/sqlite-store.ts',
    find: "if ((stored?.['generation'] ?? 0) !== after)",
    replace: "if (after < 0 && (stored?.['generation'] ?? 0) !== after)",
    by: tests('store/sqlite-store', 'overwrites nothing when the generation is another'),
  },
  {
    name: 'no last copy on another file system',
    file: 'src/store/rescue.ts',
    find: '    const copy = this.#lastCopies.write(bytes)\n',
    replace: '    const copy = bytes.byteLength < 0 ? this.#lastCopies.write(bytes) : undefined\n',
    by: tests('faults/io-errors', 'from then on'),
  },
  {
    name: 'no padding',
    file: 'src/store/record.ts',
    find: '  const used = recordBytes(values)\n',
    replace: '  const used = width + recordBytes(values)\n',
    by: tests('store/sqlite-store', 'takes no new page'),
  },
  {
    name: 'an intent rehearses nothing',
    file: 'src/store/sqlite-store.ts',
    find: "    if (next.intent !== null) write(db, 'token_set', 1, blotted(row), width, BLOT)\n",
    replace: '',
    by: tests('store/sqlite-store', 'takes no new page'),
  },
  {
    name: 'tokens that were replaced stay in free space',
    file: 'src/store/database.ts',
    find: "['secure_delete', 'ON', 1]",
    replace: "['secure_delete', 'OFF', 0]",
    by: tests('store/leftovers'),
  },
  {
    name: 'a reader does not roll back what a crash cut off',
    file: 'src/store/sqlite-store.ts',
    find: '        if (!needsRollback(error)) throw error\n',
    replace: '        if (error !== undefined) throw error\n',
    by: tests('store/sqlite-store', 'rolls back a transaction that a crash cut off'),
  },
  {
    name: 'a refusal deletes the refresh token',
    file: 'src/core/transitions.ts',
    find: '    // A failure that is no verdict',
    replace: `    ...(aftermath.refused === true && { pair: { ...set.pair, refreshToken: set.pair.accessToken } }),
    // A failure that is no verdict`,
    by: tests('faults/answers', 'that is invalid_grant$'),
  },
  {
    name: 'Retry-After is ignored',
    file: 'src/core/exchange.ts',
    find: 'notBefore: outcome.retryAfter === null ? null : now + outcome.retryAfter',
    replace: 'notBefore: null',
    by: tests('faults/network', 'binds the calls that follow'),
  },
  {
    name: 'redirects are followed',
    file: 'src/network/network.ts',
    find: 'return new Client(origin, { ...limits(options), connect: this.#connect(options) })\n',
    replace:
      'return new Client(origin, { ...limits(options), connect: this.#connect(options) }).compose(interceptors.redirect({ maxRedirections: 3 }))\n',
    and: [
      {
        file: 'src/network/network.ts',
        find: 'import { Agent, Client, EnvHttpProxyAgent, Pool, type Dispatcher }',
        replace: 'import { Agent, Client, EnvHttpProxyAgent, interceptors, Pool, type Dispatcher }',
      },
    ],
    by: tests('faults/network', 'is not followed'),
  },
  {
    name: 'an answer may be as large as it likes',
    file: 'src/oauth/exchange-request.ts',
    find: "          if (copied < chunk.length) end('BODY_TOO_LARGE')\n",
    replace: '',
    by: tests('oauth/server', 'is 50 MB'),
  },
  {
    name: 'an answer that was cut off is read as a whole one',
    file: 'src/oauth/answer.ts',
    find: '(whole ? readFields(formFields(text)) : undefined)',
    replace: 'readFields(formFields(text))',
    by: tests('faults/answers', 'mutated bodies'),
  },
  {
    name: 'what a server quotes is printed',
    file: 'src/core/exchange.ts',
    find: '    return withoutSecrets(text, secrets)\n',
    replace: '    return withoutSecrets(text, secrets.slice(0, 0))\n',
    by: tests('faults/answers', 'quotes what was sent'),
  },
  {
    name: 'a token that nobody could take is a success',
    file: 'src/cli/output.ts',
    find: '      reject(\n        new OutputFailed(',
    replace: '      resolve()\n      reject(\n        new OutputFailed(',
    by: tests('e2e/output', 'standard output that cannot be written'),
  },
  {
    name: 'files of others are taken',
    file: 'src/store/files.ts',
    find: '  if (!posix) return\n  if (kind',
    replace: '  if (!posix || stats.size >= 0) return\n  if (kind',
    by: tests('faults/hostile', 'the store’s "token.db"'),
  },
  {
    name: 'a new file is everybody’s for an instant',
    file: 'src/store/files.ts',
    find: '| NO_FOLLOW, 0o600)',
    replace: '| NO_FOLLOW)',
    by: tests('faults/hostile', 'made wider than 0600'),
  },
  {
    name: 'control characters reach the terminal',
    file: 'src/cli/output.ts',
    find: '    (character) => `\\\\x${',
    replace: '    (character) => character || `\\\\x${',
    by: tests('faults/hostile', 'control characters'),
  },
  {
    name: 'a server that nobody checks is asked',
    file: 'src/open.ts',
    find: "if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')",
    replace: "if (env['NODE_TLS_REJECT_UNAUTHORIZED'] === 'no')",
    by: tests('faults/hostile', 'NODE_TLS_REJECT_UNAUTHORIZED'),
  },
  {
    name: 'an inspector may be open',
    file: 'src/cli/context.ts',
    find: 'if (inspector.url() !== undefined)',
    replace: "if (inspector.url() === '')",
    by: tests('faults/hostile', 'leaves no inspector open'),
  },
  {
    name: 'a token is as old as the wall clock has it',
    file: 'src/core/policy.ts',
    find: 'const uptime = sameBoot ? at.uptime - pair.obtained.uptime : 0',
    replace: 'const uptime = 0',
    by: tests('faults/clock', 'a machine hands out what is good'),
  },
  {
    name: 'an answer that came while the process stood still is not heard',
    file: 'src/oauth/exchange-request.ts',
    find: "      if (sent) timer = setTimeout(end, LATE_MS, 'TIMEOUT')\n      else end('TIMEOUT')\n",
    replace: "      end('TIMEOUT')\n",
    by: tests('faults/storm', 'came meanwhile is taken'),
  },
  {
    name: 'a signal that came while the process stood still is lost',
    file: 'src/signals.ts',
    find: '    await turn()\n    await turn()\n',
    replace: '',
    by: tests('faults/storm', 'a signal that came meanwhile'),
  },
  {
    name: 'a copied store does not say where it was',
    file: 'src/core/transitions.ts',
    find: 'cameFrom: isHere ? cameFrom : { name: before.name, at: now }',
    replace: 'cameFrom',
    by: tests('faults/copies', 'told apart'),
  },
  {
    name: 'a store that a newer version has written is not read',
    file: 'src/store/database.ts',
    find: '    return db\n  } catch (error) {\n    db?.close()',
    replace: '    refuseNewer(db, paths)\n    return db\n  } catch (error) {\n    db?.close()',
    by: tests('faults/copies', 'that a newer one has written'),
  },
  {
    name: 'a handle that does not close is a failure',
    file: 'src/store/rescue.ts',
    find: '    } catch {\n      // What it kept was synced long before',
    replace: '    } catch (error) {\n      throw error\n      // What it kept was synced long before',
    by: tests('faults/io-errors', 'from then on'),
  },
  {
    name: 'a lasting refusal by the API costs a refresh at every call',
    file: 'src/core/policy.ts',
    find: ' && rejectionHold(set, at) === null',
    replace: '',
    by: tests('core/guard', 'costs one refresh an hour'),
  },
]

const root = fileURLToPath(new URL('../..', import.meta.url))
const copy = mkdtempSync(join(tmpdir(), 'hq-token-breaks-'))
process.on('exit', () => {
  rmSync(copy, { recursive: true, force: true })
})

const [wanted = ''] = process.argv.slice(2)
const chosen = BREAKS.filter(({ name }) => name.includes(wanted))
if (chosen.length === 0) throw new Error(`no break's name holds "${wanted}"`)
for (const one of chosen) for (const edit of editsOf(one)) edited(root, edit)

copyProject()
build()
for (const by of new Map(chosen.map(({ by }) => [command(by), by])).values()) {
  const { passed, failed, said } = run(by)
  if (passed.length === 0 || failed.length > 0)
    throw new Error(`with nothing broken, ${command(by)} does not pass: ${failed.join(', ')}\n${said}`)
}

print('break', 'caught by', 'tests that fail')
print('---', '---', '---')
for (const one of chosen) {
  for (const edit of editsOf(one)) writeFileSync(join(copy, edit.file), edited(copy, edit))
  build()
  const { failed } = run(one.by)
  if (failed.length === 0) process.exitCode = 1
  const [first = 'NOT CAUGHT', second, ...more] = failed
  print(
    one.name,
    command(one.by),
    [
      first,
      ...(second === undefined ? [] : [second]),
      ...(more.length > 0 ? [`${more.length} more`] : []),
    ].join('; '),
  )
  for (const { file } of editsOf(one)) cpSync(join(root, file), join(copy, file))
}

function editsOf({ file, find, replace, and = [] }) {
  return [{ file, find, replace }, ...and]
}

/** @throws {Error} where the text is no longer there: then nothing would be broken, and a test that passes would mean nothing. */
function edited(project, { file, find, replace }) {
  const [before, after, ...more] = readFileSync(join(project, file), 'utf8').split(find)
  if (after === undefined || more.length > 0)
    throw new Error(`${file} holds this ${after === undefined ? 'no longer' : 'more than once'}:\n${find}`)
  return `${before}${replace}${after}`
}

function copyProject() {
  const left = new Set(
    ['node_modules', 'dist', 'artifacts', 'coverage', '.git'].map((name) => join(root, name)),
  )
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(path) })
  // A folder of its own, of links: what tests cache in it does not reach the original.
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(join(root, 'node_modules')).filter(
    (name) => !/^\.(?:vite|cache)/.test(name),
  ))
    symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name))
}

/** What a break leaves unused is no mistake; anything else that does not compile is. */
function build() {
  rmSync(join(copy, 'dist'), { recursive: true, force: true })
  const { status, stdout } = node(
    'typescript/bin/tsc',
    '--noUnusedLocals',
    'false',
    '--noUnusedParameters',
    'false',
  )
  if (status !== 0) throw new Error(`it does not compile:\n${stdout}`)
  // Else the tests' own set-up would build it anew.
  writeFileSync(join(copy, 'dist/.built'), '')
}

function run({ file, filter }) {
  const report = join(copy, 'report.json')
  rmSync(report, { force: true })
  const { stdout, stderr } = node(
    'vitest/vitest.mjs',
    ...['run', file, '--reporter=json', `--outputFile=${report}`],
    ...(filter === undefined ? [] : ['--testNamePattern', filter]),
  )
  if (!existsSync(report)) throw new Error(`${file} did not run:\n${stdout}${stderr}`)
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults
  const titles = (outcome) => [
    ...new Set(
      results
        .flatMap(({ assertionResults }) => assertionResults)
        .flatMap(({ status, title }) => (status === outcome ? [title] : [])),
    ),
  ]
  return { passed: titles('passed'), failed: titles('failed'), said: `${stdout}${stderr}` }
}

function node(script, ...args) {
  return spawnSync(process.execPath, [join('node_modules', script), ...args], {
    cwd: copy,
    encoding: 'utf8',
    env: { ...process.env, FAULTS: 'short' },
    timeout: 600_000,
  })
}

function command({ file, filter }) {
  return `${basename(file)}${filter === undefined ? '' : ` -t "${filter}"`}`
}

function print(...cells) {
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
