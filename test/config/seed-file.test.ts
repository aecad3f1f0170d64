import { execFile, spawn } from 'node:child_process'
import { chmodSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rfc3339 } from '../../src/core/clock.js'
import { readSeed, seedIfThere, type SeedOptions } from '../../src/config/seed-file.js'
import { SeedInvalid, UsageError } from '../../src/core/errors.js'
import { folder } from '../support/folder.js'
import { ISSUED, moment } from '../support/token-sets.js'
import { failure, mutation, words, written } from './places.js'

const NOW = ISSUED + 1000
const ACCESS = 'aCcEsS-0123456789'
const REFRESH = 'rEfReSh-0123456789'
const SIX_LINES = `[AUTH]
access_token = ${ACCESS}
access_expiry = 2592000
refresh_token= ${REFRESH}
refresh_expiry = 2628000
token_type = bearer
user = someone@example.com
`
const options: SeedOptions = { clock: () => moment(NOW), defaultLifetime: 18_000 }

/** A seed file that was last modified at `ISSUED`. */
const file = (content: string | Uint8Array, mode = 0o600): string => {
  const path = written('token.ini', content, mode)
  utimesSync(path, ISSUED, ISSUED)
  return path
}
const read = (
  content: string | Uint8Array,
  changes: Partial<SeedOptions> = {},
): ReturnType<typeof readSeed> => readSeed({ path: file(content) }, { ...options, ...changes })
const auth = (...lines: string[]): string =>
  ['[AUTH]', `access_token = ${ACCESS}`, `refresh_token = ${REFRESH}`, ...lines, ''].join('\n')
const refusal = async (call: () => unknown): Promise<SeedInvalid> => {
  const error = await failure(call)
  expect(error).toBeInstanceOf(SeedInvalid)
  expect(words(error)).not.toContain(ACCESS)
  expect(words(error)).not.toContain(REFRESH)
  return error as SeedInvalid
}

describe('a seed file', () => {
  it('a seed file is read as people have it', async () => {
    const path = file(SIX_LINES)
    const { seed, notices } = await readSeed({ path }, options)
    expect(seed).toMatchObject({
      pair: {
        tokenType: 'bearer',
        scope: null,
        obtained: { now: ISSUED, boot: 'boot-1', uptime: 1000 },
        lifetime: 2_592_000,
        refreshExpiresAt: ISSUED + 2_628_000,
      },
      user: 'someone@example.com',
      source: path,
    })
    expect(seed.pair.accessToken.reveal()).toBe(ACCESS)
    expect(seed.pair.refreshToken.reveal()).toBe(REFRESH)
    expect(notices).toEqual([
      {
        level: 'info',
        message: `the tokens count as issued when ${path} was last modified: 2027-01-15T08:00:00Z`,
        hint: 'say when with issued_at in [AUTH] or with --issued-at TIME',
      },
    ])
  })

  it.each([
    [
      'keys and section in another case',
      SIX_LINES.replace(/^.*?(?==|$)/gm, (name) => name.toUpperCase()).replace('AUTH', 'auth'),
    ],
    ['CRLF', SIX_LINES.replaceAll('\n', '\r\n')],
    ['no last line end', SIX_LINES.trimEnd()],
    ['a byte order mark', `\uFEFF${SIX_LINES}`],
    ['UTF-16 with its mark', Buffer.from(`\uFEFF${SIX_LINES}`, 'utf16le')],
    ['UTF-16 big endian without', Buffer.from(SIX_LINES, 'utf16le').swap16()],
    ['comments', `; a\n${SIX_LINES.replaceAll('\n', ' ; b\n')}# c`],
    ['quotes', SIX_LINES.replace(/= ?(.*)$/gm, '= "$1"')],
  ])('a seed file may have %s', async (_, content) => {
    const { seed } = await read(content)
    expect(seed.pair.accessToken.reveal()).toBe(ACCESS)
    expect(seed.pair.refreshToken.reveal()).toBe(REFRESH)
    expect(seed).toMatchObject({ pair: { lifetime: 2_592_000 }, user: 'someone@example.com' })
  })

  it('a seed file needs no more than two tokens', async () => {
    const { seed } = await read(auth())
    expect(seed).toMatchObject({
      pair: { tokenType: 'Bearer', lifetime: 18_000, refreshExpiresAt: null },
      user: null,
    })
  })

  it.each([
    ['an empty token', 'access_token =', 'line 2: access_token is empty'],
    ['a token that a comment swallowed', 'access_token = ;a', 'line 2: access_token is empty'],
    ['a token with white space', `access_token = ${ACCESS} x`, 'line 2: access_token holds white space'],
    ['a token with a tab', `access_token = ${ACCESS}\tx`, 'line 2: access_token holds white space'],
    [
      'a token with a control character',
      `access_token = ${ACCESS}\u0007`,
      'line 2: access_token holds a control character',
    ],
    [
      'a token with an umlaut',
      `access_token = ${ACCESS}ü`,
      'line 2: access_token holds a character that is not ASCII',
    ],
    ['a huge token', `access_token = ${'x1'.repeat(40_000)}`, 'line 2: access_token is longer than 64 KiB'],
    ...[
      'REDACTED',
      'REDACTED-1',
      '<REDACTED>',
      '[redacted]',
      'your_token_here',
      'YOUR-ACCESS-TOKEN',
      '<access token>',
      'xxxxxxxx',
      '****',
      '...',
      '…',
      'ab…',
      'changeme',
      'None',
      'access_token',
      '${ACCESS_TOKEN}',
    ].map((placeholder) => [
      `the placeholder ${placeholder}`,
      `access_token = ${placeholder}`,
      'line 2: access_token is still a placeholder',
    ]),
  ])('a seed file is refused for %s', async (_, line, message) => {
    const error = await refusal(() => read(`[AUTH]\n${line}\nrefresh_token = ${REFRESH}\n`))
    expect(error.message).toMatch(/^the seed file .*token\.ini, /)
    expect(error.message).toContain(message)
  })

  it.each([
    ['access_expiry = soon', 'access_expiry is not a number of seconds'],
    ['access_expiry =', 'access_expiry is not a number of seconds'],
    ['access_expiry = -1', 'access_expiry is not a number of seconds'],
    ['access_expiry = 30d', 'access_expiry is not a number of seconds'],
    ['access_expiry = NaN', 'access_expiry is not a number of seconds'],
    ['access_expiry = Infinity', 'access_expiry is not a number of seconds'],
    ['access_expiry = 1e400', 'access_expiry is not a number of seconds'],
    [`access_expiry = ${'9'.repeat(400)}`, 'access_expiry is not a number of seconds'],
    ['refresh_expiry = 0x10', 'refresh_expiry is not a number of seconds'],
    ['access_expires_at = tomorrow', 'access_expires_at is not a point in time'],
    ['access_expires_at = 2027-01-15T08:00:00', 'access_expires_at is not a point in time'],
    ['refresh_expires_at = 1800000000000', 'refresh_expires_at is not a point in time'],
    ['issued_at = 2027-02-30T08:00:00Z', 'issued_at is not a point in time'],
    [`issued_at = ${NOW + 61}`, 'issued_at lies in the future'],
    ['token_type = mac', 'token_type is not bearer'],
    ['token_type =', 'token_type is not bearer'],
    ['access_token = again', 'access_token is given twice: line 2 has it already'],
    ['ACCESS_TOKEN = again', 'access_token is given twice: line 2 has it already'],
    ['just a word', 'neither a section'],
    [`  ${ACCESS}=`, 'indented, as if it continued the line before'],
  ])('a seed file is refused for %j', async (line, message) => {
    const error = await refusal(() => read(auth(line)))
    expect(error.message).toContain(`token.ini, line 4: ${message}`)
  })

  it.each([
    ['no access token', `[AUTH]\nrefresh_token = ${REFRESH}`, 'has no access_token in [AUTH]'],
    ['no refresh token', `[AUTH]\naccess_token = ${ACCESS}`, 'has no refresh_token in [AUTH]'],
    ['nothing in it', '', 'has no section [AUTH]'],
    [
      'other sections only',
      `[client]\nx = ${ACCESS}\n[a1]`,
      'has no section [AUTH], only [client], another section',
    ],
    ['no section line', `access_token = ${ACCESS}`, 'line 1: access_token before any section'],
    ['a web page in it', `<!doctype html><p>${ACCESS}`, 'line 1: a web page (HTML), not an INI file'],
    ['a binary file in it', `SQLite format 3\0${ACCESS}`, 'is a binary file, not text'],
  ])('a seed file is refused with %s', async (_, content, message) => {
    expect((await refusal(() => read(content))).message).toContain(message)
  })

  it.each([
    ['JSON', `{"access_token":"${ACCESS}","expires_in":3600,"refresh_token":"${REFRESH}"}`, 'JSON'],
    ['JSON over lines, with a mark', `\uFEFF\n{\n  "access_token": "${ACCESS}"\n}\n`, 'JSON'],
    ['JSON without anything', '{}', 'JSON'],
    ['JSON that was cut off', '{', 'JSON'],
    ['XML', `<TokenResponse><access_token>${ACCESS}</access_token></TokenResponse>`, 'XML'],
    ['XML with its first line', `<?xml version="1.0"?>\n<TokenResponse/>`, 'XML'],
    ['a form', `access_token=${ACCESS}&expires_in=3600&refresh_token=${REFRESH}`, 'a form'],
  ])(
    'a seed file shows the INI file to whoever has saved an answer of the server: %s',
    async (_what, content, form) => {
      for (const bytes of [content, Buffer.from(`\uFEFF${content}`, 'utf16le')]) {
        const error = await refusal(() => read(bytes))
        expect(error.message).toContain(
          `token.ini, line 1: ${form}, as a server answers, and not an INI file`,
        )
        expect(error.hint).toBe(
          'write it as an INI file, a line each: [AUTH] / access_token = … / access_expiry = … (its expires_in) / refresh_token = … / refresh_expiry = … (its refresh_token_expires_in)',
        )
      }
    },
  )

  it('a seed file takes a token with & or { in it for a token', async () => {
    const token = '{&refresh_token=<a>'
    const { seed } = await read(`[AUTH]\naccess_token = ${token}\nrefresh_token = ${token}`)
    expect(seed.pair.accessToken.reveal()).toBe(token)
  })

  it.each([
    ['acces_expiry', 'access_expiry'],
    ['acess_expiry', 'access_expiry'],
    ['access_exipry', 'access_expiry'],
    ['access-expiry', 'access_expiry'],
    ['AccessExpiry', 'access_expiry'],
    ['access_expires', 'access_expiry'],
    ['refresh_expire', 'refresh_expiry'],
    ['refreshToken', 'refresh_token'],
    ['access_expire_at', 'access_expires_at'],
    ['issue_at', 'issued_at'],
    ['usr', 'user'],
    ['tokentype', 'token_type'],
  ])('a seed file is refused for %s, as the config is: it means %s', async (name, meant) => {
    const error = await refusal(() => read(auth(`${name} = 60`)))
    expect(error.message).toMatch(/token\.ini, line 4: unknown key.* in \[AUTH\]$/)
    expect(error.hint).toBe(`did you mean ${meant}? A note begins with ;`)
    // In another section it is nobody's.
    await expect(read(`${auth()}[notes]\n${name} = 60\n`)).resolves.toBeDefined()
  })

  it.each([
    ['expires_in', 'access_expiry'],
    ['access_token_expires_in', 'access_expiry'],
    ['access_expires_in', 'access_expiry'],
    ['refresh_token_expires_in', 'refresh_expiry'],
    ['expires_at', 'access_expires_at'],
    ['useremail', 'user'],
    ['created_at', 'issued_at'],
  ])('a seed file is taken with %s, and says what that is called here: %s', async (name, known) => {
    const { notices } = await read(auth(`${name} = 60`, 'issued_at = 1799999999'))
    expect(notices).toContainEqual({
      level: 'warning',
      message: expect.stringMatching(new RegExp(`line 4: ${name} in \\[AUTH\\] is not known`)) as string,
      hint: `did you mean ${known}?`,
    })
  })

  it.each(['scope', 'id_token', 'client_id', 'instance', 'note', 'used_at', 'constructor'])(
    'a seed file is taken with a note of its own: %s',
    async (name) => {
      const { notices } = await read(auth(`${name} = 60`, 'issued_at = 1799999999'))
      expect(notices[0]?.message).toContain(`${name} in [AUTH] is not known and is disregarded`)
    },
  )

  it('a seed file warns of an unknown key and of sections that do not count', async () => {
    const { seed, notices } = await read(
      `${auth('username = a', 'issued_at = 1799999999', 'A1 = b')}[notes]\nuser = c\n`,
    )
    expect(seed.user).toBeNull()
    expect(notices).toEqual([
      {
        level: 'warning',
        message: expect.stringMatching(
          /token\.ini, line 4: username in \[AUTH\] is not known and is disregarded$/,
        ) as string,
        hint: 'did you mean user?',
      },
      { level: 'warning', message: expect.stringMatching(/line 6: a key in \[AUTH\]/) as string },
      {
        level: 'info',
        message: expect.stringMatching(/only \[AUTH\] is read; disregarded: \[notes\]$/) as string,
      },
    ])
  })

  it.skipIf(process.platform === 'win32').each([
    ['644', 1],
    ['640', 1],
    ['600', 0],
    ['400', 0],
  ])('a seed file of mode %s brings %i warnings about who can read it', async (mode, count) => {
    const path = file(auth(`issued_at = ${ISSUED}`))
    chmodSync(path, parseInt(mode, 8))
    const { notices } = await readSeed({ path }, options)
    expect(notices).toEqual(
      Array.from({ length: count }, () => ({
        level: 'warning',
        message: `${path} can be read by others`,
        hint: `chmod 600 ${path}`,
      })),
    )
  })
})

describe('the time of issue', () => {
  const obtained = async (...args: Parameters<typeof read>): Promise<unknown> =>
    (await read(...args)).seed.pair.obtained

  it.each([
    ['epoch seconds', `${NOW - 10}`],
    ['RFC 3339', '2027-01-15T08:16:30Z'],
    ['RFC 3339 with an offset', '2027-01-15T09:16:30.5+01:00'],
    ['RFC 3339 with a space, in small letters', '2027-01-15 08:16:30z'],
  ])('the time of issue is what the file says in %s', async (_, text) => {
    expect(await obtained(auth(`issued_at = ${text}`))).toEqual(moment(NOW - 10))
  })

  it('the time of issue is what the option says, before what the file says', async () => {
    expect(await obtained(auth('issued_at = 5'), { issuedAt: NOW - 20 })).toEqual(moment(NOW - 20))
  })

  it('the time of issue is never later than now', async () => {
    expect(await obtained(auth(`issued_at = ${NOW + 60}`))).toEqual(moment(NOW))
    const path = written('token.ini', auth())
    utimesSync(path, NOW + 9999, NOW + 9999)
    expect((await readSeed({ path }, options)).seed.pair.obtained).toEqual(moment(NOW))
  })

  it('the time of issue cannot be put into the future by the option', async () => {
    expect(await failure(() => read(auth(), { issuedAt: NOW + 61 }))).toBeInstanceOf(UsageError)
  })

  it('the time of issue is now for standard input, and a notice says so', async () => {
    const { seed, notices } = await readSeed({ stdin: Buffer.from(SIX_LINES) }, options)
    expect(seed).toMatchObject({ pair: { obtained: moment(NOW) }, source: 'standard input' })
    expect(notices.map(({ message }) => message)).toEqual([
      'the tokens count as issued now: 2027-01-15T08:16:40Z',
    ])
  })

  it('the time of issue counts a lifetime to a point in time', async () => {
    const { seed } = await read(
      auth(
        `issued_at = ${ISSUED}`,
        `access_expires_at = ${ISSUED + 5000}`,
        `refresh_expires_at = ${ISSUED + 9000}`,
        'access_expiry = 1',
        'refresh_expiry = 1',
      ),
    )
    expect(seed.pair).toMatchObject({ lifetime: 5000, refreshExpiresAt: ISSUED + 9000 })
  })

  it('the time of issue may leave no life', async () => {
    const { seed, notices } = await read(auth(`issued_at = ${ISSUED}`, `access_expires_at = ${ISSUED - 5}`))
    expect(seed.pair.lifetime).toBe(0)
    expect(notices).toEqual([{ level: 'info', message: expect.stringContaining('has expired') as string }])
  })

  const END = rfc3339(ISSUED + 7200)
  it.each([
    ['epoch seconds', `access_expiry = ${ISSUED + 7200}`, 7200],
    ['epoch milliseconds', `access_expiry = ${ISSUED + 7200}000`, 7200],
    ['a date', `access_expiry = ${END}`, 7200],
    ['one that is past', `access_expiry = ${ISSUED}`, 0],
  ])(
    'the time of issue is taken for one in the place of a lifetime, with a warning: %s',
    async (_what, line, lifetime) => {
      const { seed, notices } = await read(auth(`issued_at = ${ISSUED}`, line))
      expect(seed.pair).toMatchObject({ lifetime, isLifetimeGuessed: false })
      expect(notices[0]).toMatchObject({
        level: 'warning',
        hint: expect.stringContaining('access_expires_at') as string,
      })
    },
  )

  it.each([`access_expiry = ${367 * 86_400}`, `access_expires_at = ${ISSUED + 367 * 86_400}`])(
    'the time of issue is no lifetime of an access token where it is more than a year off: %s',
    async (line) => {
      const { seed, notices } = await read(auth(`issued_at = ${ISSUED}`, line))
      expect(seed.pair).toMatchObject({ lifetime: options.defaultLifetime, isLifetimeGuessed: true })
      expect(notices).toMatchObject([
        { level: 'warning', message: expect.stringContaining('more than a year') as string },
      ])
    },
  )

  it('a time of issue of a year is one', async () => {
    const { seed, notices } = await read(auth(`issued_at = ${ISSUED}`, `access_expiry = ${365 * 86_400}`))
    expect(seed.pair).toMatchObject({ lifetime: 365 * 86_400, isLifetimeGuessed: false })
    expect(notices).toEqual([])
  })
})

describe('what is named as the seed file', () => {
  it.each([
    ['does not exist', () => join(folder(), 'none'), 'does not exist'],
    ['is a folder', folder, 'is a directory'],
    ['is a device', () => '/dev/zero', 'is not a regular file'],
    ['is huge', () => file(new Uint8Array(1_048_577)), 'is larger than 1 MiB'],
  ])('what is named as the seed file is refused when it %s', async (_, path, message) => {
    expect((await refusal(() => readSeed({ path: path() }, options))).message).toContain(message)
  })

  it('what is named as the seed file is no folder, nor is anybody told to change the mode of one', async () => {
    const open = folder()
    chmodSync(open, 0o777)
    const { message, hint } = await refusal(() => readSeed({ path: open }, options))
    expect(message).toContain('is a directory')
    expect(hint).not.toContain('chmod')
  })

  it('what is named as the seed file is asked for where it does not exist', async () => {
    expect((await refusal(() => readSeed({ path: join(folder(), 'none') }, options))).hint).toBe(
      'hq-token seed FILE, with a file that is there; - for standard input',
    )
  })

  it('what is named as the seed file may be missing where it is only configured', async () => {
    expect(await seedIfThere(join(folder(), 'none'), options)).toBeUndefined()
    expect((await seedIfThere(file(SIX_LINES), options))?.seed.user).toBe('someone@example.com')
  })

  it('what is named as the seed file is refused when standard input is huge', async () => {
    expect((await refusal(() => readSeed({ stdin: new Uint8Array(1_048_577) }, options))).message).toBe(
      'standard input is larger than 1 MiB',
    )
  })

  it.skipIf(process.platform === 'win32')(
    'what is named as the seed file may be a pipe, issued now',
    async () => {
      const path = join(folder(), 'pipe')
      await promisify(execFile)('mkfifo', ['-m', '600', path])
      const writer = spawn('sh', ['-c', 'cat > "$1"', 'sh', path], { stdio: ['pipe', 'ignore', 'ignore'] })
      setTimeout(() => writer.stdin.end(SIX_LINES), 100)
      const { seed } = await readSeed({ path }, options)
      expect(seed.pair.refreshToken.reveal()).toBe(REFRESH)
      expect(seed.pair.obtained).toEqual(moment(NOW))
    },
  )
})

describe('any seed file', () => {
  const path = join(folder(), 'token.ini')

  it('any seed file gives the token that Python wrote, or is refused with the line', async () => {
    const token = fc.oneof(
      fc.stringMatching(/^[!-~]{1,40}$/),
      fc
        .array(fc.constantFrom(';', '#', '"', "'", '=', '\\', '[', ']', 'a', '{', '%'), {
          minLength: 1,
          maxLength: 6,
        })
        .map((all) => all.join('')),
    )
    let exact = 0
    await fc.assert(
      fc.asyncProperty(token, token, async (access, refresh) => {
        const content = `[AUTH]\naccess_token = ${access}\nrefresh_token = ${refresh}\n\n`
        try {
          const { seed } = await readSeed({ stdin: Buffer.from(content) }, options)
          for (const [given, got] of [
            [access, seed.pair.accessToken],
            [refresh, seed.pair.refreshToken],
          ] as const) {
            const quoted = /^(["'])((?:(?!\1).)+)\1$/.exec(given)?.[2]
            expect(got.reveal()).toBe(quoted ?? given)
          }
          exact++
        } catch (error) {
          if (!(error instanceof SeedInvalid)) throw error
          expect(error.message).toMatch(
            /^standard input, line [23]: (access|refresh)_token is (empty|still a placeholder)$/,
          )
        }
      }),
      { numRuns: 2000 },
    )
    expect(exact).toBeGreaterThan(1000)
  })

  it('any seed file is read or refused with its name, and its tokens never shown', async () => {
    await fc.assert(
      fc.asyncProperty(mutation(SIX_LINES), async (bytes) => {
        writeFileSync(path, bytes, { mode: 0o600 })
        try {
          const { notices } = await readSeed({ path }, options)
          expect(JSON.stringify(notices)).not.toMatch(/0123456/)
        } catch (error) {
          if (!(error instanceof SeedInvalid)) throw error
          expect(error.message).toContain(path)
          expect(words(error)).not.toMatch(/0123456/)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
