// Looks at an SVG as a test does: by its words, and as a browser draws it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { XMLParser } from 'fast-xml-parser'
import type { Browser } from 'playwright-core'
import { expect } from 'vitest'

const SHOTS = fileURLToPath(new URL('../../artifacts/pictures', import.meta.url))

/** What every picture of the documentation must be: named, described, and without anything that loads or runs. */
export function expectHarmless(svg: string): void {
  const { svg: root } = new XMLParser({ ignoreAttributes: false }).parse(svg) as {
    svg: Record<string, Record<string, string>>
  }
  expect(root['@_role']).toBe('img')
  expect(root['title']?.['#text']).toMatch(/\S/)
  expect(root['desc']?.['#text']).toMatch(/\S.{40,}\.$/)
  expect(svg.match(/<(?!\/|svg|title|desc|style|rect|text|tspan|line)[^>]*>/g)).toBeNull()
  expect(svg).not.toMatch(/@import|@font-face|url\(|href|\son\w+=/)
}

/** Its lines as a person reads them, without the gaps. */
export function wordsOf(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(([, line = '']) =>
    [...`>${line}<`.matchAll(/>([^<]+)</g)].map(([, word = '']) => word).join(' '),
  )
}

/** Draws it in both schemes, keeps the shots for a person to look at, and expects XML in which no text leaves the frame. */
export async function drawn(browser: Browser, name: string, svg: string): Promise<Record<string, string>> {
  mkdirSync(SHOTS, { recursive: true })
  const grounds: Record<string, string> = {}
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await browser.newPage({ colorScheme })
    const broken = await page.evaluate(
      `new DOMParser().parseFromString(${JSON.stringify(svg)}, 'image/svg+xml').querySelector('parsererror')?.textContent`,
    )
    expect(broken, `${name} is XML`).toBeUndefined()
    await page.setContent(`<body style="margin:0">${svg}</body>`)
    const shot = await page.locator('svg').screenshot({ path: `${SHOTS}/${name}-${colorScheme}.png` })
    writeFileSync(`${SHOTS}/${name}-${colorScheme}.png`, shot)
    const outside = await page.evaluate(`(() => {
      const { right, bottom, left, top } = document.querySelector('svg').getBoundingClientRect()
      return [...document.querySelectorAll('svg text')].flatMap((text) => {
        const box = text.getBoundingClientRect()
        const isInside = box.left >= left && box.top >= top && box.right <= right && box.bottom <= bottom
        return isInside ? [] : [text.textContent]
      })
    })()`)
    expect(outside, `${name}, ${colorScheme}`).toEqual([])
    grounds[colorScheme] = String(
      await page.evaluate("getComputedStyle(document.querySelector('.ground')).fill"),
    )
    await page.close()
  }
  return grounds
}
