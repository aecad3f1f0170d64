// Holds docs/reliability.md and the README's table against the fault harnesses, and against the script that writes them.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FLEET_HARNESSES, HARNESSES } from './faults/figures.js'
import { folder } from './support/folder.js'

const page = (name: string): string => readFileSync(name, 'utf8')

describe('the figures of the fault harnesses', () => {
  const figures = (name: string): string[][] =>
    [...page(name).matchAll(/<!-{2} figures of npm run test:\w+ -{2}>\n\n(\|[^]*?)\n\n/g)].flatMap(
      ([, table = '']) =>
        table
          .split('\n')
          .slice(2)
          .map((line) => line.split('|').map((cell) => cell.trim())),
    )

  it('tell how each test file of the faults works', () => {
    const files = readdirSync('test/faults').flatMap((name) => /^(.+)\.test\.ts$/.exec(name)?.slice(1) ?? [])
    expect(files).toEqual(expect.arrayContaining(Object.keys(HARNESSES)))
    for (const name of files) expect(page('docs/reliability.md')).toContain(`| \`${name}\` | `)
  })

  it.each(Object.entries({ ...HARNESSES, ...FLEET_HARNESSES }))(
    'tell of %s, and how it works',
    (harness, title) => {
      expect(page('docs/reliability.md')).toContain(`| \`${harness}\` | `)
      expect(figures('docs/reliability.md')).toContainEqual(expect.arrayContaining([`\`${harness}\``, title]))
    },
  )

  it('the figures of the fault harnesses are of one run in both pages', () => {
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

  it.each([
    ['faults', HARNESSES],
    ['fleet', FLEET_HARNESSES],
  ])('can be written after `npm run test:%s`, and not while one harness is missing', (which, harnesses) => {
    const copy = folder()
    for (const name of ['scripts/reliability.js', 'README.md', 'docs/reliability.md', `test/${which}`])
      cpSync(name, join(copy, name), { recursive: true })
    writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
    const counted = join(copy, 'artifacts', which)
    mkdirSync(counted, { recursive: true })
    const write = (): string =>
      execFileSync(process.execPath, ['scripts/reliability.js', which], { cwd: copy, encoding: 'utf8' })
    const names = Object.keys(harnesses)
    for (const [place, harness] of names.entries()) {
      if (place === names.length - 1) expect(write()).toContain(`not in full, or not at all: ${harness}\n`)
      const figures = { harness, title: harness, place, run: 'full', tried: 'as a test', lost: 0 }
      writeFileSync(join(counted, `${harness}.json`), JSON.stringify(figures))
    }
    expect(write()).toContain(`${names.length} harnesses; `)
    const written = readFileSync(join(copy, 'docs/reliability.md'), 'utf8')
    expect(written.match(/\| as a test \| 0 \|/g)).toHaveLength(names.length)
  })
})
