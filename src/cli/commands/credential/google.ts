// Answers as an executable credential source of Google's libraries. Gives the token to that library only: in the answer, and in the file that it names.
import { UsageError, type TokenError } from '../../../core/errors.js'
import { assertNotOwn } from '../../../wiring/own-files.js'
import { replaceFile } from '../../terminal/output-file.js'
import type { CredentialHelper } from './protocols.js'

const JWT = 'urn:ietf:params:oauth:token-type:jwt'
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token'

const OUTPUT_FILE = 'GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE'

/** @see https://google.aip.dev/auth/4117 */
export const google: CredentialHelper = async ({ config, world, guard }, operation) => {
  if (operation !== undefined)
    throw new UsageError('google has no operations', { hint: 'hq-token credential --protocol google' })
  const tokenType = world.env['GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE'] ?? JWT
  if (tokenType !== JWT && tokenType !== ID_TOKEN)
    throw new UsageError('the credential configuration asks for a token type other than JWT', {
      hint: `set subject_token_type in it to ${JWT}`,
    })
  const outputFile = world.env[OUTPUT_FILE] ?? ''
  if (outputFile !== '') assertNotOwn(outputFile, OUTPUT_FILE, config)
  const { secret, expiresAt } = await guard.token()
  const answer = `${JSON.stringify({
    version: 1,
    success: true,
    token_type: tokenType,
    id_token: secret.reveal(),
    expiration_time: expiresAt,
  })}\n`
  if (outputFile !== '') await replaceFile(outputFile, answer)
  return answer
}

/** A failure in the form of this protocol. */
export function failure({ code, message }: TokenError): object {
  return { version: 1, success: false, code, message }
}
