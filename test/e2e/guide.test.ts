// What the README, the guide and the helps show is typed here, against the sandbox: what they promise must be seen.
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { program } from '../../src/cli/program.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'
import { atTerminal } from '../support/terminal.js'

const guide = readFileSync('docs/guide.md', 'utf8')
const readme = readFileSync('README.md', 'utf8')
/** The helps as they are printed, with what stands below the options. */
const helps = program(
  undefined as never,
  () => undefined,
  () => undefined,
).commands.map((command) => {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part) })
  command.outputHelp()
  return text
})

/** A folder for `PATH`, with the program and what the examples run beside it. */
function programs(): string {
  const bin = folder()
  const stubs = {
    'hq-token': `exec '${process.execPath}' '${BIN}' "$@"`,
    generate: 'printf "made here"',
    make: 'printf "made %s with %s" "$1" "$HQ_TOKEN"',
    'export-sites': 'printf "exported with %s" "$HQ_TOKEN"',
  }
  for (const [name, text] of Object.entries(stubs))
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return bin
}

/** A person at a shell, in a folder of their own, with the sandbox configured. */
function shell(made: Pick<Place, 'config'>): (line: string) => Promise<Ended> {
  const cwd = folder()
  const env = { HOME: cwd, PATH: `${programs()}:/usr/bin:/bin`, HQ_TOKEN_CONFIG: made.config }
  return (line) => ended(spawn('sh', ['-c', line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

/** What of the line is for the shell: without its comment, and for the sandbox's instance. */
const typed = (line: string): string =>
  line
    .replace(/\s+#.*$/, '')
    .trim()
    .replaceAll('/acme/', '/sandbox/')

const lines = (text: string, wanted: RegExp): string[] =>
  text.split('\n').filter((line) => wanted.test(line) && !/^\s*#/.test(line))

describe('the examples of calls of the API', () => {
  const block = /^## Calling the API\n+```sh\n([^]*?)```/m.exec(guide)?.[1] ?? ''
  const ofGuide = lines(block, /hq-token api/)
  const ofHelp = lines(helps.join('\n'), /^ {2}hq-token api /)
  const inText = [...(guide + readme).matchAll(/`(hq-token api [^`]*)`/g)].map(([, line = '']) => line)

  it(
    'the examples of calls of the API are answered by the sandbox, in JSON and in XML, one after the other',
    { timeout: 300_000 },
    async () => {
      expect(ofGuide.length).toBeGreaterThanOrEqual(7)
      expect(ofHelp.length).toBeGreaterThanOrEqual(2)
      expect(inText).toContain('hq-token api 1/sites')
      for (const xml of [false, true]) {
        const made = await place({ xml }, 3600)
        const run = shell(made)
        for (const line of [...ofGuide, ...ofHelp, ...inText]) {
          const { code, stderr } = await run(typed(line))
          expect([xml, line, code, stderr]).toEqual([xml, line, 0, ''])
        }
      }
    },
  )

  it(
    'do what they say: a site is made, a file goes up and comes back as it was',
    { timeout: 180_000 },
    async () => {
      const run = shell(await place({}, 3600))
      expect(JSON.parse((await run("hq-token api 1/sites -f sitename='A & B' -F count=3")).stdout)).toEqual({
        id: 104,
        sitename: 'A & B',
        status: 'ACTIVE',
      })
      const { site } = JSON.parse((await run('hq-token api 1/sites')).stdout) as {
        site: { sitename: string }[]
      }
      expect(site.map(({ sitename }) => sitename)).toContain('A & B')
      expect(JSON.parse((await run('hq-token api 1/sites -X GET -f limit=2')).stdout)).toMatchObject({
        site: [{ id: 101 }, { id: 102 }],
      })
      await run('hq-token api 1/files/7 -o contract.pdf')
      const put = JSON.parse((await run('hq-token api 1/files -X PUT --input contract.pdf')).stdout) as {
        id: number
      }
      expect((await run(`hq-token api 1/files/${put.id} -o back.pdf; cmp contract.pdf back.pdf`)).code).toBe(
        0,
      )
      const piped = JSON.parse((await run('generate | hq-token api 1/files --input -')).stdout) as {
        id: number
      }
      expect((await run(`hq-token api 1/files/${piped.id}`)).stdout).toBe('made here')
      // What is not there, and what is not meant.
      for (const [line, status] of [
        ['hq-token api 1/files/99', 404],
        ['hq-token api 1/sites -f name=x', 400],
        ['hq-token api -X DELETE 1/files/7', 405],
      ] as const) {
        const refused = await run(line)
        expect([line, refused.code, JSON.parse(refused.stdout)]).toMatchObject([line, 22, { status }])
      }
    },
  )
})

describe('the examples with --min-valid', () => {
  const all = [
    ...lines(guide, /hq-token \w+ .*--min-valid \d/),
    ...lines(readme, /hq-token \w+ .*--min-valid \d/),
  ]
    .filter((line) => !line.startsWith('`') && !line.startsWith('$'))
    // A crontab's five fields.
    .map((line) => line.replace(/^\*\S*(?: \S+){4}\s+/, ''))

  it('the examples with --min-valid are served quietly by a sandbox whose tokens live as long as HighQ’s', async () => {
    expect(guide).toMatch(/^hq-token sandbox .*--access-ttl 5h/m)
    expect(all.length).toBeGreaterThanOrEqual(2)
    const made = await place({ accessTtl: 5 * 3600 }, 5 * 3600)
    const run = shell(made)
    for (const line of all) {
      const { code, stdout, stderr } = await run(typed(line))
      expect([line, code, stderr]).toEqual([line, 0, ''])
      expect(stdout).toMatch(/(?:made report|exported) with \S{20,}/)
    }
    expect(made.sandbox.refreshes()).toBe(0)
  })

  it('the examples with --min-valid are warned of as the guide shows, where the tokens of the sandbox live five minutes', async () => {
    const [, command = '', said = ''] =
      /^```text\n\$ (hq-token get --min-valid .*)\n([^]*?)```/m.exec(guide) ?? []
    const run = shell(await place({ accessTtl: 300 }, 300))
    await run('hq-token seed')
    const { code, stdout, stderr } = await run(command)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\S{20,}\n$/)
    const wanted = said.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replace('has 300 s left', 'has \\d+ s left')
    expect(stderr).toMatch(new RegExp(`^${wanted}$`))
  })
})

describe('the transcript of init in the guide', () => {
  const transcript = /```text\n\$ hq-token init\n([^]*?)```/.exec(guide)?.[1] ?? ''

  it(
    'the transcript of init in the guide is what a person sees at a terminal, in this order',
    { timeout: 180_000 },
    async () => {
      requirePrograms('python3')
      const { sandbox } = await place()
      const home = folder()
      const [redirectUri, secret] = ['http://127.0.0.1:8765/callback', sandbox.clientSecret]
      const { said, status } = await atTerminal(
        [process.execPath, BIN, 'init'],
        [
          { after: 'Instance', type: `${sandbox.url}\r` },
          { after: 'Client id', type: `${sandbox.clientId}\r` },
          { after: 'Redirect URI', type: '\r' },
          { after: 'Client secret', type: `${secret}\r` },
        ],
        { HOME: home, PATH: process.env['PATH'], NO_COLOR: '1', TERM: 'xterm' },
      )
      expect(status).toBe(0)
      expect(said).not.toContain(secret)
      // As it stands on the screen: without what moves the cursor, and one line for each check.
      const screen = said.replaceAll(/\u001b\[[\d;]*[A-Za-z]/g, '').replaceAll('\r', '')
      const flat = screen.replaceAll(/\n {10,}/g, ' ')
      const pattern = transcript
        .trim()
        .split('\n')
        .map((line) =>
          line === '…'
            ? '[^]*?'
            : line
                .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
                .replaceAll('…', '.*')
                .replaceAll('/home/jobs', home)
                .replaceAll('https://acme\\.highq\\.com/acme/', sandbox.url)
                .concat(' *\n'),
        )
        .join('')
      expect(flat).toMatch(new RegExp(`^${pattern}$`))
      expect(transcript).toContain(redirectUri)
    },
  )
})

it('the line that tells whether a seed was imported does so', async () => {
  const line = lines(guide, /"event":"seed_imported"/)[0] ?? ''
  const made = await place({}, 3600)
  const run = shell(made)
  const command = typed(line).replace(' token.ini', ` ${made.seed}`)
  expect(command).toContain(made.seed)
  expect((await run(command)).code).toBe(0)
  expect((await run(command)).code).toBe(1)
})
