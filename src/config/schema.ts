import { z } from 'zod'
import { seconds } from '../core/duration.js'
import type { KeyName } from './keys.js'
import { isPlaceholder } from './placeholder.js'
import { readEarly } from './settings.js'

/** Bounded, since a timer of more than 24 days fires at once. */
const DAY = 86_400

const line = z.string().regex(/^\P{Cc}*$/u, { error: 'holds a control character', abort: true })

const filledIn = line.refine((text) => !isPlaceholder(text), { error: 'is still a placeholder' })

/** Reads a text, or says what it must be. */
function as<T>(read: (text: string) => T | undefined, must: string) {
  return line.transform((text, context): T => {
    const value = read(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: must })
    return z.NEVER
  })
}

function duration(must: string, inRange: (value: number) => boolean) {
  const read = (text: string) => {
    const value = seconds(text)
    return value !== undefined && inRange(value) ? value : undefined
  }
  return as(read, `must be a duration such as 90s, 30m or 5h${must}`)
}

/** Plain http would show secrets to the network; to this machine itself it does not leave it. */
function isSafe({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:') return true
  return protocol === 'http:' && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/** @see RFC 6749 sections 3.1 and 3.2: an endpoint has no fragment. */
const address = line
  .refine((text) => URL.canParse(text) && !/\s/.test(text), {
    error: 'must be a URL such as https://…',
    abort: true,
  })
  .refine((text) => isSafe(new URL(text)), {
    error: 'must be an https URL (http only to this machine itself)',
  })
  .refine((text) => new URL(text).username + new URL(text).password === '', {
    error: 'must not hold a user name or password',
  })
  .refine((text) => !text.includes('#'), { error: 'must not have a fragment (#…)' })

const plain = address.refine((text) => !text.includes('?'), { error: 'must not have a query (?…)' })
const endpoint = plain.transform((text) => new URL(text))

/** With a last slash, so that paths are resolved below it and not beside it. */
function folder(text: string): URL {
  const url = new URL(text)
  url.pathname = url.pathname.replace(/\/*$/, '/')
  return url
}

/** Where a page or a call was copied from the browser, nothing below it is there. */
function isOfInstance(text: string): boolean {
  return !/\.action\/*$|\/api\/+[^/]/.test(new URL(text).pathname)
}

function instance(text: string): URL {
  const url = folder(text)
  url.pathname = url.pathname.replace(/\/+api\/$/, '/')
  return url
}

/** Every supported key: from its text to its value. Messages say what must be, never what is. */
export const configSchema = z.object({
  'client.instance': plain
    .refine(isOfInstance, {
      error: 'must look like https://HOST/INSTANCE/: no page (*.action), and nothing behind /api/',
    })
    .transform(instance)
    .optional(),
  'client.client_id': filledIn.optional(),
  'client.client_secret': filledIn.optional(),
  'client.client_secret_file': line.optional(),
  'client.client_secret_command': line.optional(),
  'client.redirect_uri': address.optional(),
  'client.token_url': address.transform((text) => new URL(text)).optional(),
  'client.authorize_url': address.transform((text) => new URL(text)).optional(),
  'client.revocation_url': endpoint.optional(),
  'client.api_url': plain.transform(folder).optional(),
  'client.issuer': plain.optional(),
  'client.scope': line.optional(),
  'client.auth_method': z.enum(['client_secret_post', 'client_secret_basic', 'none'], {
    error: 'must be client_secret_post, client_secret_basic or none',
  }),
  'store.path': line.optional(),
  'seed.file': line.optional(),
  'refresh.early': as(readEarly, 'must be a percentage up to 100% or a duration up to a day'),
  'refresh.min_valid': duration('', () => true),
  'refresh.timeout': duration(', more than zero and at most a day', (value) => value > 0 && value <= DAY),
  'refresh.lock_wait': duration(', at most a day', (value) => value <= DAY),
  'refresh.default_lifetime': duration(
    ', more than zero and at most a year',
    (value) => value > 0 && value <= 366 * DAY,
  ),
  'network.proxy': line.optional(),
  'network.ca_file': line.optional(),
  'network.client_cert_file': line.optional(),
  'network.client_key_file': line.optional(),
} satisfies Partial<Record<KeyName, z.ZodType>>)

export type AuthMethod = z.infer<typeof configSchema>['client.auth_method']
