import { describe, expect, it } from 'vitest'

import type { Sandbox } from '../../src/sandbox/server.js'
import { challengeOf, movableClock, post, record, sandboxFor } from './client.js'

const verifier = 'v'.repeat(64)
const callback = 'http://127.0.0.1:8765/callback'

type Parameters = Readonly<Record<string, string | undefined>>

function ask(sandbox: Sandbox, changes: Parameters = {}): Promise<Response> {
  const parameters: Parameters = {
    response_type: 'code',
    client_id: sandbox.clientId,
    redirect_uri: callback,
    state: 'a state & more',
    code_challenge: challengeOf(verifier),
    code_challenge_method: 'S256',
    ...changes,
  }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value)
  return fetch(`${sandbox.url}authorize.action?${query.toString()}`, { redirect: 'manual' })
}

function decide(sandbox: Sandbox, form: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams(form)
  return fetch(`${sandbox.url}authorize.action`, { method: 'POST', body, redirect: 'manual' })
}

async function nonceIn(page: Response): Promise<string> {
  return /name="nonce" value="([\w-]{43})"/.exec(await page.text())?.[1] ?? ''
}

function parametersAt(response: Response): Record<string, string> {
  const location = new URL(response.headers.get('location') ?? '')
  expect(`${location.origin}${location.pathname}`).toBe(callback)
  return Object.fromEntries(location.searchParams)
}

function exchange(sandbox: Sandbox, code: string | undefined, changes: Record<string, string> = {}) {
  const form = { code: code ?? '', redirect_uri: callback, code_verifier: verifier, ...changes }
  return post(sandbox, { grant_type: 'authorization_code', ...form })
}

describe('what a person decides', () => {
  it('what a person decides to allow: a code comes back, and gives a token set once', async () => {
    const sandbox = await sandboxFor()
    const response = await decide(sandbox, { nonce: await nonceIn(await ask(sandbox)), decision: 'allow' })
    expect(response.status).toBe(303)
    const { code, ...others } = parametersAt(response)
    expect(others).toEqual({ state: 'a state & more', iss: sandbox.url })

    const granted = await exchange(sandbox, code)
    expect(granted.status).toBe(200)
    expect(await record(granted)).toMatchObject({ expires_in: 300, token_type: 'bearer' })
    expect((await exchange(sandbox, code)).status).toBe(400)
    expect(sandbox.log.map(({ outcome }) => outcome)).toEqual(['asked', 'allowed', 'issued', 'reused'])
  })

  it.each(['deny', '', 'nonsense'])('“%s”: access_denied comes back', async (decision) => {
    const sandbox = await sandboxFor()
    const response = await decide(sandbox, { nonce: await nonceIn(await ask(sandbox)), decision })
    expect(parametersAt(response)).toEqual({
      error: 'access_denied',
      state: 'a state & more',
      iss: sandbox.url,
    })
  })

  it('what a person decides counts once, from the page that was shown, while that is fresh', async () => {
    const clock = movableClock()
    const sandbox = await sandboxFor({ clock })
    const nonce = await nonceIn(await ask(sandbox))
    expect((await decide(sandbox, { decision: 'allow' })).status).toBe(400)
    expect((await decide(sandbox, { nonce: 'x'.repeat(43), decision: 'allow' })).status).toBe(400)
    expect((await decide(sandbox, { nonce, decision: 'allow' })).status).toBe(303)
    expect((await decide(sandbox, { nonce, decision: 'allow' })).status).toBe(400)
    const stale = await nonceIn(await ask(sandbox))
    clock.forward(1_800)
    expect((await decide(sandbox, { nonce: stale, decision: 'allow' })).status).toBe(400)
  })

  it('what a person decides keeps the query that the redirect_uri has', async () => {
    const sandbox = await sandboxFor()
    const page = await ask(sandbox, { redirect_uri: `${callback}?tenant=a%20b`, state: undefined })
    const response = await decide(sandbox, { nonce: await nonceIn(page), decision: 'allow' })
    const { code, ...others } = parametersAt(response)
    expect(others).toEqual({ tenant: 'a b', iss: sandbox.url })
    const granted = await exchange(sandbox, code, { redirect_uri: `${callback}?tenant=a%20b` })
    expect(granted.status).toBe(200)
  })

  it('what a person decides gives nothing to one without the code_verifier', async () => {
    const sandbox = await sandboxFor()
    const response = await decide(sandbox, { nonce: await nonceIn(await ask(sandbox)), decision: 'allow' })
    const refused = await exchange(sandbox, parametersAt(response)['code'], { code_verifier: 'w'.repeat(64) })
    expect([refused.status, await record(refused)]).toMatchObject([400, { error: 'invalid_grant' }])
  })
})

describe('a request that cannot be trusted', () => {
  it.each([
    { client_id: '1013' },
    { client_id: undefined },
    { redirect_uri: undefined },
    { redirect_uri: 'http://example.com/callback' },
    { redirect_uri: 'http://127.0.0.1.example.com/' },
    { redirect_uri: 'javascript:alert(1)' },
    { redirect_uri: 'https://example.com/#fragment' },
    { redirect_uri: '/callback' },
  ])('%j: a page says so, and no redirect', async (changes) => {
    const response = await ask(await sandboxFor(), changes)
    expect(response.status).toBe(400)
    expect(response.headers.get('location')).toBeNull()
    expect(await response.text()).toContain('<h1>This request cannot be used</h1>')
  })

  it.each([
    [{ response_type: 'token' }, 'unsupported_response_type'],
    [{ response_type: undefined }, 'unsupported_response_type'],
    [{ code_challenge_method: 'plain' }, 'invalid_request'],
    [{ code_challenge_method: undefined }, 'invalid_request'],
    [{ code_challenge: 'short' }, 'invalid_request'],
  ])('%j goes back as %s', async (changes, error) => {
    const response = await ask(await sandboxFor(), changes)
    expect(response.status).toBe(303)
    expect(parametersAt(response)).toMatchObject({ error, state: 'a state & more' })
  })

  it.each(['https://app.example.com/cb', 'http://localhost:1/', 'http://[::1]:8765/cb'])(
    '%s is fine here',
    async (redirect) => {
      expect((await ask(await sandboxFor(), { redirect_uri: redirect })).status).toBe(200)
    },
  )

  it('a request of an archived registration gets no page to allow anything', async () => {
    const sandbox = await sandboxFor()
    sandbox.setArchived(true)
    expect((await ask(sandbox)).status).toBe(403)
  })

  it('a request that cannot be trusted is neither GET nor POST', async () => {
    const sandbox = await sandboxFor()
    expect((await fetch(`${sandbox.url}authorize.action`, { method: 'PUT' })).status).toBe(405)
  })
})

describe('the page', () => {
  it('the page has what a reader, a keyboard and a phone need', async () => {
    const html = await (await ask(await sandboxFor())).text()
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(html).toContain('<meta charset="utf-8">')
    expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
    expect(html).toMatch(/<title>[^<]+<\/title>/)
    expect(html.match(/<h1>/g)).toHaveLength(1)
    expect(html.match(/<main>/g)).toHaveLength(1)
    expect(html).toContain('<button name="decision" value="allow">Allow</button>')
    expect(html).toContain('<button name="decision" value="deny">Deny</button>')
    expect(html).toContain(':focus-visible')
    expect(html).toContain('prefers-color-scheme: dark')
    expect(html).not.toMatch(/<script|outline: *(0|none)/)
  })

  it.each(['light', 'dark'])('the page is legible in %s: 4.5 to 1 and more', async (scheme) => {
    const css = /<style>(.*)<\/style>/s.exec(await (await ask(await sandboxFor())).text())?.[1] ?? ''
    const [light = '', dark = ''] = css.match(/:root \{[^}]*\}/g) ?? []
    const colour = (name: string) =>
      new RegExp(`${name}: (#\\w+)`).exec(scheme === 'dark' ? dark : light)?.[1] ?? ''
    const pairs = [
      ['--text', '--card'],
      ['--quiet', '--card'],
      ['--on-accent', '--accent'],
    ] as const
    for (const [front, back] of pairs) expect(contrast(colour(front), colour(back))).toBeGreaterThan(4.5)
    for (const line of ['--line', '--accent'])
      expect(contrast(colour(line), colour('--card'))).toBeGreaterThan(3)
  })

  it('the page runs nothing, loads nothing, and is not framed', async () => {
    const { headers } = await ask(await sandboxFor())
    const policy = headers.get('content-security-policy')
    expect(policy).toMatch(/default-src 'none'; style-src 'sha256-[\w+/=]+'/)
    expect(policy).toContain("frame-ancestors 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
  })

  it('the page escapes what it is given', async () => {
    const sandbox = await sandboxFor({ clientId: '<b onclick="x">&\'' })
    const html = await (await ask(sandbox)).text()
    expect(html).not.toContain('<b onclick')
    expect(html).toContain('Client &#60;b onclick=&#34;x&#34;&#62;&#38;&#39;')
  })
})

/** @see WCAG 2.2, relative luminance and contrast ratio */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

function luminance(hex: string): number {
  const digits = hex.length === 4 ? hex.replace(/\w/g, '$&$&') : hex
  const [red = 0, green = 0, blue = 0] = (digits.match(/\w\w/g) ?? []).map((pair) => {
    const share = parseInt(pair, 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
