import { UsageError } from '../../core/errors.js'
import { Secret } from '../../core/secret.js'
import type { Session } from '../context.js'
import { readAll } from '../input.js'
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
  // Of what it does not know a helper keeps quiet, and git asks the next one.
  if (!['get', 'erase'].includes(operation) || !asked.isFor(session.config.apiUrl)) return ''
  return operation === 'get' ? answer(session, asked) : erase(session, asked)
}

async function answer({ guard }: Session, asked: Description): Promise<string> {
  const { secret, expiresAt } = await guard.token()
  const lines = asked.isCapableOf('authtype')
    ? ['capability[]=authtype', 'authtype=Bearer', `credential=${secret.reveal()}`, 'ephemeral=1']
    : [`username=${asked.value('username') ?? ANY_NAME}`, `password=${secret.reveal()}`]
  return [...lines, `password_expiry_utc=${expiresAt}`, ''].join('\n')
}

/** Git erases what a server has refused; which need not have been ours. */
async function erase({ store, guard }: Session, refused: Description): Promise<string> {
  const token = refused.value('credential') ?? refused.value('password')
  const set = await store.read()
  if (token !== undefined && set?.pair.accessToken.equals(new Secret(token)) === true)
    await guard.token({ rejected: set.pair.accessToken })
  return ''
}

/** Attributes, one `key=value` a line up to an empty one. */
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

  /** An empty one takes back those before it. */
  isCapableOf(capability: string): boolean {
    const all = this.#attributes.filter(([key]) => key === 'capability[]').map(([, value]) => value)
    return all.slice(all.lastIndexOf('') + 1).includes(capability)
  }
}
