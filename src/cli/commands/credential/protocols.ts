// The protocols of `hq-token credential`, by name. Loads a protocol only when it is asked for.
import type { Session } from '../../session.js'

export const credentialProtocols = ['kubernetes', 'git', 'bazel', 'google'] as const
export type CredentialProtocol = (typeof credentialProtocols)[number]

export interface CredentialOptions {
  readonly protocol: CredentialProtocol
}

/**
 * One protocol of a credential helper.
 *
 * @returns The text for standard output.
 */
export type CredentialHelper = (session: Session, operation: string | undefined) => Promise<string>
