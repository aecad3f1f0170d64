import { TokenError } from '../../core/errors.js'
import { openSession } from '../context.js'
import { bazel } from '../credentials/bazel.js'
import { git } from '../credentials/git.js'
import { failure, google } from '../credentials/google.js'
import { kubernetes } from '../credentials/kubernetes.js'
import type { CredentialHelper, CredentialProtocol } from '../credentials/protocols.js'
import { printableJson, writeOut, type GlobalOptions } from '../output.js'
import type { World } from '../world.js'

const HELPERS: Readonly<Record<CredentialProtocol, CredentialHelper>> = { kubernetes, git, bazel, google }

/** Answers as a credential helper; another program reads the answer, in the form that it asks for. */
export async function credential(
  world: World,
  global: GlobalOptions,
  protocol: CredentialProtocol,
  operation: string | undefined,
): Promise<void> {
  // Google's libraries read standard error as part of the answer.
  const quiet = protocol === 'google'
  try {
    const session = openSession(world, global, () => !quiet)
    await writeOut(world.stdout, await HELPERS[protocol](session, operation))
  } catch (error) {
    if (quiet && error instanceof TokenError)
      await writeOut(world.stdout, `${printableJson(failure(error))}\n`)
    throw error
  }
}
