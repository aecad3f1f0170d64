// Holds the pictures of the documentation against what the program prints now, and against what a reader needs.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCHEMES } from '../scripts/pictures/svg.js'
import { terminalSvg } from '../scripts/pictures/terminal-svg.js'
import { startBrowser } from './support/browser.js'
import { requirePrograms } from './support/debian.js'
import { drawn, expectHarmless, wordsOf } from './support/svg.js'

const FOLDER = 'docs/pictures'
const names = readdirSync(FOLDER).map((name) => name.replace('.svg', ''))
const picture = (name: string): string => readFileSync(`${FOLDER}/${name}.svg`, 'utf8')
const check = (name: string): Promise<unknown> =>
  promisify(execFile)(process.execPath, ['scripts/pictures.js', '--check', name])

describe('the pictures of the README', { timeout: 300_000 }, () => {
  beforeAll(() => {
    requirePrograms('python3')
  })

  it.each(['status', 'story'])(
    '%s shows what the program prints now, but for names, tokens and times',
    async (name) => {
      await expect(check(name)).resolves.toBeDefined()
    },
  )

  it('the pictures of the README are shown, and described for who does not see them', () => {
    const images = [
      ...readFileSync('README.md', 'utf8').matchAll(/!\[([^\]]*)\]\(docs\/pictures\/(\w+)\.svg\)/g),
    ]
    expect(images.map(([, , name]) => name)).toEqual(['status', 'story'])
    for (const [, alt] of images) expect(alt).toMatch(/^A terminal: .{40,}\.$/)
  })

  it('the pictures of the README hold no token', () => {
    for (const name of names) expect(picture(name)).not.toMatch(/(?:access|refresh)-[\w-]{6}/)
  })
})

describe('the chart of the page on performance', () => {
  it('the chart of the page on performance has the figures of bench/results.md, and of no other run', async () => {
    await expect(check('performance')).resolves.toBeDefined()
    const [, chart] =
      /!\[([^\]]+)\]\(pictures\/performance\.svg\)/.exec(readFileSync('docs/performance.md', 'utf8')) ?? []
    expect(chart).toMatch(/^Bars: /)
  })

  it('the chart of the page on performance is of the run whose table stands below it', () => {
    const [, printed = ''] =
      /^Printed by `npm run bench` (on .*)$/m.exec(readFileSync('docs/performance.md', 'utf8')) ?? []
    expect(wordsOf(picture('performance'))).toContain(`Printed by npm run bench ${printed}`)
  })
})

describe('every picture', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await startBrowser()
  })
  afterAll(() => browser.close())

  it.each(names)('%s loads nothing, runs nothing, and has a name and a description', (name) => {
    expectHarmless(picture(name))
  })

  it.each(names)('%s fits its frame, on a light page and on a dark one', async (name) => {
    const { light, dark } = await drawn(browser, name, picture(name))
    expect(light).toBe('rgb(246, 248, 250)')
    expect(dark).toBe('rgb(22, 27, 34)')
  })
})

describe('the colours of the pictures', () => {
  /** @see https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
  function luminance(colour: string): number {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
      const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }

  it.each(Object.entries(SCHEMES))(
    'the colours of the pictures can be read on the %s ground',
    (_, scheme) => {
      const { ground = '' } = scheme
      const inks = Object.entries(scheme).filter(([name]) => name !== 'ground' && name !== 'edge')
      const contrasts = inks.map(([name, ink]) => {
        const [low = 0, high = 0] = [luminance(ground), luminance(ink)].sort((a, b) => a - b)
        return [name, (high + 0.05) / (low + 0.05)] as const
      })
      expect(contrasts.length).toBeGreaterThan(4)
      expect(contrasts.filter(([, contrast]) => contrast < 4.5)).toEqual([])
    },
  )
})

describe('the drawing of a terminal', () => {
  const words = {
    title: 'a <title>',
    description: 'What a terminal shows, in a sentence that is long enough.',
  }
  const draw = (output: string, columns = 20): Promise<string> => terminalSvg(output, columns, words)

  it('the drawing of a terminal has each run in its place and its style', async () => {
    const svg = await draw(
      '\u001b[2mstate\u001b[22m  \u001b[1m\u001b[32mfresh\u001b[39m\u001b[22m & <more>\r\n',
      40,
    )
    expect(
      [...svg.matchAll(/<tspan x="([\d.]+)".*?(?: class="([^"]*)")?>([^<]*)</g)].map((match) =>
        match.slice(1),
      ),
    ).toEqual([
      ['18', 'dim', 'state'],
      ['76.8', 'bold green', 'fresh'],
      ['127.2', undefined, '&amp; &lt;more&gt;'],
    ])
    expectHarmless(svg)
  })

  it('the drawing of a terminal wraps as a terminal of that width does, and leaves empty lines their place', async () => {
    const svg = await draw('one line that is too long\r\n\r\nlast\r\n\r\n')
    expect(wordsOf(svg)).toEqual(['one line that is too', 'long', 'last'])
    expect([...svg.matchAll(/<text y="(\d+)"/g)].map(([, y]) => Number(y))).toEqual([32, 52, 92])
  })

  it('the drawing of a terminal shows what is left where a program writes over a line', async () => {
    expect(wordsOf(await draw('waiting …\r\u001b[Kdone\r\n'))).toEqual(['done'])
  })

  it.each(['\u001b[35mmagenta', '\u001b[44mblue ground', '\u001b[7minverse', '\u001b[38;2;1;2;3mexact'])(
    'the drawing of a terminal is refused for a style that it does not know: %j',
    async (output) => {
      await expect(draw(output)).rejects.toThrow(/there is no/)
    },
  )
})
