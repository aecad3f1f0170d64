import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { folder } from '../support/folder.js'
import { decided } from '../support/person.js'
import { place } from '../support/place.js'
import { start, type Ended } from '../support/processes.js'

const guide = readFileSync('docs/guide.md', 'utf8')
const section = /^## From a new registration to a cron line\n([^]*?)^## /m.exec(guide)?.[1] ?? ''
/** The commands of the section, as they stand there. */
const commands = [...section.matchAll(/(?<=^ *|`)hq-token ((?:[\w/-]+ ?)+)/gm)].map(([, text = '']) =>
  text.trim(),
)
const cron = /```cron\n([^]*?)```/.exec(readFileSync('README.md', 'utf8'))?.[1] ?? ''

it(
  'the guide’s way from a registration to a cron line can be walked, command by command',
  { timeout: 60_000 },
  async () => {
    const { sandbox, works } = await place()
    const home = folder()
    const env = { HOME: home, PATH: '/usr/bin:/bin' }
    const run = (args: readonly string[], input?: string): Promise<Ended> =>
      start(args, { env, ...(input !== undefined && { input }) }).done
    let address = ''
    const person: Record<string, (args: readonly string[]) => Promise<Ended>> = {
      sandbox: () => Promise.resolve({ code: 0, signal: null, stdout: '', stderr: '' }),
      // What a person would type at its questions; any port, since other tests have the usual one.
      init: ([command = '']) =>
        run(
          [
            ...[command, '--redirect-uri', 'http://127.0.0.1/callback'],
            '--instance',
            sandbox.url,
            '--client-id',
            sandbox.clientId,
            '--client-secret',
            '-',
          ],
          sandbox.clientSecret,
        ),
      login: async (args) => {
        if (args.includes('--complete')) return run(args, await decided(address, 'allow'))
        if (!args.includes('--no-browser')) {
          const login = start(args, { env })
          const opened = new Promise<string>((resolve) => {
            let text = ''
            login.child.stderr?.on('data', (chunk: string) => {
              const found = /^ {2}(http\S+)$/m.exec((text += chunk))?.[1]
              if (found !== undefined) resolve(found)
            })
          })
          await fetch(await decided(await opened, 'allow'))
          return login.done
        }
        const asked = await run(args)
        address = asked.stdout.trim()
        return asked
      },
    }
    expect(commands).toEqual(
      expect.arrayContaining([
        'init',
        'login',
        'login --no-browser',
        'login --complete -',
        'status',
        'api 1/sites',
        'refresh',
      ]),
    )
    for (const command of commands) {
      const args = command.split(' ')
      const { code, stderr } = await (person[args[0] ?? ''] ?? run)(args)
      expect([command, code, stderr]).toEqual([command, 0, stderr])
    }

    const lines = cron.split('\n').filter((line) => line.includes('hq-token'))
    expect(lines).toHaveLength(2)
    for (const line of lines) {
      const args = (/hq-token ([^)]*)/.exec(line)?.[1] ?? '').trim().split(' ')
      const { code, stdout } = await run(args)
      expect([line, code]).toEqual([line, 0])
      if (args[0] === 'get') expect(await works(stdout.trim())).toBe(true)
    }
    expect(readFileSync(join(home, '.config/hq-token/config.ini'), 'utf8')).toContain(sandbox.url)
  },
)
