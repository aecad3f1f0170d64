// The HTML pages of the sandbox. Holds no script, and decides nothing.
import { createHash } from 'node:crypto'

import type { Reply } from './answers.js'
import { escaped, reply } from './answers.js'

const STYLE = `
:root { color-scheme: light dark; --ground: #f3f4f6; --card: #fff; --text: #1b1f24; --quiet: #57606a;
  --line: #6e7781; --accent: #0b57d0; --on-accent: #fff }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --card: #1e2226; --text: #e8eaed;
  --quiet: #a8b0b8; --line: #8b949e; --accent: #a8c7fa; --on-accent: #062e6f } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 27rem; padding: 1.75rem; border-radius: .75rem; background: var(--card);
  box-shadow: 0 1px 3px rgb(0 0 0 / .25) }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25 }
p { margin: 0 0 1rem }
dl { margin: 0 0 1.5rem; display: grid; gap: .75rem }
dt { color: var(--quiet); font-size: .875rem }
dd { margin: 0; overflow-wrap: anywhere; font-weight: 600 }
form { display: flex; flex-wrap: wrap; gap: .75rem }
button { flex: 1 1 8rem; min-height: 2.75rem; padding: .5rem 1rem; border: 1px solid var(--line); border-radius: .5rem;
  background: transparent; color: inherit; font: inherit; font-weight: 600; cursor: pointer }
button[value=allow] { border-color: var(--accent); background: var(--accent); color: var(--on-accent) }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px }
small { display: block; margin-top: 1.5rem; color: var(--quiet); font-size: .875rem }
`

/** No `form-action`, because browsers apply it to the redirect behind the form too, and that goes to the client. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** The question that the person at the authorize page decides. */
export interface Question {
  readonly clientId: string
  readonly user: string
  readonly redirectUri: URL
  readonly nonce: string
}

export function authorizePage({ clientId, user, redirectUri, nonce }: Question): Reply {
  return page(
    200,
    'Allow access?',
    `<p>An application asks to use the API in your name.</p>
<dl>
<div><dt>Application</dt><dd>Client ${escaped(clientId)}</dd></div>
<div><dt>Signed in as</dt><dd>${escaped(user)}</dd></div>
<div><dt>Continues at</dt><dd>${escaped(redirectUri.origin)}</dd></div>
</dl>
<form method="post">
<input type="hidden" name="nonce" value="${escaped(nonce)}">
<button name="decision" value="deny">Deny</button>
<button name="decision" value="allow">Allow</button>
</form>`,
  )
}

/** A page for an error that must not go to the redirect URI, because that is not known to be the client's. */
export function errorPage(status: number, what: string): Reply {
  return page(status, 'This request cannot be used', `<p>${escaped(what)}</p>`)
}

export function welcomePage(): Reply {
  return page(
    200,
    'hq-token sandbox',
    '<p>A stand-in for HighQ Collaborate on this machine, to try hq-token and to test scripts against expiry.</p>',
  )
}

function page(status: number, title: string, content: string): Reply {
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${content}
<small>This is a sandbox. Nothing here reaches a HighQ instance.</small>
</main>
</body>
</html>
`
  return reply(status, 'text/html', body, {
    'content-security-policy': POLICY,
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
}
