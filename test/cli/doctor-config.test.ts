import { chmodSync, chownSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Finding } from '../../src/core/finding.js'
import { asRoot } from '../support/as-root.js'
import { folder } from '../support/folder.js'
import { place, type Place } from '../support/place.js'
import { told } from '../support/world.js'
import { asAnybody, examined, rewritten, seeded } from './examined.js'

const canBeOthers = asRoot('doctor on files of other users, on full and on read-only disks')

describe('the configuration', () => {
  it('doctor reports a configuration that was named and is not there, and ends with 78, and all else is left out', async () => {
    const got = await examined({ config: '/nonexistent/config.ini' })
    expect(got).toMatchObject({ code: 78, names: ['config', 'store', 'servers'] })
    expect(got.check('config')).toEqual({
      ...{ name: 'config', status: 'fail', exit: 78 },
      message: 'the config file /nonexistent/config.ini (from HQ_TOKEN_CONFIG) does not exist',
      hint: 'hq-token init writes it; or name a file that exists; or name none: hq-token then looks in the usual places',
    })
    for (const name of ['store', 'servers'])
      expect(got.check(name)).toMatchObject({
        status: 'skip',
        message: 'needs the configuration',
        exit: null,
      })
  })

  it('doctor says of a configuration that is nowhere where it is looked for, and what is missing', async () => {
    const homedir = folder()
    const { code, stdout } = await told(['doctor'], { homedir })
    expect(code).toBe(78)
    expect(stdout).toContain(`no file (${homedir}/.config/hq-token/config.ini, /etc/hq-token/config.ini)`)
    expect(stdout).toMatch(
      /^fail {3}settings {7}there is no config file, and HQ_TOKEN_CLIENT_ID is not set\n {7}→ hq-token init$/m,
    )
    // One next command, once.
    expect(stdout.match(/→/g)).toHaveLength(1)
    expect(stdout).toMatch(/^skip {3}login {10}no token set yet: fix the configuration first$/m)
  })

  it('doctor reports a configuration that cannot be read, and ends with 78', async () => {
    expect((await examined({ config: folder() })).check('settings')).toMatchObject({
      ...{ status: 'fail', exit: 78 },
      message: expect.stringContaining('is a directory') as string,
    })
  })

  it.runIf(canBeOthers).each([
    [
      'which is another user’s',
      0o700,
      0o600,
      ({ config }: Place) => config,
      /; run as that user: sudo -u '#12345' hq-token …$/,
    ],
    [
      'in a folder of another user',
      0o700,
      0o644,
      ({ dir }: Place) => dir,
      /; run as that user, or keep the file in/,
    ],
  ] as const)(
    'doctor reports a configuration that may not be read, %s, and ends with 78, with whose it is and the way out',
    async (_, folderMode, mode, barrier, way) => {
      const made = await seeded()
      const theirs = barrier(made)
      chmodSync(made.config, mode)
      chmodSync(made.dir, folderMode)
      chownSync(theirs, 12_345, 12_345)
      const whose = new RegExp(
        `the config file ${made.config} cannot be read: permission denied; .*belongs to another user \\(uid 12345\\)`,
      )
      const { code, stdout } = await asAnybody(made, 'doctor', '--json')
      expect(code).toBe(78)
      const { checks } = JSON.parse(stdout) as { checks: Finding[] }
      expect(checks.find(({ status }) => status === 'fail')).toMatchObject({
        ...{ name: 'permissions', exit: 78, message: expect.stringMatching(whose) as string },
        hint: expect.stringMatching(way) as string,
      })
      const got = await asAnybody(made, 'get')
      expect(got).toMatchObject({ code: 78, stdout: '' })
      expect(got.stderr).toMatch(whose)
      expect(got.stderr).toContain(`hq-token: hint: ls -ld ${theirs}; run as that user`)
    },
  )

  it.each([
    [
      'an unknown key',
      /\[store\]/,
      'clientid = 1\n[store]',
      /line 8: unknown key clientid/,
      /did you mean client_id\?/,
    ],
    ['no client', /client_id = .*\n/, '', /lacks client_id/, /add to \[client\]/],
    // Who reads this needs no hint to look here.
    ['a URL that is none', /instance = .*/, 'instance = acme', /instance must be a URL/, null],
    ['two secrets', /\[store\]/, 'client_secret_file = x\n[store]', /more than once/, /keep one/],
  ])(
    'doctor reports a configuration with %s, and ends with 78, with the place and the mend',
    async (_, find, by, message, hint) => {
      const made = await seeded()
      rewritten(made, (text) => text.replace(find, by))
      const got = await examined(made)
      expect(got.code).toBe(78)
      expect(got.check('settings')).toMatchObject({
        ...{ status: 'fail', exit: 78 },
        message: expect.stringMatching(message) as string,
        hint: hint === null ? null : (expect.stringMatching(hint) as string),
      })
    },
  )

  it('doctor warns of a configuration that others can read, and ends with 78 for one that others can change', async () => {
    const made = await seeded()
    chmodSync(made.config, 0o644)
    const readable = await examined(made)
    expect(readable.code).toBe(0)
    expect(readable.check('permissions')).toMatchObject({ status: 'warn', hint: `chmod 600 ${made.config}` })
    chmodSync(made.config, 0o666)
    const writable = await examined(made)
    expect(writable.code).toBe(78)
    expect(writable.check('permissions')).toMatchObject({
      ...{ status: 'fail', exit: 78, hint: `chmod 600 ${made.config}` },
      message: expect.stringContaining('can be changed by others') as string,
    })
  })

  it.each([
    ['client_secret_command = exit 3', /failed \(exit status 3\)/, 'run the command by hand'],
    ['client_secret_file = none', /none does not exist/, null],
    ['client_secret_command = true', /gives an empty client secret/, null],
  ])(
    'doctor reports a configuration with the secret by %s, and ends with 78',
    async (line, message, hint) => {
      const made = await seeded()
      rewritten(made, (text) => text.replace(/client_secret = .*/, line))
      const got = await examined(made)
      expect(got.code).toBe(78)
      expect(got.check('client secret')).toMatchObject({
        ...{ status: 'fail', exit: 78, message: expect.stringMatching(message) as string },
        ...(hint !== null && { hint: expect.stringContaining(hint) as string }),
      })
      expect(got.check('token URL')).toMatchObject({ status: 'ok' })
    },
  )

  it('the configuration of a public client needs no secret', async () => {
    const made = await seeded()
    rewritten(made, (text) => text.replace(/client_secret = .*/, 'auth_method = none'))
    expect((await examined(made)).check('client secret')?.message).toBe('none: a public client')
  })

  it('doctor asks the endpoints that the issuer named at the last login', async () => {
    const made = await seeded()
    const { url } = made.sandbox
    rewritten(made, (text) => text.replace(/instance = .*/, `issuer = ${url}`))
    const without = await examined(made)
    expect(without.check('settings')).toMatchObject({ status: 'warn' })
    expect(without.check('issuer')).toMatchObject({ status: 'fail' })
    expect(without.names).not.toContain('token URL')
    await made.store.exclusive(
      (held) =>
        held.pin({
          ...{ issuer: url, authorizeUrl: `${url}authorize.action`, tokenUrl: `${url}api/oauth2/token` },
          ...{ revocationUrl: null, at: 1_800_000_000 },
        }),
      { waitMs: 5_000 },
    )
    const got = await examined(made)
    expect(got.code).toBe(0)
    expect(got.check('settings')?.message).toBe(
      `client 1012 at ${url}api/oauth2/token (by the issuer ${url}, asked at 2027-01-15T08:00:00Z)`,
    )
    expect(got.check('token URL')).toMatchObject({ status: 'ok' })
    expect(got.check('authorize URL')).toMatchObject({ status: 'ok' })
  })

  it('doctor calls a profile’s name that is none wrong usage', async () => {
    expect((await told(['--profile', '../x', 'doctor'])).code).toBe(2)
  })

  it('the configuration gives hints that can be typed as they stand', async () => {
    const made = await place()
    const { stdout } = await told(['--config', made.config, 'doctor'])
    expect(stdout).toContain(`→ hq-token --config ${made.config} get`)
  })
})
