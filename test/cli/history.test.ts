import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Terminal } from '@xterm/headless'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import type { HistoryEntry } from '../../src/core/store-ports.js'
import { entry } from '../../src/core/transitions.js'
import { cutTo, widthOf } from '../../src/cli/terminal/width.js'
import type { HistoryReport } from '../../src/schemas/index.js'
import { SqliteStore } from '../../src/store/sqlite/sqlite-store.js'
import { folder } from '../support/folder.js'
import { writeOldStore } from '../support/old-store.js'
import { place } from '../support/place.js'
import { ISSUED, moment, tokenSet } from '../support/token-sets.js'
import { told, type Told, type WorldOptions } from '../support/world.js'
import { contents } from './examined.js'

interface Home {
  readonly dir: string
  readonly store: string
  readonly tell: (args: readonly string[], options?: WorldOptions) => Promise<Told>
}

const NOW = ISSUED + 86_400

/** A machine that has nothing but a store, and may not have that. */
function home(): Home {
  const dir = folder()
  const env = { HQ_TOKEN_CONFIG_DIR: join(dir, 'config'), HQ_TOKEN_STATE_DIR: join(dir, 'state') }
  return {
    dir,
    store: join(dir, 'state', 'token.db'),
    tell: (args, options = {}) => told(['history', ...args], { clock: () => moment(NOW), env, ...options }),
  }
}

/** @param changes One for each event, oldest first, an hour apart. */
async function withEvents(...changes: readonly Partial<HistoryEntry>[]): Promise<Home> {
  const made = home()
  const store = new SqliteStore(made.store)
  for (const [index, change] of changes.entries()) {
    const set = tokenSet({ sequence: index + 1, generation: 1 })
    const told = { ...entry(set, 'refresh', 'done', moment(ISSUED + index * 3600)), ...change }
    await store.exclusive(
      async (held) => {
        await held.read()
        await held.note(set, index === 0 ? 0 : 1, told)
      },
      { waitMs: 0 },
    )
  }
  return made
}

const sequences = ({ stdout }: Told): number[] =>
  (JSON.parse(stdout) as HistoryReport).entries.map(({ sequence }) => sequence)

describe('history without a history', () => {
  it('history of a store that is not there says so, ends with 0 and makes nothing', async () => {
    const { dir, tell } = home()
    expect(await tell([])).toEqual({ code: 0, stdout: '', stderr: 'hq-token: no history yet\n' })
    const json = await tell(['--json'])
    expect(json).toMatchObject({ code: 0, stderr: '' })
    expect((JSON.parse(json.stdout) as HistoryReport).entries).toEqual([])
    expect(readdirSync(dir)).toEqual([])
  })

  it('history of a time in which nothing happened names the time', async () => {
    const { tell } = await withEvents({})
    expect(await tell(['--since', '1h'])).toEqual({
      ...{ code: 0, stdout: '' },
      stderr: 'hq-token: no history since 2027-01-16T07:00:00Z\n',
    })
  })
})

describe('history of a store', () => {
  it.each<[string, string[], number[]]>([
    ['the newest 20', [], Array.from({ length: 20 }, (_, index) => 25 - index)],
    ['all', ['--limit', '0'], Array.from({ length: 25 }, (_, index) => 25 - index)],
    ['as many as are asked for', ['--limit', '2'], [25, 24]],
    ['those of the last hours', ['--since', '90m'], [25, 24]],
    ['those since an instant', ['--since', '2027-01-16T07:00:00Z'], [25, 24]],
    ['those since an instant elsewhere', ['--since', '2027-01-16T08:00:00+01:00'], [25, 24]],
    ['those since a number of seconds', ['--since', `${ISSUED + 23 * 3600}`], [25, 24]],
    ['no more than both allow', ['--since', '5h', '--limit', '1'], [25]],
    ['more than there are', ['--limit', '9007199254740991'], Array.from({ length: 25 }, (_, i) => 25 - i)],
  ])('history shows %s', async (_what, args, expected) => {
    const { tell } = await withEvents(...Array.from({ length: 25 }, () => ({})))
    expect(sequences(await tell([...args, '--json']))).toEqual(expected)
    const { stdout } = await tell(args)
    expect(stdout.split('\n')).toHaveLength(expected.length + 2)
  })

  it.each([
    [['--limit', '-1'], /'-1' is invalid/],
    [['--limit', ''], /number of events/],
    [['--limit', '1.5'], /number of events/],
    [['--limit', '99999999999999999999'], /number of events/],
    [['--since', ''], /--since takes/],
    [['--since', 'yesterday'], /--since takes/],
    [['--since', '-7d'], /--since takes|argument missing/],
    [['--since', '2026-02-30T00:00:00Z'], /--since takes/],
    [['--since', '2026-11-01'], /--since takes/],
    [['--compare', '-', '--limit', '3'], /cannot be used with/],
    [['--compare', '-', '--since', '7d'], /cannot be used with/],
    [['--compare', ''], /--compare is given an empty name/],
    [['more'], /too many arguments/],
  ])('history with %j is a usage error, with a command to type', async (args, message) => {
    const { tell } = await withEvents({})
    const said = await tell(args)
    expect(said).toMatchObject({ code: 2, stdout: '' })
    expect(said.stderr).toMatch(message)
    expect(said.stderr).toMatch(/^hq-token: hint: hq-token history/m)
  })

  it('history reads while another holds the lock, and leaves every file as it is', async () => {
    const { store: path, dir, tell } = await withEvents({}, {})
    const before = contents(join(dir, 'state'))
    await new SqliteStore(path).exclusive(
      async () => {
        expect(sequences(await tell(['--json']))).toEqual([2, 1])
      },
      { waitMs: 0 },
    )
    expect(contents(join(dir, 'state'))).toEqual(before)
  })

  it('history of a store of the first version is shown, and the store stays as it is', async () => {
    const { store: path, dir, tell } = home()
    writeOldStore(path, tokenSet())
    const db = new Database(path)
    db.prepare(
      "UPDATE history SET sequence = 1, at = ?, event = 'seed', outcome = 'done', generation = 1, access = 'aaaaaaaaaaaa', refresh = 'bbbbbbbbbbbb' WHERE slot = 1",
    ).run(ISSUED)
    db.close()
    const before = contents(join(dir, 'state'))
    const { code, stdout } = await tell(['--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      store: path,
      host: 'acme-1',
      entries: [{ sequence: 1, event: 'seed', refresh: 'bbbbbbbbbbbb', note: null, grant: null, host: null }],
    })
    expect(contents(join(dir, 'state'))).toEqual(before)
  })

  it('history of a damaged store ends as status does, with 74 and nothing on standard output', async () => {
    const { store: path, tell } = await withEvents({})
    writeFileSync(path, 'no database')
    const said = await tell([])
    expect(said).toMatchObject({ code: 74, stdout: '' })
    expect(said.stderr).toContain(path)
  })

  it('history leaves out an entry that cannot be read, and shows the others', async () => {
    const { store: path, tell } = await withEvents({}, {}, {})
    const db = new Database(path)
    db.exec('UPDATE history SET refresh = NULL WHERE sequence = 2')
    db.close()
    expect(sequences(await tell(['--json']))).toEqual([3, 1])
  })

  it('history goes on after a logout, and names neither a token nor a secret', async () => {
    const { config, dir, sandbox } = await place({}, 0)
    const env = { HQ_TOKEN_CONFIG: config }
    const text = readFileSync(join(dir, 'token.ini'), 'utf8')
    const secrets = [
      sandbox.clientSecret,
      ...[...text.matchAll(/_token *= (\S+)/g)].map(([, token = '']) => token),
    ]
    const { stdout: token } = await told(['get'], { env })
    secrets.push(token.trim())
    await told(['logout', '--local'], { env })
    const said = [await told(['history'], { env }), await told(['history', '--json'], { env })]
    const input = said[1]?.stdout ?? ''
    said.push(await told(['history', '--compare', '-'], { env, input }))
    said.push(await told(['history', '--compare', '-', '--json'], { env, input }))
    for (const { code, stdout, stderr } of said) {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      for (const secret of secrets) expect(stdout).not.toContain(secret)
    }
    expect(said[0]?.stdout).toMatch(/logout +done[^]*refresh +done[^]*seed +done/)
    expect(secrets).toHaveLength(4)
  })

  it('history says of a refusal since which event this store had not spent the token', async () => {
    const { config, sandbox } = await place({}, 0)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['get'], { env })
    sandbox.setFaults([{ name: 'invalid-grant', count: 1 }])
    expect((await told(['refresh'], { env })).code).toBe(4)
    const { entries } = JSON.parse((await told(['history', '--json'], { env })).stdout) as HistoryReport
    expect(entries.map(({ sequence, outcome }) => [sequence, outcome])).toEqual([
      [3, 'HQ_LOGIN_REQUIRED'],
      [2, 'done'],
      [1, 'done'],
    ])
    expect(entries[0]?.note).toMatch(/^not spent here since 2: invalid_grant/)
  })

  it('history says nothing of that where an exchange was unfinished: the token may have been spent here', async () => {
    const { config, sandbox } = await place({ config: '[refresh]\ntimeout = 1s\n' }, 0)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['get'], { env })
    sandbox.setFaults([{ name: 'close', count: Infinity }])
    expect((await told(['refresh'], { env })).code).toBe(75)
    sandbox.setFaults([{ name: 'invalid-grant', count: Infinity }])
    expect((await told(['refresh'], { env })).code).toBe(4)
    const { entries } = JSON.parse((await told(['history', '--json'], { env })).stdout) as HistoryReport
    expect(entries[0]).toMatchObject({ outcome: 'HQ_LOGIN_REQUIRED' })
    expect(entries[0]?.note).toMatch(/^invalid_grant/)
  })
})

/** The lines as a terminal draws them. */
async function linesDrawn(
  text: string,
  cols: number,
): Promise<readonly { readonly text: string; readonly isWrapped: boolean }[]> {
  const terminal = new Terminal({ cols, rows: 50, convertEol: true, allowProposedApi: true })
  await new Promise<void>((done) => {
    terminal.write(text, done)
  })
  return Array.from({ length: terminal.buffer.active.cursorY }, (_, row) => {
    const line = terminal.buffer.active.getLine(row)
    return { text: line?.translateToString(true) ?? '', isWrapped: line?.isWrapped === true }
  })
}

describe('the table of history', () => {
  const HOSTILE = 'a \u001b[31mred\nline\u202e 한글 e\u0301 👍'
  const mixed = (): Promise<Home> =>
    withEvents(
      { event: 'seed', note: '/etc/token.ini' },
      { outcome: 'HQ_SERVER_UNAVAILABLE', note: `${HOSTILE} ${'界'.repeat(30)}`, generation: 1234 },
      { outcome: 'unfinished', note: null },
    )

  it('the table of history has a header, columns as wide as their widest value, and no end of blanks', async () => {
    const { tell } = await mixed()
    const { stdout } = await tell([])
    expect(stdout.split('\n')).toEqual([
      'TIME                  EVENT    OUTCOME                 GEN  ACCESS        REFRESH       NOTE',
      '2027-01-15T10:00:00Z  refresh  unfinished                1  f4c2844f463b  bd473e5dcdce',
      `2027-01-15T09:00:00Z  refresh  HQ_SERVER_UNAVAILABLE  1234  f4c2844f463b  bd473e5dcdce  a \\x1b[31mred\\x0aline\\x202e 한글 e\u0301 👍 ${'界'.repeat(30)}`,
      '2027-01-15T08:00:00Z  seed     done                      1  f4c2844f463b  bd473e5dcdce  /etc/token.ini',
      '',
    ])
  })

  it.each([40, 72, 80, 100, 120, 200])(
    'the table of history at a terminal of %i columns cuts its notes, and the terminal breaks no line of it',
    async (columns) => {
      const { tell } = await mixed()
      const { stdout } = await tell([], { terminal: columns })
      const drawn = await linesDrawn(stdout, columns)
      const text = drawn.map(({ text }) => text).join('\n')
      expect(text).toContain('/etc/token.ini')
      // Time, event, outcome, generation and the refresh token are there in any case: 71 columns.
      if (columns > 71) expect(drawn.filter(({ isWrapped }) => isWrapped)).toEqual([])
      expect(text.includes('f4c2844f463b')).toBe(columns >= 100)
      // At 100 columns the note stands below, and has more room than beside the others at 120.
      expect(text.includes('界'.repeat(30))).toBe(columns === 100 || columns === 200)
    },
  )

  it('the table of history has no colours where NO_COLOR or a pipe wants none', async () => {
    const { tell, dir } = await mixed()
    const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: join(dir, 'state'), NO_COLOR: '1' }
    const said = [await tell([], { terminal: 200, env }), await tell([])]
    for (const { stdout } of said) {
      expect(stdout).toContain('HQ_SERVER_UNAVAILABLE')
      expect(stdout).not.toContain('\u001b')
    }
  })

  it.each(['plain', 'e\u0301te\u0301', '한글', '界'.repeat(3), 'ｆｕｌｌ', 'naïve – “x”', 'Ἀθῆναι', 'हिन्दी'])(
    'the table of history takes %s for as wide as a terminal draws it, or for wider by a mark of an Indian script',
    async (text) => {
      const terminal = new Terminal({ cols: 80, rows: 2, allowProposedApi: true })
      await new Promise<void>((done) => {
        terminal.write(text, done)
      })
      const drawn = terminal.buffer.active.cursorX
      if (text === 'हिन्दी') expect(Math.abs(widthOf(text) - drawn)).toBeLessThanOrEqual(3)
      else expect(widthOf(text)).toBe(drawn)
      for (let columns = 1; columns <= drawn; columns++)
        expect(widthOf(cutTo(text, columns))).toBeLessThanOrEqual(columns)
    },
  )
})

describe('history --compare reads', () => {
  const CANARY = 'canary-5ecret'
  const report = (changes: object = {}): string =>
    JSON.stringify({ format_version: 1, store: 's', host: 'h', entries: [], ...changes })

  it.each<[string, string, RegExp]>([
    ['nothing', '', /standard input is empty/],
    ['no JSON', `{"${CANARY}`, /it is no JSON object/],
    ['a table', `TIME ${CANARY}\n`, /it is no JSON object/],
    ['a list', `["${CANARY}"]`, /it is no JSON object/],
    ['another JSON of ours', JSON.stringify({ format_version: 1, [CANARY]: 1 }), /: store is missing/],
    ['a later format', report({ format_version: 2, [CANARY]: 1 }), /: format_version is missing/],
    ['no entries', report({ entries: { [CANARY]: 1 } }), /: entries is missing/],
    ['a wrong entry', report({ entries: [{ sequence: CANARY }] }), /: entries\[0\]\.sequence is missing/],
    [
      'a token as a fingerprint',
      report({
        entries: [
          {
            sequence: 1,
            at: '2027-01-15T10:00:00Z',
            ...{ event: 'x', outcome: 'x', generation: 1, access: CANARY },
          },
        ],
      }),
      /: entries\[0\]\.access is missing/,
    ],
    ['too much', ' '.repeat(1024 * 1024 + 1), /longer than 1 MiB/],
  ])('history --compare reads %s as a usage error that quotes nothing', async (_what, input, message) => {
    const { tell } = await withEvents({})
    for (const args of [
      ['--compare', '-'],
      ['--compare', '-', '--json'],
    ]) {
      const said = await tell(args, { input })
      expect(said).toMatchObject({ code: 2, stdout: '' })
      expect(said.stderr).toMatch(message)
      expect(said.stderr).toMatch(/^hq-token: hint: /m)
      expect(said.stderr).not.toContain(CANARY)
    }
  })

  it.each(['missing.json', '.', '/dev/zero'])('history --compare reads no %s', async (name) => {
    const { dir, tell } = await withEvents({})
    const file = name.startsWith('/') ? name : join(dir, name)
    if (name.startsWith('/') && !existsSync(name)) return
    const said = await tell(['--compare', file])
    expect(said).toMatchObject({ code: 2, stdout: '' })
    expect(said.stderr).toMatch(/cannot be read \((?:ENOENT|EISDIR)\)|longer than 1 MiB/)
  })

  it('history --compare reads standard input at no terminal, where nobody would know that it waits', async () => {
    const { tell } = await withEvents({})
    const said = await tell(['--compare', '-'], { keyboard: true })
    expect(said).toMatchObject({ code: 2, stdout: '' })
    expect(said.stderr).toContain('is a terminal here')
  })

  it('history --compare reads the history of a later version, with keys and events that it does not know', async () => {
    const { tell } = await withEvents({})
    const known = JSON.parse((await tell(['--json'])).stdout) as { entries: object[] }
    const [first] = known.entries
    const later = { ...first, sequence: 9, event: 'sealed', outcome: 'done', more: { at: 1 } }
    const input = report({ entries: [later, first], more: 1 })
    expect(await tell(['--compare', '-'], { input })).toEqual({
      ...{ code: 0, stderr: '' },
      stdout: 'the same history until 2027-01-15T08:00:00Z (sequence 1, refresh bd473e5dcdce)\n',
    })
  })

  it.each(['utf16le', 'utf8'] as const)(
    'history --compare reads a file as PowerShell writes it, with a byte order mark (%s)',
    async (encoding) => {
      const { dir, tell } = await withEvents({})
      const file = join(dir, 'other.json')
      writeFileSync(file, `\ufeff${(await tell(['--json'])).stdout}`, encoding)
      expect((await tell(['--compare', file])).stdout).toMatch(/^the same history until /)
    },
  )

  it('history --compare reads that a refusal is not the fault of a copy which was not used', async () => {
    const [here, other] = [await withEvents({}, { outcome: 'HQ_LOGIN_REQUIRED' }), await withEvents({})]
    const compared = async (one: Home, two: Home): Promise<string> => {
      const { stdout: input } = await two.tell(['--json'])
      return (await one.tell(['--compare', '-'], { input })).stdout.split('\n')[1] ?? ''
    }
    expect(await compared(here, other)).toBe(
      'this store was refused at 2027-01-15T09:00:00Z, and not because of the other, which was not used since',
    )
    expect(await compared(other, here)).toContain('not because of this store')
  })

  it.each([
    ['logout', 'ended this grant by a logout'],
    ['login', 'has had another grant since a login'],
  ] as const)('history --compare reads that a %s has parted the two', async (event, words) => {
    const pair = { access: 'aaaaaaaaaaaa', refresh: 'bbbbbbbbbbbb' }
    const [here, other] = [await withEvents({}, { event, ...pair }), await withEvents({})]
    const { stdout: input } = await here.tell(['--json'])
    expect((await other.tell(['--compare', '-'], { input })).stdout).toMatch(
      new RegExp(`the other ${words} at 2027-01-15T09:00:00Z: it does not use this one any more\n$`),
    )
  })

  it('history --compare reads of a server that keeps the refresh token, where no store ends the grant of the other', async () => {
    const pairs = ['aaaaaaaaaaaa', 'cccccccccccc'].map((access) => ({ access, refresh: 'bbbbbbbbbbbb' }))
    const [first] = pairs
    const here = await withEvents({ ...first }, { ...first, access: 'dddddddddddd' })
    const other = await withEvents(...pairs)
    const { stdout: input } = await other.tell(['--json'])
    expect((await here.tell(['--compare', '-'], { input })).stdout).toMatch(
      /then this store: 1 refresh, the other: 1\nthe server has not replaced the refresh token: neither ends the grant of the other\n$/,
    )
  })

  it('history --compare reads a part of a history as such, and says how to get all of it', async () => {
    const { tell } = await withEvents({})
    const other = await withEvents({}, { access: 'aaaaaaaaaaaa', refresh: 'bbbbbbbbbbbb', grant: 'x' })
    const { stdout: input } = await other.tell(['--json', '--limit', '1'])
    expect((await tell(['--compare', '-'], { input })).stdout).toBe(
      'not the same grant: no token is in both histories\nthe other history is a part only; all of it: hq-token history --json --limit 0\n',
    )
  })

  it('history --compare reads a file to its last byte where the store here has nothing yet', async () => {
    const { dir, tell } = home()
    const other = await withEvents({})
    writeFileSync(join(dir, 'other.json'), (await other.tell(['--json'])).stdout)
    const said = await tell(['--compare', join(dir, 'other.json')])
    expect(said).toEqual({
      code: 0,
      stderr: '',
      stdout: 'not the same grant: no token is in both histories\n',
    })
  })
})
