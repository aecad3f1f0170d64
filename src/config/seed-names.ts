// Recognises what people put into a seed file by mistake: other names of its keys, a server's own answer. Reads no file.
import { closest, distance } from 'fastest-levenshtein'
import { FileProblem } from './file.js'

export const SEED_KEYS = [
  'access_token',
  'access_expiry',
  'access_expires_at',
  'refresh_token',
  'refresh_expiry',
  'refresh_expires_at',
  'issued_at',
  'token_type',
  'user',
] as const
export type SeedKey = (typeof SEED_KEYS)[number]

/** Names for our keys in RFC 6749, in servers and in other programs: they are neither misspellings nor keys of ours. */
const ELSEWHERE: Readonly<Record<string, SeedKey>> = {
  expires_in: 'access_expiry',
  expires: 'access_expiry',
  expiry: 'access_expiry',
  access_expires_in: 'access_expiry',
  access_token_expires_in: 'access_expiry',
  token_expires_in: 'access_expiry',
  refresh_expires_in: 'refresh_expiry',
  refresh_token_expires_in: 'refresh_expiry',
  expires_at: 'access_expires_at',
  expires_on: 'access_expires_at',
  access_token_expires_at: 'access_expires_at',
  refresh_token_expires_at: 'refresh_expires_at',
  obtained_at: 'issued_at',
  created_at: 'issued_at',
  useremail: 'user',
  username: 'user',
  email: 'user',
}

/** The key that others know by this name. */
export function knownElsewhere(name: string): SeedKey | undefined {
  return Object.hasOwn(ELSEWHERE, name) ? ELSEWHERE[name] : undefined
}

/** The key that a name misspells: so close that it is not a note of somebody's own. */
export function misspelt(name: string): SeedKey | undefined {
  if (knownElsewhere(name) !== undefined) return undefined
  const best = closest(name, SEED_KEYS) as SeedKey
  const most = best.length < 8 ? 1 : 2
  return best !== name && distance(name, best) <= most ? best : undefined
}

const AS_INI =
  'write it as an INI file, a line each: [AUTH] / access_token = … / access_expiry = … (its expires_in) / refresh_token = … / refresh_expiry = … (its refresh_token_expires_in)'

/**
 * Tells a token endpoint's answer from an INI file.
 *
 * @throws {FileProblem} whose hint shows the INI file; never a value.
 */
export function refuseAnswers(text: string): void {
  const begin = text.trimStart().replace(/^\uFEFF/, '')
  const what = /^\{\s*(?:"|\}|$)/.test(begin)
    ? 'JSON'
    : /^<(?!!doctype|html|head|body)[?\w]/i.test(begin)
      ? 'XML'
      : /^[^\n[]*&(?:access|refresh)_token=/.test(begin)
        ? 'a form'
        : undefined
  if (what !== undefined)
    throw new FileProblem(`${what}, as a server answers, and not an INI file`, 1, AS_INI)
}
