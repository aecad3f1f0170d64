import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import axe from 'axe-core'
import { chromium, type Browser, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { requirePrograms } from './debian.js'

const SHOTS = fileURLToPath(new URL('../../artifacts/login', import.meta.url))

/** Debian's Chromium, without a screen. */
export async function startBrowser(): Promise<Browser> {
  requirePrograms('chromium')
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      // What a page wants from outside, fonts say, is not waited for.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1, EXCLUDE localhost',
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  })
}

/** How a person may see a page. */
const VIEWS = {
  light: { colorScheme: 'light', width: 1000, height: 700 },
  dark: { colorScheme: 'dark', width: 1000, height: 700 },
  phone: { colorScheme: 'light', width: 360, height: 640 },
} as const

/** A picture of the page in each view, for a person to look at; and each must be accessible, and fit. */
export async function looksWell(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true })
  for (const [view, { colorScheme, width, height }] of Object.entries(VIEWS)) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height })
    await page.screenshot({ path: `${SHOTS}/${name}-${view}.png` })
    expect(
      await page.evaluate('document.documentElement.scrollWidth'),
      `${view}: nothing hangs out`,
    ).toBeLessThanOrEqual(width)
    expect(await violations(page), `${name}, ${view}`).toEqual([])
  }
}

/** What axe-core finds. In a world of its own: the page's own policy lets no script in. */
async function violations(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page)
  const { frameTree } = await session.send('Page.getFrameTree')
  const { executionContextId } = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
  })
  const { result } = await session.send('Runtime.evaluate', {
    contextId: executionContextId,
    expression: `${axe.source}; axe.run().then(({ violations, passes }) => JSON.stringify({
      found: violations.map(({ id, help, nodes }) => id + ': ' + help + ' ' + nodes.map(({ html }) => html).join(' ')),
      passed: passes.length,
    }))`,
    awaitPromise: true,
    returnByValue: true,
  })
  const { found, passed } = JSON.parse(String(result.value)) as { found: string[]; passed: number }
  // A check that has looked at nothing finds nothing.
  expect(passed).toBeGreaterThan(5)
  return found
}
