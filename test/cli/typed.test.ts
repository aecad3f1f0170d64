// Where a hint gets the options of the run that it is said in.
import { expect, it } from 'vitest'
import { COMMAND_NAMES } from '../../src/cli/command-name.js'
import { program } from '../../src/cli/program.js'
import { voice } from '../../src/cli/terminal/output.js'
import { worldFor } from '../support/world.js'

const { world } = worldFor({})

it('every command of the program is one that a hint can name', () => {
  const root = program(
    world,
    () => undefined,
    () => undefined,
  )
  for (const command of root.commands) expect(COMMAND_NAMES).toContain(command.name())
})

it.each([
  ['hq-token get', 'hq-token -X get'],
  ['hq-token init writes it; or: hq-token login', 'hq-token -X init writes it; or: hq-token -X login'],
  ['(crontab -l; hq-token schedule cron) | crontab -', '(crontab -l; hq-token -X schedule cron) | crontab -'],
  ['sudo -u hq-token A=/etc/hq-token hq-token init', 'sudo -u hq-token A=/etc/hq-token hq-token -X init'],
  ['sudo hq-token doctor', 'sudo hq-token -X doctor'],
  ['run `hq-token status`', 'run `hq-token -X status`'],
  ['useradd --home-dir /var/lib/hq-token --system hq-token', 'same'],
  ['name none: hq-token then looks in the usual places', 'same'],
  ['keep it in /etc/hq-token and the store elsewhere', 'same'],
  ['put it into /etc/hq-token login or not', 'same'],
  ['stop hq-token on one of them', 'same'],
  ['hq-token getter', 'same'],
  ['hq-token --help', 'same'],
])('the hint %j gets the options where a command begins, and nowhere else', (hint, expected) => {
  const { typed } = voice(world, { profile: 'acme' })
  expect(typed(hint)).toBe(expected === 'same' ? hint : expected.replaceAll('-X', '--profile acme'))
})

it('on Windows a hint names the command that every shell there runs: PowerShell may refuse the script of the bare name', () => {
  const { typed } = voice({ ...world, platform: 'win32' }, { config: 'C:\\hq try\\a.ini' })
  expect(typed('hq-token login; keep it below C:\\hq-token, and: hq-token get')).toBe(
    'hq-token.cmd --config "C:\\hq try\\a.ini" login; keep it below C:\\hq-token, and: hq-token.cmd --config "C:\\hq try\\a.ini" get',
  )
})
