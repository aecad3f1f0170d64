// The ways to people: an address at a real HTTP server, two at once, ways that fail, and what is tried by notify --test.
import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { DOWN, home, KEEP, REFUSED, until, type Home } from '../support/notified.js'
import { place } from '../support/place.js'
import { BIN, start, type Ended } from '../support/processes.js'

/** As many variables as this program can be started with, and hardly more: its commands get more of them. */
function fullEnvironment(config: string): NodeJS.ProcessEnv {
  const { HOME, PATH } = process.env
  const env: NodeJS.ProcessEnv = {}
  const add = (length: number): boolean => {
    const name = `FILL_${Object.keys(env).length}`
    const more = { ...env, [name]: 'x'.repeat(length) }
    const all = { HOME, PATH, HQ_TOKEN_CONFIG: config, ...more }
    const { error } = spawnSync('/bin/true', [BIN, 'get', process.execPath.repeat(2)], { env: all })
    if (error === undefined) env[name] = more[name]
    return error === undefined
  }
  while (add(65_536));
  for (let length = 32_768; length > 32; length /= 2) add(length)
  return env
}

describe('an address for people', () => {
  interface Posted {
    readonly request: IncomingMessage
    readonly body: string
  }
  interface Hook {
    readonly url: string
    readonly posts: Posted[]
    /** 0: it never answers. */
    status: number
  }
  const servers: ReturnType<typeof createServer>[] = []
  afterAll(() => {
    for (const server of servers) server.close().closeAllConnections()
  })

  async function hook(status: number): Promise<Hook> {
    const posts: Posted[] = []
    const made: Hook = { url: '', posts, status }
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        posts.push({ request, body })
        if (made.status !== 0) response.writeHead(made.status, { location: '/elsewhere' }).end('a page')
      })
    })
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return Object.assign(made, { url: `http://127.0.0.1:${port}/hook/s3cr3t-0123456789` })
  }

  async function withHook(url: string, more = '', faults = REFUSED): Promise<Home> {
    const made = await home('true', faults)
    writeFileSync(
      made.config,
      readFileSync(made.config, 'utf8').replace('\ncommand = true', `\nurl = ${url}\n${more}`),
    )
    return made
  }

  it('an address for people gets the event as JSON, with a text for chats', async () => {
    const { url, posts } = await hook(204)
    const { run, sandbox, dir } = await withHook(url)
    expect((await run(['get'])).code).toBe(4)
    const [posted] = posts
    expect(posted?.request).toMatchObject({ method: 'POST', url: '/hook/s3cr3t-0123456789' })
    expect(posted?.request.headers['content-type']).toBe('application/json')
    expect(JSON.parse(posted?.body ?? '')).toEqual({
      format_version: 1,
      event: 'login_required',
      subject: expect.stringMatching(/^hq-token on \S+, 127\.0\.0\.1:\d+: a person must log in$/) as string,
      message: expect.stringMatching(/^a person must log in: .*invalid_grant/) as string,
      hint: expect.stringMatching(/^hq-token --config \S+ login/) as string,
      since: expect.stringMatching(/Z$/) as string,
      count: 0,
      profile: null,
      instance: sandbox.url,
      host: expect.any(String) as string,
      text: expect.any(String) as string,
    })
    const { text, subject } = JSON.parse(posted?.body ?? '') as { text: string; subject: string }
    expect(text.split('\n')).toEqual([
      subject,
      expect.stringMatching(/^A person must log in: .*\.$/),
      expect.stringMatching(/^Since: \S+Z$/),
      expect.stringMatching(/^Next: hq-token --config \S+ login/),
      expect.stringMatching(/^Host: \S+, as \S+$/),
      `Instance: ${sandbox.url}`,
      expect.stringMatching(/^User: /),
      `Store: ${join(dir, 'token.db')}`,
    ])
    await run(['get'])
    expect(posts).toHaveLength(1)
  })

  it.each([
    [500, 'answered HTTP 500'],
    [302, 'answered HTTP 302'],
    [0, 'gave no answer within 1 s'],
  ])(
    'an address for people that answers %i is no delivery, and its secret is not shown',
    async (status, problem) => {
      const { url, posts } = await hook(status)
      const { run } = await withHook(url, 'timeout = 1s\n')
      const { stderr } = await run(['get', '-v'])
      expect(stderr).toContain(`[notify] url ${problem}\n`)
      expect(stderr).not.toContain('s3cr3t')
      expect(posts.map(({ request }) => request.url)).toEqual(['/hook/s3cr3t-0123456789'])
      const doctor = await run(['doctor'])
      expect(doctor.stdout).toContain(problem)
      expect(doctor.stdout + doctor.stderr).not.toContain('s3cr3t')
    },
  )

  it('an address for people can stand in a file; a bad one there is named, and costs nothing', async () => {
    const { url, posts } = await hook(200)
    const made = await home('true', REFUSED)
    const file = join(made.dir, 'notify-url')
    writeFileSync(
      made.config,
      readFileSync(made.config, 'utf8').replace('\ncommand = true', '\nurl_file = notify-url'),
    )
    writeFileSync(file, 'http://hooks.example.com/s3cr3t\n', { mode: 0o600 })
    const bad = await made.run(['get'])
    expect(bad.code).toBe(4)
    expect(bad.stderr).toContain(
      '[notify] url_file: the address must be an https URL (http only to this machine itself)',
    )
    expect(bad.stderr).not.toContain('s3cr3t')
    writeFileSync(file, `${url}\n`)
    made.pass(300)
    await made.run(['get'])
    expect(posts).toHaveLength(1)
  })

  it('where one of two ways works, people count as told, and the other one is named', async () => {
    const { url } = await hook(500)
    const { run, mails, pass } = await home(KEEP, REFUSED, `url = ${url}\n`)
    expect((await run(['get'])).stderr).toContain('answered HTTP 500')
    pass(600)
    await run(['get'])
    expect(mails()).toEqual(['login_required'])
    const line = /a notification could not be delivered since \S+Z: \[notify\] url answered HTTP 500\n/
    expect((await run(['doctor'])).stdout).toMatch(line)
    pass(3600)
    expect((await run(['check', '-v'])).stdout).toMatch(/notify --test \(\[notify\] url answered HTTP 500\)/)
  })

  it('where both ways fail, doctor and check name both, however long the words of the one are', async () => {
    const { url } = await hook(500)
    const { run, pass } = await home('head -c 400 /dev/zero | tr "\\0" x; exit 9', REFUSED, `url = ${url}\n`)
    expect((await run(['get'])).code).toBe(4)
    const both = /\[notify\] command gave exit status 9: x+; \[notify\] url answered HTTP 500/
    expect((await run(['doctor'])).stdout).toMatch(both)
    pass(3601)
    expect((await run(['check', '-v'])).stdout).toMatch(both)
  })

  it('a signal ends a telling that hangs, after the token, and the next telling comes when the claim has lapsed', async () => {
    const server = await hook(200)
    const { start, run, works, sandbox, pass } = await withHook(server.url, '', DOWN)
    await run(['get'])
    sandbox.setFaults([])
    server.status = 0
    server.posts.splice(0)
    const { child, done } = start(['get'])
    await until(() => {
      expect(server.posts).toHaveLength(1)
    })
    child.kill('SIGTERM')
    const { signal, stdout, stderr } = await done
    expect([signal, await works(stdout.trim())]).toEqual(['SIGTERM', true])
    expect(stderr).not.toMatch(/warning|error/)
    server.status = 200
    await run(['refresh'])
    expect(server.posts).toHaveLength(1)
    pass(300)
    await run(['refresh'])
    await run(['refresh'])
    expect(server.posts.map(({ body }) => (JSON.parse(body) as { event: string }).event)).toEqual([
      'recovered',
      'recovered',
    ])
  })
})

describe('nothing secret reaches people', () => {
  it('no token, secret or address is in what the command gets, in any process list, or in any message', async () => {
    const { run, dir, seed, sandbox, seen, config } = await home(
      KEEP,
      REFUSED,
      'url = http://127.0.0.1:9/s3cr3t-hook\n',
    )
    const secrets = [
      ...readFileSync(seed, 'utf8').matchAll(/_token *= *(\S+)/g),
      ...readFileSync(config, 'utf8').matchAll(/client_secret *= *(\S+)/g),
    ].map(([, secret = '']) => secret)
    expect(secrets).toHaveLength(3)
    const env = {
      PGPASSWORD: 's3cr3t-hook',
      HQ_TOKEN: 'canary-of-exec-0123',
      HQ_TOKEN_CLIENT_SECRET: secrets[2] ?? '',
      HQ_TOKEN_EXPIRES_AT: 'x',
    }
    const first = await run(['get', '-v'], { env })
    sandbox.setFaults([])
    const ends = [first, await run(['refresh', '-v'], { env }), await run(['notify', '--test'], { env })]
    const store = execFileSync('strings', [join(dir, 'token.db')], { encoding: 'utf8' })
    const tokens = store.match(/(?:access|refresh)-[\w-]{20,}/g) ?? []
    expect(tokens.length).toBeGreaterThan(1)
    const all =
      readFileSync(join(dir, 'mails'), 'utf8') +
      seen() +
      ends.map(({ stderr, stdout }) => stderr + stdout).join('')
    for (const secret of [...secrets, ...tokens, 'canary-of-exec-0123', 's3cr3t-hook'])
      expect(all).not.toContain(secret)
    expect(seen()).toContain('HQ_TOKEN_EVENT=recovered')
  })
})

describe('a way to people that fails', () => {
  it('a way to people that fails is remembered when the trouble is over, until a test goes well', async () => {
    const { run, config, sandbox, pass } = await home('test -e works', DOWN)
    await run(['get'])
    sandbox.setFaults([])
    expect((await run(['refresh'])).code).toBe(0)
    pass(3601)
    const failed = async (): Promise<unknown> => [
      (await run(['check'])).stdout.includes('a notification could not be delivered since'),
      (await run(['doctor'])).stdout.includes('a notification could not be delivered since'),
    ]
    expect(await failed()).toEqual([true, true])
    expect((await run(['notify', '--test'])).code).toBe(78)
    expect(await failed()).toEqual([true, true])
    writeFileSync(join(config, '../works'), '')
    expect((await run(['notify', '--test'])).code).toBe(0)
    expect(await failed()).toEqual([false, false])
  })

  it('an environment that is too large for a command costs one warning, and the exit code is that of get', async () => {
    const { run, mails, pass, config } = await home()
    const { code, stdout, stderr } = await run(['get'], { env: fullEnvironment(config) })
    expect([code, stdout]).toEqual([4, ''])
    expect(stderr.match(/could not be run/g)).toHaveLength(1)
    expect(mails()).toEqual([])
    pass(300)
    await run(['get'])
    expect(mails()).toEqual(['login_required'])
  })
})

describe('the next command', () => {
  it.each([
    [
      'the variables of a schedule',
      (made: Home) => ({ HQ_TOKEN_CONFIG_DIR: made.dir, HQ_TOKEN_STATE_DIR: join(made.dir, 'its state') }),
    ],
    [
      'a config file by its name',
      (made: Home) => ({ HQ_TOKEN_CONFIG: made.config, HQ_TOKEN_STORE: join(made.dir, 'its store.db') }),
    ],
  ])(
    'with %s can be typed by its reader, who stands elsewhere and has none of them',
    async (_what, ofJob) => {
      const made = await home()
      const env = { ...ofJob(made), HQ_TOKEN_SEED_FILE: made.seed }
      const text = readFileSync(made.config, 'utf8').replace(/^path = .*$/m, '')
      writeFileSync(made.config, text, { mode: 0o600 })
      expect((await start(['get'], { env }).done).code).toBe(4)
      const [, next = ''] = /^Next: +(.*?);/m.exec(readFileSync(join(made.dir, 'mails'), 'utf8')) ?? []
      expect(next).toMatch(/hq-token .*login$/)
      const programs = folder()
      const program = `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`
      writeFileSync(join(programs, 'hq-token'), program, { mode: 0o755 })
      const { stdout, stderr } = spawnSync('sh', ['-c', next.replace(/ login$/, ' status --json')], {
        cwd: '/',
        env: { PATH: `${programs}:${process.env['PATH'] ?? ''}` },
        encoding: 'utf8',
      })
      expect(stderr).toBe('')
      expect(JSON.parse(stdout)).toMatchObject({ state: 'login_required', generation: 1 })
    },
  )
})

describe('check --all --notify', () => {
  it('check --all --notify has each profile tell once, and prints what it prints without', async () => {
    const dir = folder()
    const told = join(dir, 'told')
    const names = ['acme', 'beta', 'gamma']
    const places = await Promise.all(
      names.map((name) =>
        place({ faults: name === 'gamma' ? [] : REFUSED, config: '' }).then((made) => ({ name, ...made })),
      ),
    )
    mkdirSync(join(dir, 'profiles'))
    for (const { name, run, seed, config, dir: home } of places) {
      await run(['seed', seed])
      await run(['get'])
      const text = readFileSync(config, 'utf8').replace(/^path = .*$/m, `path = ${join(home, 'token.db')}`)
      const hook = `echo $HQ_TOKEN_EVENT $HQ_TOKEN_EVENT_PROFILE >> ${told}`
      writeFileSync(join(dir, 'profiles', `${name}.ini`), `${text}\n[notify]\ncommand = ${hook}\n`, {
        mode: 0o600,
      })
    }
    const check = async (...more: string[]): Promise<Ended> => {
      const env = { HQ_TOKEN_CONFIG_DIR: dir, HQ_TOKEN_STATE_DIR: dir }
      const ended = await start(['check', '--all', ...more], { env }).done
      return { ...ended, stdout: ended.stdout.replace(/\b\d+[smhd]\b/g, 'N') }
    }
    const without = await check()
    expect(without).toMatchObject({ code: 2, stderr: '' })
    expect(existsSync(told)).toBe(false)
    expect(await check('--notify')).toEqual(without)
    expect(await check('--notify')).toEqual(without)
    expect(readFileSync(told, 'utf8')).toBe('login_required acme\nlogin_required beta\n')
    expect(without.stdout).toMatch(
      /^HQ_TOKEN CRITICAL - 3 profiles: 2 CRITICAL, 1 OK\nCRITICAL - acme: .*\nCRITICAL - beta: .*\nOK - gamma: .*\n$/,
    )
  })
})

describe('notify --test', () => {
  it('notify --test without --test, and without a configuration, says what to type', async () => {
    const { run, config } = await home()
    expect(await run(['notify'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('hint: hq-token notify --test') as string,
    })
    writeFileSync(config, readFileSync(config, 'utf8').replace(/\[notify\][^]*/, ''))
    const { code, stderr } = await run(['notify', '--test'])
    expect(code).toBe(78)
    expect(stderr).toContain('no notification is configured')
    expect(stderr).toContain(`add to ${config}: [notify]`)
  })

  it('notify --test tries each way, and changes nothing in the store', async () => {
    const { run, mails, dir } = await home()
    const before = readFileSync(join(dir, 'token.db'))
    const { code, stdout } = await run(['notify', '--test'])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^\S+, line \d+: \[notify\] command: the message was taken\n$/),
    ])
    expect(mails()).toEqual(['test'])
    expect(readFileSync(join(dir, 'token.db')).equals(before)).toBe(true)
  })
})
