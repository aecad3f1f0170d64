// Answers as git's credential helper. Gives the token to its own origin only.
import { UsageError } from '../../../core/errors.js'
import { Secret } from '../../../core/secret.js'
import type { Session } from '../../session.js'
import { readAll } from '../../terminal/input.js'
import { isOurs } from './origin.js'
import type { CredentialHelper } from './protocols.js'

const TYPED = 'hq-token credential --protocol git get'

/** Servers take any name beside a token. */
const ANY_NAME = 'oauth2'

/** @see gitcredentials(7), "Custom helpers", and git-credential(1) */
export const git: CredentialHelper = async (session, operation) => {
  if (operation === undefined)
    throw new UsageError('git names an operation: get, store or erase', { hint: TYPED })
  const asked = new Description((await readAll(session.world.stdin, 'what git asks', TYPED)).toString('utf8'))
  // For an unknown host print nothing: git then asks the next helper.
  if (!['get', 'erase'].includes(operation) || !asked.isFor(session.config.apiUrl)) return ''
  return operation === 'get' ? answer(session, asked) : erase(session, asked)
}

async function answer({ guard }: Session, asked: Description): Promise<string> {
  const { secret, expiresAt } = await guard.token()
  const isBearer = asked.isCapableOf('authtype') && (!asked.offers('basic') || asked.offers('bearer'))
  const lines = isBearer
    ? ['capability[]=authtype', 'authtype=Bearer', `credential=${secret.reveal()}`, 'ephemeral=1']
    : [`username=${asked.value('username') ?? ANY_NAME}`, `password=${secret.reveal()}`]
  return [...lines, `password_expiry_utc=${expiresAt}`, ''].join('\n')
}

/** git erases what a server has refused, which need not have been our token. */
async function erase({ store, guard, voice }: Session, refused: Description): Promise<string> {
  const asBearer = refused.value('credential')
  const token = asBearer ?? refused.value('password')
  const rejected = (await store.read())?.pair.accessToken
  if (token === undefined || rejected?.equals(new Secret(token)) !== true) return ''
  const { secret } = await guard.token({ rejected })
  // The guard's error is about the API, but a repository refused the token.
  if (secret.equals(rejected))
    voice.notice({
      level: 'warning',
      message: `${refused.value('host') ?? ''} refuses this token as it refused the one before: a new token does not help`,
      hint:
        asBearer === undefined && !refused.offers('basic')
          ? 'check what the user of the token may do in that repository; a server that takes Bearer only needs git 2.46 or newer'
          : 'check what the user of the token may do in that repository',
    })
  return ''
}

/** Attributes: `key=value` on each line, up to an empty line. */
class Description {
  readonly #attributes: readonly (readonly [key: string, value: string])[]

  constructor(text: string) {
    const [block = ''] = text.split('\n\n', 1)
    const lines = [...block.matchAll(/^([^=\n]+)=([^\n]*)/gm)]
    this.#attributes = lines.map(([, key = '', value = '']) => [key, value])
  }

  value(key: string): string | undefined {
    return this.#attributes.findLast(([name]) => name === key)?.[1]
  }

  isFor(apiUrl: URL | null): boolean {
    const [protocol = '', host = ''] = [this.value('protocol'), this.value('host')]
    return /^https?$/.test(protocol) && /^[^/?#@%]+$/.test(host) && isOurs(`${protocol}://${host}/`, apiUrl)
  }

  isCapableOf(capability: string): boolean {
    return this.#all('capability[]').includes(capability)
  }

  /** Whether the server has offered this scheme. @see RFC 9110 section 11.6.1 */
  offers(scheme: 'basic' | 'bearer'): boolean {
    const challenges = this.#all('wwwauth[]')
      .join(',')
      .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    return new RegExp(`(?:^|,)\\s*${scheme}(?:\\s+[^\\s=]|\\s*(?:,|$))`, 'i').test(challenges)
  }

  /** All values of an attribute; an empty one takes back those before it. */
  #all(name: string): readonly string[] {
    const all = this.#attributes.filter(([key]) => key === name).map(([, value]) => value)
    return all.slice(all.lastIndexOf('') + 1)
  }
}
