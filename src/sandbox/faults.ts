// The faults that `hq-token sandbox --fault NAME` knows, and the queue of those that are still to strike.
import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'

import { UsageError } from '../core/errors.js'
import { reply, written } from './answers.js'
import { answerFaults } from './fault-answers.js'
import {
  asStrings,
  cut,
  html,
  kept,
  midst,
  refreshTokenIn,
  rotated,
  spuriously,
  text,
  untouched,
  without,
  type FaultKind,
} from './fault-kinds.js'

/** Where the fault `redirect` points. A request there followed the redirect. */
export const REDIRECTED_PATH = '/sandbox/redirected'

const HUGE = 50 * 2 ** 20

type NamedFault = FaultKind & { readonly name: FaultName }

const faultKinds = {
  close: untouched('reads the request and closes without an answer', () => 'close'),
  silence: untouched('never answers', () => 'silence'),
  'lost-answer': rotated('closes without a byte', () => 'close'),
  'cut-body': rotated('breaks off inside the refresh token', (fields, format) =>
    cut(written(fields, format), midst(fields)),
  ),
  'cut-after-refresh-token': rotated('breaks off right behind the refresh token', (fields, format) =>
    cut(written(fields, format), `${refreshTokenIn(fields)}${format === 'json' ? '"' : '</refresh_token>'}`),
  ),
  drip: rotated('sends one byte a second', (fields, format) => ({ ...written(fields, format), drip: true })),

  408: untouched('408', () => text(408, 'Request Timeout')),
  429: untouched('429 with Retry-After: 2', () => text(429, 'Too Many Requests', { 'retry-after': '2' })),
  '429-date': untouched('429 with Retry-After as a date, 2 to 3 seconds ahead', (_, now) =>
    text(429, 'Too Many Requests', { 'retry-after': new Date(Math.ceil(now + 2) * 1_000).toUTCString() }),
  ),
  500: untouched('500', () => text(500, 'Internal Server Error')),
  '500-rotated': rotated('answers 500', () => text(500, 'Internal Server Error')),
  '502-html': untouched('502 with a web page', () => html(502, 'Bad Gateway')),
  503: untouched('503 with Retry-After: 2', () => text(503, 'Service Unavailable', { 'retry-after': '2' })),

  html: untouched('200 with a web page, as a proxy that wants a login', () =>
    html(200, 'Sign in to the network'),
  ),
  '403-html': untouched('403 with a web page, as a firewall', () => html(403, 'Request blocked')),
  redirect: untouched('307 to another path of the sandbox', () =>
    text(307, 'Temporary Redirect', { location: REDIRECTED_PATH }),
  ),
  empty: untouched('200 with an empty body', () => text(200, '')),
  'empty-rotated': rotated('answers 200 with an empty body', () => text(200, '')),
  garbage: rotated('answers 200 with random bytes', () => reply(200, 'application/json', randomBytes(512))),
  unreadable: rotated('answers 200 with JSON of an unknown shape', () =>
    reply(200, 'application/json', '{"result":{"status":"OK","tokens":[]}}'),
  ),
  huge: rotated('answers with 50 MB, the tokens first', (fields, format) =>
    written({ ...fields, padding: 'x'.repeat(HUGE) }, format),
  ),
  gzip: rotated('answers gzip-encoded, whatever was accepted', (fields, format) => {
    const { status, headers, body } = written(fields, format)
    return { status, headers: { ...headers, 'content-encoding': 'gzip' }, body: gzipSync(body) }
  }),
  bom: rotated('answers with a byte order mark in front', (fields, format) => {
    const answer = written(fields, format)
    return { ...answer, body: Buffer.concat([Buffer.from('\uFEFF'), answer.body]) }
  }),
  form: rotated('answers form-encoded', (fields) =>
    reply(200, 'application/x-www-form-urlencoded', new URLSearchParams(asStrings(fields)).toString()),
  ),

  'invalid-grant': untouched('invalid_grant for a refresh token that is good', spuriously('invalid_grant')),
  'invalid-client': untouched('invalid_client', spuriously('invalid_client')),
  'unauthorized-client': untouched('unauthorized_client', spuriously('unauthorized_client')),
  'invalid-scope': untouched('invalid_scope', spuriously('invalid_scope')),
  'error-200': untouched('invalid_grant with status 200', (format) => ({
    ...spuriously('invalid_grant')(format),
    status: 200,
  })),

  'no-refresh-token': kept('without a refresh_token', (fields, format) =>
    written(without(fields, 'refresh_token', 'refresh_token_expires_in'), format),
  ),
  'empty-refresh-token': kept('with an empty refresh_token', (fields, format) =>
    written({ ...fields, refresh_token: '' }, format),
  ),
  'no-expiry': rotated('answers without expires_in', (fields, format) =>
    written(without(fields, 'expires_in', 'refresh_token_expires_in'), format),
  ),
  strings: rotated('answers with numbers as strings', (fields, format) => written(asStrings(fields), format)),
  ...answerFaults,
} satisfies Record<string, FaultKind>

export type FaultName = `${keyof typeof faultKinds}`

/** Every fault's name and one line on what it does, for help and documentation. */
export const faultNames = Object.fromEntries(
  Object.entries(faultKinds).map(([name, { description }]) => [name, description]),
) as Readonly<Record<FaultName, string>>

export interface Fault {
  readonly name: FaultName
  /** The number of refreshes that it strikes; `Infinity` for all from now on. */
  readonly count: number
}

/**
 * Reads `NAME[:COUNT]`. Without a count the fault strikes every refresh from now on.
 *
 * @throws {UsageError} for an unknown name, listing the known ones, and for a count below 1.
 */
export function parseFault(text: string): Fault {
  const [name = '', count, ...rest] = text.split(':')
  if (!isFaultName(name))
    throw new UsageError(`no fault is called “${name}”; there are ${Object.keys(faultNames).join(', ')}`, {
      hint: 'hq-token sandbox --fault list',
    })
  if (rest.length > 0 || (count !== undefined && !/^[1-9]\d{0,8}$/.test(count)))
    throw new UsageError(`a fault is written NAME or NAME:COUNT, with a COUNT from 1 on, not “${text}”`)
  return { name, count: count === undefined ? Infinity : Number(count) }
}

function isFaultName(text: string): text is FaultName {
  return Object.hasOwn(faultKinds, text)
}

/** Faults that are still to strike: the first until its count is used up, then the next. */
export class FaultQueue {
  #faults: Fault[] = []

  set(faults: readonly Fault[]): void {
    this.#faults = [...faults]
  }

  add(fault: Fault): void {
    this.#faults.push(fault)
  }

  next(): NamedFault | undefined {
    const [first] = this.#faults
    return first && { name: first.name, ...faultKinds[first.name] }
  }

  /** The first fault has struck once. */
  struck(): void {
    const [first, ...others] = this.#faults
    if (first === undefined) return
    this.#faults = first.count > 1 ? [{ ...first, count: first.count - 1 }, ...others] : others
  }
}
