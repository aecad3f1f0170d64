import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'
import { program } from '../src/cli/program.js'
import { exitCodes } from '../src/cli/exit-codes.js'
import { configKeys } from '../src/config/keys.js'
import { Exit } from '../src/core/errors.js'
import { faultNames } from '../src/sandbox/faults.js'
import { HARNESSES } from './faults/figures.js'
import { place } from './support/place.js'
import { told } from './support/world.js'

const page = (name: string): string => readFileSync(name, 'utf8')
const commands = program(
  undefined as never,
  () => undefined,
  () => undefined,
).commands

describe('the documentation', () => {
  it('is not stale: `npm run docs` would change nothing', { timeout: 120_000 }, async () => {
    await expect(promisify(execFile)(process.execPath, ['scripts/docs.js', '--check'])).resolves.toBeDefined()
  })

  it.each(commands.map((command) => command.name()))(
    'tells of the command %s, and its help describes it',
    (name) => {
      const command = commands.find((one) => one.name() === name)
      expect(command?.description()).not.toBe('')
      for (const option of command?.options ?? []) expect([option.long, option.description]).not.toContain('')
      expect(page('README.md') + page('docs/guide.md')).toContain(`hq-token ${name}`)
      expect(command?.helpInformation()).not.toMatch(/default: \[\]|<\W>/)
      expect(page('docs/cli.md')).toContain(`## \`hq-token ${name}\``)
    },
  )

  it('has a page for every entry of the package', () => {
    const { exports } = JSON.parse(page('package.json')) as { exports: Record<string, string | object> }
    for (const [entry, target] of Object.entries(exports))
      if (typeof target === 'object')
        expect(page(`docs/api/hq-token${entry.slice(1)}.md`)).toContain('# hq-token')
  })

  it('tells of every exit code, in the README as everywhere', () => {
    expect(exitCodes.map(({ exit }) => exit)).toEqual(Object.values(Exit).sort((a, b) => a - b))
    for (const { exit, when, then } of exitCodes)
      expect(page('README.md')).toContain(`| ${exit} | ${when} | ${then} |`)
  })

  it('tells of every key and every fault', () => {
    for (const { key, env, supported } of configKeys) {
      if (!supported) continue
      expect(page('docs/config.md')).toContain(`| \`${key}\` | \`${env}\` |`)
      expect(page('config.example.ini')).toMatch(new RegExp(`^; ${key} = `, 'm'))
    }
    for (const name of Object.keys(faultNames)) expect(page('docs/cli.md')).toContain(`| \`${name}\` |`)
  })

  it('gives a query that makes a seed of the previous pair', async () => {
    const { config, dir, sandbox, store } = await place({ graceMs: 60_000 }, 3600)
    const env = { HQ_TOKEN_CONFIG: config }
    await told(['refresh'], { env })
    const previous = (await store.read())?.previous
    const [, sql] = /sqlite3 \S+ "(SELECT .*)"/.exec(page('docs/guide.md')) ?? []
    const db = new Database(join(dir, 'token.db'), { readonly: true })
    const seed = String(db.prepare(String(sql)).pluck().get())
    db.close()
    expect(await told(['seed', '--force', '--issued-at', '0', '-'], { env, input: seed })).toMatchObject({
      code: 0,
    })
    expect((await store.read())?.pair.refreshToken.reveal()).toBe(previous?.refreshToken.reveal())
    expect(await told(['get'], { env })).toMatchObject({ code: 0 })
    expect(sandbox.refreshes()).toBe(2)
  })
})

describe('the figures of the fault harnesses', () => {
  const figures = (name: string): string[][] =>
    (/<!-{2} figures of [^]*?(\|[^]*?)\n\n/.exec(page(name))?.[1] ?? '')
      .split('\n')
      .slice(2)
      .map((line) => line.split('|').map((cell) => cell.trim()))

  it.each(Object.entries(HARNESSES))('tell of %s, and how it works', (harness, title) => {
    expect(existsSync(`test/faults/${harness}.test.ts`)).toBe(true)
    expect(page('docs/reliability.md')).toContain(`| \`${harness}\` | `)
    expect(figures('docs/reliability.md')).toContainEqual(
      expect.arrayContaining([`[\`${harness}\`](../test/faults/${harness}.test.ts)`, title]),
    )
  })

  it('are of one run in both pages', () => {
    const whole = figures('docs/reliability.md').map(([, , title, tried, lost]) => [title, tried, lost])
    expect(figures('README.md').map(([, ...cells]) => cells.slice(0, 3))).toEqual(
      whole.filter(([, , lost]) => lost !== ''),
    )
  })

  it('show no loss that a client could have helped', () => {
    const losses = figures('README.md').map(([, , , lost = '']) => lost)
    expect(losses.length).toBeGreaterThan(5)
    for (const lost of losses) expect(lost).toMatch(/^(?:0|(\d+), beyond any client: \1)$/)
  })
})
