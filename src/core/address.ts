// Which addresses secrets may be sent to: one rule for what is configured, discovered and kept in a store.
import { missingScheme } from './missing-scheme.js'

/** Characters of an address. */
const LONGEST = 2048

/**
 * What is wrong with the address of an endpoint, in words that follow its name and never hold the address itself.
 * Plain http would show secrets to the network; to this machine itself it does not leave it.
 *
 * @returns `undefined` where it is fit.
 * @see RFC 6749 sections 3.1 and 3.2: an endpoint may have a query, and has no fragment
 */
export function addressProblem(text: string): string | undefined {
  if (/[\x00-\x1f\x7f-\x9f]/.test(text)) return 'holds a control character'
  if (text.length > LONGEST) return `is longer than ${LONGEST} characters`
  const scheme = missingScheme(text)
  if (scheme !== undefined) return `must be a URL: it lacks ${scheme} at its beginning`
  if (/\s/.test(text) || !URL.canParse(text)) return 'must be a URL such as https://…'
  const { protocol, hostname, username, password } = new URL(text)
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname))
  if (!isSafe) return 'must be an https URL (http only to this machine itself)'
  if (username + password !== '') return 'must not hold a user name or password'
  // A bare # at the end does not show in the parsed address.
  return text.includes('#') ? 'must not have a fragment (#…)' : undefined
}

/** By the name alone: what DNS says of another name is the word of whoever answers. */
function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}
