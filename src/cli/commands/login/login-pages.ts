// The pages that the browser shows at the end of a login. Holds no token, and loads nothing from outside.
import { createHash } from 'node:crypto'
import type { Page } from '../../../oauth/redirect-listener.js'
import { printable } from '../../terminal/output.js'

const STYLE = `
:root { color-scheme: light dark; --ground: #f2f3f5; --card: #fff; --text: #1a1d21; --quiet: #575e66;
  --good: #17663a; --bad: #a3261d; --code: #eceef0 }
@media (prefers-color-scheme: dark) { :root { --ground: #131517; --card: #1d2023; --text: #e9ebed;
  --quiet: #a6adb4; --good: #7fd6a0; --bad: #ffaba2; --code: #2a2e32 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 30rem; padding: 2rem; border-radius: .75rem; background: var(--card);
  box-shadow: 0 1px 3px rgb(0 0 0 / .2) }
svg { display: block; width: 2.75rem; height: 2.75rem; margin-bottom: 1rem; fill: none; stroke-width: 2.5;
  stroke-linecap: round; stroke-linejoin: round }
.good svg { stroke: var(--good) }
.bad svg { stroke: var(--bad) }
h1 { margin: 0 0 .5rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
p:last-child { margin-bottom: 0 }
.quiet { color: var(--quiet) }
code { padding: .25rem .5rem; border-radius: .375rem; background: var(--code); white-space: nowrap;
  font: .9375rem/1.75 ui-monospace, monospace; -webkit-box-decoration-break: clone; box-decoration-break: clone }
`

/** The policy allows this style and nothing else: no script, no image, nothing from outside. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const TICK = '<circle cx="24" cy="24" r="21"/><path d="m15 25 6.5 6.5L34 18"/>'
const CROSS = '<circle cx="24" cy="24" r="21"/><path d="m17 17 14 14m0-14L17 31"/>'

/** @param user The user's name, if the server told it. */
export function donePage(user: string | null): Page {
  return page(200, 'good', 'You are logged in', [
    `<p>hq-token keeps the access from here on${user === null ? '' : `, in the name of <strong>${escaped(user)}</strong>`}.</p>`,
    '<p class="quiet">This window can be closed. In the terminal, or in any script: <code>hq-token get</code></p>',
  ])
}

/**
 * @param what An error's message.
 * @param next The next command to type, or the next thing to look at.
 * @param typed Puts this person's usual options (`--profile`) into a command.
 */
export function failedPage(
  what: string,
  next: string | undefined,
  typed: (command: string) => string = (command) => command,
): Page {
  return page(400, 'bad', 'The login did not work', [
    `<p>${escaped(sentence(what))}</p>`,
    ...(next === undefined ? [] : [`<p>${withCommands(sentence(next), typed)}</p>`]),
    '<p class="quiet">The terminal says the same, and this window can be closed.</p>',
  ])
}

/** The answer to a second request, from another tab or a reload. */
export const takenPage = page(409, 'bad', 'This login has its answer', [
  '<p>Another tab or window was faster, and its answer is the one that counts.</p>',
  '<p class="quiet">This one can be closed.</p>',
])

/** The answer to a request that is no answer to a login. */
export const elsewherePage = page(404, 'bad', 'Nothing is here', [
  '<p>hq-token waits at another address for a login to come back from the browser.</p>',
  '<p class="quiet">Finish the login in the window in which it began, or begin again: <code>hq-token login</code></p>',
])

function page(status: number, mood: 'good' | 'bad', title: string, content: readonly string[]): Page {
  return {
    status,
    contentSecurityPolicy: POLICY,
    html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · hq-token</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<main class="${mood}">
<svg viewBox="0 0 48 48" aria-hidden="true">${mood === 'good' ? TICK : CROSS}</svg>
<h1>${title}</h1>
${content.join('\n')}
</main>
</body>
</html>
`,
  }
}

/** Makes a sentence of a terminal's message, which begins small and has no full stop. A command stays as it is. */
function sentence(text: string): string {
  const begun = text.startsWith('hq-token') ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}`
  return `${begun}.`
}

function withCommands(text: string, typed: (command: string) => string): string {
  return text
    .split(
      /(hq-token (?:login|logout|get|refresh|seed|status|doctor|init)(?: (?:--?\w[\w-]*|FILE|-(?![\w-])))*)/,
    )
    .map((part, at) => (at % 2 === 1 ? `<code>${escaped(typed(part))}</code>` : escaped(part)))
    .join('')
}

/** Escapes a text for the page, and characters that command a terminal or turn the direction of writing. */
function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return printable(text).replace(/[&<>"]/g, (character) => entities[character] ?? character)
}
