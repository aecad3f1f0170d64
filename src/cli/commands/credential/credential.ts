// Runs one protocol of `hq-token credential`. Knows no protocol itself.
import { Exit, OutputFailed, TokenError, type ExitCode } from '../../../core/errors.js'
import { namingTheNextStep, openSession } from '../../session.js'
import { bazel } from './bazel.js'
import { git } from './git.js'
import { failure, google } from './google.js'
import { kubernetes } from './kubernetes.js'
import type { CredentialHelper, CredentialProtocol } from './protocols.js'
import { printableJson, writeOut, type GlobalOptions } from '../../terminal/output.js'
import type { Edge } from '../../edge.js'
import type { World } from '../../world.js'

const HELPERS: Readonly<Record<CredentialProtocol, CredentialHelper>> = { kubernetes, git, bazel, google }

interface Asked {
  readonly protocol: CredentialProtocol
  readonly operation: string | undefined
}

/**
 * Answers as a credential helper. Another program reads the answer, in the form that it asks for.
 *
 * @returns The exit code.
 */
export async function credential(
  world: World,
  global: GlobalOptions,
  { protocol, operation }: Asked,
  tells: Edge['tells'],
): Promise<ExitCode> {
  // Google's libraries read standard error as part of the answer.
  const quiet = protocol === 'google'
  // git calls `erase` after a refusal; `get` has already said all.
  const isSilent = quiet || (protocol === 'git' && operation === 'erase')
  try {
    const session = openSession(world, global, () => !isSilent)
    tells(session)
    const answer = await namingTheNextStep(session, () => HELPERS[protocol](session, operation))
    await writeOut(world.stdout, answer)
    await session.guard.settled()
    await session.store.close()
    return Exit.ok
  } catch (error) {
    if (!quiet || !(error instanceof TokenError) || error instanceof OutputFailed) throw error
    await writeOut(world.stdout, `${printableJson(failure(error))}\n`)
    return error.exit
  }
}
