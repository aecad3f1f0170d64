import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { looksWell, startBrowser } from '../support/browser.js'
import { folder } from '../support/folder.js'
import { startOidcServer } from '../support/oidc.js'
import { place, type Place, type PlaceOptions } from '../support/place.js'
import { start, type Running } from '../support/processes.js'

let browser: Browser
let person: BrowserContext

beforeAll(async () => {
  browser = await startBrowser()
}, 300_000)

afterAll(() => browser.close())

beforeEach(async () => {
  person = await browser.newContext()
})

afterEach(() => person.close())

/** A sandbox, its config (whose redirect URI leaves the port open), and an empty store. */
async function home(options: PlaceOptions = {}): Promise<Place> {
  const made = await place(options)
  const text = readFileSync(made.config, 'utf8')
  writeFileSync(made.config, text.replace(/\[seed\]\nfile = .*/, ''))
  return made
}

/** The address that the program asks the person to open. */
async function addressOf({ child }: Running): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr?.on('data', (chunk: string) => {
      text += chunk
      const address = /^ {2}(http\S+)$/m.exec(text)?.[1]
      if (address !== undefined) resolve(address)
    })
    child.on('close', () => {
      reject(new Error(`it ended: ${text}`))
    })
  })
}

const callbackOf = (address: string): URL => new URL(new URL(address).searchParams.get('redirect_uri') ?? '')

async function decide(address: string, decision: 'Allow' | 'Deny', page?: Page): Promise<Page> {
  const tab = page ?? (await person.newPage())
  await tab.goto(address)
  await tab.getByRole('button', { name: decision }).click()
  return tab
}

const heading = (page: Page): Promise<string> => page.getByRole('heading', { level: 1 }).innerText()

describe('a login in a browser', { timeout: 300_000 }, () => {
  it('a login in a browser that is allowed gives a token set, and says so in the browser', async () => {
    const { start: begin, run, works, sandbox } = await home()
    const login = begin(['login'])
    const page = await decide(await addressOf(login), 'Allow')
    expect(await heading(page)).toBe('You are logged in')
    await looksWell(page, 'done')
    const { code, stdout, stderr } = await login.done
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('hq-token: logged in')
    const got = await run(['get'])
    expect(got).toMatchObject({ code: 0, stderr: '' })
    expect(await works(got.stdout.trim())).toBe(true)
    expect(sandbox.refreshes()).toBe(0)
  })

  it('a login in a browser that is denied changes nothing, and says why', async () => {
    const { start: begin, run, store } = await home()
    const login = begin(['login'])
    const page = await decide(await addressOf(login), 'Deny')
    expect(await heading(page)).toBe('The login did not work')
    expect(await page.getByRole('main').innerText()).toContain('The login was denied at')
    await looksWell(page, 'denied')
    expect(await login.done).toMatchObject({ code: 4, stdout: '' })
    expect(await store.read()).toBeUndefined()
    expect(await store.login()).toBeUndefined()
    expect(await run(['get'])).toMatchObject({ code: 4 })
  })

  it('a login in a browser whose tab and window are closed ends at its time limit, and the grant before goes on', async () => {
    const { start: begin, run, store, seed } = await home()
    await run(['seed', seed])
    const before = await store.read()
    expect(before).toBeDefined()
    const login = begin(['login', '--timeout', '3s'])
    const address = await addressOf(login)
    const page = await person.newPage()
    await page.goto(address)
    await page.close()
    await (await person.newPage()).goto(address)
    await person.close()
    const { code, stdout, stderr } = await login.done
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('nobody finished the login within 3 s')
    expect(await store.read()).toEqual(before)
    expect((await store.login())?.spent).toBeNull()
  })

  it('a login in a browser that is denied while another process holds the store ends all the same, and nothing is lost', async () => {
    const { start: begin, run, store, seed } = await home()
    await run(['seed', seed])
    const before = await store.read()
    const login = begin(['login'], { env: { HQ_TOKEN_LOCK_WAIT: '1s' } })
    const address = await addressOf(login)
    let letGo: () => void = () => undefined
    const hold = new Promise<void>((resolve) => (letGo = resolve))
    const holding = store.exclusive(() => hold, { waitMs: 10_000 })
    const page = await decide(address, 'Deny')
    expect(await heading(page)).toBe('The login did not work')
    expect(await page.getByRole('main').innerText()).toContain('The login was denied at')
    const { code, stdout, stderr } = await login.done
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('hq-token: error: the login was denied at')
    letGo()
    await holding
    expect(await store.read()).toEqual(before)
    expect(await run(['get'])).toMatchObject({ code: 0 })
  })

  it('a login in a browser comes back to an address of IPv6', async () => {
    const { start: begin, run, config } = await home()
    writeFileSync(config, readFileSync(config, 'utf8').replace('http://127.0.0.1/', 'http://[::1]/'))
    const login = begin(['login'])
    const address = await addressOf(login)
    expect(callbackOf(address).hostname).toBe('[::1]')
    expect(await heading(await decide(address, 'Allow'))).toBe('You are logged in')
    expect(await login.done).toMatchObject({ code: 0, stdout: '' })
    expect(await run(['get'])).toMatchObject({ code: 0 })
  })

  it('a login in a browser keeps the grant before, whatever becomes of the new one', async () => {
    const { start: begin, run, store } = await home()
    await decide(await addressOf(begin(['login'])), 'Allow')
    await expect.poll(async () => (await store.read())?.generation, { timeout: 60_000 }).toBe(1)
    const before = (await run(['get'])).stdout
    const again = begin(['login'])
    await decide(await addressOf(again), 'Deny')
    await again.done
    expect((await run(['get'])).stdout).toBe(before)
    const third = begin(['login'])
    await decide(await addressOf(third), 'Allow')
    expect(await third.done).toMatchObject({ code: 0 })
    expect((await run(['get'])).stdout).not.toBe(before)
    expect((await store.read())?.previous?.accessToken.reveal()).toBe(before.trim())
  })

  it('a login in a browser shows in the browser what failed behind it', async () => {
    const { start: begin, sandbox, store } = await home()
    const login = begin(['login'])
    const address = await addressOf(login)
    const asked = await person.newPage()
    await asked.goto(address)
    sandbox.setArchived(true)
    await asked.getByRole('button', { name: 'Allow' }).click()
    expect(await heading(asked)).toBe('The login did not work')
    expect(await asked.getByRole('main').innerText()).toContain('refused the client (unauthorized_client')
    await looksWell(asked, 'failed')
    expect(await login.done).toMatchObject({ code: 78, stdout: '' })
    expect(await store.read()).toBeUndefined()
  })
})

describe('an answer that is not the login’s', { timeout: 300_000 }, () => {
  it('an answer that is not the login’s by its state is shown so, and the login waits on', async () => {
    const { start: begin, store } = await home()
    const login = begin(['login'])
    const address = await addressOf(login)
    const callback = callbackOf(address)
    const page = await person.newPage()
    expect((await page.goto(`${callback.href}?code=stolen&state=another`))?.status()).toBe(400)
    expect(await heading(page)).toBe('The login did not work')
    expect(await page.getByRole('main').innerText()).toContain('its state is another')
    await looksWell(page, 'wrong-state')
    expect(await store.read()).toBeUndefined()
    expect(await heading(await decide(address, 'Allow'))).toBe('You are logged in')
    expect(await login.done).toMatchObject({ code: 0, stdout: '' })
  })

  it('the same answer once more finds nobody any more', async () => {
    const { start: begin, run } = await home()
    const login = begin(['login'])
    const page = await decide(await addressOf(login), 'Allow')
    await login.done
    const answer = page.url()
    expect(new URL(answer).searchParams.has('code')).toBe(true)
    await expect((await person.newPage()).goto(answer)).rejects.toThrow('ERR_CONNECTION_REFUSED')
    const replayed = await run(['login', '--complete', answer])
    expect(replayed).toMatchObject({ code: 4, stdout: '' })
    expect(replayed.stderr).toContain('no login waits for an answer')
  })

  it('an answer that is not the login’s is shown the way when it is no answer at all, and the login waits on', async () => {
    const { start: begin } = await home()
    const login = begin(['login'])
    const address = await addressOf(login)
    const { origin, port } = callbackOf(address)
    const page = await person.newPage()
    for (const path of ['/', '/favicon.ico', '/callback', '/other?code=a&state=b']) {
      expect((await page.goto(`${origin}${path}`))?.status()).toBe(404)
    }
    expect(await heading(page)).toBe('Nothing is here')
    await looksWell(page, 'elsewhere')

    // A name of somebody else's that leads here, and an address of this machine that others can reach.
    const status = await new Promise((resolve) => {
      const headers = { host: `evil.example:${port}` }
      get(`${origin}/callback?code=a&state=b`, { headers }, ({ statusCode }) => {
        resolve(statusCode)
      })
    })
    expect(status).toBe(404)
    for (const host of outerAddresses())
      await expect(fetch(`http://${host}:${port}/callback?code=a&state=b`)).rejects.toThrow()

    expect(await heading(await decide(address, 'Allow'))).toBe('You are logged in')
    expect(await login.done).toMatchObject({ code: 0 })
  })

  it('an answer that is not the login’s from a second tab, while the first is being finished, does not count', async () => {
    const { start: begin, store } = await home()
    const login = begin(['login'])
    const address = await addressOf(login)
    const second = await person.newPage()
    await second.goto(address)
    const first = await person.newPage()
    await first.goto(address)
    // Whoever holds the store's lock keeps the first from being finished.
    let letGo: () => void = () => undefined
    const hold = new Promise<void>((resolve) => (letGo = resolve))
    const holding = store.exclusive(() => hold, { waitMs: 10_000 })
    const arriving = first.waitForRequest(/callback/)
    const done = first.getByRole('button', { name: 'Allow' }).click()
    await arriving
    await second.getByRole('button', { name: 'Allow' }).click()
    expect(await heading(second)).toBe('This login has its answer')
    await looksWell(second, 'second-tab')
    letGo()
    await holding
    await done
    expect(await heading(first)).toBe('You are logged in')
    expect(await login.done).toMatchObject({ code: 0 })
  })
})

it('the program opens the browser where there is one', { timeout: 180_000 }, async () => {
  const { start: begin } = await home()
  const opened = join(folder(), 'opened')
  const script = join(folder(), 'browser')
  writeFileSync(script, `#!/bin/sh\nprintf '%s' "$1" > ${opened}\n`, { mode: 0o755 })
  const login = begin(['login'], { env: { BROWSER: script } })
  const address = await addressOf(login)
  await expect.poll(() => readFileSync(opened, 'utf8'), { timeout: 60_000 }).toBe(address)
  login.child.kill('SIGINT')
  expect(await login.done).toMatchObject({ signal: 'SIGINT', stdout: '' })
})

it('a port that is taken is told, and the store is as it was', { timeout: 180_000 }, async () => {
  const { start: begin, run, config } = await home()
  const first = begin(['login'])
  const { port } = callbackOf(await addressOf(first))
  writeFileSync(
    config,
    readFileSync(config, 'utf8').replace('http://127.0.0.1/', `http://127.0.0.1:${port}/`),
  )
  const second = await run(['login'])
  expect(second).toMatchObject({ code: 75, stdout: '' })
  expect(second.stderr).toContain(`port ${port} of 127.0.0.1 cannot be listened on (EADDRINUSE)`)
  first.child.kill()
})

describe(
  'the login and consent pages of a certified server, which requires PKCE',
  { timeout: 180_000 },
  () => {
    it.each([
      ['by its URLs', (issuer: string) => `authorize_url = ${issuer}/auth\ntoken_url = ${issuer}/token`],
      ['by its issuer alone', (issuer: string) => `issuer = ${issuer}`],
    ])('lead to a token set, %s, and out again', async (_, urls) => {
      const server = await startOidcServer('client_secret_basic', { pages: true })
      const dir = folder()
      const config = join(dir, 'config.ini')
      writeFileSync(
        config,
        `[client]\n${urls(server.issuer)}\nclient_id = ${server.clientId}\nclient_secret = "${server.clientSecret}"\nauth_method = client_secret_basic
scope = openid offline_access\nredirect_uri = http://127.0.0.1/callback\n[store]\npath = token.db\n`,
        { mode: 0o600 },
      )
      const env = { HQ_TOKEN_CONFIG: config }
      const login = start(['login'], { env })
      const page = await person.newPage()
      await page.goto(await addressOf(login))
      await page.getByPlaceholder('Enter any login').fill('someone')
      await page.getByPlaceholder('and password').fill('anything')
      await page.getByRole('button', { name: 'Sign-in' }).click()
      await page.getByRole('button', { name: 'Continue' }).click()
      expect(await heading(page)).toBe('You are logged in')
      expect(await login.done).toMatchObject({ code: 0, stdout: '' })

      expect(await start(['get'], { env }).done).toMatchObject({ code: 0, stderr: '' })
      expect(await start(['refresh'], { env }).done).toMatchObject({ code: 0 })
      const out = await start(['logout'], { env }).done
      expect(out.code).toBe(0)
      expect(out.stderr.includes('revoked at the server')).toBe(urls('').startsWith('issuer'))
      await server.close()
    })
  },
)

function outerAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4')
      .map(({ address }) => address),
  )
}
