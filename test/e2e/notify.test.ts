// People are told of trouble: by real processes, real commands and a real HTTP server.
import Database from 'better-sqlite3'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import type { Fault } from '../../src/sandbox/faults.js'
import { place, type Place } from '../support/place.js'

const REFUSED: readonly Fault[] = [{ name: 'invalid-grant', count: Infinity }]
const DOWN: readonly Fault[] = [{ name: '403-html', count: Infinity }]
/** The hook keeps all that it gets. */
const KEEP = `{ cat; env | grep ^HQ_TOKEN_EVENT | sort; echo; } >> mails; env >> seen; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >> seen`

interface Home extends Place {
  readonly mails: () => string[]
  readonly seen: () => string
  /** Puts all that the memory of alerts says of time so many seconds into the past. */
  readonly pass: (seconds: number) => void
}

/** A store whose access token is over, so that a `get` must refresh. */
async function home(command = KEEP, faults: readonly Fault[] = REFUSED, more = ''): Promise<Home> {
  const made = await place({ faults, config: `\n[notify]\ncommand = ${command}\n${more}` })
  const text = (name: string): string =>
    existsSync(join(made.dir, name)) ? readFileSync(join(made.dir, name), 'utf8') : ''
  await made.run(['seed', made.seed])
  return {
    ...made,
    mails: () =>
      text('mails')
        .match(/^HQ_TOKEN_EVENT=.*/gm)
        ?.map((line) => line.slice(15)) ?? [],
    seen: () => text('seen'),
    pass: (seconds) => {
      const db = new Database(join(made.dir, 'token.db'))
      db.exec(
        `UPDATE notice SET told_at = told_at - ${seconds}, due_at = due_at - ${seconds}, claimed_at = claimed_at - ${seconds}`,
      )
      db.close()
    },
  }
}

/** A zombie has ended, whoever has not heard of it yet. */
function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z')
  } catch {
    return false
  }
}

const until = (holds: () => void): Promise<void> => vi.waitFor(holds, { timeout: 60_000, interval: 50 })

describe('people are told', () => {
  it('people are told once of a refused grant, by one of twenty jobs at one moment', async () => {
    const { run, mails } = await home()
    const ends = await Promise.all(Array.from({ length: 20 }, () => run(['get'])))
    expect(ends.map(({ code, stdout }) => [code, stdout])).toEqual(ends.map(() => [4, '']))
    expect(mails()).toEqual(['login_required'])
    await run(['get'])
    await run(['refresh', '--if-older', '7d'])
    expect(mails()).toEqual(['login_required'])
  })

  it('people are told once of an outage, though the grant changes while they are told', async () => {
    const { start, run, mails, sandbox } = await home(`${KEEP}; sleep 3`, DOWN)
    const { done } = start(['get'])
    await expect.poll(() => mails().length).toBe(1)
    sandbox.setFaults(REFUSED)
    await run(['refresh'])
    expect(mails()).toEqual(['failing'])
    await done
    expect(mails()).toEqual(['failing', 'login_required'])
    sandbox.setFaults([])
    await run(['refresh'])
    expect(mails()).toEqual(['failing', 'login_required', 'recovered'])
  })

  it('the next command names the profile or the file that the environment names', async () => {
    const { run, dir, config } = await home()
    await run(['get'])
    expect(readFileSync(join(dir, 'mails'), 'utf8')).toContain(`hq-token --config ${config} login`)
  })

  it('people are told again after a day, and of the end of the trouble once', async () => {
    const { run, mails, pass, sandbox } = await home()
    await run(['get'])
    pass(86_399 - 60)
    await run(['get'])
    expect(mails()).toHaveLength(1)
    pass(120)
    await run(['get'])
    expect(mails()).toEqual(['login_required', 'login_required'])
    sandbox.setFaults([])
    expect((await run(['refresh'])).code).toBe(0)
    await run(['refresh'])
    expect(mails()).toEqual(['login_required', 'login_required', 'recovered'])
  })

  it('people are told of an outage once the access token is over, and the text says what to do and where', async () => {
    const { run, dir, mails } = await home(KEEP, DOWN)
    expect((await run(['get'])).code).toBe(75)
    expect(mails()).toEqual(['failing'])
    const text = readFileSync(join(dir, 'mails'), 'utf8')
    expect(text).toMatch(
      /^1 refresh has failed since \S+Z \(.*403.*\); the access token is over since \S+Z\.\n\n/,
    )
    expect(text).toMatch(/^Next: +hq-token --config \S+ doctor --online$/m)
    expect(text).toMatch(/^Host: +\S+, as \S+$/m)
    expect(text).toMatch(/^Store: +\/\S+token\.db$/m)
    expect(text).toMatch(/^HQ_TOKEN_EVENT_COUNT=0$/m)
    expect(text).toMatch(/^HQ_TOKEN_EVENT_SINCE=\S+Z$/m)
  })

  it.each(['get', 'refresh', 'api', 'credential', 'exec'])('people are told by %s', async (command) => {
    const { run, mails } = await home()
    const rest =
      { get: [], refresh: [], api: ['1/sites'], credential: ['--protocol', 'google'], exec: ['true'] }[
        command
      ] ?? []
    await run([command, ...rest])
    expect(mails()).toEqual(['login_required'])
  })

  it.each(['status', 'doctor', 'get --help', 'logout', 'seed token.ini'])(
    'people are not told by %s',
    async (line) => {
      const { run, mails, dir } = await home()
      const db = new Database(join(dir, 'token.db'))
      db.exec('UPDATE token_set SET refused_at = 1')
      db.close()
      await run(line.replace('token.ini', join(dir, 'token.ini')).split(' '))
      expect(mails()).toEqual([])
    },
  )

  it('people are told before the command of exec runs, whose standard output is open', async () => {
    const { run, mails, sandbox, dir } = await home(`${KEEP}; date +%s%N >> told`, DOWN)
    await run(['get'])
    sandbox.setFaults([])
    const { stdout, code } = await run(['exec', '--', 'sh', '-c', 'date +%s%N; echo out'])
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\nout\n$/)])
    expect(mails()).toEqual(['failing', 'recovered'])
    const [, told = ''] = readFileSync(join(dir, 'told'), 'utf8').split('\n')
    expect(BigInt(stdout.split('\n')[0] ?? '')).toBeGreaterThan(BigInt(told))
  })

  it('people are not told of another client’s grant', async () => {
    const { run, mails, config, pass } = await home()
    await run(['get'])
    pass(200_000)
    writeFileSync(config, readFileSync(config, 'utf8').replace(/client_id *=.*/, 'client_id = 77'))
    expect((await run(['get'])).code).toBe(78)
    expect(mails()).toEqual(['login_required'])
  })
})

// At once, because most of the time is waiting.
describe.concurrent('a command for people costs nobody a token', () => {
  /** A refresh that works, with the end of a trouble to tell of. */
  const recovering = async (command: string, more = ''): Promise<Home> => {
    const made = await home('true', DOWN, more)
    await made.run(['get'])
    made.sandbox.setFaults([])
    const text = readFileSync(made.config, 'utf8')
    writeFileSync(
      made.config,
      text.replace('\ncommand = true', () => `\ncommand = ${command}`),
    )
    return made
  }

  it.each([
    ['fails', 'echo no mailbox >&2; exit 67', /\[notify\] command gave exit status 67: no mailbox\n/],
    ['is missing', 'no-such-mailer', /gave exit status 127: .*not found\n/],
    ['is killed', 'kill -9 $$', /gave SIGKILL\n/],
    [
      'writes 10 MB and fails',
      "head -c 10000000 /dev/zero | tr '\\0' x; exit 1",
      /gave exit status 1: x{200}\n/,
    ],
    ['reads none of its input', 'exec 0<&-; exit 1', /gave exit status 1\n/],
    ['leaves a daemon that keeps its output open', '(sleep 20 >&2 &); exit 3', /gave exit status 3\n/],
    ['hangs', 'sleep 40', /did not end within 1 s\n/],
    [
      'hangs in what it has started, which keeps the signal',
      "(trap '' TERM; echo $$ > hung; exec sleep 40) | cat",
      /did not end within 1 s\n/,
    ],
    [
      'quotes an address',
      'echo GET http://hooks.example/s3cr3t; exit 4',
      /gave exit status 4: GET http:\/\/hooks.example\/…\n/,
    ],
    ['hangs and keeps the signal', "trap '' TERM; sleep 40", /did not end within 1 s\n/],
  ])('a command for people that %s costs nobody a token', async (_, command, said) => {
    const { run, works, sandbox, dir } = await recovering(command, 'timeout = 1s\n')
    const begin = performance.now()
    const { code, stdout, stderr } = await run(['get'])
    expect(performance.now() - begin).toBeLessThan(30_000)
    expect([code, await works(stdout.trim())]).toEqual([0, true])
    expect(stderr).toMatch(said)
    expect(stderr).not.toContain('s3cr3t')
    if (existsSync(join(dir, 'hung')))
      await until(() => {
        expect(isAlive(Number(readFileSync(join(dir, 'hung'), 'utf8')))).toBe(false)
      })
    expect(stderr).toContain('hq-token: hint: hq-token notify --test tries it again')
    expect(sandbox.refreshes()).toBe(1)
    expect((await run(['doctor'])).stdout).toMatch(
      /^warn +notify +people could not be told of recovered since/m,
    )
    // It is tried again in five minutes, not by the next job.
    expect(await run(['refresh'])).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  it('a reader of the token does not wait for it', async () => {
    const { start } = await recovering('sleep 4')
    const { child, done } = start(['get'])
    const begin = performance.now()
    await once(child.stdout ?? child, 'end')
    const ended = performance.now() - begin
    await done
    expect(performance.now() - begin - ended).toBeGreaterThan(2000)
  })

  it('a signal ends it too, and the next telling comes when the claim has lapsed', async () => {
    const { start, run, mails, dir, pass } = await recovering(`echo $$ > pid; sleep 30; ${KEEP}`)
    const { child, done } = start(['get'])
    await until(() => {
      expect(existsSync(join(dir, 'pid')) && readFileSync(join(dir, 'pid'), 'utf8')).toMatch(/\n/)
    })
    child.kill('SIGTERM')
    expect((await done).signal).toBe('SIGTERM')
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'))
    await until(() => {
      expect(isAlive(pid)).toBe(false)
    })
    const text = readFileSync(join(dir, 'config.ini'), 'utf8')
    writeFileSync(join(dir, 'config.ini'), text.replace('sleep 30; ', ''))
    await run(['refresh'])
    expect(mails()).toEqual([])
    pass(300)
    await run(['refresh'])
    expect(mails()).toEqual(['recovered'])
  })

  it('kill -9 while people are told has them told once more at most', async () => {
    const { start, run, mails, pass } = await home(`${KEEP}; sleep 5`)
    const { child, done } = start(['get'])
    await until(() => {
      expect(mails().length).toBe(1)
    })
    child.kill('SIGKILL')
    await done
    await run(['get'])
    expect(mails()).toHaveLength(1)
    pass(300)
    await run(['get'])
    pass(300)
    await run(['get'])
    expect(mails()).toHaveLength(2)
  })
})

describe('an address for people', () => {
  interface Posted {
    readonly request: IncomingMessage
    readonly body: string
  }
  const servers: ReturnType<typeof createServer>[] = []
  afterAll(() => {
    for (const server of servers) server.close().closeAllConnections()
  })

  /** @param status 0: it never answers. */
  async function hook(status: number): Promise<{ readonly url: string; readonly posts: Posted[] }> {
    const posts: Posted[] = []
    const server = createServer((request, response) => {
      let body = ''
      request.setEncoding('utf8').on('data', (text: string) => (body += text))
      request.on('end', () => {
        posts.push({ request, body })
        if (status !== 0) response.writeHead(status, { location: '/elsewhere' }).end('a page')
      })
    })
    servers.push(server.listen(0, '127.0.0.1'))
    await once(server, 'listening')
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/s3cr3t-0123456789`, posts }
  }

  async function withHook(url: string, more = ''): Promise<Home> {
    const made = await home('true', REFUSED)
    writeFileSync(
      made.config,
      readFileSync(made.config, 'utf8').replace('\ncommand = true', `\nurl = ${url}\n${more}`),
    )
    return made
  }

  it('an address for people gets the event as JSON, with a text for chats', async () => {
    const { url, posts } = await hook(204)
    const { run, sandbox } = await withHook(url)
    expect((await run(['get'])).code).toBe(4)
    const [posted] = posts
    expect(posted?.request).toMatchObject({ method: 'POST', url: '/hook/s3cr3t-0123456789' })
    expect(posted?.request.headers['content-type']).toBe('application/json')
    expect(JSON.parse(posted?.body ?? '')).toEqual({
      format_version: 1,
      event: 'login_required',
      subject: expect.stringMatching(/^hq-token on \S+: a person must log in$/) as string,
      message: expect.stringMatching(/^a person must log in: .*invalid_grant/) as string,
      hint: expect.stringMatching(/^hq-token --config \S+ login/) as string,
      since: expect.stringMatching(/Z$/) as string,
      count: 0,
      profile: null,
      instance: sandbox.url,
      host: expect.any(String) as string,
      text: expect.stringMatching(/a person must log in\na person.*\nhq-token --config \S+ login/) as string,
    })
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
    expect((await run(['doctor'])).stdout).toContain('people could not be told of login required since')
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
