// Turns the text of each key into its value. Reads no file, and repeats no value in a problem.
import { addressProblem } from '../core/address.js'
import { AUTH_METHODS } from '../core/auth-method.js'
import { seconds } from '../core/duration.js'
import type { KeyName } from './keys.js'
import { isPlaceholder } from './placeholder.js'
import { readEarly } from './settings.js'

/** The longest time, because a timer of more than 24 days fires at once. */
const DAY = 86_400

class InvalidValue extends Error {}

function must(isMet: boolean, otherwise: string): void {
  if (!isMet) throw new InvalidValue(otherwise)
}

function known<T>(value: T | undefined, otherwise: string): T {
  if (value === undefined) throw new InvalidValue(otherwise)
  return value
}

function line(text: string): string {
  must(/^[^\x00-\x1f\x7f-\x9f]*$/.test(text), 'holds a control character')
  return text
}

function filledIn(text: string): string {
  must(!isPlaceholder(line(text)), 'is still a placeholder')
  return text
}

function duration(text: string, bounds: string, inRange: (value: number) => boolean): number {
  const value = seconds(line(text))
  const fits = value !== undefined && inRange(value) ? value : undefined
  return known(fits, `must be a duration such as 90s, 30m or 5h${bounds}`)
}

function address(text: string): URL {
  const problem = addressProblem(text)
  if (problem !== undefined) throw new InvalidValue(problem)
  return new URL(text)
}

function plain(text: string): URL {
  const url = address(text)
  must(!text.includes('?'), 'must not have a query (?…)')
  return url
}

/** Keeps the text as it is written, because it is compared or sent unchanged. */
function asWritten(read: (text: string) => URL): (text: string) => string {
  return (text) => {
    read(text)
    return text
  }
}

/** Adds a last slash, so that paths are resolved below the URL and not beside it. */
function folder(url: URL): URL {
  return withPath(url, url.pathname.replace(/\/*$/, '/'))
}

/** Sets a path that is another one. Setting it takes as long as reading a URL. */
function withPath(url: URL, path: string): URL {
  if (path !== url.pathname) url.pathname = path
  return url
}

function instance(text: string): URL {
  const url = plain(text)
  // Refuse the address of a page or a call, copied from the browser, because no path leads on from there.
  must(
    !/\.action\/*$|\/api\/+[^/]/.test(url.pathname),
    'must look like https://HOST/INSTANCE/: no page (*.action), and nothing behind /api/',
  )
  const whole = folder(url)
  return withPath(whole, whole.pathname.replace(/\/+api\/$/, '/'))
}

/**
 * Reads each supported key: from its text to its value. Written by hand, because a library of schemas takes longer
 * to load than a fresh token takes to hand out.
 */
const READERS = {
  'client.instance': instance,
  'client.client_id': filledIn,
  'client.client_secret': filledIn,
  'client.client_secret_file': line,
  'client.client_secret_command': line,
  'client.redirect_uri': asWritten(address),
  'client.token_url': address,
  'client.authorize_url': address,
  'client.revocation_url': address,
  'client.api_url': (text: string) => folder(plain(text)),
  'client.issuer': asWritten(plain),
  'client.scope': line,
  'client.auth_method': (text: string) =>
    known(
      AUTH_METHODS.find((method) => method === text),
      'must be client_secret_post, client_secret_basic, client_secret_basic_plain or none',
    ),
  'store.path': line,
  'store.url': line,
  'store.name': (text: string) => {
    const fits = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
    must(fits, 'must be 1 to 64 of A-Z, a-z, 0-9, dot, _ and -, and begin with a letter or digit')
    return text
  },
  'store.url_password_file': line,
  'store.url_password_command': line,
  'store.lease': (text: string) =>
    duration(text, ', from 10s to 10m', (value) => value >= 10 && value <= 600),
  'store.recheck': (text: string) => duration(text, ', at most an hour', (value) => value <= 3600),
  'seed.file': line,
  'refresh.early': (text: string) =>
    known(readEarly(line(text)), 'must be a percentage up to 100% or a duration up to a day'),
  'refresh.min_valid': (text: string) => duration(text, '', () => true),
  'refresh.timeout': (text: string) =>
    duration(text, ', more than zero and at most a day', (value) => value > 0 && value <= DAY),
  'refresh.lock_wait': (text: string) => duration(text, ', at most a day', (value) => value <= DAY),
  'refresh.default_lifetime': (text: string) =>
    duration(text, ', more than zero and at most a year', (value) => value > 0 && value <= 366 * DAY),
  'network.proxy': line,
  'network.ca_file': line,
  'network.client_cert_file': line,
  'network.client_key_file': line,
  'notify.command': line,
  'notify.url': asWritten(address),
  'notify.url_file': line,
  'notify.failing_for': (text: string) => duration(text, ', at most a year', (value) => value <= 366 * DAY),
  'notify.ending': (text: string) =>
    duration(text, ', at most a year; 0 for never', (value) => value <= 366 * DAY),
  'notify.remind': (text: string) =>
    text === 'never'
      ? null
      : duration(
          text,
          ', from 5m to 366d; never for no reminder',
          (value) => value >= 300 && value <= 366 * DAY,
        ),
  'notify.timeout': (text: string) =>
    duration(text, ', more than zero and at most 60s', (value) => value > 0 && value <= 60),
} satisfies Partial<Record<KeyName, (text: string) => unknown>>

/** A key that this version supports. */
export type SupportedKey = keyof typeof READERS

export const supportedKeys = Object.keys(READERS) as readonly SupportedKey[]

type All = { readonly [Name in SupportedKey]: ReturnType<(typeof READERS)[Name]> }
type Defaulted =
  | 'client.auth_method'
  | 'store.lease'
  | 'store.recheck'
  | 'notify.failing_for'
  | 'notify.ending'
  | 'notify.remind'
  | 'notify.timeout'
  | Extract<SupportedKey, `refresh.${string}`>

/** The values of a configuration by their keys; a key with a default is always there. */
export type Values = Partial<All> & Pick<All, Defaulted>

/**
 * The value of a text, or what is wrong with it, in words that follow the key's name. The text itself is not in
 * them.
 */
export function read(name: SupportedKey, text: string): { value: unknown } | { problem: string } {
  try {
    return { value: READERS[name](text) }
  } catch (error) {
    if (error instanceof InvalidValue) return { problem: error.message }
    throw error
  }
}
