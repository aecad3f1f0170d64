import { constants } from 'node:os'
import { beforeAll, describe, expect, it } from 'vitest'
import { requirePrograms } from '../support/debian.js'
import { BIN } from '../support/processes.js'
import { atTerminal, CTRL_BACKSLASH, CTRL_C, CTRL_Z } from '../support/terminal.js'
import { fresh, witness } from './witness.js'

beforeAll(() => {
  requirePrograms('bash', 'python3', 'zsh', ['pgrep', 'procps'], ['unshare', 'util-linux'])
}, 300_000)

describe('at a terminal', { timeout: 300_000 }, () => {
  const env = (config: string): NodeJS.ProcessEnv => ({
    HQ_TOKEN_CONFIG: config,
    PATH: process.env['PATH'],
    HOME: '/',
    PS1: 'prompt> ',
  })

  it('Ctrl-C and Ctrl-\\ reach the command once, and hq-token goes on until it ends', async () => {
    const { config } = await fresh()
    const { said, status } = await atTerminal(
      [process.execPath, BIN, 'exec', '--', ...witness().command],
      [
        { after: 'is here', type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: CTRL_BACKSLASH },
        { after: 'got SIGQUIT', pause: 0.5, type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
      ],
      env(config),
    )
    expect([...said.matchAll(/got (\w+)/g)].map(([, name]) => name)).toEqual(['SIGINT', 'SIGQUIT', 'SIGINT'])
    expect(status).toBe(3)
  })

  it('a signal to hq-token alone reaches the command, once, that of a key too', async () => {
    const { config } = await fresh()
    const { said } = await atTerminal(
      [process.execPath, BIN, 'exec', '--', ...witness().command],
      [
        { after: 'of (\\d+) is here', signal: 'SIGINT' },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
      ],
      env(config),
    )
    expect(said.match(/got/g)).toHaveLength(1)
  })

  it('Ctrl-C ends a command that does nothing about it, and the script around it', async () => {
    const { config } = await fresh()
    const script = `"$1" "$2" exec -- sh -c 'echo here; exec sleep 60'; echo went on`
    const { said, status } = await atTerminal(
      ['/bin/bash', '-c', script, 'bash', process.execPath, BIN],
      [{ after: 'here', type: CTRL_C }],
      env(config),
    )
    expect(said).not.toContain('went on')
    expect(status).toBe(-constants.signals.SIGINT)
  })

  it('Ctrl-Z stops it all, and fg goes on', async () => {
    const { config } = await fresh()
    const state = (id: string): string => `awk '{print "state", $3, "."}' /proc/${id}/stat\n`
    const { said, status } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        {
          after: 'prompt> ',
          type: `${[process.execPath, BIN, 'exec', '--', ...witness().command].join(' ')}\n`,
        },
        { after: 'is here', type: CTRL_Z },
        { after: 'Stopped[\\s\\S]*prompt> ', type: state('$(jobs -p)') },
        { after: 'state T \\.[\\s\\S]*prompt> ', type: state('$(pgrep -P $(jobs -p) python3)') },
        { after: 'state T \\.[\\s\\S]*prompt> ', type: 'fg\n' },
        { after: 'witness.py', pause: 0.3, type: CTRL_C },
        { after: 'got SIGINT', pause: 0.5, type: 'end\n' },
        { after: 'told end[\\s\\S]*prompt> ', type: 'echo status $?; exit\n' },
      ],
      env(config),
    )
    expect(said.match(/got SIGINT/g)).toHaveLength(1)
    expect(said).toMatch(/status 3\r?\n/)
    expect(status).toBe(0)
  })

  it('what the command sets at the terminal stays set', async () => {
    const { config } = await fresh()
    const script = `stty echo; "$1" "$2" exec -- stty -echo; stty -a | grep -o ' -\\?echo '`
    const { said } = await atTerminal(['/bin/sh', '-c', script, 'sh', process.execPath, BIN], [], env(config))
    expect(said.trim()).toBe('-echo')
  })

  it('an interactive shell has the terminal, and gives it back', async () => {
    const { config } = await fresh()
    const { said } = await atTerminal(
      ['/bin/bash', '--norc', '--noprofile', '-i'],
      [
        {
          after: 'prompt> ',
          type: `PS1='inner> ' ${process.execPath} ${BIN} exec -- bash --norc --noprofile -i\n`,
        },
        { after: '\ninner> ', type: 'sleep 60\n' },
        { after: 'sleep 60', pause: 0.3, type: CTRL_C },
        { after: '\ninner> ', type: 'test -n "$HQ_TOKEN"; echo interrupted $?; exit 5\n' },
        { after: '\nprompt> ', type: 'echo status $?; exit\n' },
      ],
      env(config),
    )
    expect(said).toMatch(/interrupted 0\r?\n/)
    expect(said).toMatch(/status 5\r?\n/)
  })
})
