// People are told of trouble: by real processes, and real commands.
import Database from 'better-sqlite3'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { DOWN, home, KEEP, REFUSED, until, type Home } from '../support/notified.js'

/** A zombie has ended, whoever has not heard of it yet. */
function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z')
  } catch {
    return false
  }
}

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

  it('people are not told of a failure that another client met, as with a wrong client id that was mended', async () => {
    const { run, mails, dir, config, seed } = await home(KEEP, [], 'failing_for = 1s\n')
    const [right = ''] = readFileSync(config, 'utf8').split('[notify]')
    const other = (name: string, text: string): readonly string[] => {
      writeFileSync(join(dir, name), text, { mode: 0o600 })
      return ['--config', join(dir, name)]
    }
    // A seed that no client is named for belongs to none yet.
    const store = /^path *=.*/m.exec(right)?.[0] ?? ''
    expect((await run([...other('bare.ini', `[store]\n${store}\n`), 'seed', '--force', seed])).code).toBe(0)
    const wrong = other('wrong.ini', right.replace(/client_id *=.*/, 'client_id = 77'))
    expect((await run([...wrong, 'refresh'])).stderr).toContain('invalid_client')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect((await run(['check', '--notify'])).stdout).toContain('failures=0;')
    expect(mails()).toEqual([])
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
    ['is missing', './no-such-mailer', /gave exit status 127: .*not found\n/],
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
    const { run, works, sandbox, dir, pass } = await recovering(command, 'timeout = 1s\n')
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
      /^warn +notify +a notification could not be delivered since \S+Z: \[notify\] command /m,
    )
    // The telling is tried again in five minutes, not by the next job, and is remembered though all is well.
    pass(3601)
    expect((await run(['check'])).stdout).toContain('a notification could not be delivered since')
    pass(-3601)
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
