// The keys of [notify]: their values, and what is said of those that cannot be used.
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig, type Config } from '../../src/config/load.js'
import type { ConfigInvalid } from '../../src/core/errors.js'
import { failure, sourceOf, words, written } from './places.js'

const load = (lines: string, env: Record<string, string> = {}): Config =>
  loadConfig(sourceOf({ file: written('config.ini', `[notify]\n${lines}\n`), env }))

const CANARY = 'cAnArY-0123456789'

describe('[notify]', () => {
  it('is nobody without command and url, whatever else is set', () => {
    expect(load('remind = 1h').notify).toBeNull()
  })

  it('has its defaults, and each limit is taken', () => {
    const day = 86_400
    expect(load('command = mail ops').notify).toMatchObject({
      ...{ command: { text: 'mail ops' }, url: null, timeout: 10 },
      policy: { failingFor: 6 * 3600, ending: 14 * day, remind: day },
    })
    expect(
      load('command = x\ntimeout = 60s\nremind = 5m\nending = 0\nfailing_for = 366d').notify,
    ).toMatchObject({ timeout: 60, policy: { failingFor: 366 * day, ending: 0, remind: 300 } })
    expect(load('command = x\nremind = never').notify?.policy.remind).toBeNull()
  })

  it.each([
    ['timeout = 61s', 'at most 60s'],
    ['timeout = 0', 'more than zero'],
    ['remind = 4m', 'from 5m to 366d'],
    ['remind = 367d', 'from 5m to 366d'],
    ['remind = often', 'never for no reminder'],
    ['ending = 367d', 'at most a year'],
    ['ending = soon', '0 for never'],
    ['failing_for = 367d', 'at most a year'],
    ['command =', ''],
    [`url = http://hooks.example.com/${CANARY}`, 'https'],
    [`url = https://${CANARY}@hooks.example.com/`, 'user name or password'],
    [`url = https://hooks.example.com/${CANARY}\nurl_file = x`, 'url_file'],
    ['mail = ops', 'unknown key'],
  ])('%s is refused with its line, and no address is shown', async (line, why) => {
    const text = line.startsWith('url') ? line : `command = x\n${line}`
    const error = (await failure(() =>
      load(text.replace('command = x\ncommand', 'command')),
    )) as ConfigInvalid
    expect([error.code, error.exit]).toEqual(['HQ_CONFIG_INVALID', 78])
    expect(error.message).toMatch(/config\.ini, line [23]\b/)
    expect(words(error)).toContain(why)
    expect(words(error)).not.toContain(CANARY)
  })

  it('a variable wins over the file, and is named where it cannot be used', async () => {
    expect(load('command = x', { HQ_TOKEN_NOTIFY_COMMAND: 'y' }).notify?.command?.text).toBe('y')
    const error = await failure(() => load('command = x', { HQ_TOKEN_NOTIFY_TIMEOUT: '61s' }))
    expect(words(error)).toContain('HQ_TOKEN_NOTIFY_TIMEOUT')
  })

  it('url_file is read anew each time, beside the config, and what it holds is checked then', async () => {
    const file = written('config.ini', '[notify]\nurl_file = hook\n')
    const hook = join(dirname(file), 'hook')
    const { notify } = loadConfig(sourceOf({ file }))
    expect((await failure(() => notify?.url?.read())) as Error).toMatchObject({ code: 'HQ_CONFIG_INVALID' })
    for (const path of ['a', 'b']) {
      writeFileSync(hook, `https://hooks.example.com/${path}\n`, { mode: 0o600 })
      expect((await notify?.url?.read())?.reveal()).toBe(`https://hooks.example.com/${path}`)
    }
    writeFileSync(hook, `http://hooks.example.com/${CANARY}\n`)
    expect(words(await failure(() => notify?.url?.read()))).toMatch(/must be an https URL/)
    expect(words(await failure(() => notify?.url?.read()))).not.toContain(CANARY)
  })
})
