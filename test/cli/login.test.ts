import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { machineClock } from '../../src/platform/machine.js'
import { raw, silence } from '../support/fake-server.js'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place } from '../support/place.js'
import { BIN } from '../support/processes.js'
import { atTerminal, CTRL_C, CTRL_D, type Step } from '../support/terminal.js'
import { freePort } from '../support/proxy.js'
import { told } from '../support/world.js'
import { asked, home, type Home } from './login-home.js'

describe('a login without a browser', () => {
  it('a login without a browser is finished in another shell, by the address on standard input', async () => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    expect(answer).toMatch(/^https:\/\/firm\.example\/cb\?code=/)
    const { code, stdout, stderr } = await there.tell(['login', '--complete', '-'], { input: `${answer}\n` })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toContain('hq-token: logged in; the access token is good until 20')
    expect(stderr).toMatch(/^hq-token: hint: hq-token (?:--config \S+ )?schedule \w+ keeps the grant alive/m)
    const got = await there.tell(['get'])
    expect(await there.works(got.stdout.trim())).toBe(true)
    // The answer to a login is no secret worth keeping: it is spent.
    expect(await there.store.login()).toBeUndefined()
  })

  it.each([
    ['as an argument', (answer: string) => answer],
    ['with a fragment', (answer: string) => `${answer}#_=_`],
    ['broken into lines', (answer: string) => answer.replace(/.{40}/g, '$&\n')],
    ['the code alone', (answer: string) => new URL(answer).searchParams.get('code') ?? ''],
  ])('a login without a browser takes what is pasted: %s', async (_, shape) => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    expect(await there.tell(['login', '--complete', shape(answer)])).toMatchObject({ code: 0, stdout: '' })
    expect(await there.tell(['get'])).toMatchObject({ code: 0 })
  })

  it('a login without a browser tells how long a server’s words may be, and shows none that command a terminal', async () => {
    const there = await home()
    await asked(there)
    const state = (await there.store.login())?.state.reveal() ?? ''
    const said = `\u001b[31m${'x'.repeat(5000)}`
    const query = new URLSearchParams({ state, error: 'access_denied', error_description: said })
    const { code, stderr } = await there.tell([
      'login',
      '--complete',
      `https://firm.example/cb?${query.toString()}`,
    ])
    expect(code).toBe(4)
    expect(stderr).toContain('\\x1b[31mxxx')
    expect(stderr.length).toBeLessThan(600)
  })

  it('a login without a browser goes on after a word that was no code', async () => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    const wrong = await there.tell(['login', '--complete', 'hunter2password'])
    expect([wrong.code, wrong.stderr]).toEqual([4, expect.stringContaining('is still good')])
    expect(await there.tell(['login', '--complete', answer])).toMatchObject({ code: 0 })
  })

  it('a login without a browser that meets a held lock keeps its answer for the next try, and says so', async () => {
    const there = await home({ config: '[refresh]\nlock_wait = 0s\n' })
    const answer = await decided(await asked(there), 'allow')
    const complete = () => there.tell(['login', '--complete', answer])
    const met = await there.store.exclusive(complete, { waitMs: 0 })
    expect(met).toMatchObject({ code: 75, stdout: '' })
    expect(met.stderr).toContain('is still good: hq-token login --complete -')
    expect(await complete()).toMatchObject({ code: 0, stdout: '' })
    expect((await complete()).stderr).not.toContain('still good')
  })

  it('a login without a browser whose process died with the answer on disk is finished by asking again', async () => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    await there.store.exclusive(
      async (held) => {
        const login = await held.login()
        if (login !== undefined) await held.saveLogin({ ...login, spent: 'a code’s' })
        const body = Buffer.from('{"access_token":"access-9","refresh_token":"refresh-9"}')
        const kept = { ...raw(silence()), status: 200, contentType: 'application/json', complete: true, body }
        await held.rescue.keep({
          generation: 0,
          attempt: 1,
          spent: 'a code’s',
          login: true,
          grant: login?.grant ?? null,
          answer: kept,
        })
      },
      { waitMs: 0 },
    )
    const { code, stderr } = await there.tell(['login', '--complete', answer])
    expect([code, stderr]).toEqual([0, expect.stringContaining('hq-token: logged in')])
    expect((await there.store.read())?.pair.accessToken.reveal()).toBe('access-9')
  })

  it('a login without a browser says when it takes the place of another that waits', async () => {
    const there = await home()
    await asked(there)
    const { code, stderr } = await there.tell(['login', '--no-browser'])
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/warning: this login replaces the login begun at 20/),
    ])
  })

  it.each([
    [['--no-browser', '--timeout', '5m'], '--timeout'],
    [['--no-browser', '--complete', '-'], '--complete'],
    [['--complete', '-', '--timeout', '5m'], '--timeout'],
  ])('a login without a browser does not take %j together', async (options, named) => {
    const there = await home()
    const { code, stdout, stderr } = await there.tell(['login', ...options])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(named)
  })

  it('a login without a browser comes back to a redirect URI that has a query of its own', async () => {
    const there = await home({}, 'https://firm.example/cb?tenant=acme')
    const answer = await decided(await asked(there), 'allow')
    expect(new URL(answer).searchParams.get('tenant')).toBe('acme')
    expect(await there.tell(['login', '--complete', answer])).toMatchObject({ code: 0 })
  })

  it('a login without a browser is what every command names while it waits', async () => {
    const there = await home()
    await asked(there)
    for (const command of [['get'], ['exec', '--', 'true'], ['credential', '--protocol', 'kubernetes']]) {
      const { code, stderr } = await there.tell(command)
      expect([code, stderr]).toEqual([
        4,
        expect.stringContaining('hq-token login --complete - (a login waits for its answer)'),
      ])
    }
  })

  it('a login without a browser may take half an hour, and not more', async () => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    const later = (seconds: number) => () => ({ ...machineClock(), now: machineClock().now + seconds })
    const late = await there.tell(['login', '--complete', answer], { clock: later(1810) })
    expect(late).toMatchObject({ code: 4, stdout: '' })
    expect(late.stderr).toContain('has expired: it must be finished within 30 minutes')
    expect(await there.tell(['login', '--complete', answer], { clock: later(1780) })).toMatchObject({
      code: 0,
    })
  })

  it('a login without a browser cannot be finished twice, nor with a forged state', async () => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    const forged = await there.tell(['login', '--complete', answer.replace(/state=[^&]+/, 'state=forged')])
    expect(forged).toMatchObject({ code: 4, stdout: '' })
    expect(forged.stderr).toContain('its state is another')
    expect(forged.stderr).toContain('hint: hq-token login --complete -, and paste the address')
    expect(there.sandbox.log.filter(({ method }) => method === 'POST')).toHaveLength(1)
    expect(await there.tell(['login', '--complete', answer])).toMatchObject({ code: 0 })
    expect(await there.tell(['login', '--complete', answer])).toMatchObject({ code: 4 })
  })

  it('a login without a browser that was denied is over, and the grant before goes on', async () => {
    const there = await home()
    await there.tell(['login', '--complete', await decided(await asked(there), 'allow')])
    const before = (await there.tell(['get'])).stdout
    const denial = await decided(await asked(there), 'deny')
    const denied = await there.tell(['login', '--complete', denial])
    expect(denied).toMatchObject({ code: 4, stdout: '' })
    expect(denied.stderr).toContain('the login was denied at')
    expect((await there.tell(['login', '--complete', denial])).stderr).toContain(
      'no login waits for an answer',
    )
    expect((await there.tell(['get'])).stdout).toBe(before)
  })

  it.each([
    ['nothing', '', 'neither the address that the browser ended at nor a code'],
    ['the address of the login itself', 'https://x.example/authorize?client_id=1', 'neither the address'],
  ])('a login without a browser asks again for what is %s', async (_, input, message) => {
    const there = await home()
    await asked(there)
    const wrong = await there.tell(['login', '--complete', '-'], { input })
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain(message)
    expect(await there.store.login()).toBeDefined()
  })

  it('a login without a browser says what is missing before anybody is sent anywhere', async () => {
    const there = await home()
    const text = readFileSync(there.config, 'utf8')
    const without = async (line: RegExp): Promise<string> => {
      writeFileSync(there.config, text.replace(line, ''))
      const { code, stdout, stderr } = await there.tell(['login', '--no-browser'])
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      return stderr
    }
    expect(await without(/redirect_uri = .*/)).toContain('redirect_uri is missing')
    expect(await without(/client_id = .*/)).toContain('client_id')
    expect(await without(/client_secret = .*/)).toContain('client_secret')
    expect(await without(/instance = .*/)).toContain('the configuration does not say where to log in')
    expect(await there.store.login()).toBeUndefined()
  })

  it('a login without a browser sends to init where there is no configuration at all', async () => {
    for (const args of [[], ['--no-browser']]) {
      const { code, stdout, stderr } = await told(['login', ...args], { homedir: folder() })
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      expect(stderr).toContain('there is no config file')
      expect(stderr).toMatch(/^hq-token: hint: hq-token init$/m)
    }
  })
})

describe('a paste at a terminal', { timeout: 300_000 }, () => {
  const PROMPT = 'then Enter: '

  async function pastes(there: Home, steps: readonly Step[]): ReturnType<typeof atTerminal> {
    return atTerminal([process.execPath, BIN, 'login', '--complete', '-'], steps, {
      PATH: process.env['PATH'],
      TERM: 'xterm-256color',
      HQ_TOKEN_CONFIG: there.config,
    })
  }

  it.each([
    ['longer than a terminal’s line', (answer: string) => answer],
    ['in lines', (answer: string) => answer.replace(/.{70}/g, '$&\n')],
    ['in lines, the last without its end', (answer: string) => answer.replace(/^.{70}/, '$&\n')],
  ])('a paste at a terminal is taken whole: %s', async (_, shape) => {
    const there = await home()
    const answer = await decided(await asked(there), 'allow')
    const long = `${answer}&session_state=${'x'.repeat(5000)}`
    const typed = shape(long)
    const { said, status } = await pastes(there, [
      { after: PROMPT, type: typed },
      // Whoever reads, thinks, then presses Enter.
      { after: 'https:', pause: 1, type: '\r' },
    ])
    expect([status, said]).toEqual([0, expect.stringContaining('hq-token: logged in')])
  })

  it('a paste at a terminal can be broken off: the login waits on', async () => {
    const there = await home()
    await asked(there)
    expect(await pastes(there, [{ after: PROMPT, type: CTRL_C }])).toMatchObject({ status: -2 })
    const ended = await pastes(there, [{ after: PROMPT, type: CTRL_D }])
    expect([ended.status, ended.said]).toEqual([2, expect.stringContaining('nothing was pasted')])
    expect(await there.store.login()).toMatchObject({ spent: null })
  })
})

it('a redirect URI that is not this machine’s is not waited at', async () => {
  const { tell } = await home()
  const refused = await tell(['login'])
  expect(refused).toMatchObject({ code: 2, stdout: '' })
  expect(refused.stderr).toContain('hq-token: hint: hq-token login --no-browser')
})

it.each([
  ['400 invalid_token', 400, '{"error":"invalid_token"}', 0],
  ['204', 204, '', 0],
  ['429', 429, '{"error":"slow_down"}', 75],
  ['503', 503, '', 75],
  ['400 invalid_client', 401, '{"error":"invalid_client"}', 78],
])('a logout whose server says %s', async (_, status, body, code) => {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.close()
  })
  const there = await place({}, 3600)
  const env = {
    HQ_TOKEN_CONFIG: there.config,
    HQ_TOKEN_REVOCATION_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/r`,
  }
  await told(['seed'], { env })
  expect((await told(['logout'], { env })).code).toBe(code)
  expect((await there.store.read()) === undefined).toBe(code === 0)
})

it.each(['0', '31m', '-1'])('a login does not wait for %s', async (timeout) => {
  const { tell } = await home({}, 'http://127.0.0.1/callback')
  expect(await tell(['login', '--timeout', timeout])).toMatchObject({ code: 2, stdout: '' })
})

it('a login says in JSON what to open', async () => {
  const { tell } = await home({}, 'http://127.0.0.1/callback')
  const { stderr } = await tell(['--log-format', 'json', 'login', '--timeout', '1s'])
  const [first = ''] = stderr.split('\n')
  expect(JSON.parse(first)).toHaveProperty('address', expect.stringMatching(/^http:.*response_type=code/))
})

it('a login shows on a terminal how long it waits', async () => {
  const { tell } = await home({}, 'http://127.0.0.1/callback')
  const { code, stderr } = await tell(['login', '--timeout', '2s'], { terminal: 80 })
  expect(code).toBe(4)
  expect(stderr).toContain('\r\u001b[K0:02 left to log in with the browser (Ctrl-C ends it)')
  expect(stderr).toContain('\r\u001b[Khq-token: error: nobody finished the login within 2 s')
})

it.each([
  [20, '0:01 left to log in'],
  [0, '0:01 left to log in with the browser (Ctrl-C ends it)'],
])('the time that a login waits is no wider than a terminal of %d columns', async (terminal, line) => {
  const { tell } = await home({}, 'http://127.0.0.1/callback')
  const { stderr } = await tell(['login', '--timeout', '1s'], { terminal })
  expect(stderr).toContain(`\r\u001b[K${line}\r\u001b[K`)
})

it('a login draws nothing among lines of JSON', async () => {
  const { tell } = await home({}, 'http://127.0.0.1/callback')
  const { stderr } = await tell(['--log-format', 'json', 'login', '--timeout', '1s'], { terminal: 80 })
  for (const line of stderr.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('message')
})

describe.each([
  ['http://127.0.0.1:0/callback', /^http:\/\/127\.0\.0\.1:\d+\/callback$/],
  ['http://localhost/callback', /^http:\/\/localhost:\d+\/callback$/],
  ['http://127.0.0.1/', /^http:\/\/127\.0\.0\.1:\d+\/$/],
  ['http://[::1]/callback', /^http:\/\/\[::1\]:\d+\/callback$/],
])('a redirect URI of %s', (redirectUri, sent) => {
  it('a redirect URI of this machine is waited at on a free port', async () => {
    const there = await home({}, redirectUri)
    const { code, stderr } = await there.tell(['login'], {
      browser: async (address) => {
        expect(new URL(address).searchParams.get('redirect_uri')).toMatch(sent)
        void decided(address, 'allow').then((answer) => fetch(answer))
        return Promise.resolve(true)
      },
    })
    expect([code, stderr]).toEqual([0, expect.stringContaining('hq-token: logged in')])
  })
})

it.each(['127.0.0.1', '[::1]', 'localhost'])(
  'a redirect URI of %s with a port is sent as it is',
  async (host) => {
    const redirectUri = `http://${host}:${await freePort()}/callback`
    const there = await home({}, redirectUri)
    const { code } = await there.tell(['login'], {
      browser: (address) => {
        expect(new URL(address).searchParams.get('redirect_uri')).toBe(redirectUri)
        void decided(address, 'allow').then((answer) => fetch(answer))
        return Promise.resolve(true)
      },
    })
    expect(code).toBe(0)
    expect(await there.tell(['get'])).toMatchObject({ code: 0 })
  },
)
