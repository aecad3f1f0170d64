// Which addresses secrets may be sent to: one rule for what is configured, discovered and kept in a store.
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

/**
 * Whether a host is this machine itself, by its name alone, because what DNS says of another name is the word of whoever
 * answers.
 *
 * @param hostname As a URL has it: IPv6 in brackets.
 */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/**
 * The scheme that an address lacks, if it begins with a host: of `localhost:8765/callback` a URL makes the scheme
 * `localhost:`, and a person is told of everything but what is wrong.
 */
export function missingScheme(text: string): 'http://' | 'https://' | undefined {
  const address = text.replace(/^\/\//, '')
  // A scheme; a port looks like none, because it is a number to its end.
  if (/^[a-z][a-z0-9+.-]*:(?!\d+(?:[/?#]|$))/i.test(address)) return undefined
  if (!/^(?:(?:[\w-]+\.)*[\w-]+|\[[\da-f:.]+\])(?::\d+)?(?:[/?#]|$)/i.test(address)) return undefined
  if (!URL.canParse(`https://${address}`)) return undefined
  return isLoopback(new URL(`https://${address}`).hostname) ? 'http://' : 'https://'
}

/** Whether a browser on this machine comes back to this machine. */
export function isLoopbackRedirect({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && isLoopback(hostname)
}
