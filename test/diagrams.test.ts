// Holds the diagrams of the documentation against Mermaid, and the drawing of the rooms against sources that are made for it.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { roomsDiagram } from '../scripts/rooms.js'
import { startBrowser } from './support/browser.js'
import { folder } from './support/folder.js'

const SHOTS = 'artifacts/pictures'
const pages = ['README.md', 'SECURITY.md', ...readdirSync('docs').map((name) => join('docs', name))]
const diagrams = pages
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [...readFileSync(name, 'utf8').matchAll(/^```mermaid\n([^]*?)^```$/gm)].map(([, text = '']) => ({
      name: `${name}: ${text.slice(0, text.indexOf('\n'))}`,
      text,
    })),
  )

describe('a diagram of the documentation', () => {
  let browser: Browser
  let page: Page

  beforeAll(async () => {
    browser = await startBrowser()
    page = await browser.newPage({ viewport: { width: 1000, height: 800 } })
    await page.addScriptTag({ path: fileURLToPath(import.meta.resolve('@mermaid-js/tiny')) })
  })
  afterAll(() => browser.close())

  /** What Mermaid makes of it; a mistake is thrown by its parser. */
  async function svgOf(text: string, theme = 'default'): Promise<string> {
    return page.evaluate(
      `(async () => {
        mermaid.initialize({ startOnLoad: false, theme: ${JSON.stringify(theme)} })
        const { svg } = await mermaid.render('one', ${JSON.stringify(text)})
        document.body.innerHTML = svg
        return svg
      })()`,
    )
  }

  it('a diagram of the documentation is there for the rooms, for the exchange and for the shared store', () => {
    expect(diagrams.map(({ name }) => name)).toEqual([
      'docs/architecture.md: flowchart TD',
      'docs/architecture.md: sequenceDiagram',
      'docs/architecture.md: sequenceDiagram',
    ])
  })

  it.each(diagrams)('$name is one that Mermaid draws', async ({ name, text }) => {
    mkdirSync(SHOTS, { recursive: true })
    const kind = /\w+(?=$| TD$)/.exec(name)?.[0] ?? 'diagram'
    for (const [theme, ground] of Object.entries({ default: '#ffffff', dark: '#0d1117' })) {
      expect(await svgOf(text, theme)).toMatch(/^<svg .*<\/svg>$/s)
      await page.evaluate(`document.body.style.background = '${ground}'`)
      await page.locator('svg').screenshot({ path: `${SHOTS}/${kind}-${theme}.png` })
    }
  })

  it('a diagram of the documentation is refused by Mermaid where it has a mistake', async () => {
    for (const { text } of diagrams) await expect(svgOf(text.replaceAll('>', '?'))).rejects.toThrow(/rror/)
  })
})

describe('the diagram of the exchange', () => {
  const { text = '' } = diagrams.find(({ name }) => name.includes('sequence')) ?? {}
  const steps = [...text.matchAll(/^ {2}(?:(\w+)-+>>(\w+): (.*)|Note over \S+: (.*))$/gm)].map(
    ([, from, to, what = '', note]) => note ?? `${from} ${to}: ${what}`,
  )
  const at = (words: RegExp): number => steps.findIndex((step) => words.test(step))

  it('the diagram of the exchange has the steps in the order that keeps a grant alive', () => {
    const order = [
      ...[/take the lock/, /read the row/, /take up/, /commit the intent/, /one POST/, /the answer/],
      ...[
        /fdatasync/,
        /read the answer/,
        /WHERE generation/,
        /drop the answer/,
        /release/,
        /print the token/,
      ],
    ].map(at)
    expect(order).not.toContain(-1)
    expect(order).toEqual([...order].sort((a, b) => a - b))
  })

  it('the diagram of the exchange says after each step that changes something what a crash costs there', () => {
    for (const step of [
      /take the lock/,
      /commit the intent/,
      /the answer, with/,
      /fdatasync/,
      /WHERE generation/,
    ])
      expect(steps[at(step) + 1]).toMatch(/^Killed/)
  })
})

describe('the diagram of the rooms', () => {
  /** A folder of sources, each with what it imports. */
  function sources(files: Readonly<Record<string, readonly string[]>>): string {
    const src = folder()
    for (const [name, imports] of Object.entries(files)) {
      mkdirSync(join(src, dirname(name)), { recursive: true })
      writeFileSync(join(src, name), imports.map((path) => `${path}\n`).join(''))
    }
    return src
  }

  it('the diagram of the rooms has an arrow for an import, for its types too, and none that follows from others', () => {
    const src = sources({
      'bin.ts': ["import './cli/main.js'"],
      'cli/main.ts': [
        "import type { Row } from '../store/row.js'",
        "import '../core/policy.js'",
        "import 'node:fs'",
      ],
      'store/row.ts': ["export { judge } from '../core/policy.js'", "await import('./files.js')"],
      'store/files.ts': [],
      'core/policy.ts': [],
      'version.ts': [],
    })
    expect(roomsDiagram(src)).toBe(
      [
        'flowchart TD',
        '  bin["<b>bin.ts</b><br>the process: the warm path, else the command line"]',
        '  cli["<b>cli/</b><br>speaks"]',
        '  store["<b>store/</b><br>remembers"]',
        '  core["<b>core/</b><br>decides"]',
        '  bin --> cli',
        '  cli --> store',
        '  store --> core',
        '',
      ].join('\n'),
    )
  })

  it('the diagram of the rooms is not drawn where a folder is in no room', () => {
    expect(() => roomsDiagram(sources({ 'attic/box.ts': [] }))).toThrow(
      'in no room of scripts/rooms.js: attic/box.ts',
    )
    expect(() =>
      roomsDiagram(sources({ 'loose.ts': ["import './core/policy.js'"], 'core/policy.ts': [] })),
    ).toThrow('in no room of scripts/rooms.js: loose.ts')
  })

  it('the diagram of the rooms is not drawn where rooms import one another', () => {
    const src = sources({
      'store/row.ts': ["import '../core/policy.js'"],
      'core/policy.ts': ["import('../store/row.js')"],
    })
    expect(() => roomsDiagram(src)).toThrow('there is a circle through store')
  })

  it('the diagram of the rooms has every folder of the sources', () => {
    const drawn = roomsDiagram('src')
    for (const { name } of readdirSync('src', { withFileTypes: true }).filter((one) => one.isDirectory()))
      expect(drawn).toMatch(new RegExp(`<b>(?:\\S+ )*${name}/`))
  })
})
