// Holds docs/monitoring.md against the program: every block of it is tried, here or in a test beside this one.
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { program } from '../../src/cli/program.js'
import { CHECK_EXIT } from '../../src/core/check.js'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { BLOCKS, PAGE, shown } from '../support/monitoring-page.js'
import { place } from '../support/place.js'
import { BIN, ended, type Ended } from '../support/processes.js'

/** A person at a shell, with a fresh token set for the usual profile and for `acme`. */
async function shell(): Promise<(line: string) => Promise<Ended>> {
  const bin = folder()
  const stub = `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`
  writeFileSync(join(bin, 'hq-token'), stub, { mode: 0o755 })
  const { dir, config, seed } = await place({}, 3500)
  mkdirSync(join(dir, 'profiles'))
  const acme = readFileSync(config, 'utf8').replace('file = token.ini', `file = ${seed}`)
  writeFileSync(join(dir, 'profiles/acme.ini'), acme, { mode: 0o600 })
  const env = { HOME: dir, PATH: `${bin}:/usr/bin:/bin`, HQ_TOKEN_CONFIG_DIR: dir }
  const type = (line: string): Promise<Ended> =>
    ended(spawn('sh', ['-c', line], { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  await type('hq-token get && hq-token --profile acme get')
  return type
}

describe('the page on monitoring', () => {
  beforeAll(() => {
    requirePrograms(['promtool', 'prometheus'])
  })

  it('the page shows the line that check prints, but for its numbers', async () => {
    const type = await shell()
    const [, command = '', line = ''] = /^\$ (.*)\n([^]*)$/.exec(shown('$ hq-token check')) ?? []
    const said = await type(command)
    expect(said).toMatchObject({ code: 0, stderr: '' })
    const shape = (text: string): string => text.replaceAll(/\d+/g, 'N')
    expect(shape(said.stdout)).toBe(shape(line))
  })

  it('the commands of the page end well, on a fresh token set', async () => {
    const type = await shell()
    const lines = [shown('hq-token check -w'), shown('| promtool')].flatMap((block) =>
      block.trim().split('\n'),
    )
    expect(lines).toHaveLength(5)
    for (const line of lines)
      expect([line, await type(line)]).toEqual([line, expect.objectContaining({ code: 0, stderr: '' })])
    expect((await type(lines.find((line) => line.includes('--profile acme')) ?? '')).stdout).toMatch(
      / - acme: /,
    )
  })

  it('the states of the page have the exit codes of check, and its limits are the defaults', () => {
    const rows = [...PAGE.matchAll(/^\| (.+) \| (OK|WARNING|CRITICAL|UNKNOWN) \| (\d) \|$/gm)]
    const found = rows.map(([, , state = '', code]) => [state, Number(code)])
    expect(new Set(found.map(([state]) => state)).size).toBe(4)
    for (const [state, code] of found) expect(code).toBe(CHECK_EXIT[state as keyof typeof CHECK_EXIT])
    const check = program(
      undefined as never,
      () => undefined,
      () => undefined,
    ).commands.find((command) => command.name() === 'check')
    const help = check?.helpInformation().replaceAll(/\s+/g, ' ')
    const whats = rows.map(([, what = '']) => what).join('\n')
    for (const [option, byDefault, onPage] of [
      ['-w, --warning', '14d:, at most half of its life', 'ends within 14 days (`-w`)'],
      ['-c, --critical', '3d:, at most a tenth of its life', 'ends within 3 days (`-c`)'],
      ['--failing-for', '15m', 'failed for 15 minutes (`--failing-for`)'],
      [
        '--max-age',
        '30d where the server tells no end',
        '`--max-age`: 30 days where the server tells no end',
      ],
      ['-t, --timeout', '10s', 'nothing in 10 seconds (`-t`)'],
    ] as const) {
      expect(help).toMatch(new RegExp(`${option} [^(]*\\(default: ${byDefault}`))
      expect(whats).toContain(onPage)
    }
  })

  it('the triggers for Zabbix name an item of the page and words that check prints', () => {
    const keys = [...shown('UserParameter=').matchAll(/^UserParameter=([\w.-]+),/gm)].map(([, key]) => key)
    const triggers = shown('nodata(').trim().split('\n')
    for (const trigger of triggers) {
      const [, key, state = 'OK'] =
        /^\w+\(\/web1\/([\w.-]+),(?:,"like","HQ_TOKEN (\w+)"\)=1$|\d+m\)=1$)/.exec(trigger) ?? []
      expect(keys).toContain(key)
      expect(Object.keys(CHECK_EXIT)).toContain(state)
    }
    expect(triggers).toHaveLength(4)
  })

  it('every block of the page is tried by a test, and another page leads to it', () => {
    const sources = ['test/monitoring', 'test/support']
      .flatMap((dir) => readdirSync(dir).map((name) => join(dir, name)))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(name, 'utf8'))
    const parts = [...sources.join('\n').matchAll(/\bshown\(\s*'([^']+)'/g)].map(([, part = '']) => part)
    for (const { text } of BLOCKS)
      expect([text, parts.filter((part) => text.includes(part)).length > 0]).toEqual([text, true])
    expect(readFileSync('docs/guide.md', 'utf8')).toContain('](monitoring.md)')
  })
})
