// Values that several outputs share. May touch zod only.
import { z } from 'zod'

/** Every output names it first. It rises when a key goes or changes its meaning; a new key does not raise it. */
export function formatVersion() {
  return z
    .literal(1)
    .describe('The version of this format. It stays the same when keys are added, and rises when one goes.')
}

/** @param what Ends without a full stop. */
export function instant(what: string) {
  return z.iso.datetime().describe(`${what}. UTC, as in RFC 3339.`)
}

/** @param what Ends without a full stop; says when it is `null`. */
export function instantOrNull(what: string) {
  return z.iso.datetime().nullable().describe(`${what}. UTC, as in RFC 3339.`)
}

export function fingerprint(whose: string) {
  return z
    .string()
    .regex(/^[0-9a-f]{12}$/)
    .describe(
      `The first 12 hex digits of the SHA-256 of the ${whose} token, to compare tokens without showing them.`,
    )
}

/** A token, which is a secret. */
export function token() {
  return z.string().min(1).describe('The access token itself: a secret.')
}
