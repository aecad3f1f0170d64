import type { Session } from '../../session.js'

export const credentialProtocols = ['kubernetes', 'git', 'bazel', 'google'] as const
export type CredentialProtocol = (typeof credentialProtocols)[number]

export interface CredentialOptions {
  readonly protocol: CredentialProtocol
}

/**
 * One protocol's side of a credential helper.
 *
 * @returns What goes to standard output.
 */
export type CredentialHelper = (session: Session, operation: string | undefined) => Promise<string>
