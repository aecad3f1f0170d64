// Which addresses secrets may be sent to: one rule for what is configured, discovered and kept in a store.
/** Characters of an address. */
const LONGEST = 2048

/**
 * The fault of an endpoint's address, in words that follow its name and never contain the address. Plain http would
 * show secrets to the network, so it is allowed only to this machine itself.
 *
 * @returns `undefined` if the address is fit.
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
  // Look at the text, because the parsed address hides a bare # at the end.
  return text.includes('#') ? 'must not have a fragment (#…)' : undefined
}

/**
 * Whether a host is this machine itself. Decides by the name only, because an answer of DNS could come from
 * anybody.
 *
 * @param hostname As in a URL: IPv6 in brackets.
 */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
}

/**
 * The missing scheme of an address that begins with a host. `URL` reads `localhost:8765/callback` as the scheme
 * `localhost:`, so a message about the parsed address would mislead.
 */
export function missingScheme(text: string): 'http://' | 'https://' | undefined {
  const address = text.replace(/^\/\//, '')
  // A scheme, unless a number follows: then it is a host with a port. Both patterns name capital letters, because the
  // first pattern of a process that ignores the case takes longer to compile than a token to read.
  if (/^[A-Za-z][A-Za-z0-9+.-]*:(?!\d+(?:[/?#]|$))/.test(address)) return undefined
  if (!/^(?:(?:[\w-]+\.)*[\w-]+|\[[\dA-Fa-f:.]+\])(?::\d+)?(?:[/?#]|$)/.test(address)) return undefined
  if (!URL.canParse(`https://${address}`)) return undefined
  return isLoopback(new URL(`https://${address}`).hostname) ? 'http://' : 'https://'
}

/** Whether a browser on this machine returns to this machine. */
export function isLoopbackRedirect({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && isLoopback(hostname)
}
