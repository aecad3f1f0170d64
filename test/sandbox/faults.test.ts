import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

import { UsageError } from '../../src/core/errors.js'
import type { FaultName } from '../../src/sandbox/faults.js'
import { faultNames, parseFault } from '../../src/sandbox/faults.js'
import type { Arrived } from './client.js'
import { answerPromises } from './fault-answers.js'
import { JSON_PLEASE, movableClock, post, rawRefresh, refresh, sandboxFor } from './client.js'

interface Promised {
  readonly status: number | null
  /** Whether the refresh token that was sent is spent. */
  readonly rotates: boolean
  /** False where the answer breaks off. */
  readonly complete?: boolean
  readonly forMs?: number
  readonly also?: (arrived: Arrived) => void
}

const TOKEN = /^(access|refresh)-[\w-]{43}$/
const text = ({ body }: Arrived): string => body.toString()
const parsed = (arrived: Arrived): unknown => JSON.parse(text(arrived))
const whole = {
  access_token: expect.stringMatching(TOKEN) as string,
  expires_in: 300,
  refresh_token: expect.stringMatching(TOKEN) as string,
  refresh_token_expires_in: 31_536_000,
  token_type: 'bearer',
}
const isPage = (arrived: Arrived): void => {
  expect(arrived.headers['content-type']).toMatch('text/html')
  expect(text(arrived)).toMatch(/^<!doctype html>/)
}
const isError = (error: string) => (arrived: Arrived) => {
  expect(parsed(arrived)).toEqual({ error, error_description: expect.any(String) as string })
}
const isEmpty = ({ body }: Arrived): void => {
  expect(body).toHaveLength(0)
}
const retryAfter = (arrived: Arrived): void => {
  expect(arrived.headers['retry-after']).toBe('2')
}

const answers = Object.fromEntries(
  Object.entries(answerPromises).map(([name, { says, ...rest }]): [string, Promised] => {
    const also = (arrived: Arrived): void => {
      expect(text(arrived)).toMatch(says)
    }
    return [name, { ...rest, also }]
  }),
) as Record<keyof typeof answerPromises, Promised>

const promises: Record<FaultName, Promised> = {
  ...answers,
  close: { status: null, rotates: false, complete: false },
  silence: { status: null, rotates: false, complete: false, forMs: 200 },
  'lost-answer': { status: null, rotates: true, complete: false },
  'cut-body': {
    status: 200,
    rotates: true,
    complete: false,
    also: (arrived) => {
      expect(text(arrived)).toMatch(/"refresh_token":"refresh-[\w-]+$/)
      expect(text(arrived)).not.toMatch(/refresh-[\w-]{43}/)
      expect(Number(arrived.headers['content-length'])).toBeGreaterThan(arrived.body.length)
    },
  },
  'cut-after-refresh-token': {
    status: 200,
    rotates: true,
    complete: false,
    also: (arrived) => {
      expect(text(arrived)).toMatch(/"refresh_token":"refresh-[\w-]{43}"$/)
      expect(Number(arrived.headers['content-length'])).toBeGreaterThan(arrived.body.length)
    },
  },
  drip: {
    status: 200,
    rotates: true,
    complete: false,
    forMs: 1_500,
    also: (arrived) => {
      expect(text(arrived)).toBe('{"')
    },
  },
  408: { status: 408, rotates: false },
  429: { status: 429, rotates: false, also: retryAfter },
  '429-date': {
    status: 429,
    rotates: false,
    also: ({ headers }) => {
      expect(headers['retry-after']).toBe('Fri, 15 Jan 2027 08:00:03 GMT')
    },
  },
  500: { status: 500, rotates: false },
  '500-rotated': { status: 500, rotates: true },
  '502-html': { status: 502, rotates: false, also: isPage },
  503: { status: 503, rotates: false, also: retryAfter },
  html: { status: 200, rotates: false, also: isPage },
  '403-html': { status: 403, rotates: false, also: isPage },
  redirect: {
    status: 307,
    rotates: false,
    also: ({ headers }) => {
      expect(headers.location).toBe('/sandbox/redirected')
    },
  },
  empty: { status: 200, rotates: false, also: isEmpty },
  'empty-rotated': { status: 200, rotates: true, also: isEmpty },
  garbage: {
    status: 200,
    rotates: true,
    also: (arrived) => {
      expect(() => parsed(arrived)).toThrow()
    },
  },
  unreadable: {
    status: 200,
    rotates: true,
    also: (arrived) => {
      expect(parsed(arrived)).toEqual({ result: expect.anything() as unknown })
    },
  },
  huge: {
    status: 200,
    rotates: true,
    also: (arrived) => {
      expect(arrived.body.length).toBeGreaterThan(50 * 2 ** 20)
      expect(arrived.body.subarray(0, 400).toString()).toMatch(/"refresh_token":"refresh-[\w-]{43}"/)
    },
  },
  gzip: {
    status: 200,
    rotates: true,
    also: ({ headers, body }) => {
      expect(headers['content-encoding']).toBe('gzip')
      expect(JSON.parse(gunzipSync(body).toString())).toEqual(whole)
    },
  },
  bom: {
    status: 200,
    rotates: true,
    also: ({ body }) => {
      expect(body.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]))
      expect(JSON.parse(body.subarray(3).toString())).toEqual(whole)
    },
  },
  form: {
    status: 200,
    rotates: true,
    also: (arrived) => {
      expect(arrived.headers['content-type']).toMatch('application/x-www-form-urlencoded')
      expect(Object.fromEntries(new URLSearchParams(text(arrived)))).toEqual({
        ...whole,
        expires_in: '300',
        refresh_token_expires_in: '31536000',
      })
    },
  },
  'invalid-grant': { status: 400, rotates: false, also: isError('invalid_grant') },
  'invalid-client': { status: 401, rotates: false, also: isError('invalid_client') },
  'unauthorized-client': { status: 400, rotates: false, also: isError('unauthorized_client') },
  'invalid-scope': { status: 400, rotates: false, also: isError('invalid_scope') },
  'error-200': { status: 200, rotates: false, also: isError('invalid_grant') },
  'no-refresh-token': {
    status: 200,
    rotates: false,
    also: (arrived) => {
      expect(parsed(arrived)).toEqual({
        access_token: whole.access_token,
        expires_in: 300,
        token_type: 'bearer',
      })
    },
  },
  'empty-refresh-token': {
    status: 200,
    rotates: false,
    also: (arrived) => {
      expect(parsed(arrived)).toEqual({ ...whole, refresh_token: '' })
    },
  },
  'no-expiry': {
    status: 200,
    rotates: true,
    also: (arrived) => {
      const { access_token, refresh_token, token_type } = whole
      expect(parsed(arrived)).toEqual({ access_token, refresh_token, token_type })
    },
  },
  strings: {
    status: 200,
    rotates: true,
    also: (arrived) => {
      expect(parsed(arrived)).toEqual({ ...whole, expires_in: '300', refresh_token_expires_in: '31536000' })
    },
  },
}

const names = Object.keys(faultNames) as FaultName[]

describe.each(names)('the fault %s', (name) => {
  const { status, rotates, complete = true, also, ...patience } = promises[name]

  it('a fault does to the answer and to the family what it says, once', async () => {
    const sandbox = await sandboxFor({ clock: movableClock(1_800_000_000.5), faults: [{ name, count: 1 }] })
    const { refreshToken } = sandbox.issue()
    const arrived = await rawRefresh(sandbox, refreshToken, patience)

    expect(arrived).toMatchObject({ status, complete })
    if (status === null) expect(arrived.body).toHaveLength(0)
    also?.(arrived)
    expect(sandbox.log).toMatchObject([{ outcome: `fault:${name}`, grantType: 'refresh_token' }])
    expect(sandbox.log[0]?.issued !== null).toBe(rotates)
    expect(sandbox.refreshes()).toBe(rotates ? 1 : 0)
    expect(faultNames[name].startsWith('rotates, then ')).toBe(rotates)

    expect((await refresh(sandbox, refreshToken)).status).toBe(rotates ? 400 : 200)
    expect(sandbox.log[1]).toMatchObject({ outcome: rotates ? 'reused' : 'rotated' })
    expect(sandbox.revokedFamilies()).toBe(rotates ? 1 : 0)
  })
})

describe('the cuts of an XML answer', () => {
  it('fall at the same places', async () => {
    const sandbox = await sandboxFor({
      xml: true,
      faults: [parseFault('cut-body:1'), parseFault('cut-after-refresh-token:1')],
    })
    const inside = await rawRefresh(sandbox, sandbox.issue().refreshToken)
    expect(text(inside)).toMatch(/<refresh_token>refresh-[\w-]{1,42}$/)
    const behind = await rawRefresh(sandbox, sandbox.issue().refreshToken)
    expect(text(behind)).toMatch(/<refresh_token>refresh-[\w-]{43}<\/refresh_token>$/)
  })
})

describe('faults in a row', () => {
  it('strike one after another, each for its count', async () => {
    const sandbox = await sandboxFor({ faults: [parseFault('503:2'), parseFault('invalid-grant:1')] })
    const { refreshToken } = sandbox.issue()
    const statuses = []
    for (let n = 0; n < 4; n++) statuses.push((await refresh(sandbox, refreshToken)).status)
    expect(statuses).toEqual([503, 503, 400, 200])
  })

  it('faults in a row can be added and taken away while the sandbox runs', async () => {
    const sandbox = await sandboxFor()
    const { refreshToken } = sandbox.issue()
    sandbox.addFault(parseFault('500'))
    for (let n = 0; n < 3; n++) expect((await refresh(sandbox, refreshToken)).status).toBe(500)
    sandbox.setFaults([])
    expect((await refresh(sandbox, refreshToken)).status).toBe(200)
  })

  it('strike refreshes alone, and of the right client', async () => {
    const sandbox = await sandboxFor({ faults: [parseFault('500:1')] })
    expect((await post(sandbox, { grant_type: 'authorization_code', code: 'none' })).status).toBe(400)
    expect((await post(sandbox, { grant_type: 'refresh_token', client_secret: 'wrong' })).status).toBe(401)
    expect((await refresh(sandbox, sandbox.issue().refreshToken)).status).toBe(500)
  })

  it('faults in a row that follow a grant wait for one that is given', async () => {
    const sandbox = await sandboxFor({ faults: [parseFault('lost-answer:1')] })
    expect((await refresh(sandbox, 'refresh-unknown')).status).toBe(400)
    expect(await rawRefresh(sandbox, sandbox.issue().refreshToken)).toMatchObject({ status: null })
  })

  it('rotate again within the grace period', async () => {
    const sandbox = await sandboxFor({ graceMs: 60_000, faults: [parseFault('lost-answer:1')] })
    const { refreshToken } = sandbox.issue()
    await rawRefresh(sandbox, refreshToken)
    expect((await refresh(sandbox, refreshToken)).status).toBe(200)
    expect(sandbox.log.map(({ outcome }) => outcome)).toEqual(['fault:lost-answer', 'grace'])
  })

  it('count the redirects that were followed', async () => {
    const sandbox = await sandboxFor({ faults: [parseFault('redirect')] })
    const form = { grant_type: 'refresh_token', refresh_token: sandbox.issue().refreshToken }
    await fetch(`${sandbox.url}api/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({
        client_id: sandbox.clientId,
        client_secret: sandbox.clientSecret,
        ...form,
      }),
      headers: JSON_PLEASE,
    })
    expect(sandbox.log.map(({ outcome }) => outcome)).toEqual(['fault:redirect', 'followed'])
  })
})

describe('reading a fault', () => {
  it.each([
    ['close', { name: 'close', count: Infinity }],
    ['lost-answer:1', { name: 'lost-answer', count: 1 }],
    ['503:20', { name: '503', count: 20 }],
  ])('reading a fault: %s', (written, fault) => {
    expect(parseFault(written)).toEqual(fault)
  })

  it.each(['', 'nonsense', 'toString', 'Close', ':1'])(
    '“%s” is no name: the error lists those that are',
    (written) => {
      expect(() => parseFault(written)).toThrow(UsageError)
      for (const name of names) expect(() => parseFault(written)).toThrow(name)
    },
  )

  it.each(['close:', 'close:0', 'close:-1', 'close:1.5', 'close:1:2', 'close:x'])(
    '%s has no count',
    (written) => {
      expect(() => parseFault(written)).toThrow(UsageError)
    },
  )

  it('every fault has one line that says what it does', () => {
    for (const name of names) expect(faultNames[name]).toMatch(/^[^\n]{3,90}$/)
  })
})
