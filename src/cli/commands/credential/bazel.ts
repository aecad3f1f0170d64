// Answers as Bazel's credential helper. Gives the token to its own origin only.
import { UsageError } from '../../../core/errors.js'
import { rfc3339 } from '../../../core/clock.js'
import { readText } from '../../terminal/input.js'
import { isOurs } from './origin.js'
import type { CredentialHelper } from './protocols.js'

const TYPED = 'hq-token credential --protocol bazel get'

/** @see https://github.com/EngFlow/credential-helper-spec */
export const bazel: CredentialHelper = async ({ world, config, guard }, operation) => {
  if (operation !== 'get') throw new UsageError('bazel has one operation: get', { hint: TYPED })
  const uri = uriIn(await readText(world.stdin, 'what bazel asks', TYPED))
  if (!isOurs(overHttp(uri), config.apiUrl)) return '{"headers":{}}\n'
  const { secret, expiresAt } = await guard.token()
  const headers = { Authorization: [`Bearer ${secret.reveal()}`] }
  return `${JSON.stringify({ expires: rfc3339(expiresAt), headers })}\n`
}

/** gRPC over TLS reaches the same server in another way. */
function overHttp(uri: string): string {
  return uri.replace(/^grpcs:/i, 'https:')
}

function uriIn(text: string): string {
  try {
    const { uri } = JSON.parse(text) as { readonly uri?: unknown }
    if (typeof uri === 'string') return uri
  } catch {
    // The error follows below.
  }
  throw new UsageError('standard input is not {"uri":"…"}', {
    hint: `echo '{"uri":"https://HOST/"}' | ${TYPED}`,
  })
}
