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
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?:[:/?#]|$)/i.test(address) ? 'http://' : 'https://'
}
