// `refresh --quiet`: cron mails each line of standard error.
import { chmodSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runPlain } from '../../src/cli/run-plain.js'
import { plainCommand } from '../../src/cli/plain.js'
import { place, type Place } from '../support/place.js'
import { told, worldFor, type Told, type WorldOptions } from '../support/world.js'

/** The two ways to a `refresh`. */
const WAYS: Readonly<Record<string, (argv: readonly string[], options: WorldOptions) => Promise<Told>>> = {
  commander: told,
  plain: async (argv, options) => {
    const plain = plainCommand(argv)
    if (plain?.name !== 'refresh') throw new Error('is not read by plain.ts')
    const { world, said } = worldFor(options)
    return { code: await runPlain(plain, world), ...said() }
  },
}

describe.each(Object.keys(WAYS))('refresh --quiet, read by %s', (way) => {
  const refresh = async ({ config }: Place, more: readonly string[] = [], env: object = {}): Promise<Told> =>
    (WAYS[way] ?? told)(['refresh', '--quiet', ...more], {
      env: { HQ_TOKEN_CONFIG: config, HQ_TOKEN_CONFG: 'x', ...env },
      terminal: 80,
    })

  it.each([[[]], [['-v']], [['--log-format', 'json']], [['--log-format', 'json', '--verbose']]])(
    'says nothing where all is well, nor of a misspelt variable, with %j',
    async (more) => {
      const there = await place({}, 3600)
      expect(await refresh(there, more)).toEqual({ code: 0, stdout: '', stderr: '' })
    },
  )

  it.each([[[]], [['-v']], [['--log-format', 'json']]])(
    'says nothing of an outage (75), with %j',
    async (more) => {
      const there = await place({}, 3600)
      there.sandbox.setFaults([{ name: '429', count: 9 }])
      expect(await refresh(there, more)).toEqual({ code: 75, stdout: '', stderr: '' })
    },
  )

  it('says all of any other failure, warnings too, but nothing of a misspelt variable', async () => {
    const there = await place({}, 3600)
    chmodSync(there.config, 0o644)
    there.sandbox.setFaults([{ name: 'invalid-grant', count: 9 }])
    const quiet = await refresh(there)
    expect([quiet.code, quiet.stdout]).toEqual([4, ''])
    expect(quiet.stderr).not.toContain('HQ_TOKEN_CONFG')
    expect(quiet.stderr).toContain('hq-token: warning: ')
    expect(quiet.stderr).toMatch(/hq-token: error: .*\nhq-token: hint: /)
  })

  it('says what is wrong with the configuration (78)', async () => {
    const there = await place({}, 3600)
    const { code, stderr } = await refresh(there, [], {
      HQ_TOKEN_CLIENT_ID: ' ',
      HQ_TOKEN_CONFIG: '/nonexistent.ini',
    })
    expect([code, stderr]).toEqual([78, expect.stringContaining('hq-token: error: ')])
  })
})

it('refresh -q is refresh --quiet, also among joined letters', async () => {
  const { config } = await place({}, 3600)
  const env = { HQ_TOKEN_CONFIG: config, HQ_TOKEN_CONFG: 'x' }
  for (const argv of [
    ['refresh', '-q'],
    ['refresh', '-vq'],
  ])
    expect(await told(argv, { env })).toEqual({ code: 0, stdout: '', stderr: '' })
})
