import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { folder } from '../support/folder.js'
import { watchProcessList } from '../support/process-list.js'
import { BIN, start } from '../support/processes.js'
import { atTerminal, CTRL_C, CTRL_D, CTRL_Z, type Step } from '../support/terminal.js'
import { flags, type Home, home, INSTANCE, load, mode, SECRET, secretOf } from './init-home.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'strace')
}, 300_000)

describe('init at a terminal', { timeout: 300_000 }, () => {
  const asked = {
    instance: 'INSTANCE/: ',
    id: 'Client id: ',
    redirect: 'callback\\]: ',
    secret: 'not shown\\): ',
  }
  const answers: Step[] = [
    { after: asked.instance, type: 'https://acme.highq.com/acme\r' },
    { after: asked.id, type: ' 1012 \r' },
    { after: asked.redirect, type: '\r' },
    { after: asked.secret, type: `${SECRET}\r` },
  ]
  const atInit = (
    at: Home,
    steps: readonly Step[],
    { env = {}, argv = [] }: { env?: Record<string, string>; argv?: string[] } = {},
  ): ReturnType<typeof atTerminal> =>
    atTerminal([process.execPath, BIN, 'init', '--no-doctor', ...argv], steps, {
      PATH: process.env['PATH'],
      TERM: 'xterm-256color',
      ...at.env,
      ...env,
    })

  async function expectWritten(at: Home): Promise<void> {
    const config = load(at.file)
    expect([config.instance?.href, config.clientId, config.redirectUri]).toEqual([
      INSTANCE,
      '1012',
      'http://127.0.0.1:8765/callback',
    ])
    expect(await secretOf(at.file)).toBe(SECRET)
    expect(mode(at.file)).toBe('600')
  }

  it.each([{ TERM: 'xterm-256color' }, { TERM: 'dumb' }, { NO_COLOR: '1' }])(
    'init at a terminal asks for each, and never shows the secret, nor its length (%j)',
    async (env) => {
      const at = home()
      const { said, status } = await atInit(at, answers, { env })
      expect(status).toBe(0)
      expect(said).toMatch(/not shown\): \r?\n.*wrote /)
      expect(said).not.toContain(SECRET.slice(0, 4))
      expect(said).not.toMatch(/\u001b\[[\d;]*m/)
      if (env.TERM === 'dumb') expect(said).not.toContain('\u001b')
      await expectWritten(at)
    },
  )

  it('init at a terminal asks again for what is wrong', async () => {
    const at = home()
    const [instance, id, redirect, secret] = answers as [Step, Step, Step, Step]
    const { said, status } = await atInit(at, [
      { after: asked.instance, type: '\r' },
      { after: 'this is empty', type: '' },
      { after: asked.instance, type: 'acme.highq.com\r' },
      { after: 'must be a URL', type: '' },
      instance,
      { after: asked.id, type: 'your_client_id\r' },
      { after: 'still a placeholder', type: '' },
      id,
      { after: asked.redirect, type: 'http://example.com/\r' },
      { after: 'must be an https URL', type: '' },
      redirect,
      { after: asked.secret, type: '\r' },
      { after: 'this is empty', type: '' },
      { after: asked.secret, type: 'changeme-9876\r' },
      { after: 'still a placeholder', type: '' },
      secret,
    ])
    expect(status).toBe(0)
    expect(said).not.toMatch(/9876|s3cr/)
    await expectWritten(at)
  })

  it('init at a terminal asks only for what was not given', async () => {
    const at = home()
    const { said } = await atInit(at, answers.slice(3), {
      argv: [
        '--instance',
        INSTANCE,
        '--client-id',
        '1012',
        '--redirect-uri',
        'http://127.0.0.1:8765/callback',
      ],
    })
    expect(said).not.toMatch(/Client id|Instance,/)
    await expectWritten(at)
  })

  it('init at a terminal shows nothing of a secret that is pasted with the other answers', async () => {
    const at = home()
    const { said } = await atInit(at, [
      { after: 'the answers go to', type: `https://acme.highq.com/acme\r1012\r\r${SECRET}\r` },
    ])
    expect(said).toMatch(/Client id: 1012\r?\n/)
    expect(said).not.toContain(SECRET.slice(0, 4))
    await expectWritten(at)
  })

  it.each([
    ['first', answers.slice(0, 0), asked.instance],
    ['last', answers.slice(0, 3), asked.secret],
  ])(
    'init at a terminal writes nothing after Ctrl-C at the %s question, and ends as shells expect',
    async (_, before, after) => {
      const at = home()
      const { said, status } = await atInit(at, [...before, { after, type: `s3cr${CTRL_C}` }])
      expect(said).toContain('nothing was written')
      expect(status).toBe(-constants.signals.SIGINT)
      expect(existsSync(dirname(at.file))).toBe(false)
    },
  )

  it.each([
    ['first', answers.slice(0, 0), asked.instance],
    ['last', answers.slice(0, 3), asked.secret],
  ])('init at a terminal writes nothing after Ctrl-D at the %s question', async (_, before, after) => {
    const at = home()
    const { said, status } = await atInit(at, [...before, { after, type: CTRL_D }])
    expect(said).toMatch(/error: .*nothing was written\r?\n.*hint: /)
    expect(status).toBe(2)
    expect(existsSync(dirname(at.file))).toBe(false)
  })

  it('init at a terminal leaves no secret on the screen, in the shell’s history or in the process list; Ctrl-Z and fg between', async () => {
    const at = home()
    const history = join(folder(), 'history')
    const list = watchProcessList()
    const { said } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        { after: 'prompt> ', type: `${process.execPath} ${BIN} init\n` },
        ...answers.slice(0, 3),
        { after: asked.secret, type: CTRL_Z },
        { after: 'Stopped[\\s\\S]*prompt> ', type: 'fg\n' },
        { after: asked.secret, pause: 0.3, type: `${SECRET}\r` },
        { after: 'wrote [\\s\\S]*prompt> ', type: 'exit\n' },
      ],
      { PATH: process.env['PATH'], TERM: 'xterm', PS1: 'prompt> ', HISTFILE: history, ...at.env },
    )
    await expectWritten(at)
    const seen = list.stop()
    expect(seen).toContain(`${BIN} init`)
    expect(readFileSync(history, 'utf8')).toContain(`${BIN} init`)
    for (const text of [said, seen, readFileSync(history, 'utf8')])
      expect(text).not.toContain(SECRET.slice(0, 6))
  })

  it('init keeps a secret on standard input out of the process list', async () => {
    const at = home()
    const list = watchProcessList()
    await start(flags(), { env: at.env, input: SECRET }).done
    const seen = list.stop()
    expect(seen).toContain(`${BIN} init`)
    expect(seen).not.toContain(SECRET)
    await expectWritten(at)
  })

  it('init does not wait at a terminal for a secret on standard input', async () => {
    const { said, status } = await atInit(home(), [], { argv: ['--client-secret', '-'] })
    expect(status).toBe(2)
    expect(said).toMatch(/which is a terminal here/)
  })
})
